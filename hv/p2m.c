/* SPDX-License-Identifier: BSD-2-Clause */
#include "hv/domain.h"
#include "hv/errno.h"
#include "hv/frames.h"
#include "hv/p2m.h"
#include "hv/quiesce.h"
#include "hv/panic.h"
#include "hv/vcpu.h"
#include "hv/vendor.h"
#include "hv/vmem.h"

#define FOREIGN_BATCH 16 /* taken out with one flush */

static mfn_t table_alloc(void *ctx)
{
    (void)ctx;
    return frames_alloc(0, 0);
}

static void table_free(void *ctx, mfn_t m)
{
    (void)ctx;
    frames_free(m, 0);
}

const struct ptab_mem p2m_table_mem = {table_alloc, table_free, NULL, DIRECT_BASE};

static unsigned max_leaf(void)
{
    switch (vendor_caps.max_leaf_shift) {
    case 30:
        return PTAB_1G;
    case 21:
        return PTAB_2M;
    default:
        return PTAB_4K;
    }
}

int p2m_init(struct domain *d)
{
    const struct ptab_format *f = d->privileged ? vendor->p2m_format : vendor_caps.guest_p2m_format;
    int rc = ptab_init(&d->p2m.pt, f, &p2m_table_mem, max_leaf());

    if (!d->privileged)
        d->p2m.pt.limit = P2M_TABLES;
    return rc;
}

int p2m_execute(struct domain *d, gfn_t gfn)
{
    struct ptab *pt = &d->p2m.pt;
    int rc;

    if (pt->fmt->exec_large == pt->fmt->exec)
        return 0;
    spin_lock(&d->p2m.lock);
    rc = ptab_split(pt, gfn_gpa(gfn).v);
    spin_unlock(&d->p2m.lock);
    return rc;
}

void p2m_allow_tables(struct domain *d, u64 count)
{
    struct ptab *pt = &d->p2m.pt;

    spin_lock(&d->p2m.lock);
    pt->limit = (u32)MIN(MAX(count, (u64)pt->limit), (u64)~0u);
    spin_unlock(&d->p2m.lock);
}

/*
 * The end of a change; drops the lock. What was there before is forgotten when this returns: every
 * vcpu drops what its TLB knows before its next entry, and every CPU has been outside root mode,
 * where a lookup may have found it. Tables that were unlinked before are freed, whatever came in
 * between; but then it is stale still, and that change's own flush is under way or yet to come.
 */
static void finish(struct domain *d)
{
    struct p2m *p = &d->p2m;
    u64 change = ++p->changes;
    bool stale = p->pt.stale;
    mfn_t retired = ptab_take_retired(&p->pt); /* none unless stale */

    spin_unlock(&p->lock);
    if (!stale)
        return;
    for (unsigned i = 0; i < d->vcpus; i++)
        vcpu_request(d->vcpu[i], REQ_FLUSH_NESTED);
    for (unsigned i = 0; i < d->vcpus; i++)
        vcpu_wait_left(d->vcpu[i]);
    domain_wait_begin(d);
    quiesce_wait();
    domain_wait_end(d);
    spin_lock(&p->lock);
    if (p->changes == change)
        p->pt.stale = false;
    spin_unlock(&p->lock);
    ptab_free_retired(&p->pt, retired);
}

/* Up to FOREIGN_BATCH foreign frames that stand in a row, the first ones in the range: how many,
 * from *at on, and which. Lock held. */
static unsigned find_foreign(const struct p2m *p, u64 *at, u64 end, mfn_t run[FOREIGN_BATCH])
{
    unsigned n = 0;

    while (p->foreign && *at + n < end && n < FOREIGN_BATCH) {
        struct ptab_leaf leaf;
        u64 span;

        if (ptab_lookup(&p->pt, (*at + n) << PAGE_SHIFT, &leaf) == 0 &&
            ptab_type(leaf.attr) == P2M_FOREIGN) {
            run[n++] = hpa_mfn(leaf.pa);
            continue;
        }
        if (n)
            break;
        span = 1ull << (leaf.shift - PAGE_SHIFT);
        *at = ALIGN_DOWN(*at, span) + span;
    }
    return n;
}

/* Takes the lock with no foreign frame left in the range. The references are dropped once nobody
 * can know the frames any more, which takes letting go of the lock: then all is looked at again. */
static void lock_and_evict(struct domain *d, gfn_t gfn, u64 count)
{
    struct p2m *p = &d->p2m;
    mfn_t run[FOREIGN_BATCH];

    for (;;) {
        u64 at = gfn.v;
        unsigned n;

        spin_lock(&p->lock);
        n = find_foreign(p, &at, gfn.v + count, run);
        if (n == 0)
            return;
        /* Leaves of 4 KiB, so this needs no memory. */
        ASSERT(ptab_unmap(&p->pt, at << PAGE_SHIFT, (u64)n << PAGE_SHIFT) == 0);
        p->foreign -= n;
        finish(d);
        for (unsigned i = 0; i < n; i++)
            p2m_let_go(run[i]);
    }
}

void p2m_destroy(struct domain *d)
{
    if (!d->p2m.pt.mem)
        return;
    lock_and_evict(d, GFN(0), 1ull << (9 * d->p2m.pt.fmt->levels));
    spin_unlock(&d->p2m.lock);
    ptab_destroy(&d->p2m.pt);
}

int p2m_add(struct domain *d, gfn_t gfn, mfn_t mfn, u64 count, enum p2m_type type, u32 attr)
{
    int rc;

    lock_and_evict(d, gfn, count);
    rc = ptab_map(&d->p2m.pt, gfn_gpa(gfn).v, mfn_hpa(mfn), count << PAGE_SHIFT,
                  attr | PTAB_TYPE(type));
    finish(d);
    return rc;
}

int p2m_remove(struct domain *d, gfn_t gfn, u64 count)
{
    int rc;

    lock_and_evict(d, gfn, count);
    rc = ptab_unmap(&d->p2m.pt, gfn_gpa(gfn).v, count << PAGE_SHIFT);
    finish(d);
    return rc;
}

/* The leaf at gfn and the frame it leads to; 0: nothing is there. */
static u64 entry_at(const struct p2m *p, gfn_t gfn, mfn_t *mfn)
{
    unsigned shift = PAGE_SHIFT;
    /* A number too large would come out as a small address. */
    u64 e = gfn.v >> (64 - PAGE_SHIFT) ? 0 : ptab_entry(&p->pt, gfn.v << PAGE_SHIFT, &shift);
    u64 inside = (1ull << (shift - PAGE_SHIFT)) - 1;

    *mfn = e ? MFN((hpa_mfn(HPA(e & PTE_ADDR)).v & ~inside) | (gfn.v & inside)) : MFN_NONE;
    return e;
}

static enum p2m_type entry_type(const struct p2m *p, u64 e)
{
    return e >> p->pt.fmt->type_shift & 15;
}

/* Never part of a large leaf, so that taking it out takes no memory. Lock held. */
static int map_single(struct ptab *pt, gfn_t gfn, mfn_t mfn, u32 attr)
{
    u8 max_leaf = pt->max_leaf;
    int rc;

    pt->max_leaf = PTAB_4K;
    rc = ptab_map(pt, gfn_gpa(gfn).v, mfn_hpa(mfn), PAGE_SIZE, attr);
    pt->max_leaf = max_leaf;
    return rc;
}

int p2m_enter(struct domain *d, gfn_t gfn, mfn_t mfn, enum p2m_type type, u32 attr)
{
    int rc = -EBUSY;
    mfn_t old;
    u64 e;

    spin_lock(&d->p2m.lock);
    e = entry_at(&d->p2m, gfn, &old);
    if (!e || entry_type(&d->p2m, e) == P2M_MMIO) {
        rc = map_single(&d->p2m.pt, gfn, mfn, attr | PTAB_TYPE(type));
        d->p2m.foreign += rc == 0 && type == P2M_FOREIGN;
    }
    finish(d);
    return rc;
}

bool p2m_withdraw(struct domain *d, gfn_t gfn, mfn_t mfn, enum p2m_type type)
{
    mfn_t there;
    bool found;
    u64 e;

    spin_lock(&d->p2m.lock);
    e = entry_at(&d->p2m, gfn, &there);
    found = e && there.v == mfn.v && entry_type(&d->p2m, e) == type;
    if (found) {
        ASSERT(ptab_unmap(&d->p2m.pt, gfn_gpa(gfn).v, PAGE_SIZE) == 0);
        d->p2m.changes++; /* a flush that began before does not cover it */
        d->p2m.foreign -= type == P2M_FOREIGN;
    }
    spin_unlock(&d->p2m.lock);
    return found;
}

void p2m_flush(struct domain *d)
{
    spin_lock(&d->p2m.lock);
    finish(d);
}

/* A frame without references is the privileged domain's RAM. */
int p2m_hold_frame(const struct domain *d, mfn_t mfn)
{
    if (d->privileged && !frame_refs(mfn))
        return 0;
    return frame_get(mfn, d->id) ? -EINVAL : 0;
}

int p2m_hold(struct domain *d, gfn_t gfn, bool write, mfn_t *mfn)
{
    u64 e = entry_at(&d->p2m, gfn, mfn), need = write ? d->p2m.pt.fmt->write : 0;
    enum p2m_type type = entry_type(&d->p2m, e);

    if (!e || (type != P2M_RAM && type != P2M_RAM_RO) || (e & need) != need)
        return -EINVAL;
    return p2m_hold_frame(d, *mfn);
}

void p2m_let_go(mfn_t mfn)
{
    if (frame_refs(mfn))
        frame_put(mfn);
}

mfn_t p2m_lookup(const struct p2m *p, gfn_t gfn, enum p2m_type *type, u32 *attr)
{
    struct ptab_leaf leaf;

    /* A number too large would come out as a small address. */
    if (gfn.v >> (64 - PAGE_SHIFT) || ptab_lookup(&p->pt, gfn_gpa(gfn).v, &leaf))
        return MFN_NONE;
    *type = ptab_type(leaf.attr);
    *attr = leaf.attr;
    return hpa_mfn(leaf.pa);
}

static bool is_memory(unsigned type)
{
    return type == P2M_RAM || type == P2M_RAM_RO || type == P2M_FOREIGN || type == P2M_GRANT ||
           type == P2M_SHARED;
}

void *p2m_window_fill(const struct p2m *p, struct p2m_window *w, gpa_t gpa, bool write)
{
    const struct ptab_format *f = p->pt.fmt;
    unsigned shift;
    u64 e = write ? ptab_entry_written(&p->pt, gpa.v, &shift) : ptab_entry(&p->pt, gpa.v, &shift);
    u64 offset;

    if (!e || !is_memory(e >> f->type_shift & 15) || !(e & f->read) || (write && !(e & f->write)))
        return NULL;
    offset = (1ull << shift) - 1;
    w->base = gpa.v & ~offset;
    w->size = offset + 1;
    w->at = hpa_virt(HPA(e & PTE_ADDR & ~offset));
    w->writable = write;
    return w->at + (gpa.v & offset);
}

void *p2m_ram(const struct p2m *p, gpa_t gpa, bool write)
{
    struct p2m_window w = {0};

    return p2m_window_fill(p, &w, gpa, write);
}
