/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Grant table operations come as arrays. They are copied in, done and copied back a few at a time,
 * and after SLICE of them the vcpu goes through its run loop once more, its argument registers
 * advanced over what is done, so that no array keeps a CPU from its interrupts.
 */
#include "hv/domain.h"
#include "hv/errno.h"
#include "hv/grant.h"
#include "hv/guest_mem.h"
#include "hv/hypercall.h"
#include "hv/vcpu.h"

#define SLICE   64u
#define VERSION 1

union batch {
    struct gnttab_map_grant_ref map[GRANT_BATCH];
    struct gnttab_unmap_grant_ref unmap[GRANT_BATCH];
    struct gnttab_copy copy[GRANT_BATCH];
    struct gnttab_swap_grant_ref swap[GRANT_BATCH];
};

static void do_map(struct domain *d, union batch *b, u32 count)
{
    grant_map(d, b->map, count);
}

static void do_unmap(struct domain *d, union batch *b, u32 count)
{
    grant_unmap(d, b->unmap, count);
}

_Static_assert(sizeof(struct gnttab_unmap_and_replace) == sizeof(struct gnttab_unmap_grant_ref) &&
                   offsetof(struct gnttab_unmap_and_replace, handle) ==
                       offsetof(struct gnttab_unmap_grant_ref, handle) &&
                   offsetof(struct gnttab_unmap_and_replace, status) ==
                       offsetof(struct gnttab_unmap_grant_ref, status) &&
                   offsetof(struct gnttab_unmap_and_replace, new_addr) ==
                       offsetof(struct gnttab_unmap_grant_ref, dev_bus_addr),
               "read as an unmap");

/* Page tables that a guest writes itself are nothing root mode could put another frame into: with a
 * new address this is an error, without one an unmap. */
static void do_replace(struct domain *d, union batch *b, u32 count)
{
    for (u32 i = 0; i < count; i++) {
        if (b->unmap[i].dev_bus_addr)
            b->unmap[i].status = GNTST_general_error;
        else
            grant_unmap(d, &b->unmap[i], 1);
    }
}

static void do_copy(struct domain *d, union batch *b, u32 count)
{
    grant_copy(d, b->copy, count);
}

static void do_swap(struct domain *d, union batch *b, u32 count)
{
    grant_swap(d, b->swap, count);
}

/* Operations that come in arrays. */
static const struct {
    u8 size;
    void (*run)(struct domain *d, union batch *b, u32 count);
} batches[] = {
    [GNTTABOP_map_grant_ref] = {sizeof(struct gnttab_map_grant_ref), do_map},
    [GNTTABOP_unmap_grant_ref] = {sizeof(struct gnttab_unmap_grant_ref), do_unmap},
    [GNTTABOP_unmap_and_replace] = {sizeof(struct gnttab_unmap_and_replace), do_replace},
    [GNTTABOP_copy] = {sizeof(struct gnttab_copy), do_copy},
    [GNTTABOP_swap_grant_ref] = {sizeof(struct gnttab_swap_grant_ref), do_swap},
};

static s64 run_batch(struct vcpu *v, u32 cmd, u64 at, u32 count)
{
    u32 size = batches[cmd].size;
    union batch b;

    for (u32 done = 0, n; done < count; done += n, at += n * size) {
        if (done >= SLICE) {
            hypercall_set_arg(v, 1, at);
            hypercall_set_arg(v, 2, count - done);
            return HYPERCALL_AGAIN;
        }
        n = MIN(count - done, (u32)GRANT_BATCH);
        if (guest_read(v, &b, at, n * size))
            return -EFAULT;
        batches[cmd].run(v->domain, &b, n);
        if (guest_write(v, at, &b, n * size))
            return -EFAULT;
    }
    return 0;
}

static s16 status_of(s64 rc)
{
    return rc == -EPERM ? GNTST_permission_denied : GNTST_bad_domain;
}

static s64 query_size(struct vcpu *v, u64 at)
{
    struct gnttab_query_size q;
    struct domain *d;
    s64 rc = 0;

    if (guest_read(v, &q, at, sizeof(q)))
        return -EFAULT;
    d = hypercall_domain(v, q.dom, &rc);
    q.status = d ? GNTST_okay : status_of(rc);
    if (d) {
        q.nr_frames = grant_table_size(d);
        q.max_nr_frames = GRANT_MAX_FRAMES;
    }
    return guest_write(v, at, &q, sizeof(q)) ? -EFAULT : 0;
}

/* The frames' places in the domain's address space are its own choice: add_to_physmap. The list
 * tells where they are now. */
static s64 list_frames(struct vcpu *v, struct domain *d, struct gnttab_setup_table *s)
{
    s->status = GNTST_okay;
    if (s->nr_frames > GRANT_MAX_FRAMES ||
        (s->nr_frames && mfn_is_none(grant_table_frame(d, s->nr_frames - 1))))
        s->status = GNTST_general_error;
    for (u32 i = 0; i < s->nr_frames && s->status == GNTST_okay; i++) {
        xen_pfn_t gfn = grant_table_gfn(d, i).v;

        if (guest_write(v, (u64)s->frame_list.p + i * sizeof(gfn), &gfn, sizeof(gfn)))
            return -EFAULT;
    }
    return 0;
}

static s64 setup_table(struct vcpu *v, u64 at)
{
    struct gnttab_setup_table s;
    struct domain *d;
    s64 rc = 0;

    if (guest_read(v, &s, at, sizeof(s)))
        return -EFAULT;
    d = hypercall_domain(v, s.dom, &rc);
    s.status = d ? GNTST_okay : status_of(rc);
    rc = d ? list_frames(v, d, &s) : 0;
    if (rc == 0 && guest_write(v, at, &s, sizeof(s)))
        return -EFAULT;
    return rc;
}

static s64 set_version(struct vcpu *v, u64 at)
{
    struct gnttab_set_version s;

    if (guest_read(v, &s, at, sizeof(s)))
        return -EFAULT;
    if (s.version != VERSION)
        return s.version == 2 ? -ENOSYS : -EINVAL;
    return 0;
}

static s64 get_version(struct vcpu *v, u64 at)
{
    struct gnttab_get_version g;
    s64 rc = 0;

    if (guest_read(v, &g, at, sizeof(g)))
        return -EFAULT;
    if (!hypercall_domain(v, g.dom, &rc))
        return rc;
    g.version = VERSION;
    return guest_write(v, at, &g, sizeof(g)) ? -EFAULT : 0;
}

/* One structure each. */
static s64 (*const singles[])(struct vcpu *v, u64 at) = {
    [GNTTABOP_setup_table] = setup_table,
    [GNTTABOP_query_size] = query_size,
    [GNTTABOP_set_version] = set_version,
    [GNTTABOP_get_version] = get_version,
};

s64 hc_grant_table_op(struct vcpu *v, const u64 arg[HYPERCALL_ARGS])
{
    u32 cmd = (u32)arg[0], count = (u32)arg[2];

    if (!v->domain->grant || cmd >= ARRAY_SIZE(batches))
        return -ENOSYS;
    if (count > INT32_MAX)
        return -EINVAL;
    if (batches[cmd].run)
        return run_batch(v, cmd, arg[1], count);
    if (cmd < ARRAY_SIZE(singles) && singles[cmd])
        return count == 1 ? singles[cmd](v, arg[1]) : -EINVAL;
    return -ENOSYS;
}
