/* SPDX-License-Identifier: BSD-2-Clause */
#include "hv/domain.h"
#include "hv/errno.h"
#include "hv/frames.h"
#include "hv/guest_ram.h"
#include "hv/log.h"
#include "hv/p2m.h"
#include "hv/string.h"
#include "hv/vendor.h"
#include <xen/xen.h>
#include <xen/hvm/hvm_op.h>

/* IPAT: a guest has no devices to need another memory type for, and uncached RAM of its would lock
 * the machine's bus, or be cached by who else has mapped it. NPT always heeds the guest's PAT. */
#define ATTR_WB       (PTAB_MEMTYPE(MEMTYPE_WB) | PTAB_IPAT)
#define ATTR_RAM      (PTAB_RWX | ATTR_WB | PTAB_TYPE(P2M_RAM))
#define ATTR_ROM      (PTAB_R | PTAB_X | ATTR_WB | PTAB_TYPE(P2M_RAM_RO))
#define ATTR_DM       (PTAB_MEMTYPE(MEMTYPE_WB) | PTAB_TYPE(P2M_IOREQ))
#define ATTR_MASK     (PTAB_RWX | PTAB_TYPES)
#define CHANGE_MAX    4096u /* pages changed at once */

#define RELEASE_BATCH 64

/* Frames in a row. */
struct piece {
    mfn_t first;
    u64 count;
};

static bool is_ram_type(unsigned type)
{
    return type == P2M_RAM || type == P2M_RAM_RO || type == P2M_IOREQ;
}

static bool in_space(const struct domain *d, u64 gfn, u64 count)
{
    u64 end = 1ull << (d->policy->phys_bits - PAGE_SHIFT);

    return gfn < end && count <= end - gfn;
}

/* ---- More ---- */

/* Counts the pages before they come, so that the maximum holds whoever else adds some. */
static int charge(struct domain *d, u64 count)
{
    u64 sum = __atomic_add_fetch(&d->ram_pages, count, __ATOMIC_SEQ_CST);

    if (sum <= d->max_pages && !READ_ONCE(d->dying))
        return 0;
    __atomic_sub_fetch(&d->ram_pages, count, __ATOMIC_SEQ_CST);
    return -ENOMEM;
}

static void discharge(struct domain *d, u64 count)
{
    __atomic_sub_fetch(&d->ram_pages, count, __ATOMIC_SEQ_CST);
}

/* The p2m's lock is held. */
static bool is_hole(const struct ptab *pt, u64 from, u64 to)
{
    struct ptab_leaf leaf;

    while (from < to) {
        if (ptab_lookup(pt, from, &leaf) == 0)
            return false;
        from = ALIGN_DOWN(from, 1ull << leaf.shift) + (1ull << leaf.shift);
    }
    return true;
}

static int enter_in_hole(struct domain *d, gfn_t gfn, mfn_t m, u64 count, u32 attr)
{
    u64 at = gfn_gpa(gfn).v, size = count << PAGE_SHIFT;
    bool stale;
    int rc = -EINVAL;

    spin_lock(&d->p2m.lock);
    if (is_hole(&d->p2m.pt, at, at + size)) {
        rc = ptab_map(&d->p2m.pt, at, mfn_hpa(m), size, attr);
        if (rc && ptab_unmap(&d->p2m.pt, at, size))
            log_err("d%u: RAM at %llx is lost", d->id, (unsigned long long)at);
    }
    d->p2m.changes++;
    stale = d->p2m.pt.stale;
    spin_unlock(&d->p2m.lock);
    if (stale)
        p2m_flush(d);
    return rc;
}

static int add_frames(struct domain *d, gfn_t gfn, unsigned order)
{
    mfn_t m = frames_alloc(order, FRAMES_ZERO);
    u64 count = 1ull << order;
    int rc;

    if (mfn_is_none(m))
        return -ENOMEM;
    rc = frame_own(m, count, d->id);
    if (rc) {
        frames_free(m, order);
        return rc;
    }
    rc = enter_in_hole(d, gfn, m, count, ATTR_RAM);
    if (rc && frame_release(m, count, d->id))
        log_err("d%u: %llu frames are lost", d->id, (unsigned long long)count);
    return rc;
}

int guest_ram_add(struct domain *d, gfn_t gfn, unsigned order)
{
    u64 count = 1ull << order;
    int rc;

    if (order > GUEST_RAM_ORDER_MAX || (gfn.v & (count - 1)) || !in_space(d, gfn.v, count))
        return -EINVAL;
    rc = charge(d, count);
    if (rc)
        return rc;
    rc = add_frames(d, gfn, order);
    if (rc)
        discharge(d, count);
    else
        WRITE_ONCE(d->max_gfn, MAX(d->max_gfn, gfn.v + count - 1));
    return rc;
}

/* ---- Less ---- */

/* Pages from `at` on, at most count, that are RAM and whose frames are neighbours: part of one
 * large leaf, or small leaves in a row, so that taking them out needs at most one table, and fails
 * before anything has changed. */
static u64 find_run(const struct ptab *pt, u64 at, u64 count, mfn_t *m)
{
    struct ptab_leaf leaf;
    u64 n = 1, in_leaf;

    if (ptab_lookup(pt, at, &leaf) || !is_ram_type(ptab_type(leaf.attr)))
        return 0;
    *m = hpa_mfn(leaf.pa);
    in_leaf = ((1ull << leaf.shift) - (at & ((1ull << leaf.shift) - 1))) >> PAGE_SHIFT;
    if (leaf.shift > PAGE_SHIFT)
        return MIN(count, in_leaf);
    while (n < count && ptab_lookup(pt, at + (n << PAGE_SHIFT), &leaf) == 0 &&
           leaf.shift == PAGE_SHIFT && is_ram_type(ptab_type(leaf.attr)) &&
           hpa_mfn(leaf.pa).v == m->v + n)
        n++;
    return n;
}

/* How many were taken out, or an error. TLBs may remember them. */
static s64 take_run(struct domain *d, u64 gfn, u64 count, mfn_t *m)
{
    u64 n;
    int rc = -EINVAL;

    spin_lock(&d->p2m.lock);
    n = find_run(&d->p2m.pt, gfn << PAGE_SHIFT, count, m);
    if (n)
        rc = ptab_unmap(&d->p2m.pt, gfn << PAGE_SHIFT, n << PAGE_SHIFT);
    d->p2m.changes++;
    spin_unlock(&d->p2m.lock);
    return rc ? rc : (s64)n;
}

static void give_back(struct domain *d, mfn_t m, u64 count)
{
    if (frame_release(m, count, d->id))
        log_err("d%u: %llu frames at %llx are not its to give back", d->id,
                (unsigned long long)count, (unsigned long long)m.v);
    discharge(d, count);
}

/* Gives RAM back; what is none is left out or, if all of it has to be, an error. */
static int drop(struct domain *d, u64 gfn, u64 count, bool all)
{
    for (u64 end = gfn + count; gfn < end;) {
        mfn_t m = MFN_NONE;
        s64 n = take_run(d, gfn, end - gfn, &m);

        if (n == -EINVAL && !all) {
            gfn++;
            continue;
        }
        if (n < 0)
            return (int)n;
        p2m_flush(d);
        give_back(d, m, (u64)n);
        gfn += (u64)n;
    }
    return 0;
}

int guest_ram_remove(struct domain *d, gfn_t gfn, unsigned order)
{
    u64 count = 1ull << order;

    if (order > GUEST_RAM_ORDER_MAX || (gfn.v & (count - 1)) || !in_space(d, gfn.v, count))
        return -EINVAL;
    return drop(d, gfn.v, count, true);
}

/* Runs of count pages in all, until there is one that is no RAM: then an error. */
static int take_runs(struct domain *d, u64 gfn, u64 count, struct piece run[GUEST_RAM_MOVE_MAX],
                     unsigned *runs)
{
    s64 n;

    for (u64 end = gfn + count; gfn < end; gfn += (u64)n) {
        n = take_run(d, gfn, end - gfn, &run[*runs].first);
        if (n < 0)
            return (int)n;
        run[(*runs)++].count = (u64)n;
    }
    return 0;
}

/* Frames that cannot go there are put back. */
static int put_run(struct domain *d, u64 from, u64 to, const struct piece *run)
{
    int rc = drop(d, to, run->count, false)
                 ?: enter_in_hole(d, GFN(to), run->first, run->count, ATTR_RAM);

    if (rc && enter_in_hole(d, GFN(from), run->first, run->count, ATTR_RAM))
        give_back(d, run->first, run->count);
    if (rc == 0)
        WRITE_ONCE(d->max_gfn, MAX(d->max_gfn, to + run->count - 1));
    return rc;
}

/* One flush for all of them, however their frames are scattered. */
int guest_ram_move(struct domain *d, gfn_t from, gfn_t to, u64 count)
{
    struct piece run[GUEST_RAM_MOVE_MAX];
    unsigned runs = 0;
    u64 done = 0;
    int rc;

    if (count > GUEST_RAM_MOVE_MAX || !in_space(d, from.v, count) || !in_space(d, to.v, count))
        return -EINVAL;
    if (from.v == to.v)
        return 0;
    rc = take_runs(d, from.v, count, run, &runs);
    p2m_flush(d);
    for (unsigned i = 0; i < runs; done += run[i++].count) {
        int err = put_run(d, from.v + done, to.v + done, &run[i]);

        rc = rc ?: err;
    }
    return rc;
}

/* ---- Other ---- */

static bool all_ram(const struct ptab *pt, u64 from, u64 to)
{
    struct ptab_leaf leaf;

    while (from < to) {
        if (ptab_lookup(pt, from, &leaf) || !is_ram_type(ptab_type(leaf.attr)))
            return false;
        from = ALIGN_DOWN(from, 1ull << leaf.shift) + (1ull << leaf.shift);
    }
    return true;
}

int guest_ram_set_type(struct domain *d, gfn_t gfn, u64 count, unsigned type)
{
    static const u32 attrs[] = {
        [HVMMEM_ram_rw] = ATTR_RAM, [HVMMEM_ram_ro] = ATTR_ROM, [HVMMEM_mmio_dm] = ATTR_DM};
    u64 at = gfn_gpa(gfn).v;
    int rc = -EINVAL;

    if (type >= ARRAY_SIZE(attrs) || count == 0 || count > CHANGE_MAX || !in_space(d, gfn.v, count))
        return -EINVAL;
    spin_lock(&d->p2m.lock);
    if (all_ram(&d->p2m.pt, at, at + (count << PAGE_SHIFT)))
        rc = ptab_protect(&d->p2m.pt, at, count << PAGE_SHIFT, ATTR_MASK, attrs[type]);
    d->p2m.changes++;
    spin_unlock(&d->p2m.lock);
    p2m_flush(d);
    return rc;
}

struct dirty {
    u64 first, count;
    u8 *bits;
};

static void note_dirty(void *arg, u64 va, unsigned shift, u32 attr)
{
    struct dirty *b = arg;

    if (!(attr & PTAB_D))
        return;
    for (u64 gfn = va >> PAGE_SHIFT; gfn < (va + (1ull << shift)) >> PAGE_SHIFT; gfn++)
        if (gfn - b->first < b->count)
            b->bits[(gfn - b->first) / 8] |= (u8)(1u << (gfn - b->first) % 8);
}

int guest_ram_dirty(struct domain *d, gfn_t gfn, u64 count, u8 *bits)
{
    struct dirty b = {gfn.v, count, bits};
    struct ptab *pt = &d->p2m.pt;
    u8 max_leaf;
    int rc;

    if (count == 0 || count > GUEST_RAM_DIRTY_MAX || !in_space(d, gfn.v, count))
        return -EINVAL;
    if (!vendor_caps.dirty_bits) {
        memset(bits, 0xff, (count + 7) / 8); /* the CPU does not say: it may have been any */
        return 0;
    }
    spin_lock(&d->p2m.lock);
    max_leaf = pt->max_leaf;
    pt->max_leaf = PTAB_4K; /* so that pages are told apart */
    rc = ptab_protect_seen(pt, gfn_gpa(gfn).v, count << PAGE_SHIFT, PTAB_D, 0, note_dirty, &b);
    pt->max_leaf = max_leaf;
    d->p2m.changes++;
    spin_unlock(&d->p2m.lock);
    p2m_flush(d);
    return rc;
}

/* Takes out whole leaves until the batch is full. */
static unsigned take_leaves(struct domain *d, u64 *at, u64 end, struct piece batch[RELEASE_BATCH])
{
    struct ptab *pt = &d->p2m.pt;
    struct ptab_leaf leaf;
    unsigned n = 0;

    spin_lock(&d->p2m.lock);
    while (*at < end && n < RELEASE_BATCH) {
        bool there = ptab_lookup(pt, *at, &leaf) == 0;
        u64 size = 1ull << leaf.shift;

        if (there && is_ram_type(ptab_type(leaf.attr)) && ptab_unmap(pt, *at, size) == 0)
            batch[n++] = (struct piece){hpa_mfn(leaf.pa), size >> PAGE_SHIFT};
        *at = ALIGN_DOWN(*at, size) + size;
    }
    d->p2m.changes++;
    spin_unlock(&d->p2m.lock);
    return n;
}

bool guest_ram_release(struct domain *d, u64 *at, unsigned limit)
{
    u64 end = 1ull << (9 * d->p2m.pt.fmt->levels + PAGE_SHIFT);
    struct piece batch[RELEASE_BATCH];

    for (; *at < end && limit; limit--) {
        unsigned n = take_leaves(d, at, end, batch);

        p2m_flush(d);
        while (n--)
            give_back(d, batch[n].first, batch[n].count);
    }
    return *at >= end;
}
