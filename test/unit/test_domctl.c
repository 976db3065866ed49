/* SPDX-License-Identifier: BSD-2-Clause */
/* domctl: what the tools may ask for one guest, and what it costs. */
#include "hv/tools_abi.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

/* The direct map starts at 0. */
#define HV_LAYOUT_H
#define DIRECT_BASE 0ull
#define MAX_CPUS    64
#include "hv/hc_domctl.c"

static struct domain dom;
static struct vcpu cpu, caller;
static struct policy policy = {.phys_bits = 40};
static struct guest guest;
static u64 allowed;       /* tables */
static unsigned accesses; /* to the caller's memory */
unsigned cpus_online = 3;

/* ---- The rooms below ---- */

int guest_read(struct vcpu *v, void *to, u64 from, size_t len)
{
    assert_ptr_equal(v, &caller);
    accesses++;
    memcpy(to, (const void *)from, len);
    return 0;
}

int guest_write(struct vcpu *v, u64 to, const void *from, size_t len)
{
    assert_ptr_equal(v, &caller);
    accesses++;
    if (to < PAGE_SIZE)
        return -EFAULT;
    memcpy((void *)to, from, len);
    return 0;
}

void p2m_allow_tables(struct domain *d, u64 count)
{
    assert_ptr_equal(d, &dom);
    allowed = count;
}

bool hypercall_resumable(const struct vcpu *v, u32 op)
{
    (void)v, (void)op;
    return true;
}

struct domain *hypercall_domain(struct vcpu *v, u16 domid, s64 *rc)
{
    (void)v, (void)rc;
    return domid == dom.id ? &dom : NULL;
}

struct domain *guest_find(struct vcpu *v, u16 domid, s64 *rc)
{
    return hypercall_domain(v, domid, rc);
}

#define NOT_HERE(type, name, ...)   \
    type name(__VA_ARGS__)          \
    {                               \
        fail_msg("%s()", __func__); \
        abort();                    \
    }
NOT_HERE(s64, guest_create, u16, unsigned, struct domain **)
NOT_HERE(s64, guest_destroy, struct domain *)
NOT_HERE(void, guest_pause, struct domain *)
NOT_HERE(int, guest_unpause, struct domain *)
NOT_HERE(void, vcpu_unblock, struct vcpu *, u32)
NOT_HERE(void, vcpu_pause, struct vcpu *)
NOT_HERE(void, vcpu_unpause, struct vcpu *)
NOT_HERE(void, vcpu_unload, struct vcpu *)
NOT_HERE(u64, time_ns, void)
NOT_HERE(u64, time_tsc_hz, void)
NOT_HERE(int, sched_set_weight, struct sched_entity *, unsigned)
NOT_HERE(int, sched_migrate, struct sched_entity *, unsigned)
NOT_HERE(mfn_t, frames_alloc, unsigned, unsigned)
NOT_HERE(void, frames_free, mfn_t, unsigned)
NOT_HERE(size_t, hvm_context_size, const struct domain *)
NOT_HERE(size_t, hvm_context_save, struct domain *, u8 *)
NOT_HERE(int, hvm_context_load, struct domain *, const u8 *, size_t)

/* ---- Tests ---- */

static int setup(void **state)
{
    (void)state;
    dom = (struct domain){.id = 1, .vcpus = 1, .vcpu = {&cpu}, .guest = &guest, .policy = &policy};
    cpu = (struct vcpu){.domain = &dom, .sched = {.pinned = 1}};
    allowed = accesses = 0;
    return 0;
}

static s64 domctl(struct xen_domctl *op, u32 cmd)
{
    u64 arg[HYPERCALL_ARGS] = {(u64)op};

    op->interface_version = XEN_DOMCTL_INTERFACE_VERSION;
    op->domain = dom.id;
    op->cmd = cmd;
    return hc_domctl(&caller, arg);
}

/* Page tables are allowed as memory is, or as the tools set aside for them. */
static void test_tables(void **state)
{
    struct xen_domctl op = {.u.max_mem.max_memkb = 8 << 20};

    (void)state;
    assert_int_equal(domctl(&op, XEN_DOMCTL_max_mem), 0);
    assert_int_equal(dom.max_pages, 2 << 20);
    assert_int_equal(allowed, P2M_TABLES + 2 * 8192); /* small pages only: 2 * 2048 */
    op.u.max_mem.max_memkb = ~0ull;
    assert_int_equal(domctl(&op, XEN_DOMCTL_max_mem), 0);
    assert_true(allowed > ~0u);

    op.u.paging_mempool.size = 64 << 20;
    assert_int_equal(domctl(&op, XEN_DOMCTL_set_paging_mempool_size), 0);
    assert_int_equal(allowed, 64 << 8);
    op.u.paging_mempool.size = (64 << 20) + 1;
    assert_int_equal(domctl(&op, XEN_DOMCTL_set_paging_mempool_size), -EINVAL);
    dom.p2m.pt.tables = 5, dom.p2m.pt.limit = 100;
    assert_int_equal(domctl(&op, XEN_DOMCTL_get_paging_mempool_size), 0);
    assert_int_equal(op.u.paging_mempool.size, 100 * PAGE_SIZE);
}

/* As many bits as the caller has room for, the rest 0, in one access; but not for ever. */
static void test_bitmaps(void **state)
{
    struct xen_domctl op = {.u.vcpuaffinity.flags = XEN_VCPUAFFINITY_HARD};
    struct xenctl_bitmap *b = &op.u.vcpuaffinity.cpumap_hard;
    u8 map[BITMAP_MAX / 8 + 1];

    (void)state;
    b->bitmap.p = map;
    for (u32 bits = 0; bits <= BITMAP_MAX; bits = bits * 2 + 1) {
        memset(map, 0xff, sizeof(map));
        b->nr_bits = bits;
        assert_int_equal(domctl(&op, XEN_DOMCTL_getvcpuaffinity), 0);
        assert_int_equal(map[0], bits ? 2 : 0xff);
        for (u32 i = 1; i < (bits + 7) / 8; i++)
            assert_int_equal(map[i], 0);
        assert_int_equal(map[(bits + 7) / 8], 0xff);
    }
    b->nr_bits = BITMAP_MAX;
    accesses = 0;
    assert_int_equal(domctl(&op, XEN_DOMCTL_getvcpuaffinity), 0);
    assert_true(accesses < 8);
    b->nr_bits = BITMAP_MAX + 1;
    assert_int_equal(domctl(&op, XEN_DOMCTL_getvcpuaffinity), -E2BIG);
    b->nr_bits = ~0u;
    assert_int_equal(domctl(&op, XEN_DOMCTL_getvcpuaffinity), -E2BIG);
    assert_int_equal(map[(BITMAP_MAX + 7) / 8], 0xff);
    b->nr_bits = 3, b->bitmap.p = NULL;
    assert_int_equal(domctl(&op, XEN_DOMCTL_getvcpuaffinity), -EFAULT);
    op.u.nodeaffinity.nodemap = (struct xenctl_bitmap){.nr_bits = 1, .bitmap.p = map};
    assert_int_equal(domctl(&op, XEN_DOMCTL_getnodeaffinity), 0);
    assert_int_equal(map[0], 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_tables, setup),
        cmocka_unit_test_setup(test_bitmaps, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
