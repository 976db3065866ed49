/* SPDX-License-Identifier: BSD-2-Clause */
/* memory_op on guests' RAM: by the privileged domain that builds them, and by the guests
 * themselves. */
#include "hv/domain.h"
#include "hv/errno.h"
#include "hv/frames.h"
#include "hv/guest.h"
#include "hv/guest_args.h"
#include "hv/guest_mem.h"
#include "hv/guest_ram.h"
#include "hv/hc_memory_guest.h"
#include "hv/hypercall.h"
#include "hv/ioreq.h"
#include <xen/xen.h>
#include <xen/memory.h>

#define PAGES_MAX  512u /* between two looks at interrupts */
#define EXTENT     3u   /* what each costs besides, in pages: other CPUs may have to be told */
#define E820_TYPES 7u
#define LAYOUT     "LL442" /* struct xen_memory_reservation, hv/guest_args.h */

/* A guest that may be worked on, the caller itself included. Looked up for each piece: it may be
 * dying by now. */
static struct domain *find(struct vcpu *v, u16 domid, s64 *rc)
{
    struct domain *d = hypercall_domain(v, domid, rc);

    if (d && (!d->guest || READ_ONCE(d->dying))) {
        *rc = -EINVAL;
        return NULL;
    }
    return d;
}

bool guest_memory_concerns(struct vcpu *v, u64 at)
{
    struct xen_memory_reservation r;
    struct domain *d;
    s64 rc;

    if (guest_get(v, &r, at, LAYOUT))
        return false;
    d = hypercall_domain(v, r.domid, &rc);
    return d && d->guest;
}

static s64 extents(struct vcpu *v, u64 at, u64 *start,
                   int (*fn)(struct domain *d, gfn_t gfn, unsigned order))
{
    struct xen_memory_reservation r;
    struct domain *d;
    u64 pages = 0, gfn;
    s64 rc = 0;

    if (guest_get(v, &r, at, LAYOUT))
        return -EFAULT;
    if (!find(v, r.domid, &rc))
        return rc;
    if (r.mem_flags & XENMEMF_populate_on_demand)
        return -EOPNOTSUPP;
    /* How far it has come is told by 26 bits above the operation. */
    if (r.nr_extents > 1u << 25 || *start > r.nr_extents)
        return -E2BIG;
    for (; *start < r.nr_extents && r.extent_order <= GUEST_RAM_ORDER_MAX;
         ++*start, pages += EXTENT + (1ull << r.extent_order)) {
        if (pages >= PAGES_MAX)
            return HYPERCALL_AGAIN;
        d = find(v, r.domid, &rc);
        if (!d || guest_get_long(v, &gfn, (u64)r.extent_start.p, *start) ||
            fn(d, GFN(gfn), r.extent_order))
            break;
    }
    return (s64)*start;
}

s64 guest_populate(struct vcpu *v, u64 at, u64 *start)
{
    return extents(v, at, start, guest_ram_add);
}

s64 guest_decrease(struct vcpu *v, u64 at, u64 *start)
{
    s64 rc = extents(v, at, start, guest_ram_remove);

    if (v->domain->ioreq)
        ioreq_invalidate(v->domain);
    return rc;
}

s64 guest_move_page(struct vcpu *v, const struct xen_add_to_physmap *a)
{
    s64 rc = 0;
    struct domain *d = find(v, a->domid, &rc);

    return d ? guest_ram_move(d, GFN(a->idx), GFN(a->gpfn), 1) : rc;
}

/* An E820's entries, as XENMEM_memory_map will give them back. */
static s64 copy_map(struct vcpu *v, struct guest *g, u64 at, u32 n)
{
    for (u32 i = 0; i < n; i++) {
        struct {
            u64 addr, size;
            u32 type;
        } __packed e;

        if (guest_read(v, &e, at + i * sizeof(e), sizeof(e)))
            return -EFAULT;
        if (e.type == 0 || e.type > E820_TYPES || e.addr + e.size < e.addr)
            return -EINVAL;
        g->map[i] = (struct hvm_memmap_table_entry){.addr = e.addr, .size = e.size, .type = e.type};
    }
    return 0;
}

s64 guest_set_map(struct vcpu *v, u64 at)
{
    struct xen_foreign_memory_map m;
    struct domain *d;
    s64 rc = 0;

    if (guest_read(v, &m, at, sizeof(m)))
        return -EFAULT;
    d = find(v, m.domid, &rc);
    if (!d)
        return rc;
    if (!v->domain->privileged)
        return -EPERM;
    if (m.map.nr_entries > GUEST_MAX_MAP)
        return -EINVAL;
    d->map_entries = 0;
    rc = copy_map(v, d->guest, (u64)m.map.buffer.p, m.map.nr_entries);
    if (rc == 0)
        d->map_entries = m.map.nr_entries;
    return rc;
}

/* Nobody else takes memory between this and the populating but the same tools: there is enough, or
 * there is not. */
s64 guest_claim(struct vcpu *v, u64 at)
{
    struct xen_memory_reservation r;
    struct frames_stats f;
    struct domain *d;
    s64 rc = 0;

    if (guest_read(v, &r, at, sizeof(r)))
        return -EFAULT;
    if (!v->domain->privileged)
        return -EPERM;
    d = find(v, r.domid, &rc);
    if (!d)
        return rc;
    if (r.nr_extents != 1 && r.extent_order)
        return -EINVAL;
    frames_stats(&f);
    return r.nr_extents <= f.free + d->ram_pages ? 0 : -ENOMEM;
}

s64 guest_pages(struct vcpu *v, u64 at, unsigned cmd)
{
    struct domain *d;
    domid_t id;
    s64 rc = 0;

    if (guest_read(v, &id, at, sizeof(id)))
        return -EFAULT;
    d = hypercall_domain(v, id, &rc);
    if (!d)
        return rc;
    if (cmd == XENMEM_maximum_gpfn)
        return (s64)d->max_gfn;
    return (s64)(cmd == XENMEM_maximum_reservation && d->guest ? d->max_pages : d->ram_pages);
}
