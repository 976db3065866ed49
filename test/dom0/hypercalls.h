// SPDX-License-Identifier: BSD-2-Clause
//
// Every hypercall of the public ABI as the abuse test needs to know it: where its arguments stand,
// which subcommands it has, and which of them would rightly harm the privileged domain that issues
// them.

#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// The whole ABI, as the toolstack sees it.
#define __XEN_TOOLS__             1
#define __XEN_INTERFACE_VERSION__ __XEN_LATEST_INTERFACE_VERSION__
#include <xen/xen.h>

enum form {
    FORM_POINTER,         // (pointer)
    FORM_POINTER_COUNT,   // (pointer, count)
    FORM_CMD_POINTER,     // (cmd, pointer)
    FORM_CMD_PTR_COUNT,   // (cmd, pointer, count)
    FORM_CMD_COUNT_PTR,   // (cmd, count, pointer)
    FORM_CMD_ID_POINTER,  // (cmd, vcpu, pointer)
    FORM_DOM_COUNT_PTR,   // (domain, count, pointer)
    FORM_CMD_TYPE,        // (cmd, type)
    FORM_CMD_TWO_BUFFERS, // (cmd, pointer, count, pointer, count)
};

#define BIT(n)            (1ull << (n))
#define BITS(first, last) (((2ull << ((last) - (first))) - 1) << (first))
#define ALL               BITS(0, 63)

struct hypercall {
    unsigned number;
    const char *name;
    enum form form;
    unsigned last_cmd; // subcommands 0 ... last_cmd exist
    uint64_t pointed;  // subcommands that cannot succeed with a pointer to nowhere
    uint64_t
        wild_only; // harmful if their argument could be read: only ever get pointers to nowhere
    uint64_t
        never; // act without reading an argument, and harm who asks: shutdown, vcpu down, NMI ...
    bool pv;   // of paravirtualized domains only
};

static const struct hypercall hypercalls[] = {
    {0, "set_trap_table", FORM_POINTER, 0, ALL, 0, 0, true},
    {1, "mmu_update", FORM_POINTER_COUNT, 0, ALL, 0, 0, true},
    {2, "set_gdt", FORM_POINTER_COUNT, 0, ALL, 0, 0, true},
    {3, "stack_switch", FORM_CMD_TYPE, 0, ALL, 0, 0, true},
    {4, "set_callbacks", FORM_POINTER_COUNT, 0, ALL, 0, 0, true},
    {5, "fpu_taskswitch", FORM_CMD_TYPE, 0, ALL, 0, 0, true},
    {6, "sched_op_compat", FORM_CMD_POINTER, 2, 0, ALL, BITS(1, 2), false},
    {7, "platform_op", FORM_POINTER, 0, ALL, 0, 0, false},
    {8, "set_debugreg", FORM_CMD_TYPE, 0, ALL, 0, 0, true},
    {9, "get_debugreg", FORM_CMD_TYPE, 0, ALL, 0, 0, true},
    {10, "update_descriptor", FORM_CMD_TYPE, 0, ALL, 0, 0, true},
    // 0, 1 and 6 answer with how many extents were done, which is none.
    {12, "memory_op", FORM_CMD_POINTER, 28, ALL & ~(BITS(0, 2) | BIT(6) | BIT(8) | BITS(18, 19)), 0,
     0, false},
    {13, "multicall", FORM_POINTER_COUNT, 0, ALL, 0, 0, false},
    {14, "update_va_mapping", FORM_CMD_TYPE, 0, ALL, 0, 0, true},
    {15, "set_timer_op", FORM_POINTER, 0, 0, 0, ALL, false}, // loses the kernel's tick
    {16, "event_channel_op_compat", FORM_POINTER, 0, ALL, 0, 0, false},
    {17, "xen_version", FORM_CMD_POINTER, 10, BITS(1, 6) | BITS(8, 9), 0, 0, false},
    {18, "console_io", FORM_CMD_COUNT_PTR, 1, BIT(0), ALL, 0, false}, // would fill the console
    {19, "physdev_op_compat", FORM_POINTER, 0, ALL, ALL, 0, false},
    {20, "grant_table_op", FORM_CMD_PTR_COUNT, 12, ALL, 0, 0, false},
    {21, "vm_assist", FORM_CMD_TYPE, 5, ALL, 0, 0, false},
    {22, "update_va_mapping_otherdomain", FORM_CMD_TYPE, 0, ALL, 0, 0, true},
    {23, "iret", FORM_POINTER, 0, ALL, 0, 0, true},
    {24, "vcpu_op", FORM_CMD_ID_POINTER, 13, BIT(0) | BITS(4, 6) | BIT(8) | BIT(10) | BITS(12, 13),
     0, BITS(1, 2) | BIT(7) | BIT(9) | BIT(11), false},
    {25, "set_segment_base", FORM_CMD_TYPE, 0, ALL, 0, 0, true},
    {26, "mmuext_op", FORM_POINTER_COUNT, 0, ALL, 0, 0, true},
    {27, "xsm_op", FORM_POINTER, 0, ALL, 0, 0, false},
    {28, "nmi_op", FORM_CMD_POINTER, 1, BIT(0), ALL, BIT(1), false},
    {29, "sched_op", FORM_CMD_POINTER, 7, BITS(2, 7), BIT(2) | BITS(5, 7), BIT(1), false},
    {30, "callback_op", FORM_CMD_POINTER, 2, BIT(0) | BIT(2), ALL, 0, false},
    {31, "xenoprof_op", FORM_CMD_POINTER, 16, 0, ALL, 0, false},
    {32, "event_channel_op", FORM_CMD_POINTER, 13, ALL, 0, 0, false},
    {33, "physdev_op", FORM_CMD_POINTER, 31, ALL & ~BITS(0, 4),
     BIT(7) | BITS(15, 16) | BITS(19, 20) | BITS(24, 27) | BITS(30, 31), 0, false},
    {34, "hvm_op", FORM_CMD_POINTER, 25, BITS(0, 4) | BITS(9, 13) | BIT(15) | BIT(23) | BIT(25), 0,
     0, false},
    {35, "sysctl", FORM_POINTER, 0, ALL, 0, 0, false},
    {36, "domctl", FORM_POINTER, 0, ALL, 0, 0, false},
    {37, "kexec_op", FORM_CMD_POINTER, 6, BIT(0) | BITS(3, 6), ALL, 0, false},
    {38, "tmem_op", FORM_POINTER, 0, ALL, 0, 0, false},
    {39, "argo_op", FORM_CMD_TWO_BUFFERS, 5, BITS(1, 5), 0, 0, false},
    {40, "xenpmu_op", FORM_CMD_POINTER, 7, ALL, ALL, 0, false},
    {41, "dm_op", FORM_DOM_COUNT_PTR, 0, ALL, 0, 0, false},
    {42, "hypfs_op", FORM_CMD_TWO_BUFFERS, 2, BITS(1, 2), ALL, 0, false},
    {48, "mca", FORM_POINTER, 0, ALL, 0, 0, false},
    {49, "paging_domctl_cont", FORM_POINTER, 0, ALL, 0, 0, false},
};

enum { HYPERCALLS = sizeof(hypercalls) / sizeof(hypercalls[0]) };
