/* SPDX-License-Identifier: BSD-2-Clause */
#include "hv/domain.h"
#include "hv/errno.h"
#include "hv/foreign.h"
#include "hv/grant.h"
#include "hv/guest_mem.h"
#include "hv/hypercall.h"
#include "hv/ioreq.h"
#include "hv/p2m.h"
#include <xen/xen.h>
#include <xen/memory.h>

#define CHUNK      16u /* elements copied in at once */
#define ELEMENTS   64u /* done before interrupts are looked at */
#define ATTR_READ  (PTAB_R | PTAB_MEMTYPE(MEMTYPE_WB))
#define ATTR_WRITE (PTAB_RW | PTAB_MEMTYPE(MEMTYPE_WB))

/* The reference taken becomes the entry's. */
static int enter_held(struct domain *d, gfn_t at, mfn_t frame, u32 attr)
{
    int rc = at.v >> (d->policy->phys_bits - PAGE_SHIFT)
                 ? -EINVAL
                 : p2m_enter(d, at, frame, P2M_FOREIGN, attr);

    if (rc)
        p2m_let_go(frame);
    return rc;
}

int foreign_map(struct domain *d, gfn_t at, struct domain *from, gfn_t gfn)
{
    mfn_t frame;

    if (p2m_hold(from, gfn, true, &frame) == 0)
        return enter_held(d, at, frame, ATTR_WRITE);
    if (p2m_hold(from, gfn, false, &frame) == 0)
        return enter_held(d, at, frame, ATTR_READ);
    return -EINVAL;
}

int foreign_map_frame(struct domain *d, gfn_t at, struct domain *from, mfn_t frame)
{
    if (mfn_is_none(frame) || p2m_hold_frame(from, frame))
        return -EINVAL;
    return enter_held(d, at, frame, ATTR_WRITE);
}

/* The domain whose memory is wanted: not the one that is to get it. Only the privileged domain can
 * name two. */
static struct domain *other_domain(struct vcpu *v, const struct domain *d, u16 domid, s64 *rc)
{
    struct domain *from = hypercall_domain(v, domid, rc);

    if (from != d)
        return from;
    *rc = -EINVAL;
    return NULL;
}

/* Up to CHUNK elements from number `start` on. Their errors are the elements' own. */
static s64 map_chunk(struct vcpu *v, const struct xen_add_to_physmap_batch *b, u64 start, u32 n)
{
    xen_ulong_t idx[CHUNK];
    xen_pfn_t gpfn[CHUNK];
    int err[CHUNK];
    struct domain *d, *from;
    s64 rc = 0;

    if (guest_read(v, idx, (u64)b->idxs.p + start * sizeof(idx[0]), n * sizeof(idx[0])) ||
        guest_read(v, gpfn, (u64)b->gpfns.p + start * sizeof(gpfn[0]), n * sizeof(gpfn[0])))
        return -EFAULT;
    for (u32 i = 0; i < n; i++) {
        /* Looked up each time: entering a frame may wait, and domains go meanwhile. */
        d = hypercall_domain(v, b->domid, &rc);
        from = d ? other_domain(v, d, b->u.foreign_domid, &rc) : NULL;
        if (!from)
            return rc;
        err[i] = foreign_map(d, GFN(gpfn[i]), from, GFN(idx[i]));
    }
    return guest_write(v, (u64)b->errs.p + start * sizeof(err[0]), err, n * sizeof(err[0]))
               ? -EFAULT
               : 0;
}

s64 foreign_batch(struct vcpu *v, u64 arg, u64 *start)
{
    struct xen_add_to_physmap_batch b;
    u64 first = *start;
    s64 rc = 0;

    if (guest_read(v, &b, arg, sizeof(b)))
        return -EFAULT;
    if (b.space != XENMAPSPACE_gmfn_foreign)
        return -EOPNOTSUPP;
    while (*start < b.size && rc == 0) {
        u32 n = (u32)MIN(b.size - *start, (u64)CHUNK);

        if (*start - first >= ELEMENTS)
            return HYPERCALL_AGAIN;
        rc = map_chunk(v, &b, *start, n);
        *start += n;
    }
    return rc;
}

/* ---- Resources: frames root mode keeps for a domain ---- */

static mfn_t grant_frame(struct domain *d, u32 id, u64 idx)
{
    (void)id;
    return grant_table_frame(d, idx);
}

static u32 grant_frames(u32 id)
{
    return id == XENMEM_resource_grant_table_id_shared ? GRANT_MAX_FRAMES : 0;
}

static mfn_t ioreq_frame(struct domain *d, u32 id, u64 idx)
{
    return id <= 0xffff ? ioreq_page(d, (u16)id, idx) : MFN_NONE;
}

/* The buffered ring and one page of slots; whether there is such a server is seen when it is asked
 * for. */
static u32 ioreq_frames(u32 id)
{
    (void)id;
    return 2;
}

static const struct resource {
    u32 (*frames)(u32 id); /* how many there can be; 0: no such resource */
    mfn_t (*frame)(struct domain *d, u32 id, u64 idx);
} resources[] = {
    [XENMEM_resource_ioreq_server] = {ioreq_frames, ioreq_frame},
    [XENMEM_resource_grant_table] = {grant_frames, grant_frame},
};

static s64 check_resource(const struct xen_mem_acquire_resource *a)
{
    if (a->pad)
        return -EINVAL;
    if (a->type >= ARRAY_SIZE(resources) || !resources[a->type].frames)
        return -EOPNOTSUPP;
    if (!resources[a->type].frames(a->id))
        return -EINVAL;
    return 0;
}

static s64 acquire_one(struct vcpu *v, const struct xen_mem_acquire_resource *a, u64 i)
{
    struct domain *from;
    xen_pfn_t gfn;
    s64 rc = 0;

    if (guest_read(v, &gfn, (u64)a->frame_list.p + i * sizeof(gfn), sizeof(gfn)))
        return -EFAULT;
    from = other_domain(v, v->domain, a->domid, &rc);
    if (!from)
        return rc;
    return foreign_map_frame(v->domain, GFN(gfn), from,
                             resources[a->type].frame(from, a->id, a->frame + i));
}

static s64 tell_size(struct vcpu *v, struct xen_mem_acquire_resource *a, u64 arg)
{
    if (a->nr_frames)
        return -EINVAL;
    a->nr_frames = resources[a->type].frames(a->id);
    return guest_write(v, arg, a, sizeof(*a)) ? -EFAULT : 0;
}

s64 foreign_acquire(struct vcpu *v, u64 arg, u64 *start)
{
    struct xen_mem_acquire_resource a;
    u64 first = *start;
    s64 rc;

    if (guest_read(v, &a, arg, sizeof(a)))
        return -EFAULT;
    rc = check_resource(&a);
    if (rc || !other_domain(v, v->domain, a.domid, &rc))
        return rc;
    if (!a.frame_list.p)
        return tell_size(v, &a, arg);
    for (; *start < a.nr_frames; ++*start) {
        if (*start - first >= ELEMENTS)
            return HYPERCALL_AGAIN;
        rc = acquire_one(v, &a, *start);
        if (rc)
            return *start ? -EIO : rc;
    }
    return 0;
}
