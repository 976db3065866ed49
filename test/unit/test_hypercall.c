/* SPDX-License-Identifier: BSD-2-Clause */
/* Hypercalls as a guest issues them, over and over while root mode asks for it: what is in its
 * registers and in its memory in between, multicalls above all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "hv/hypercall.c"

#define START   0x1000ull
#define ENTRIES 3u

static struct domain dom;
static struct vcpu cpu;
static bool wide = true;
static unsigned calls;  /* of the handlers below */
static unsigned pieces; /* the next memory_op has so many */
static u64 read_only;   /* an address nothing can be written to */

static const struct vendor_ops ops = {.hypercall = {0x0f, 0x01, 0xd9}};
const struct vendor_ops *vendor = &ops;

/* ---- Handlers ---- */

/* Argument 0 counts the pieces that are done. */
s64 hc_memory_op(struct vcpu *v, const u64 arg[HYPERCALL_ARGS])
{
    calls++;
    if (arg[0] + 1 >= pieces)
        return 1000 + (s64)arg[1];
    hypercall_set_arg(v, 0, arg[0] + 1);
    return HYPERCALL_AGAIN;
}

s64 hc_xen_version(struct vcpu *v, const u64 arg[HYPERCALL_ARGS])
{
    (void)v;
    calls++;
    return (s64)arg[0];
}

#define NEVER(name)                                         \
    s64 name(struct vcpu *v, const u64 arg[HYPERCALL_ARGS]) \
    {                                                       \
        (void)v, (void)arg;                                 \
        fail();                                             \
        return 0;                                           \
    }
NEVER(hc_console_io)
NEVER(hc_vcpu_op)
NEVER(hc_sched_op)
NEVER(hc_event_channel_op)
NEVER(hc_hvm_op)
NEVER(hc_physdev_op)
NEVER(hc_platform_op)
NEVER(hc_vm_assist)
NEVER(hc_grant_table_op)
NEVER(hc_domctl)
NEVER(hc_sysctl)
NEVER(hc_dm_op)
NEVER(hc_hypfs_op)

/* ---- The rooms below ---- */

bool guest_is_wide(struct vcpu *v)
{
    (void)v;
    return wide;
}

void guest_paging_get(struct vcpu *v, struct guest_paging *g)
{
    (void)v;
    *g = (struct guest_paging){.wide = wide};
}

int guest_read(struct vcpu *v, void *to, u64 from, size_t len)
{
    (void)v;
    if (from < PAGE_SIZE)
        return -EFAULT;
    memcpy(to, (const void *)from, len);
    return 0;
}

int guest_write(struct vcpu *v, u64 to, const void *from, size_t len)
{
    (void)v;
    if (read_only - to < len)
        return -EFAULT;
    memcpy((void *)to, from, len);
    return 0;
}

void *p2m_ram(const struct p2m *p, gpa_t gpa, bool write)
{
    (void)p, (void)gpa, (void)write;
    return NULL;
}

void shared_info_latch(struct vcpu *v)
{
    (void)v;
}

struct domain *domain_find(u16 id)
{
    (void)id;
    return NULL;
}

void log_print(enum log_level level, const char *fmt, ...)
{
    (void)level, (void)fmt;
}

static int setup(void **state)
{
    (void)state;
    memset(&dom, 0, sizeof(dom));
    memset(&cpu, 0, sizeof(cpu));
    hypercall_init(&dom);
    cpu.domain = &dom;
    wide = true;
    calls = pieces = 0;
    read_only = 0;
    return 0;
}

/* ---- Tests ---- */

/* One exit; true: the instruction is there once more, which is when interrupts are looked at. */
static bool issue(void)
{
    cpu.rip = START + sizeof(vendor->hypercall);
    dom.hypercall(&cpu);
    assert_null(cpu.multicall);
    return cpu.rip == START;
}

static void load(u64 op, u64 first, u64 second)
{
    cpu.gpr[RAX] = op;
    cpu.gpr[RDI] = first;
    cpu.gpr[RSI] = second;
}

static void test_again(void **state)
{
    (void)state;
    pieces = 3;
    load(__HYPERVISOR_memory_op, 0, 7);
    assert_true(issue());
    assert_true(issue());
    assert_int_equal(cpu.gpr[RAX], __HYPERVISOR_memory_op);
    assert_int_equal(cpu.gpr[RDI], 2);
    assert_false(issue());
    assert_int_equal(cpu.gpr[RAX], 1007);
}

/* The registers say what is left after each entry. */
static void test_multicall(void **state)
{
    struct multicall_entry e[ENTRIES] = {
        {.op = __HYPERVISOR_xen_version, .args = {11}},
        {.op = __HYPERVISOR_multicall},
        {.op = 9999},
    };

    (void)state;
    load(__HYPERVISOR_multicall, (u64)e, ENTRIES);
    for (unsigned i = 1; i < ENTRIES; i++) {
        assert_true(issue());
        assert_int_equal(cpu.gpr[RAX], __HYPERVISOR_multicall);
        assert_int_equal(cpu.gpr[RDI], (u64)&e[i]);
        assert_int_equal(cpu.gpr[RSI], ENTRIES - i);
    }
    assert_false(issue());
    assert_int_equal(cpu.gpr[RAX], 0);
    assert_int_equal(calls, 1);
    assert_int_equal(e[0].result, 11);
    assert_int_equal((s64)e[1].result, -EINVAL);
    assert_int_equal((s64)e[2].result, -ENOSYS);
    load(__HYPERVISOR_multicall, 0, 0);
    assert_false(issue());
    assert_int_equal(cpu.gpr[RAX], 0);
}

/* An entry that takes long is interrupted as it is when it comes alone: its arguments move on. */
static void test_long_entry(void **state)
{
    struct multicall_entry e[2] = {{.op = __HYPERVISOR_memory_op, .result = 99, .args = {0, 5}},
                                   {.op = __HYPERVISOR_xen_version, .args = {12}}};

    (void)state;
    pieces = 3;
    load(__HYPERVISOR_multicall, (u64)e, 2);
    for (unsigned i = 1; i < pieces; i++) {
        assert_true(issue());
        assert_int_equal(calls, i);
        assert_int_equal(e[0].args[0], i);
        assert_int_equal(e[0].result, 99);
        assert_int_equal(cpu.gpr[RDI], (u64)e);
        assert_int_equal(cpu.gpr[RSI], 2);
    }
    assert_true(issue());
    assert_int_equal(e[0].result, 1005);
    assert_false(issue());
    assert_int_equal(e[1].result, 12);
    assert_int_equal(cpu.gpr[RAX], 0);
}

static void test_bad_multicall(void **state)
{
    struct multicall_entry e = {.op = __HYPERVISOR_xen_version};

    (void)state;
    load(__HYPERVISOR_multicall, 16, 1);
    assert_false(issue());
    assert_int_equal((s64)cpu.gpr[RAX], -EFAULT);
    read_only = (u64)&e;
    load(__HYPERVISOR_multicall, (u64)&e, 1);
    assert_false(issue());
    assert_int_equal((s64)cpu.gpr[RAX], -EFAULT);
    wide = false;
    cpu.gpr[RAX] = __HYPERVISOR_multicall;
    assert_false(issue());
    assert_int_equal((int)cpu.gpr[RAX], -ENOSYS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_again, setup),
        cmocka_unit_test_setup(test_multicall, setup),
        cmocka_unit_test_setup(test_long_entry, setup),
        cmocka_unit_test_setup(test_bad_multicall, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
