/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Grants, foreign mappings and the references behind them, over the real frame pool, the real p2m
 * and the real NPT format. What stands in for the machine is a TLB that remembers everything it has
 * been shown until it is flushed: whenever that happens, each frame in it must still be held.
 */
#define _GNU_SOURCE
#include "hv/tools_abi.h" /* first: it asks the public headers for all they have */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <cmocka.h>
#include "random.h"

/* The direct map lies where a process may have memory. */
#define HV_LAYOUT_H
#define DIRECT_BASE 0x200000000000ull
#define MAX_CPUS    64
#include "hv/p2m.c"
#include "hv/grant.c"
#include "hv/foreign.c"
#include "hv/hc_grant.c"
static int hold_and_wait(struct domain *d, gfn_t gfn, bool write, mfn_t *mfn);
#define p2m_hold hold_and_wait
#include "hv/shared_info.c"
#undef p2m_hold
#include "hv/guest.h"
#include "svm/npt.h"

/* ---- The machine ---- */

#define DOMS     4
#define GFNS     64u  /* of each domain's address space that tests look at */
#define DOM0_RAM 512u /* first frame of the privileged domain's RAM, which is identity-mapped */
#define RAM_END  16384u
#define MAP_AT   32u /* gfns from here on are for maps */

static const struct vendor_ops test_vendor = {.p2m_format = &ptab_npt};
const struct vendor_ops *vendor = &test_vendor;
struct vendor_caps vendor_caps = {.guest_p2m_format = &ptab_npt, .max_leaf_shift = 21};

static struct domain *dom[DOMS];
static struct vcpu *cpu[DOMS];
static struct guest guest;
static struct policy test_policy = {.phys_bits = 40};
static mfn_t tlb[DOMS][GFNS]; /* frames that are not the domain's own */
static unsigned flushes;

void panic(const char *fmt, ...)
{
    fail_msg("panic: %s", fmt);
    abort();
}

/* What the TLB knows is still somebody's, or held although it is nobody's. */
static void check_tlb(unsigned d)
{
    for (unsigned g = 0; g < GFNS; g++) {
        mfn_t m = tlb[d][g];

        if (mfn_is_none(m) || (m.v >= DOM0_RAM && m.v < 2 * DOM0_RAM))
            continue;
        assert_true(dom[d] && frame_refs(m) >= (frame_owner(m) == FRAME_NOBODY ? 1 : 2));
    }
}

static unsigned slot_of(const struct domain *d)
{
    for (unsigned i = 0; i < DOMS; i++)
        if (dom[i] == d)
            return i;
    fail_msg("a domain that is none");
    return 0;
}

void vcpu_request(struct vcpu *v, u32 requests)
{
    unsigned d = slot_of(v->domain);

    assert_int_equal(requests, REQ_FLUSH_NESTED);
    check_tlb(d);
    for (unsigned g = 0; g < GFNS; g++)
        tlb[d][g] = MFN_NONE;
    flushes++;
}

void vcpu_wait_left(struct vcpu *v)
{
    (void)v;
}

static u64 during_quiesce; /* gfn of dom[2], withdrawn while it waits */

void quiesce_wait(void)
{
    u64 gfn = during_quiesce;

    during_quiesce = 0;
    if (gfn)
        p2m_withdraw(dom[2], GFN(gfn),
                     p2m_lookup(&dom[2]->p2m, GFN(gfn), &(enum p2m_type){0}, &(u32){0}), P2M_GRANT);
    for (unsigned i = 0; i < DOMS; i++)
        if (dom[i]) {
            assert_false(spin_is_locked(&dom[i]->p2m.lock));
            assert_false(dom[i]->grant && spin_is_locked(&dom[i]->grant->lock));
        }
}

/* Server 3 of each domain has one page, its grant table's first. */
mfn_t ioreq_page(struct domain *d, u16 server, u64 frame)
{
    return server == 3 && frame == 0 ? grant_table_frame(d, 0) : MFN_NONE;
}

struct domain *domain_find(u16 id)
{
    for (unsigned i = 0; i < DOMS; i++)
        if (dom[i] && dom[i]->id == id)
            return dom[i];
    return NULL;
}

struct domain *hypercall_domain(struct vcpu *v, u16 domid, s64 *rc)
{
    struct domain *d =
        domid == DOMID_SELF || domid == v->domain->id ? v->domain : domain_find(domid);

    *rc = d ? -EPERM : -ESRCH;
    return d && (d == v->domain || v->domain->privileged) ? d : NULL;
}

static u64 new_arg[HYPERCALL_ARGS];

void hypercall_set_arg(struct vcpu *v, unsigned i, u64 value)
{
    (void)v;
    new_arg[i] = value;
}

/* A guest's pointers are the test's own; page 0 is not there. */
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
    if (to < PAGE_SIZE)
        return -EFAULT;
    memcpy((void *)to, from, len);
    return 0;
}

int guest_get(struct vcpu *v, void *to, u64 at, const char *layout)
{
    (void)v;
    memcpy(to, (const void *)at,
           strcmp(layout, "2L") ? sizeof(struct xen_add_to_physmap)
                                : sizeof(struct xen_remove_from_physmap));
    return 0;
}

bool guest_is_wide(struct vcpu *v)
{
    (void)v;
    return true;
}

struct time_scale time_tsc_scale(void)
{
    return (struct time_scale){0};
}

u64 time_from_tsc(u64 tsc)
{
    return tsc;
}

static void drop_ram(struct domain *d, u64 gfn);

int guest_ram_remove(struct domain *d, gfn_t gfn, unsigned order)
{
    assert_int_equal(order, 0);
    drop_ram(d, gfn.v);
    return 0;
}

/* What else hv/hc_memory.c and hv/shared_info.c call, and not here. */
#define NOT_HERE(type, name, ...)   \
    type name(__VA_ARGS__)          \
    {                               \
        fail_msg("%s()", __func__); \
        abort();                    \
    }
NOT_HERE(int, guest_put, struct vcpu *, u64, const void *, const char *)
NOT_HERE(bool, guest_memory_concerns, struct vcpu *, u64)
NOT_HERE(s64, guest_populate, struct vcpu *, u64, u64 *)
NOT_HERE(s64, guest_decrease, struct vcpu *, u64, u64 *)
NOT_HERE(s64, guest_move_page, struct vcpu *, const struct xen_add_to_physmap *)
NOT_HERE(s64, guest_set_map, struct vcpu *, u64)
NOT_HERE(s64, guest_claim, struct vcpu *, u64)
NOT_HERE(s64, guest_pages, struct vcpu *, u64, unsigned)
NOT_HERE(bool, domain_owns_ram, const struct domain *, u64)
NOT_HERE(struct domain *, domain_from, u16)

/* ---- Domains ---- */

static u64 free_frames(void)
{
    struct frames_stats s;

    frames_stats(&s);
    return s.free;
}

static struct domain *new_domain(unsigned slot, u16 id)
{
    struct domain *d = calloc(1, sizeof(*d));
    struct vcpu *v = calloc(1, sizeof(*v));

    d->id = id;
    d->privileged = id == 0;
    d->guest = id ? &guest : NULL;
    d->policy = &test_policy;
    d->vcpus = 1;
    d->vcpu[0] = v;
    v->domain = d;
    dom[slot] = d;
    cpu[slot] = v;
    assert_int_equal(p2m_init(d), 0);
    assert_int_equal(grant_init(d), 0);
    assert_int_equal(shared_info_alloc(d), 0);
    for (unsigned g = 0; g < GFNS; g++)
        tlb[slot][g] = MFN_NONE;
    return d;
}

static mfn_t add_ram(struct domain *d, u64 gfn)
{
    mfn_t m = frames_alloc(0, FRAMES_ZERO);

    assert_false(mfn_is_none(m));
    assert_int_equal(frame_own(m, 1, d->id), 0);
    assert_int_equal(p2m_add(d, GFN(gfn), m, 1, P2M_RAM, PTAB_RWX | PTAB_MEMTYPE(MEMTYPE_WB)), 0);
    return m;
}

/* What decrease_reservation will do. */
static void drop_ram(struct domain *d, u64 gfn)
{
    enum p2m_type type;
    u32 attr;
    mfn_t m = p2m_lookup(&d->p2m, GFN(gfn), &type, &attr);

    assert_int_equal(type, P2M_RAM);
    assert_int_equal(p2m_remove(d, GFN(gfn), 1), 0);
    assert_int_equal(frame_release(m, 1, d->id), 0);
}

static bool is_ram(struct domain *d, u64 gfn)
{
    enum p2m_type type;
    u32 attr;

    return !mfn_is_none(p2m_lookup(&d->p2m, GFN(gfn), &type, &attr)) && type == P2M_RAM;
}

static void end_domain(unsigned slot)
{
    struct domain *d = dom[slot];

    grant_destroy(d);
    if (!d->privileged)
        for (u64 g = 0; g < GFNS; g++)
            if (is_ram(d, g))
                drop_ram(d, g);
    vcpu_info_forget(d->vcpu[0]);
    p2m_destroy(d);
    shared_info_free(d);
    dom[slot] = NULL;
    free(cpu[slot]);
    free(d);
}

static u64 start_free;

static int setup(void **state)
{
    static bool mapped;
    const struct frames_range pool = {4ull << 20, (RAM_END << PAGE_SHIFT) - (4ull << 20)};

    (void)state;
    if (!mapped)
        assert_ptr_equal(mmap((void *)DIRECT_BASE, (u64)RAM_END << PAGE_SHIFT,
                              PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0),
                         (void *)DIRECT_BASE);
    mapped = true;
    assert_int_equal(frames_init(&pool, 1, (u64)RAM_END << PAGE_SHIFT, DIRECT_BASE), 0);
    for (unsigned i = 0; i < DOMS * GFNS; i++)
        tlb[i / GFNS][i % GFNS] = MFN_NONE;
    /* The region small blocks come from has its detail page from now on. */
    frames_free(frames_alloc(0, 0), 0);
    start_free = free_frames();
    new_domain(0, 0);
    assert_int_equal(p2m_add(dom[0], GFN(DOM0_RAM), MFN(DOM0_RAM), DOM0_RAM, P2M_RAM,
                             PTAB_RWX | PTAB_MEMTYPE(MEMTYPE_WB)),
                     0);
    for (u16 id = 1; id < 3; id++) {
        new_domain(id, id);
        for (u64 g = 0; g < 8; g++)
            add_ram(dom[id], g);
    }
    return 0;
}

/* Whatever a test did: nothing is lost, and nothing is left in use. */
static int teardown(void **state)
{
    (void)state;
    for (unsigned i = DOMS; i-- > 0;)
        if (dom[i])
            end_domain(i);
    assert_int_equal(free_frames(), start_free);
    return 0;
}

static void *at_gfn(struct domain *d, u64 gfn)
{
    return p2m_ram(&d->p2m, gfn_gpa(GFN(gfn)), false);
}

static mfn_t frame_of(struct domain *d, u64 gfn)
{
    enum p2m_type type;
    u32 attr;

    return p2m_lookup(&d->p2m, GFN(gfn), &type, &attr);
}

/* The guest touches gfn: now the TLB knows. */
static void touch(unsigned slot, u64 gfn)
{
    enum p2m_type type = P2M_NONE;
    u32 attr;
    mfn_t m = p2m_lookup(&dom[slot]->p2m, GFN(gfn), &type, &attr);

    if (!mfn_is_none(m) && (type == P2M_GRANT || type == P2M_FOREIGN))
        tlb[slot][gfn] = m;
}

/* ---- Grants as a guest makes them ---- */

static grant_entry_v1_t *entry(struct domain *d, u32 ref)
{
    grant_entry_v1_t *page = mfn_virt(grant_table_frame(d, ref / 512));

    return &page[ref % 512];
}

static void give(struct domain *d, u32 ref, u16 to, u32 gfn, u16 flags)
{
    *entry(d, ref) =
        (grant_entry_v1_t){.flags = GTF_permit_access | flags, .domid = to, .frame = gfn};
}

static s16 map(struct domain *d, u16 from, u32 ref, u64 gfn, u32 flags, u32 *handle)
{
    struct gnttab_map_grant_ref op = {.host_addr = gfn << PAGE_SHIFT,
                                      .flags = GNTMAP_host_map | flags,
                                      .ref = ref,
                                      .dom = from,
                                      .handle = ~0u};

    grant_map(d, &op, 1);
    *handle = op.handle;
    if (op.status == GNTST_okay)
        assert_int_equal(op.dev_bus_addr, frame_of(d, gfn).v << PAGE_SHIFT);
    return op.status;
}

static s16 unmap(struct domain *d, u32 handle, u64 gfn)
{
    struct gnttab_unmap_grant_ref op = {.host_addr = gfn << PAGE_SHIFT, .handle = handle};

    grant_unmap(d, &op, 1);
    return op.status;
}

#define MARKS (GTF_reading | GTF_writing)

static void test_table(void **state)
{
    struct gnttab_query_size q = {.dom = DOMID_SELF};
    u64 arg[HYPERCALL_ARGS] = {GNTTABOP_query_size, (u64)&q, 1};

    (void)state;
    assert_int_equal(hc_grant_table_op(cpu[1], arg), 0);
    assert_int_equal(q.status, GNTST_okay);
    assert_int_equal(q.nr_frames, 1);
    assert_int_equal(q.max_nr_frames, GRANT_MAX_FRAMES);
    assert_false(mfn_is_none(grant_table_frame(dom[1], 9)));
    assert_int_equal(grant_table_size(dom[1]), 10);
    assert_int_equal(frame_owner(grant_table_frame(dom[1], 3)), 1);
    assert_true(mfn_is_none(grant_table_frame(dom[1], GRANT_MAX_FRAMES)));
    assert_true(mfn_is_none(grant_table_frame(dom[1], ~0ull)));
    assert_int_equal(grant_table_size(dom[1]), 10);

    q.dom = 2;
    hc_grant_table_op(cpu[1], arg);
    assert_int_equal(q.status, GNTST_permission_denied);
    q.dom = 77;
    hc_grant_table_op(cpu[0], arg);
    assert_int_equal(q.status, GNTST_bad_domain);
    q.dom = 1;
    hc_grant_table_op(cpu[0], arg);
    assert_int_equal(q.nr_frames, 10);
    arg[2] = 2;
    assert_int_equal(hc_grant_table_op(cpu[1], arg), -EINVAL);
    arg[1] = 8, arg[2] = 1;
    assert_int_equal(hc_grant_table_op(cpu[1], arg), -EFAULT);
}

static void test_setup_and_version(void **state)
{
    xen_pfn_t list[3] = {1, 1, 1};
    struct gnttab_setup_table s = {.dom = DOMID_SELF, .nr_frames = 2, .frame_list = {list}};
    struct gnttab_set_version set = {1};
    struct gnttab_get_version get = {.dom = DOMID_SELF};
    u64 arg[HYPERCALL_ARGS] = {GNTTABOP_setup_table, (u64)&s, 1};

    (void)state;
    (void)grant_table_frame(dom[1], 0);
    grant_table_placed(dom[1], 0, GFN(0x1234));
    assert_int_equal(hc_grant_table_op(cpu[1], arg), 0);
    assert_int_equal(s.status, GNTST_okay);
    assert_true(list[0] == 0x1234 && list[1] == ~0ull && list[2] == 1);
    assert_int_equal(grant_table_size(dom[1]), 2);
    s.nr_frames = GRANT_MAX_FRAMES + 1;
    assert_int_equal(hc_grant_table_op(cpu[1], arg), 0);
    assert_int_equal(s.status, GNTST_general_error);
    s = (struct gnttab_setup_table){.dom = DOMID_SELF, .nr_frames = 1};
    assert_int_equal(hc_grant_table_op(cpu[1], arg), -EFAULT);

    arg[0] = GNTTABOP_set_version, arg[1] = (u64)&set;
    assert_int_equal(hc_grant_table_op(cpu[1], arg), 0);
    set.version = 2;
    assert_int_equal(hc_grant_table_op(cpu[1], arg), -ENOSYS);
    set.version = 3;
    assert_int_equal(hc_grant_table_op(cpu[1], arg), -EINVAL);
    arg[0] = GNTTABOP_get_version, arg[1] = (u64)&get;
    assert_int_equal(hc_grant_table_op(cpu[1], arg), 0);
    assert_int_equal(get.version, 1);
    get.dom = 2;
    assert_int_equal(hc_grant_table_op(cpu[1], arg), -EPERM);
    for (arg[0] = 0; arg[0] < 40; arg[0]++) {
        bool known = arg[0] <= GNTTABOP_swap_grant_ref && arg[0] != GNTTABOP_dump_table &&
                     arg[0] != GNTTABOP_transfer && arg[0] != GNTTABOP_get_status_frames;

        arg[1] = 0, arg[2] = 1;
        assert_int_equal(hc_grant_table_op(cpu[1], arg), known ? -EFAULT : -ENOSYS);
    }
}

static void test_map(void **state)
{
    mfn_t m = frame_of(dom[1], 3);
    enum p2m_type type;
    u32 handle, attr;

    (void)state;
    give(dom[1], 9, 2, 3, 0);
    memset(at_gfn(dom[1], 3), 0x5a, PAGE_SIZE);
    assert_int_equal(map(dom[2], 1, 9, MAP_AT, 0, &handle), GNTST_okay);
    assert_int_equal(entry(dom[1], 9)->flags & MARKS, MARKS);
    assert_int_equal(p2m_lookup(&dom[2]->p2m, GFN(MAP_AT), &type, &attr).v, m.v);
    assert_int_equal(type, P2M_GRANT);
    assert_int_equal(attr & PTAB_RWX, PTAB_RW);
    assert_memory_equal(at_gfn(dom[2], MAP_AT), at_gfn(dom[1], 3), PAGE_SIZE);
    assert_int_equal(frame_refs(m), 2);
    touch(2, MAP_AT);
    assert_int_equal(unmap(dom[2], handle, MAP_AT), GNTST_okay);
    assert_true(mfn_is_none(frame_of(dom[2], MAP_AT)));
    assert_true(mfn_is_none(tlb[2][MAP_AT]));
    assert_int_equal(entry(dom[1], 9)->flags, GTF_permit_access);
    assert_int_equal(frame_refs(m), 1);

    assert_int_equal(map(dom[2], 1, 9, MAP_AT, GNTMAP_readonly, &handle), GNTST_okay);
    assert_int_equal(entry(dom[1], 9)->flags & MARKS, GTF_reading);
    p2m_lookup(&dom[2]->p2m, GFN(MAP_AT), &type, &attr);
    assert_int_equal(attr & PTAB_RWX, PTAB_R);
    assert_null(p2m_ram(&dom[2]->p2m, GPA(MAP_AT << PAGE_SHIFT), true));
}

static void test_map_refused(void **state)
{
    struct gnttab_map_grant_ref op = {.host_addr = MAP_AT << PAGE_SHIFT, .ref = 9, .dom = 1};
    u32 handle;

    (void)state;
    give(dom[1], 9, 2, 3, 0);
    give(dom[1], 10, 2, 3, GTF_readonly);
    give(dom[1], 11, 2, 20, 0); /* nothing there */
    give(dom[1], 12, 0, 3, 0);
    *entry(dom[1], 13) = (grant_entry_v1_t){.flags = GTF_accept_transfer, .domid = 2, .frame = 3};
    assert_int_equal(map(dom[2], 1, 8, MAP_AT, 0, &handle), GNTST_bad_gntref);
    assert_int_equal(map(dom[2], 1, 12, MAP_AT, 0, &handle), GNTST_bad_gntref);
    assert_int_equal(map(dom[2], 1, 13, MAP_AT, 0, &handle), GNTST_bad_gntref);
    assert_int_equal(map(dom[2], 1, 512, MAP_AT, 0, &handle), GNTST_bad_gntref);
    assert_int_equal(map(dom[2], 1, ~0u, MAP_AT, 0, &handle), GNTST_bad_gntref);
    assert_int_equal(map(dom[2], 1, 10, MAP_AT, 0, &handle), GNTST_general_error);
    assert_int_equal(map(dom[2], 1, 11, MAP_AT, 0, &handle), GNTST_bad_page);
    assert_int_equal(map(dom[2], 5, 9, MAP_AT, 0, &handle), GNTST_bad_domain);
    assert_int_equal(map(dom[2], 1, 9, 0, 0, &handle), GNTST_general_error); /* RAM is there */
    assert_int_equal(map(dom[2], 1, 9, 1ull << 28, 0, &handle), GNTST_bad_virt_addr);
    assert_int_equal(map(dom[2], 1, 9, MAP_AT, GNTMAP_device_map, &handle), GNTST_general_error);
    assert_int_equal(map(dom[2], 1, 9, MAP_AT, GNTMAP_contains_pte, &handle), GNTST_general_error);
    grant_map(dom[2], &op, 1);
    assert_int_equal(op.status, GNTST_bad_gntref);
    op.flags = GNTMAP_host_map, op.host_addr += 8;
    grant_map(dom[2], &op, 1);
    assert_int_equal(op.status, GNTST_bad_virt_addr);
    /* None of these costs a handle. */
    for (u32 i = 0; i < MAP_PAGES_OTHERS * MAPS_PER_PAGE; i++)
        assert_int_equal(map(dom[2], 1, 8, MAP_AT, 0, &handle), GNTST_bad_gntref);
    for (u32 ref = 9; ref < 13; ref++)
        assert_false(entry(dom[1], ref)->flags & MARKS);
    assert_int_equal(frame_refs(frame_of(dom[1], 3)), 1);

    assert_int_equal(map(dom[2], 1, 10, MAP_AT, GNTMAP_readonly, &handle), GNTST_okay);
    assert_int_equal(map(dom[2], 1, 9, MAP_AT, 0, &handle), GNTST_general_error); /* taken */
    assert_int_equal(entry(dom[1], 9)->flags & MARKS, 0);
}

/* While it is in use, an entry is what it was when its use began. */
static void test_two_maps_of_one(void **state)
{
    mfn_t m = frame_of(dom[1], 3);
    u32 read, write, other;

    (void)state;
    give(dom[1], 9, 2, 3, 0);
    assert_int_equal(map(dom[2], 1, 9, MAP_AT, GNTMAP_readonly, &read), GNTST_okay);
    entry(dom[1], 9)->frame = 4;
    assert_int_equal(map(dom[2], 1, 9, MAP_AT + 1, 0, &write), GNTST_okay);
    assert_int_not_equal(read, write);
    assert_int_equal(frame_of(dom[2], MAP_AT + 1).v, m.v);
    assert_int_equal(frame_refs(m), 3);
    assert_int_equal(entry(dom[1], 9)->flags & MARKS, MARKS);
    entry(dom[1], 9)->domid = 0;
    assert_int_equal(map(dom[0], 1, 9, MAP_AT, 0, &other), GNTST_general_error);
    entry(dom[1], 9)->domid = 2;
    assert_int_equal(unmap(dom[2], write, MAP_AT + 1), GNTST_okay);
    assert_int_equal(entry(dom[1], 9)->flags & MARKS, GTF_reading);
    /* Made read-only while it is only read. */
    entry(dom[1], 9)->flags |= GTF_readonly;
    assert_int_equal(map(dom[2], 1, 9, MAP_AT + 1, 0, &write), GNTST_general_error);
    assert_int_equal(unmap(dom[2], read, MAP_AT), GNTST_okay);
    assert_int_equal(entry(dom[1], 9)->flags & MARKS, 0);
    assert_int_equal(frame_refs(m), 1);
}

static void test_unmap_refused(void **state)
{
    u32 handle;

    (void)state;
    give(dom[1], 9, 2, 3, 0);
    assert_int_equal(unmap(dom[2], 0, MAP_AT), GNTST_bad_handle);
    assert_int_equal(map(dom[2], 1, 9, MAP_AT, 0, &handle), GNTST_okay);
    assert_int_equal(unmap(dom[2], handle + 1, MAP_AT), GNTST_bad_handle);
    assert_int_equal(unmap(dom[2], ~0u, MAP_AT), GNTST_bad_handle);
    assert_int_equal(unmap(dom[1], handle, MAP_AT), GNTST_bad_handle);
    assert_int_equal(unmap(dom[2], handle, MAP_AT + 1), GNTST_bad_virt_addr);
    assert_int_equal(unmap(dom[2], handle, 0), GNTST_okay); /* names no mapping */
    assert_false(mfn_is_none(frame_of(dom[2], MAP_AT)));
    assert_int_equal(unmap(dom[2], handle, MAP_AT), GNTST_okay);
    assert_int_equal(unmap(dom[2], handle, MAP_AT), GNTST_bad_handle);
}

/* The guest takes a map's address away by other means, and puts RAM there. */
static void test_unmap_replaced(void **state)
{
    mfn_t m = frame_of(dom[1], 3), own;
    u32 handle;

    (void)state;
    give(dom[1], 9, 2, 3, 0);
    assert_int_equal(map(dom[2], 1, 9, MAP_AT, 0, &handle), GNTST_okay);
    touch(2, MAP_AT);
    own = add_ram(dom[2], MAP_AT);
    assert_int_equal(frame_refs(m), 2);
    assert_int_equal(unmap(dom[2], handle, MAP_AT), GNTST_okay);
    assert_int_equal(frame_of(dom[2], MAP_AT).v, own.v);
    assert_int_equal(frame_refs(m), 1);
}

/* One flush for all, and each reference dropped after it. */
static void test_unmap_together(void **state)
{
    struct gnttab_unmap_grant_ref op[GRANT_BATCH];
    u32 handle;

    (void)state;
    for (u32 i = 0; i < GRANT_BATCH; i++) {
        give(dom[1], 9 + i, 2, i % 8, 0);
        assert_int_equal(map(dom[2], 1, 9 + i, MAP_AT + i, 0, &handle), GNTST_okay);
        op[i] = (struct gnttab_unmap_grant_ref){.host_addr = (MAP_AT + i) << PAGE_SHIFT,
                                                .handle = handle};
        touch(2, MAP_AT + i);
    }
    op[5].handle = op[4].handle;
    flushes = 0;
    grant_unmap(dom[2], op, GRANT_BATCH);
    assert_int_equal(flushes, 1);
    for (u32 i = 0; i < GRANT_BATCH; i++) {
        assert_int_equal(op[i].status, i == 5 ? GNTST_bad_handle : GNTST_okay);
        assert_int_equal(!!(entry(dom[1], 9 + i)->flags & MARKS), i == 5);
    }
    assert_int_equal(frame_refs(frame_of(dom[1], 5)), 2);
}

/* Nobody gets a frame that another one still has mapped. */
static void test_owner_gives_up(void **state)
{
    mfn_t m = frame_of(dom[1], 3);
    u32 handle, more;
    u64 before;

    (void)state;
    give(dom[1], 9, 2, 3, 0);
    assert_int_equal(map(dom[2], 1, 9, MAP_AT, 0, &handle), GNTST_okay);
    touch(2, MAP_AT);
    drop_ram(dom[1], 3);
    assert_int_equal(frame_owner(m), FRAME_NOBODY);
    assert_int_equal(frame_refs(m), 1);
    assert_int_equal(unmap(dom[2], handle, MAP_AT), GNTST_okay);
    m = frame_of(dom[1], 4);
    give(dom[1], 9, 2, 4, 0);
    assert_int_equal(map(dom[2], 1, 9, MAP_AT, GNTMAP_readonly, &handle), GNTST_okay);
    touch(2, MAP_AT);
    drop_ram(dom[1], 4);
    /* Given up, it cannot be mapped a second time, and the attempt leaves no mark. */
    assert_int_equal(map(dom[2], 1, 9, MAP_AT + 1, 0, &more), GNTST_bad_page);
    assert_int_equal(entry(dom[1], 9)->flags & MARKS, GTF_reading);
    before = free_frames();
    assert_int_equal(unmap(dom[2], handle, MAP_AT), GNTST_okay);
    assert_int_equal(free_frames(), before + 1);
}

static void test_granter_dies(void **state)
{
    mfn_t m = frame_of(dom[1], 3);
    u32 handle, again;

    (void)state;
    give(dom[1], 9, 2, 3, 0);
    assert_int_equal(map(dom[2], 1, 9, MAP_AT, 0, &handle), GNTST_okay);
    touch(2, MAP_AT);
    memset(at_gfn(dom[1], 3), 0x77, PAGE_SIZE);
    end_domain(1);
    assert_int_equal(*(u8 *)at_gfn(dom[2], MAP_AT), 0x77);
    assert_int_equal(frame_refs(m), 1);
    /* Another one with its number, who uses the same entry. */
    new_domain(1, 1);
    add_ram(dom[1], 3);
    give(dom[1], 9, 2, 3, 0);
    assert_int_not_equal(frame_of(dom[1], 3).v, m.v);
    assert_int_equal(map(dom[2], 1, 9, MAP_AT + 1, 0, &again), GNTST_okay);
    assert_int_equal(unmap(dom[2], handle, MAP_AT), GNTST_okay);
    assert_int_equal(entry(dom[1], 9)->flags & MARKS, MARKS);
    assert_int_equal(unmap(dom[2], again, MAP_AT + 1), GNTST_okay);
    assert_int_equal(entry(dom[1], 9)->flags & MARKS, 0);
}

static void test_mapper_dies(void **state)
{
    u32 handle;

    (void)state;
    for (u32 i = 0; i < 20; i++) {
        give(dom[1], i, 2, i % 8, 0);
        assert_int_equal(map(dom[2], 1, i, MAP_AT + i, 0, &handle), GNTST_okay);
        touch(2, MAP_AT + i);
    }
    end_domain(2);
    for (u32 i = 0; i < 20; i++) {
        assert_int_equal(entry(dom[1], i)->flags & MARKS, 0);
        assert_int_equal(frame_refs(frame_of(dom[1], i % 8)), 1);
    }
}

/* Its RAM stays its own for good, and costs no book-keeping. */
static void test_privileged(void **state)
{
    u64 before;
    u32 self, other;

    (void)state;
    give(dom[0], 8, 0, DOM0_RAM + 5, 0);
    give(dom[0], 9, 2, DOM0_RAM + 6, 0);
    give(dom[0], 10, 2, 5, 0); /* not in its p2m */
    /* Whatever is allocated once per domain is there. */
    assert_int_equal(map(dom[0], 0, 8, MAP_AT, 0, &self), GNTST_okay);
    assert_int_equal(map(dom[2], 0, 9, MAP_AT, 0, &other), GNTST_okay);
    before = free_frames();
    assert_int_equal(frame_of(dom[0], MAP_AT).v, DOM0_RAM + 5);
    assert_int_equal(unmap(dom[0], self, MAP_AT), GNTST_okay);
    assert_int_equal(unmap(dom[2], other, MAP_AT), GNTST_okay);
    for (u32 i = 0; i < 8; i++) {
        entry(dom[0], 8)->frame = DOM0_RAM + i * 60;
        assert_int_equal(map(dom[0], i & 1 ? DOMID_SELF : 0, 8, MAP_AT + i, 0, &self), GNTST_okay);
        assert_int_equal(unmap(dom[0], self, MAP_AT + i), GNTST_okay);
    }
    assert_int_equal(free_frames(), before + 1); /* the table that held the maps */
    assert_int_equal(map(dom[2], 0, 10, MAP_AT, 0, &other), GNTST_bad_page);
}

/* A grant or another domain's page is nothing to grant on. */
static void test_not_ones_own(void **state)
{
    u32 handle;

    (void)state;
    give(dom[1], 9, 2, 3, 0);
    assert_int_equal(map(dom[2], 1, 9, MAP_AT, 0, &handle), GNTST_okay);
    give(dom[2], 9, 0, MAP_AT, 0);
    assert_int_equal(map(dom[0], 2, 9, MAP_AT, 0, &handle), GNTST_bad_page);
    assert_int_equal(
        p2m_add(dom[2], GFN(MAP_AT + 1), grant_table_frame(dom[2], 0), 1, P2M_SHARED, PTAB_RW), 0);
    give(dom[2], 9, 0, MAP_AT + 1, 0);
    assert_int_equal(map(dom[0], 2, 9, MAP_AT, 0, &handle), GNTST_bad_page);
    assert_int_equal(foreign_map(dom[0], GFN(MAP_AT), dom[2], GFN(MAP_AT)), -EINVAL);
    assert_int_equal(foreign_map(dom[0], GFN(MAP_AT), dom[2], GFN(MAP_AT + 1)), -EINVAL);
}

/* RAM its owner cannot write to is nothing others may. */
static void test_read_only_ram(void **state)
{
    mfn_t m = frame_of(dom[1], 3);
    enum p2m_type type;
    u32 handle, attr;

    (void)state;
    assert_int_equal(
        p2m_add(dom[1], GFN(3), m, 1, P2M_RAM_RO, PTAB_R | PTAB_X | PTAB_MEMTYPE(MEMTYPE_WB)), 0);
    give(dom[1], 9, 2, 3, 0);
    assert_int_equal(map(dom[2], 1, 9, MAP_AT, 0, &handle), GNTST_bad_page);
    assert_int_equal(map(dom[2], 1, 9, MAP_AT, GNTMAP_readonly, &handle), GNTST_okay);
    assert_int_equal(foreign_map(dom[0], GFN(MAP_AT), dom[1], GFN(3)), 0);
    p2m_lookup(&dom[0]->p2m, GFN(MAP_AT), &type, &attr);
    assert_int_equal(attr & PTAB_RWX, PTAB_R);
    assert_int_equal(p2m_add(dom[1], GFN(3), m, 1, P2M_RAM, PTAB_RWX | PTAB_MEMTYPE(MEMTYPE_WB)),
                     0);
}

/* A flush that was under way when an entry was withdrawn does not stand for that entry's own. */
static void test_withdrawn_meanwhile(void **state)
{
    mfn_t removed;
    u32 handle;

    (void)state;
    give(dom[1], 9, 2, 3, 0);
    assert_int_equal(map(dom[2], 1, 9, MAP_AT, 0, &handle), GNTST_okay);
    removed = frame_of(dom[2], 7);
    during_quiesce = MAP_AT;
    assert_int_equal(p2m_remove(dom[2], GFN(7), 1), 0);
    assert_int_equal(during_quiesce, 0);
    flushes = 0;
    p2m_flush(dom[2]);
    assert_int_equal(flushes, 1);
    p2m_flush(dom[2]);
    assert_int_equal(flushes, 1);
    assert_int_equal(frame_release(removed, 1, 2), 0);
}

/* Changes that overlap all the time do not keep tables from the pool. */
static void test_tables_go_meanwhile(void **state)
{
    enum { N = 16 };
    mfn_t removed = frame_of(dom[2], 7);
    u64 before;
    u32 handle;

    (void)state;
    give(dom[1], 9, 2, 3, 0);
    for (u64 i = 1; i <= N; i++)
        assert_int_equal(map(dom[2], 1, 9, i * 512, 0, &handle), GNTST_okay);
    assert_int_equal(dom[2]->p2m.pt.tables, 4 + N);
    before = free_frames();
    during_quiesce = 512;
    assert_int_equal(p2m_remove(dom[2], GFN(7), 1), 0);
    for (u64 i = 2; i <= N; i++) {
        during_quiesce = i * 512;
        p2m_flush(dom[2]);
        assert_int_equal(during_quiesce, 0);
        assert_int_equal(free_frames(), before + i - 1);
    }
    p2m_flush(dom[2]);
    assert_int_equal(free_frames(), before + N);
    assert_int_equal(dom[2]->p2m.pt.tables, 4);
    assert_int_equal(frame_release(removed, 1, 2), 0);
}

/* Maps of one page, as far apart as they can be, end before the pool does. */
static void test_table_limit(void **state)
{
    u64 before, n = 0;
    u32 handle;

    (void)state;
    give(dom[1], 9, 2, 3, 0);
    assert_int_equal(dom[0]->p2m.pt.limit, ~0u);
    while (map(dom[2], 1, 9, ++n << 9, 0, &handle) == GNTST_okay)
        ;
    assert_int_equal(map(dom[2], 1, 9, n << 9, 0, &handle), GNTST_no_space);
    assert_int_equal(dom[2]->p2m.pt.tables, P2M_TABLES);
    assert_true(n > P2M_TABLES - 16);
    assert_int_equal(entry(dom[1], 9)->flags & MARKS, MARKS);
    p2m_allow_tables(dom[2], P2M_TABLES - 100); /* was promised more already */
    assert_int_equal(map(dom[2], 1, 9, 512 + 1, 0, &handle), GNTST_okay);
    p2m_allow_tables(dom[2], P2M_TABLES + 1);
    assert_int_equal(map(dom[2], 1, 9, n << 9, 0, &handle), GNTST_okay);
    assert_int_equal(map(dom[2], 1, 9, (n + 1) << 9, 0, &handle), GNTST_no_space);
    p2m_allow_tables(dom[2], ~0ull);
    assert_int_equal(dom[2]->p2m.pt.limit, ~0u);
    before = free_frames();
    grant_destroy(dom[2]);
    assert_int_equal(dom[2]->p2m.pt.tables, 4);
    assert_true(free_frames() > before + P2M_TABLES - 4);
}

static void test_limits(void **state)
{
    u32 made = 0, handle, limit = MAP_PAGES_OTHERS * MAPS_PER_PAGE;
    s16 status;

    (void)state;
    give(dom[1], 9, 2, 3, 0);
    while ((status = map(dom[2], 1, 9, MAP_AT + made, 0, &handle)) == GNTST_okay)
        made++;
    assert_int_equal(status, GNTST_no_space);
    assert_int_equal(made, limit);
    assert_int_equal(frame_refs(frame_of(dom[1], 3)), limit + 1);
    assert_int_equal(unmap(dom[2], 77, MAP_AT + 77), GNTST_okay);
    assert_int_equal(map(dom[2], 1, 9, MAP_AT + 77, 0, &handle), GNTST_okay);
    assert_int_equal(handle, 77);
}

/* ---- No memory ---- */

static mfn_t hoard[RAM_END];

static unsigned take_all(void)
{
    unsigned n = 0;

    while (!mfn_is_none(hoard[n] = frames_alloc(0, 0)))
        n++;
    return n;
}

static void test_no_memory(void **state)
{
    unsigned n = take_all();
    u32 handle;

    (void)state;
    give(dom[1], 9, 2, 3, 0);
    for (unsigned spare = 0;; spare++) {
        s16 status =
            map(dom[2], 1, 9, MAP_AT + 512, 0, &handle); /* takes tables of the p2m as well */

        if (status == GNTST_okay)
            break;
        assert_int_equal(status, GNTST_no_space);
        assert_int_equal(entry(dom[1], 9)->flags & MARKS, 0);
        assert_int_equal(frame_refs(frame_of(dom[1], 3)), 1);
        assert_true(spare < 16);
        frames_free(hoard[--n], 0);
    }
    while (!mfn_is_none(hoard[n] = frames_alloc(0, 0)))
        n++;
    assert_true(mfn_is_none(grant_table_frame(dom[1], 5)));
    /* Letting go needs none. */
    assert_int_equal(unmap(dom[2], handle, MAP_AT + 512), GNTST_okay);
    while (n)
        frames_free(hoard[--n], 0);
}

/* Neighbours in both spaces do not become one large page, which could not be split without memory.
 */
static void test_no_large_page(void **state)
{
    u64 at = 1ull << 20;
    u32 handle[512];
    unsigned n;

    (void)state;
    (void)grant_table_frame(dom[0], 1);
    for (u32 i = 0; i < 512; i++) {
        give(dom[0], i, 0, DOM0_RAM + i, 0);
        assert_int_equal(map(dom[0], 0, i, at + i, 0, &handle[i]), GNTST_okay);
    }
    n = take_all();
    for (u32 i = 0; i < 512; i++)
        assert_int_equal(unmap(dom[0], handle[i], at + i), GNTST_okay);
    while (n)
        frames_free(hoard[--n], 0);
}

/* ---- Copies ---- */

static s16 copy(struct domain *d, struct gnttab_copy op)
{
    grant_copy(d, &op, 1);
    return op.status;
}

static struct gnttab_copy copy_op(u16 from, u64 from_at, u16 from_offset, u16 to, u64 to_at,
                                  u16 to_offset, u16 len, u16 flags)
{
    struct gnttab_copy op = {.len = len, .flags = flags};

    op.source.domid = from, op.source.offset = from_offset;
    op.dest.domid = to, op.dest.offset = to_offset;
    if (flags & GNTCOPY_source_gref)
        op.source.u.ref = (u32)from_at;
    else
        op.source.u.gmfn = from_at;
    if (flags & GNTCOPY_dest_gref)
        op.dest.u.ref = (u32)to_at;
    else
        op.dest.u.gmfn = to_at;
    return op;
}

static void test_copy(void **state)
{
    u8 *one = at_gfn(dom[1], 3), *two = at_gfn(dom[2], 4);

    (void)state;
    give(dom[1], 9, 2, 3, 0);
    give(dom[1], 10, 2, 5, GTF_readonly);
    for (unsigned i = 0; i < PAGE_SIZE; i++)
        one[i] = (u8)(i * 7), two[i] = 0xee;
    assert_int_equal(copy(dom[2], copy_op(1, 9, 100, DOMID_SELF, 4, 200, 300, GNTCOPY_source_gref)),
                     GNTST_okay);
    assert_memory_equal(two + 200, one + 100, 300);
    assert_true(two[199] == 0xee && two[500] == 0xee);
    memset(two, 0x11, PAGE_SIZE);
    assert_int_equal(copy(dom[2], copy_op(DOMID_SELF, 4, 0, 1, 9, 4000, 96, GNTCOPY_dest_gref)),
                     GNTST_okay);
    assert_true(one[3999] == (u8)(3999 * 7) && one[4000] == 0x11 && one[4095] == 0x11);
    assert_int_equal(copy(dom[2], copy_op(DOMID_SELF, 4, 0, 2, 5, 0, PAGE_SIZE, 0)), GNTST_okay);
    assert_memory_equal(at_gfn(dom[2], 5), two, PAGE_SIZE);
    /* Both by reference, over itself, each direction. */
    for (unsigned i = 0; i < PAGE_SIZE; i++)
        one[i] = (u8)(i * 3);
    assert_int_equal(
        copy(dom[2], copy_op(1, 9, 0, 1, 9, 1, 100, GNTCOPY_source_gref | GNTCOPY_dest_gref)),
        GNTST_okay);
    for (unsigned i = 0; i < 100; i++)
        assert_int_equal(one[i + 1], (u8)(i * 3));
    assert_int_equal(entry(dom[1], 9)->flags & MARKS, 0);
    assert_int_equal(frame_refs(frame_of(dom[1], 3)), 1);
    assert_int_equal(frame_refs(frame_of(dom[2], 4)), 1);
}

static void test_copy_refused(void **state)
{
    u8 *fixed = at_gfn(dom[1], 5);

    (void)state;
    give(dom[1], 9, 2, 3, 0);
    give(dom[1], 10, 2, 5, GTF_readonly);
    memset(fixed, 0x22, PAGE_SIZE);
    assert_int_equal(copy(dom[2], copy_op(1, 9, 4000, 2, 4, 0, 97, GNTCOPY_source_gref)),
                     GNTST_bad_copy_arg);
    assert_int_equal(copy(dom[2], copy_op(1, 9, 0, 2, 4, 0xffff, 0xffff, GNTCOPY_source_gref)),
                     GNTST_bad_copy_arg);
    assert_int_equal(copy(dom[2], copy_op(1, 9, 0, 2, 4, 0, 0x1001, GNTCOPY_source_gref)),
                     GNTST_bad_copy_arg);
    assert_int_equal(copy(dom[2], copy_op(2, 4, 0, 1, 10, 0, 64, GNTCOPY_dest_gref)),
                     GNTST_general_error);
    assert_int_equal(fixed[0], 0x22);
    assert_int_equal(copy(dom[2], copy_op(1, 3, 0, 2, 4, 0, 64, 0)), GNTST_permission_denied);
    assert_int_equal(copy(dom[0], copy_op(1, 3, 0, 0, DOM0_RAM, 0, 64, 0)),
                     GNTST_permission_denied);
    assert_int_equal(copy(dom[2], copy_op(2, 30, 0, 2, 4, 0, 64, 0)), GNTST_bad_page);
    assert_int_equal(copy(dom[2], copy_op(2, ~0ull, 0, 2, 4, 0, 64, 0)), GNTST_bad_page);
    assert_int_equal(copy(dom[2], copy_op(2, 4, 0, 2, 30, 0, 64, 0)), GNTST_bad_page);
    assert_int_equal(copy(dom[2], copy_op(9, 9, 0, 2, 4, 0, 64, GNTCOPY_source_gref)),
                     GNTST_bad_domain);
    assert_int_equal(copy(dom[2], copy_op(1, 11, 0, 2, 4, 0, 64, GNTCOPY_source_gref)),
                     GNTST_bad_gntref);
    assert_int_equal(copy(dom[0], copy_op(1, 9, 0, 0, DOM0_RAM, 0, 64, GNTCOPY_source_gref)),
                     GNTST_bad_gntref);
    assert_int_equal(frame_refs(frame_of(dom[2], 4)), 1);
    assert_int_equal(frame_refs(frame_of(dom[1], 3)), 1);
    assert_int_equal(entry(dom[1], 9)->flags & MARKS, 0);
}

static void test_swap(void **state)
{
    struct gnttab_swap_grant_ref op[4] = {{9, 10, 1}, {9, 512, 1}, {9, 9, 1}, {10, 9, 1}};
    u32 handle;

    (void)state;
    give(dom[1], 9, 2, 3, 0);
    give(dom[1], 10, 0, 4, GTF_readonly);
    grant_swap(dom[1], op, 3);
    assert_int_equal(op[0].status, GNTST_okay);
    assert_int_equal(op[1].status, GNTST_bad_gntref);
    assert_int_equal(op[2].status, GNTST_okay);
    assert_int_equal(entry(dom[1], 9)->frame, 4);
    assert_int_equal(entry(dom[1], 10)->domid, 2);
    assert_int_equal(map(dom[2], 1, 10, MAP_AT, 0, &handle), GNTST_okay);
    grant_swap(dom[1], op, 4);
    assert_int_equal(op[0].status, GNTST_eagain);
    assert_int_equal(op[3].status, GNTST_eagain);
    assert_int_equal(entry(dom[1], 9)->frame, 4);
}

/* ---- Arrays ---- */

static void test_arrays(void **state)
{
    enum { N = 100 };
    struct gnttab_map_grant_ref op[N];
    struct gnttab_unmap_and_replace end[N];
    u64 arg[HYPERCALL_ARGS] = {GNTTABOP_map_grant_ref, (u64)op, N};

    (void)state;
    for (u32 i = 0; i < N; i++) {
        give(dom[1], i, 2, i % 8, 0);
        op[i] = (struct gnttab_map_grant_ref){.host_addr = (u64)(MAP_AT + i) << PAGE_SHIFT,
                                              .flags = GNTMAP_host_map,
                                              .ref = i,
                                              .dom = 1,
                                              .status = 99};
    }
    op[70].ref = 4000;
    assert_int_equal(hc_grant_table_op(cpu[2], arg), HYPERCALL_AGAIN);
    assert_int_equal(op[63].status, GNTST_okay);
    assert_int_equal(op[64].status, 99);
    assert_int_equal(new_arg[1], (u64)&op[64]);
    assert_int_equal(new_arg[2], N - 64);
    arg[1] = new_arg[1], arg[2] = new_arg[2];
    assert_int_equal(hc_grant_table_op(cpu[2], arg), 0);
    for (u32 i = 0; i < N; i++) {
        assert_int_equal(op[i].status, i == 70 ? GNTST_bad_gntref : GNTST_okay);
        end[i] =
            (struct gnttab_unmap_and_replace){.host_addr = op[i].host_addr, .handle = op[i].handle};
    }
    end[3].new_addr = PAGE_SIZE;
    end[70].handle = ~0u;
    arg[0] = GNTTABOP_unmap_and_replace, arg[1] = (u64)end, arg[2] = N;
    assert_int_equal(hc_grant_table_op(cpu[2], arg), HYPERCALL_AGAIN);
    arg[1] = new_arg[1], arg[2] = new_arg[2];
    assert_int_equal(hc_grant_table_op(cpu[2], arg), 0);
    for (u32 i = 0; i < N; i++)
        assert_int_equal(end[i].status, i == 3    ? GNTST_general_error
                                        : i == 70 ? GNTST_bad_handle
                                                  : GNTST_okay);
    assert_int_equal(entry(dom[1], 3)->flags & MARKS, MARKS);
    arg[2] = 0x80000000u;
    assert_int_equal(hc_grant_table_op(cpu[2], arg), -EINVAL);
    arg[2] = 0;
    assert_int_equal(hc_grant_table_op(cpu[2], arg), 0);
    arg[1] = 16, arg[2] = 1;
    assert_int_equal(hc_grant_table_op(cpu[2], arg), -EFAULT);
}

/* ---- Foreign mappings ---- */

static void test_foreign(void **state)
{
    mfn_t m = frame_of(dom[1], 3);
    enum p2m_type type;
    u32 attr;

    (void)state;
    assert_int_equal(foreign_map(dom[0], GFN(MAP_AT), dom[1], GFN(3)), 0);
    assert_int_equal(p2m_lookup(&dom[0]->p2m, GFN(MAP_AT), &type, &attr).v, m.v);
    assert_int_equal(type, P2M_FOREIGN);
    assert_int_equal(attr & PTAB_RWX, PTAB_RW);
    assert_int_equal(frame_refs(m), 2);
    assert_int_equal(foreign_map(dom[0], GFN(MAP_AT), dom[1], GFN(4)), -EBUSY);
    assert_int_equal(foreign_map(dom[0], GFN(MAP_AT + 1), dom[1], GFN(40)), -EINVAL);
    assert_int_equal(foreign_map(dom[0], GFN(1ull << 60), dom[1], GFN(4)), -EINVAL);
    assert_int_equal(foreign_map(dom[0], GFN(MAP_AT + 1), dom[1], GFN(1ull << 60)), -EINVAL);
    assert_int_equal(frame_refs(frame_of(dom[1], 4)), 1);
    touch(0, MAP_AT);
    assert_int_equal(p2m_remove(dom[0], GFN(MAP_AT), 1), 0);
    assert_int_equal(frame_refs(m), 1);

    /* Overwritten, in a row among others; and with the p2m. */
    for (u32 i = 0; i < 25; i++) {
        assert_int_equal(foreign_map(dom[0], GFN(MAP_AT + i), dom[1], GFN(i % 8)), 0);
        touch(0, MAP_AT + i);
    }
    flushes = 0;
    assert_int_equal(p2m_remove(dom[0], GFN(MAP_AT + 2), 20), 0);
    assert_int_equal(flushes, 2);
    assert_int_equal(dom[0]->p2m.foreign, 5);
    assert_int_equal(p2m_add(dom[0], GFN(0), MFN(0x100), 1024, P2M_MMIO, PTAB_RW), 0);
    assert_int_equal(dom[0]->p2m.foreign, 0);
    for (u32 i = 0; i < 8; i++)
        assert_int_equal(frame_refs(frame_of(dom[1], i)), 1);
    assert_int_equal(foreign_map(dom[0], GFN(MAP_AT), dom[1], GFN(3)), 0); /* in a device's place */
    end_domain(1);
    assert_int_equal(frame_owner(m), FRAME_NOBODY);
    assert_int_equal(frame_refs(m), 1);
    end_domain(0);
    assert_int_equal(frame_refs(m), 0);
}

static void test_foreign_batch(void **state)
{
    enum { N = 100 };
    xen_ulong_t idx[N];
    xen_pfn_t gpfn[N];
    int err[N];
    struct xen_add_to_physmap_batch b = {.domid = DOMID_SELF,
                                         .space = XENMAPSPACE_gmfn_foreign,
                                         .size = N,
                                         .u.foreign_domid = 1,
                                         .idxs = {idx},
                                         .gpfns = {gpfn},
                                         .errs = {err}};
    u64 start = 0;

    (void)state;
    for (unsigned i = 0; i < N; i++)
        idx[i] = i % 9, gpfn[i] = MAP_AT + i, err[i] = 99;
    assert_int_equal(foreign_batch(cpu[0], (u64)&b, &start), HYPERCALL_AGAIN);
    assert_int_equal(start, 64);
    assert_int_equal(err[64], 99);
    assert_int_equal(foreign_batch(cpu[0], (u64)&b, &start), 0);
    for (unsigned i = 0; i < N; i++)
        assert_int_equal(err[i], i % 9 == 8 ? -EINVAL : 0);
    assert_int_equal(frame_of(dom[0], MAP_AT + 99).v, frame_of(dom[1], 0).v);

    start = 0, b.u.foreign_domid = 9;
    assert_int_equal(foreign_batch(cpu[0], (u64)&b, &start), -ESRCH);
    start = 0, b.u.foreign_domid = 0;
    assert_int_equal(foreign_batch(cpu[0], (u64)&b, &start), -EINVAL);
    start = 0, b.u.foreign_domid = 1;
    assert_int_equal(foreign_batch(cpu[2], (u64)&b, &start), -EPERM);
    start = 0, b.u.foreign_domid = DOMID_SELF;
    assert_int_equal(foreign_batch(cpu[2], (u64)&b, &start), -EINVAL);
    start = 0, b.u.foreign_domid = 1, b.space = XENMAPSPACE_gmfn;
    assert_int_equal(foreign_batch(cpu[0], (u64)&b, &start), -EOPNOTSUPP);
    start = ~0ull, b.space = XENMAPSPACE_gmfn_foreign;
    assert_int_equal(foreign_batch(cpu[0], (u64)&b, &start), 0);
    start = 0, b.errs.p = NULL;
    assert_int_equal(foreign_batch(cpu[0], (u64)&b, &start), -EFAULT);
    assert_int_equal(foreign_batch(cpu[0], 0, &start), -EFAULT);
}

static void test_acquire(void **state)
{
    xen_pfn_t gfn[3] = {MAP_AT, MAP_AT + 1, MAP_AT};
    struct xen_mem_acquire_resource a = {.domid = 1, .type = XENMEM_resource_grant_table};
    u64 start = 0;
    mfn_t m;

    (void)state;
    assert_int_equal(foreign_acquire(cpu[0], (u64)&a, &start), 0);
    assert_int_equal(a.nr_frames, GRANT_MAX_FRAMES);
    a.nr_frames = 2, a.frame = 0, a.frame_list.p = gfn;
    assert_int_equal(foreign_acquire(cpu[0], (u64)&a, &start), 0);
    m = grant_table_frame(dom[1], 1);
    assert_int_equal(frame_of(dom[0], MAP_AT + 1).v, m.v);
    assert_non_null(p2m_ram(&dom[0]->p2m, GPA(MAP_AT << PAGE_SHIFT), true));
    /* The tools write a grant; the domain's end leaves the page to them. */
    ((grant_entry_v1_t *)at_gfn(dom[0], MAP_AT))[1] = (grant_entry_v1_t){GTF_permit_access, 0, 3};
    assert_int_equal(entry(dom[1], 1)->frame, 3);
    start = 0, a.nr_frames = 1, a.frame_list.p = gfn + 2;
    assert_int_equal(foreign_acquire(cpu[0], (u64)&a, &start), -EBUSY);
    start = 0, a.nr_frames = 3, a.frame_list.p = gfn, gfn[0] = MAP_AT + 2;
    assert_int_equal(foreign_acquire(cpu[0], (u64)&a, &start), -EIO);
    start = 0, a.frame = GRANT_MAX_FRAMES;
    assert_int_equal(foreign_acquire(cpu[0], (u64)&a, &start), -EINVAL);
    start = 0, a.id = XENMEM_resource_grant_table_id_status;
    assert_int_equal(foreign_acquire(cpu[0], (u64)&a, &start), -EINVAL);
    a.id = 0, a.type = 9;
    assert_int_equal(foreign_acquire(cpu[0], (u64)&a, &start), -EOPNOTSUPP);
    start = 0, a.type = XENMEM_resource_ioreq_server, a.nr_frames = 1, a.id = 4, a.frame = 0;
    gfn[0] = MAP_AT + 3;
    assert_int_equal(foreign_acquire(cpu[0], (u64)&a, &start), -EINVAL);
    a.id = 3;
    assert_int_equal(foreign_acquire(cpu[0], (u64)&a, &start), 0);
    assert_int_equal(frame_of(dom[0], MAP_AT + 3).v, grant_table_frame(dom[1], 0).v);
    assert_int_equal(p2m_remove(dom[0], GFN(MAP_AT + 3), 1), 0);
    a.type = XENMEM_resource_grant_table, a.id = 0, a.domid = 0;
    assert_int_equal(foreign_acquire(cpu[0], (u64)&a, &start), -EINVAL);
    a.domid = 2;
    assert_int_equal(foreign_acquire(cpu[1], (u64)&a, &start), -EPERM);
    end_domain(1);
    assert_int_equal(frame_owner(m), FRAME_NOBODY);
    touch(0, MAP_AT + 1);
    assert_int_equal(p2m_remove(dom[0], GFN(MAP_AT), 3), 0);
    assert_int_equal(frame_refs(m), 0);
}

/* ---- What root mode keeps for a domain, in its own space ---- */

static s64 add_to_physmap(unsigned slot, unsigned space, u64 idx, u64 gfn)
{
    struct xen_add_to_physmap a = {.domid = DOMID_SELF, .space = space, .idx = idx, .gpfn = gfn};

    return hc_memory_op(cpu[slot], (const u64[HYPERCALL_ARGS]){XENMEM_add_to_physmap, (u64)&a});
}

static s64 remove_from_physmap(unsigned slot, u64 gfn)
{
    struct xen_remove_from_physmap r = {.domid = DOMID_SELF, .gpfn = gfn};

    return hc_memory_op(cpu[slot],
                        (const u64[HYPERCALL_ARGS]){XENMEM_remove_from_physmap, (u64)&r});
}

/* It is in one place; the one before is empty, or keeps what the guest has put there since. */
static void moves(unsigned slot, unsigned space, mfn_t m)
{
    u32 tables = dom[slot]->p2m.pt.tables;

    assert_int_equal(add_to_physmap(slot, space, 0, MAP_AT), 0);
    assert_int_equal(frame_of(dom[slot], MAP_AT).v, m.v);
    assert_int_equal(add_to_physmap(slot, space, 0, MAP_AT), 0);
    assert_int_equal(frame_of(dom[slot], MAP_AT).v, m.v);
    for (u64 i = 1; i < 100; i++) {
        assert_int_equal(add_to_physmap(slot, space, 0, i << 9), 0);
        assert_int_equal(frame_of(dom[slot], i << 9).v, m.v);
        assert_true(mfn_is_none(frame_of(dom[slot], i == 1 ? MAP_AT : (i - 1) << 9)));
        assert_true(dom[slot]->p2m.pt.tables <= tables + 1);
    }
    assert_int_equal(remove_from_physmap(slot, 99 << 9), 0);
    add_ram(dom[slot], MAP_AT + 1);
    assert_int_equal(add_to_physmap(slot, space, 0, MAP_AT + 1), 0); /* in RAM's place */
    assert_int_equal(remove_from_physmap(slot, MAP_AT + 1), 0);
    add_ram(dom[slot], MAP_AT + 1);
    assert_int_equal(add_to_physmap(slot, space, 0, MAP_AT), 0);
    assert_true(is_ram(dom[slot], MAP_AT + 1));
    drop_ram(dom[slot], MAP_AT + 1);
    assert_int_equal(dom[slot]->p2m.pt.tables, tables);
}

static void test_shared_info_moves(void **state)
{
    (void)state;
    moves(1, XENMAPSPACE_shared_info, shared_info_mfn(dom[1]));
}

static void test_grant_table_moves(void **state)
{
    (void)state;
    moves(1, XENMAPSPACE_grant_table, grant_table_frame(dom[1], 0));
    assert_int_equal(grant_table_gfn(dom[1], 0).v, MAP_AT);
}

/* A guest that takes out, or builds over, what the privileged domain has mapped into it lets go of
 * the frame: after the flush. */
static void test_foreign_in_a_guest(void **state)
{
    mfn_t m = frame_of(dom[1], 3);

    (void)state;
    for (u32 i = 0; i < 2; i++) {
        assert_int_equal(foreign_map(dom[2], GFN(MAP_AT), dom[1], GFN(3)), 0);
        assert_int_equal(frame_refs(m), 2);
        touch(2, MAP_AT);
        assert_int_equal(i ? add_to_physmap(2, XENMAPSPACE_shared_info, 0, MAP_AT)
                           : remove_from_physmap(2, MAP_AT),
                         0);
        assert_int_equal(frame_refs(m), 1);
        assert_int_equal(dom[2]->p2m.foreign, 0);
    }
}

static u64 during_hold; /* where another vcpu registers the same vcpu_info meanwhile */

static int hold_and_wait(struct domain *d, gfn_t gfn, bool write, mfn_t *mfn)
{
    u64 gpa = during_hold;

    during_hold = 0;
    if (gpa)
        assert_int_equal(vcpu_info_register(d->vcpu[0], GPA(gpa)), 0);
    return p2m_hold(d, gfn, write, mfn);
}

/* The page of the one that counts is held, and no other. */
static void test_vcpu_info_twice(void **state)
{
    (void)state;
    assert_int_equal(vcpu_info_register(cpu[1], GPA((20 << PAGE_SHIFT) + 64)), -EFAULT);
    during_hold = (3 << PAGE_SHIFT) + 64;
    assert_int_equal(vcpu_info_register(cpu[1], GPA((4 << PAGE_SHIFT) + 64)), -EINVAL);
    assert_ptr_equal(vcpu_info(cpu[1]), (u8 *)at_gfn(dom[1], 3) + 64);
    assert_int_equal(frame_refs(frame_of(dom[1], 3)), 2);
    assert_int_equal(frame_refs(frame_of(dom[1], 4)), 1);
    assert_int_equal(vcpu_info_register(cpu[1], GPA((4 << PAGE_SHIFT) + 64)), -EINVAL);
    assert_int_equal(frame_refs(frame_of(dom[1], 4)), 1);
    vcpu_info_forget(cpu[1]);
    assert_int_equal(frame_refs(frame_of(dom[1], 3)), 1);
}

/* ---- Everything at random ---- */

#define STEPS 100000
#define REFS  8u

static struct {
    bool used;
    u32 handle;
} maps[DOMS][GFNS];

static struct domain *any_domain(unsigned *slot)
{
    do
        *slot = (unsigned)random_below(DOMS);
    while (!dom[*slot]);
    return dom[*slot];
}

static u32 any_gfn(const struct domain *d)
{
    return (u32)((d->privileged ? DOM0_RAM : 0) + random_below(9));
}

static void random_map(void)
{
    unsigned s, g;
    struct domain *d = any_domain(&s), *from = any_domain(&g);
    unsigned at = MAP_AT + (unsigned)random_below(GFNS - MAP_AT);
    u32 handle;
    s16 status = map(d, from->id, (u32)random_below(REFS), at,
                     random_below(2) ? GNTMAP_readonly : 0, &handle);

    if (status)
        return;
    assert_false(maps[s][at].used && !mfn_is_none(tlb[s][at]));
    if (!maps[s][at].used) {
        maps[s][at].used = true;
        maps[s][at].handle = handle;
        touch(s, at);
    } else {
        assert_int_equal(unmap(d, handle, at), GNTST_okay);
    }
}

static void random_unmap(void)
{
    unsigned s;
    struct domain *d = any_domain(&s);
    unsigned at = MAP_AT + (unsigned)random_below(GFNS - MAP_AT);

    if (maps[s][at].used)
        assert_int_equal(unmap(d, maps[s][at].handle, at), GNTST_okay);
    maps[s][at].used = false;
}

static void random_ram(void)
{
    unsigned s;
    struct domain *d = any_domain(&s);
    u32 gfn = any_gfn(d);

    if (d->privileged)
        return;
    if (is_ram(d, gfn))
        drop_ram(d, gfn);
    else
        add_ram(d, gfn);
}

static void random_copy(void)
{
    unsigned s, g, h;
    struct domain *d = any_domain(&s), *from = any_domain(&g), *to = any_domain(&h);
    u16 flags = (u16)random_below(4);

    copy(d, copy_op(from->id, flags & GNTCOPY_source_gref ? random_below(REFS) : any_gfn(from),
                    (u16)random_below(4200), to->id,
                    flags & GNTCOPY_dest_gref ? random_below(REFS) : any_gfn(to),
                    (u16)random_below(4200), (u16)random_below(4200), flags));
}

static void random_foreign(void)
{
    unsigned g;
    struct domain *from = any_domain(&g);
    unsigned at = MAP_AT + (unsigned)random_below(GFNS - MAP_AT);

    if (!dom[0] || from->privileged)
        return;
    if (random_below(2)) {
        (void)!foreign_map(dom[0], GFN(at), from, GFN(any_gfn(from)));
        touch(0, at);
    } else {
        assert_int_equal(p2m_remove(dom[0], GFN(at), 1 + random_below(4)), 0);
    }
}

static void random_life(void)
{
    unsigned s = 1 + (unsigned)random_below(DOMS - 1);

    if (dom[s]) {
        end_domain(s);
        memset(maps[s], 0, sizeof(maps[s]));
        return;
    }
    /* Ids come again. */
    new_domain(s, (u16)s);
    for (u64 i = 0; i < 8; i++)
        add_ram(dom[s], i);
}

static void random_entry(void)
{
    unsigned s, t;
    struct domain *d = any_domain(&s), *to = any_domain(&t);
    u32 ref = (u32)random_below(REFS);

    /* As a guest that keeps to the rules does it: not while it is marked. */
    if (!(entry(d, ref)->flags & MARKS))
        give(d, ref, to->id, any_gfn(d), random_below(4) ? 0 : GTF_readonly);
}

static void test_random(void **state)
{
    static void (*const step[])(void) = {random_map,   random_map,   random_map,     random_unmap,
                                         random_copy,  random_copy,  random_foreign, random_ram,
                                         random_entry, random_entry, random_unmap,   random_unmap};

    (void)state;
    memset(maps, 0, sizeof(maps));
    for (unsigned i = 0; i < STEPS; i++) {
        if (random_below(500) == 0)
            random_life();
        else
            step[random_below(ARRAY_SIZE(step))]();
        for (unsigned d = 0; d < DOMS; d++)
            check_tlb(d);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_table, setup, teardown),
        cmocka_unit_test_setup_teardown(test_setup_and_version, setup, teardown),
        cmocka_unit_test_setup_teardown(test_map, setup, teardown),
        cmocka_unit_test_setup_teardown(test_map_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_two_maps_of_one, setup, teardown),
        cmocka_unit_test_setup_teardown(test_unmap_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_unmap_replaced, setup, teardown),
        cmocka_unit_test_setup_teardown(test_unmap_together, setup, teardown),
        cmocka_unit_test_setup_teardown(test_owner_gives_up, setup, teardown),
        cmocka_unit_test_setup_teardown(test_granter_dies, setup, teardown),
        cmocka_unit_test_setup_teardown(test_mapper_dies, setup, teardown),
        cmocka_unit_test_setup_teardown(test_privileged, setup, teardown),
        cmocka_unit_test_setup_teardown(test_not_ones_own, setup, teardown),
        cmocka_unit_test_setup_teardown(test_read_only_ram, setup, teardown),
        cmocka_unit_test_setup_teardown(test_withdrawn_meanwhile, setup, teardown),
        cmocka_unit_test_setup_teardown(test_tables_go_meanwhile, setup, teardown),
        cmocka_unit_test_setup_teardown(test_table_limit, setup, teardown),
        cmocka_unit_test_setup_teardown(test_limits, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_memory, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_large_page, setup, teardown),
        cmocka_unit_test_setup_teardown(test_copy, setup, teardown),
        cmocka_unit_test_setup_teardown(test_copy_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_swap, setup, teardown),
        cmocka_unit_test_setup_teardown(test_arrays, setup, teardown),
        cmocka_unit_test_setup_teardown(test_foreign, setup, teardown),
        cmocka_unit_test_setup_teardown(test_foreign_batch, setup, teardown),
        cmocka_unit_test_setup_teardown(test_acquire, setup, teardown),
        cmocka_unit_test_setup_teardown(test_shared_info_moves, setup, teardown),
        cmocka_unit_test_setup_teardown(test_grant_table_moves, setup, teardown),
        cmocka_unit_test_setup_teardown(test_foreign_in_a_guest, setup, teardown),
        cmocka_unit_test_setup_teardown(test_vcpu_info_twice, setup, teardown),
        cmocka_unit_test_setup_teardown(test_random, setup, teardown),
    };

    random_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
