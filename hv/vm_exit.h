/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Why a guest stopped running, in words both vendors share. A vendor's run() fills one of these;
 * the table in hv/exit.c leads from the reason to a handler.
 *
 * "decoded" parts are only there when the CPU gave them (decode assists, exit qualification); a
 * handler that finds decoded false asks the instruction decoder.
 */
#ifndef HV_VM_EXIT_H
#define HV_VM_EXIT_H

#include "hv/types.h"
#include "hv/vm_event.h"

enum exit_reason {
    EXIT_NONE,        /* dealt with inside the vendor's directory: run again */
    EXIT_INTR,        /* an external interrupt is pending on this CPU, or was acknowledged (intr) */
    EXIT_NMI,         /* an NMI hit; the vendor has already run the host's NMI handler */
    EXIT_INTR_WINDOW, /* the guest can take an interrupt now */
    EXIT_NMI_WINDOW,  /* the guest can take an NMI now */
    EXIT_EXCEPTION,   /* exc */
    EXIT_TRIPLE_FAULT, /* the guest is in shutdown state */
    EXIT_CPUID,
    EXIT_HLT,
    EXIT_PAUSE,
    EXIT_INVD,   /* INVD */
    EXIT_WBINVD, /* WBINVD or WBNOINVD */
    EXIT_RDTSC,  /* RDTSC or RDTSCP: rdtscp */
    EXIT_RDPMC,
    EXIT_HYPERCALL, /* VMCALL or VMMCALL */
    EXIT_CR,        /* cr */
    EXIT_DR,        /* dr */
    EXIT_MSR,       /* msr */
    EXIT_IO,        /* io */
    EXIT_XSETBV,
    EXIT_MONITOR,
    EXIT_MWAIT,
    EXIT_PAGE_FAULT,   /* nested page fault: npf */
    EXIT_TASK_SWITCH,  /* task */
    EXIT_VIRT_INSN,    /* an instruction of VT-x or AMD-V itself: #UD to the guest */
    EXIT_ENTRY_FAILED, /* the CPU refused the guest's state; hw tells */
    EXIT_UNKNOWN,      /* hw tells */
    EXIT_REASONS
};

enum cr_access { CR_WRITE, CR_READ, CR_CLTS, CR_LMSW, CR_SMSW };

/* Bits of npf.access */
#define ACCESS_READ  (1u << 0)
#define ACCESS_WRITE (1u << 1)
#define ACCESS_EXEC  (1u << 2)

struct exit_intr {
    bool acked; /* vector was taken off the LAPIC by the exit itself (SDM 3C 25.7.1) */
    u8 vector;
};
struct exit_exc {
    u8 vector;
    bool has_error;
    u32 error;
    u64 info;    /* #PF: address; #DB: what DR6 is to receive (bits set); else 0 */
    u8 insn_len; /* INT3, INTO, INT1: length; RIP at the instruction */
    u8 type;     /* enum event_type */
};
struct exit_cr {
    bool decoded;
    u8 cr;     /* 0, 3, 4, 8 */
    u8 access; /* enum cr_access */
    u8 gpr;    /* CR_WRITE, CR_READ: index into vcpu->gpr */
    u16 lmsw;  /* CR_LMSW: source operand, when decoded */
};
struct exit_dr {
    bool decoded;
    bool write;
    u8 dr;
    u8 gpr;
};
struct exit_msr {
    bool write; /* index in RCX, value in RDX:RAX */
};
struct exit_io {
    u16 port;
    u8 size; /* 1, 2, 4 */
    bool in;
    bool string;
    bool rep;
    u8 addr_size; /* string: 2, 4, 8, or 0 when the CPU did not say */
    u8 seg;       /* OUTS: enum seg_reg of the source, 0xff when the CPU did not say */
};
struct exit_npf {
    gpa_t gpa;
    u8 access;      /* ACCESS_* of the access that failed */
    bool present;   /* the entry was there, but did not allow the access */
    bool gva_valid; /* gva is known */
    bool in_walk;   /* the access was to a guest page table, not to the final address */
    u64 gva;
};
struct exit_task {
    u16 selector;
    u8 source; /* SDM 3C table 28-2: 0 CALL, 1 IRET, 2 JMP, 3 task gate in the IDT */
    bool has_error;
    u32 error;
};
struct exit_hw {
    u64 reason; /* as the manual numbers it */
    u64 info1, info2;
};

struct vm_exit {
    u8 reason;   /* enum exit_reason */
    u8 insn_len; /* of the instruction that exited, 0: the CPU did not say */
    u8 bytes_len;
    u8 bytes[15]; /* instruction bytes at RIP, bytes_len of them (decode assists) */
    bool rdtscp;
    struct event vectoring; /* valid: the event whose delivery this exit interrupted */
    union {
        struct exit_intr intr;
        struct exit_exc exc;
        struct exit_cr cr;
        struct exit_dr dr;
        struct exit_msr msr;
        struct exit_io io;
        struct exit_npf npf;
        struct exit_task task;
    };
    struct exit_hw hw; /* EXIT_ENTRY_FAILED, EXIT_UNKNOWN, EXIT_TASK_SWITCH: for the log */
};

#endif
