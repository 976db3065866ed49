/* SPDX-License-Identifier: BSD-2-Clause */
#include "hv/tools_abi.h" /* first: it asks the public headers for all they have */
#include "hv/domain.h"
#include "hv/errno.h"
#include "hv/foreign.h"
#include "hv/grant.h"
#include "hv/guest_args.h"
#include "hv/guest_mem.h"
#include "hv/guest_ram.h"
#include "hv/hc_memory_guest.h"
#include "hv/hypercall.h"
#include "hv/shared_info.h"
#include <xen/xen.h>
#include <xen/memory.h>
#include <xen/arch-x86/hvm/start_info.h>

#define EXTENTS_MAX   (1ull << 16)
#define SLICE         16u /* extents moved before interrupts are looked at */
#define OP_BITS       6   /* of arg[0]; above them: elements done */
#define OP_MASK       ((1u << OP_BITS) - 1)
#define LAYOUT_MAP    "4L" /* struct xen_memory_map and so on, hv/guest_args.h */
#define LAYOUT_ADD    "224LL"
#define LAYOUT_REMOVE "2L"
#define ATTR_RAM      (PTAB_RWX | PTAB_MEMTYPE(MEMTYPE_WB))

/* PVH's memory map in the shape of an E820 (xen/memory.h). */
static s64 memory_map(struct vcpu *v, u64 at)
{
    const struct domain *d = v->domain;
    struct xen_memory_map m;
    struct e820 {
        u64 addr, size;
        u32 type;
    } __packed entry;
    u32 n;

    if (guest_get(v, &m, at, LAYOUT_MAP))
        return -EFAULT;
    n = MIN(m.nr_entries, d->map_entries);
    for (u32 i = 0; i < n; i++) {
        entry = (struct e820){d->map[i].addr, d->map[i].size, d->map[i].type};
        if (guest_write(v, (u64)m.buffer.p + i * sizeof(entry), &entry, sizeof(entry)))
            return -EFAULT;
    }
    m.nr_entries = n;
    return guest_put(v, at, &m, LAYOUT_MAP);
}

/* The frame behind an index of a space that root mode keeps for the domain. */
static mfn_t space_frame(struct domain *d, unsigned space, u64 idx)
{
    if (space == XENMAPSPACE_shared_info && idx == 0)
        return shared_info_mfn(d);
    if (space == XENMAPSPACE_grant_table)
        return grant_table_frame(d, idx);
    return MFN_NONE;
}

/* What root mode keeps for the domain is in one place of its space: it leaves the one before, as on
 * Xen. The guest may have put something else there meanwhile, which stays. */
static void leave_old_place(struct domain *d, unsigned space, u64 idx, mfn_t m, gfn_t to)
{
    gfn_t was = space == XENMAPSPACE_grant_table ? grant_table_placed(d, (u32)idx, to)
                                                 : shared_info_placed(d, to);

    if (was.v == to.v)
        return;
    p2m_withdraw(d, was, m, P2M_SHARED);
    p2m_flush(d);
}

/* What a guest has at gfn goes: RAM back to the pool. Its other vcpus may be at it too, so what is
 * taken out is what was seen, or nothing. */
static int vacate(struct domain *d, gfn_t gfn)
{
    enum p2m_type type;
    u32 attr;
    mfn_t m = p2m_lookup(&d->p2m, gfn, &type, &attr);
    bool taken;

    if (mfn_is_none(m))
        return 0;
    if (type == P2M_RAM || type == P2M_RAM_RO || type == P2M_IOREQ)
        return guest_ram_remove(d, gfn, 0);
    taken = p2m_withdraw(d, gfn, m, type);
    p2m_flush(d);
    if (taken && type == P2M_FOREIGN)
        p2m_let_go(m);
    return 0;
}

static int enter_shared(struct domain *d, gfn_t gfn, mfn_t m)
{
    const u32 attr = PTAB_RW | PTAB_MEMTYPE(MEMTYPE_WB);
    int rc;

    if (!d->guest)
        return p2m_add(d, gfn, m, 1, P2M_SHARED, attr);
    rc = vacate(d, gfn);
    return rc ? rc : p2m_enter(d, gfn, m, P2M_SHARED, attr);
}

static s64 add_to_physmap(struct vcpu *v, u64 at)
{
    struct xen_add_to_physmap a;
    struct domain *d;
    mfn_t m;
    s64 rc = 0;

    if (guest_get(v, &a, at, LAYOUT_ADD))
        return -EFAULT;
    d = hypercall_domain(v, a.domid, &rc);
    if (!d)
        return rc;
    if (a.gpfn >> (52 - PAGE_SHIFT))
        return -EINVAL;
    if (a.space == XENMAPSPACE_gmfn)
        return guest_move_page(v, &a);
    m = space_frame(d, a.space, a.idx);
    if (mfn_is_none(m))
        return -EINVAL;
    rc = enter_shared(d, GFN(a.gpfn), m);
    if (rc)
        return rc;
    leave_old_place(d, a.space, a.idx, m, GFN(a.gpfn));
    if (a.space == XENMAPSPACE_shared_info)
        shared_info_refresh(d);
    return 0;
}

static s64 remove_from_physmap(struct vcpu *v, u64 at)
{
    struct xen_remove_from_physmap r;
    enum p2m_type type;
    struct domain *d;
    s64 rc = 0;
    u32 attr;

    if (guest_get(v, &r, at, LAYOUT_REMOVE))
        return -EFAULT;
    d = hypercall_domain(v, r.domid, &rc);
    if (!d)
        return rc;
    if (r.gpfn >> (52 - PAGE_SHIFT) || mfn_is_none(p2m_lookup(&d->p2m, GFN(r.gpfn), &type, &attr)))
        return -ENOENT;
    return d->guest ? vacate(d, GFN(r.gpfn)) : p2m_remove(d, GFN(r.gpfn), 1);
}

/* One extent of the domain's own RAM out of, or back into, its address space. The privileged
 * domain's RAM is identity-mapped and stays its own: what it gives up is only absent until it asks
 * for it again. */
static s64 move_extent(struct domain *d, u64 gfn, unsigned order, bool out)
{
    enum p2m_type type;
    u32 attr;

    if (gfn >> (52 - PAGE_SHIFT) || (gfn & ((1ull << order) - 1)))
        return -EINVAL;
    for (u64 i = 0; i < 1ull << order; i++) {
        mfn_t m = p2m_lookup(&d->p2m, GFN(gfn + i), &type, &attr);

        if (out ? mfn_is_none(m) || type != P2M_RAM
                : !mfn_is_none(m) || !domain_owns_ram(d, gfn + i))
            return -EINVAL;
    }
    return out ? p2m_remove(d, GFN(gfn), 1ull << order)
               : p2m_add(d, GFN(gfn), MFN(gfn), 1ull << order, P2M_RAM, ATTR_RAM);
}

/* From number *start on; returns how many extents were done in all. */
static s64 reservation(struct vcpu *v, u64 at, u64 *start, bool out)
{
    struct xen_memory_reservation r;
    u64 first = *start;
    struct domain *d;
    s64 rc = 0;

    if (guest_read(v, &r, at, sizeof(r)))
        return -EFAULT;
    d = hypercall_domain(v, r.domid, &rc);
    if (!d)
        return rc;
    if (!d->privileged || r.extent_order > 9)
        return -EPERM;
    if (r.nr_extents > EXTENTS_MAX)
        return -E2BIG;
    for (; *start < r.nr_extents; ++*start) {
        xen_pfn_t gfn;

        if (*start - first == SLICE)
            return HYPERCALL_AGAIN;
        if (guest_read(v, &gfn, (u64)r.extent_start.p + *start * sizeof(gfn), sizeof(gfn)) ||
            move_extent(d, gfn, r.extent_order, out))
            return (s64)*start;
    }
    return (s64)r.nr_extents;
}

static s64 give_up(struct vcpu *v, u64 at, u64 *start)
{
    return reservation(v, at, start, true);
}

static s64 take_back(struct vcpu *v, u64 at, u64 *start)
{
    return reservation(v, at, start, false);
}

/* An operation on many elements that takes long is issued again with how many are done above its
 * number. */
static s64 by_elements(struct vcpu *v, s64 (*fn)(struct vcpu *v, u64 arg, u64 *start),
                       const u64 *arg)
{
    u64 start = (u32)arg[0] >> OP_BITS;
    s64 rc = fn(v, arg[1], &start);

    if (rc == HYPERCALL_AGAIN)
        hypercall_set_arg(v, 0, start << OP_BITS | (arg[0] & OP_MASK));
    return rc;
}

s64 hc_memory_op(struct vcpu *v, const u64 arg[HYPERCALL_ARGS])
{
    switch ((u32)arg[0] & OP_MASK) {
    case XENMEM_add_to_physmap_batch:
        return by_elements(v, foreign_batch, arg);
    case XENMEM_acquire_resource:
        return by_elements(v, foreign_acquire, arg);
    case XENMEM_memory_map:
        return memory_map(v, arg[1]);
    case XENMEM_add_to_physmap:
        return add_to_physmap(v, arg[1]);
    case XENMEM_remove_from_physmap:
        return remove_from_physmap(v, arg[1]);
    case XENMEM_decrease_reservation:
        return by_elements(v, guest_memory_concerns(v, arg[1]) ? guest_decrease : give_up, arg);
    case XENMEM_populate_physmap:
        return by_elements(v, guest_memory_concerns(v, arg[1]) ? guest_populate : take_back, arg);
    case XENMEM_current_reservation:
    case XENMEM_maximum_reservation:
    case XENMEM_maximum_gpfn:
        return guest_pages(v, arg[1], (u32)arg[0] & OP_MASK);
    case XENMEM_set_memory_map:
        return guest_set_map(v, arg[1]);
    case XENMEM_claim_pages:
        return guest_claim(v, arg[1]);
    case XENMEM_get_sharing_freed_pages: /* no page is shared */
    case XENMEM_get_sharing_shared_pages:
        return 0;
    default:
        return -ENOSYS;
    }
}
