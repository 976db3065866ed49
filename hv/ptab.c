/* SPDX-License-Identifier: BSD-2-Clause */
#include "hv/ptab.h"
#include "hv/errno.h"
#include "hv/string.h"

#define ENTRIES 512

/* What a visitor of an entry wants next. */
enum { DONE, DESCEND };

/* One operation on its way through a range; at moves from start to end. */
struct walk {
    struct ptab *pt;
    int (*visit)(struct walk *w, u64 *e, unsigned level, bool whole);
    u64 start, at, end;
    u64 pa; /* of start */
    u32 mask, attr;
    ptab_seen_fn *seen;
    void *arg;
    bool apart; /* what is uniform stays in leaves of its own */
};

static unsigned shift_of(unsigned level)
{
    return PAGE_SHIFT + 9 * level;
}

static u64 span_of(unsigned level)
{
    return 1ull << shift_of(level);
}

static unsigned index_of(u64 va, unsigned level)
{
    return (va >> shift_of(level)) % ENTRIES;
}

static u64 *table_at(const struct ptab *pt, mfn_t frame)
{
    return (u64 *)(pt->mem->direct + frame.v * PAGE_SIZE);
}

static u64 *table_of(const struct ptab *pt, u64 e)
{
    return table_at(pt, MFN((e & PTE_ADDR) >> PAGE_SHIFT));
}

static bool is_leaf(const struct ptab_format *f, u64 e, unsigned level)
{
    return e && (level == 0 || (e & f->large));
}

static bool is_table(const struct ptab_format *f, u64 e, unsigned level)
{
    return e && level && !(e & f->large);
}

/* The frame's address; in a large leaf the bits below may mean something else (PAT). */
static u64 address_of(u64 e, unsigned level)
{
    return e & PTE_ADDR & ~(span_of(level) - 1);
}

static bool swap(u64 *e, u64 old, u64 new)
{
    return __atomic_compare_exchange_n(e, &old, new, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
}

static u64 memtype_encode(const struct ptab_format *f, u32 attr, unsigned level)
{
    const u8 *bit = f->memtype_bit[level > 0];
    u64 code = f->memtype_code[ptab_memtype(attr)];

    return (code & 1) << bit[0] | (code >> 1 & 1) << bit[1] | (code >> 2) << bit[2];
}

static u32 memtype_decode(const struct ptab_format *f, u64 e, unsigned level)
{
    const u8 *bit = f->memtype_bit[level > 0];

    return PTAB_MEMTYPE(
        f->memtype_of[(e >> bit[0] & 1) | (e >> bit[1] & 1) << 1 | (e >> bit[2] & 1) << 2]);
}

static u64 exec_of(const struct ptab_format *f, unsigned level)
{
    return level ? f->exec_large : f->exec;
}

static u64 encode(const struct ptab_format *f, u64 pa, u32 attr, unsigned level)
{
    u64 e = pa | memtype_encode(f, attr, level) | (u64)ptab_type(attr) << f->type_shift;

    e |= level ? f->large : 0;
    e |= attr & PTAB_IPAT ? f->ipat : 0;
    if (!(attr & PTAB_R))
        return e;
    e |= f->read | f->leaf;
    e |= attr & PTAB_W ? f->write : 0;
    e |= attr & PTAB_X ? exec_of(f, level) : f->noexec;
    e |= attr & PTAB_U ? f->user : 0;
    e |= attr & PTAB_G ? f->global : 0;
    e |= attr & PTAB_A ? f->accessed : 0;
    e |= attr & PTAB_D ? f->dirty : 0;
    return e;
}

static u32 decode(const struct ptab_format *f, u64 e, unsigned level)
{
    u32 attr = memtype_decode(f, e, level) | PTAB_TYPE(e >> f->type_shift & 15);

    attr |= e & f->ipat ? PTAB_IPAT : 0;
    if (!(e & f->read))
        return attr;
    attr |= PTAB_R;
    attr |= e & f->write ? PTAB_W : 0;
    attr |= (e & (exec_of(f, level) | f->noexec)) == exec_of(f, level) ? PTAB_X : 0;
    attr |= e & f->user ? PTAB_U : 0;
    attr |= e & f->global ? PTAB_G : 0;
    attr |= e & f->accessed ? PTAB_A : 0;
    attr |= e & f->dirty ? PTAB_D : 0;
    return attr;
}

/*
 * Unlinked tables form a list. A CPU that remembers one may walk it until the flush, so it must go
 * on translating: the link lies in the p2m type bits of its first entries, which no CPU looks at.
 * The highest of them says so to software (PTAB_RETIRED), which looks again from the root.
 */
#define LINK_PIECES 14 /* three bits each: 42 bits of frame number */
#define LINK_BITS   3

static void retire_table(struct ptab *pt, mfn_t frame)
{
    u64 *t = table_at(pt, frame), link = pt->retired.v;
    unsigned shift = pt->fmt->type_shift;

    for (unsigned i = 0; i < LINK_PIECES; i++, link >>= LINK_BITS)
        WRITE_ONCE(t[i], (t[i] & ~(15ull << shift)) | (PTAB_RETIRED | (link & 7)) << shift);
    pt->retired = frame;
    pt->tables--;
}

static mfn_t retired_next(const struct ptab *pt, mfn_t frame)
{
    const u64 *t = table_at(pt, frame);
    u64 link = 0;

    for (unsigned i = LINK_PIECES; i-- > 0;)
        link = link << LINK_BITS | (t[i] >> pt->fmt->type_shift & 7);
    return link >> (LINK_BITS * LINK_PIECES - 1) ? MFN_NONE : MFN(link);
}

mfn_t ptab_take_retired(struct ptab *pt)
{
    mfn_t first = pt->retired;

    pt->retired = MFN_NONE;
    return first;
}

void ptab_free_retired(const struct ptab *pt, mfn_t first)
{
    while (!mfn_is_none(first)) {
        mfn_t frame = first;

        first = retired_next(pt, frame);
        pt->mem->free(pt->mem->ctx, frame);
    }
}

void ptab_flushed(struct ptab *pt)
{
    ptab_free_retired(pt, ptab_take_retired(pt));
    pt->stale = false;
}

/* The table at level and all below it. */
static void retire_tree(struct ptab *pt, mfn_t frame, unsigned level)
{
    const u64 *t = table_at(pt, frame);

    for (unsigned i = 0; level && i < ENTRIES; i++)
        if (is_table(pt->fmt, t[i], level))
            retire_tree(pt, MFN((t[i] & PTE_ADDR) >> PAGE_SHIFT), level - 1);
    retire_table(pt, frame);
}

static void replace(struct ptab *pt, u64 *e, u64 new, unsigned level)
{
    u64 old = __atomic_exchange_n(e, new, __ATOMIC_ACQ_REL);

    if (old & pt->fmt->read)
        pt->stale = true;
    if (is_table(pt->fmt, old, level))
        retire_tree(pt, MFN((old & PTE_ADDR) >> PAGE_SHIFT), level - 1);
}

/* The table that is to stand below e, filled but not linked: holes, or what e's leaf says. */
static void fill_table(const struct ptab *pt, u64 *t, u64 e, unsigned level)
{
    u32 attr = decode(pt->fmt, e, level);
    u64 first = e ? encode(pt->fmt, address_of(e, level), attr, level - 1) : 0;

    for (unsigned i = 0; i < ENTRIES; i++)
        t[i] = e ? first + i * span_of(level - 1) : 0;
}

/* Puts a table below e, a hole or a leaf. The translation stays what it was, so nothing is stale. A
 * CPU may mark a leaf accessed or dirty meanwhile: then the table is filled once more. */
static int grow(struct ptab *pt, u64 *e, unsigned level)
{
    mfn_t frame = pt->tables < pt->limit ? pt->mem->alloc(pt->mem->ctx) : MFN_NONE;
    u64 old;

    if (mfn_is_none(frame))
        return -ENOMEM;
    do {
        old = READ_ONCE(*e);
        fill_table(pt, table_at(pt, frame), old, level);
    } while (!swap(e, old, mfn_hpa(frame).v | pt->fmt->table));
    pt->tables++;
    return 0;
}

/* Could what starts like this be one leaf at level? */
static bool may_merge(const struct ptab *pt, u64 first, unsigned level)
{
    return level <= pt->max_leaf && is_leaf(pt->fmt, first, level - 1) &&
           address_of(first, level - 1) % span_of(level) == 0;
}

/* If the table below e says no more than one entry could, that takes its place: a hole, or a leaf.
 * That counts as accessed and dirty: a CPU may still mark the table after we looked. */
static void try_merge(struct ptab *pt, u64 *e, unsigned level)
{
    const struct ptab_format *f = pt->fmt;
    const u64 *t = table_of(pt, *e);
    u64 marks = f->accessed | f->dirty, first = t[0] & ~marks, new = 0;
    u64 step = first ? span_of(level - 1) : 0;

    if (first && !may_merge(pt, first, level))
        return;
    for (unsigned i = ENTRIES; i-- > 1;)
        if ((t[i] & ~marks) != first + i * step)
            return;
    if (first)
        new = encode(f, address_of(first, level), decode(f, first | marks, level - 1), level);
    replace(pt, e, new, level);
}

static int walk_table(struct walk *w, u64 *table, unsigned level);

static int descend(struct walk *w, u64 *e, unsigned level)
{
    int rc = 0;

    if (!is_table(w->pt->fmt, *e, level))
        rc = grow(w->pt, e, level);
    if (rc)
        return rc;
    rc = walk_table(w, table_of(w->pt, *e), level - 1);
    if (!w->apart || rc)
        try_merge(w->pt, e, level); /* also what was begun in vain */
    return rc;
}

static int walk_table(struct walk *w, u64 *table, unsigned level)
{
    u64 span = span_of(level);

    for (unsigned i = index_of(w->at, level); i < ENTRIES && w->at < w->end; i++) {
        u64 next = ALIGN_DOWN(w->at, span) + span;
        bool whole = w->at % span == 0 && next <= w->end;
        int rc = w->visit(w, &table[i], level, whole);

        if (rc == DESCEND)
            rc = descend(w, &table[i], level);
        if (rc)
            return rc;
        w->at = next;
    }
    return 0;
}

static int visit_map(struct walk *w, u64 *e, unsigned level, bool whole)
{
    u64 pa = w->pa + (w->at - w->start);

    if (!whole || level > w->pt->max_leaf || pa % span_of(level))
        return DESCEND;
    replace(w->pt, e, encode(w->pt->fmt, pa, w->attr, level), level);
    return DONE;
}

static int visit_unmap(struct walk *w, u64 *e, unsigned level, bool whole)
{
    if (!*e)
        return DONE;
    if (!whole)
        return DESCEND;
    replace(w->pt, e, 0, level);
    return DONE;
}

/* Swapped, not written: a CPU may mark the leaf accessed or dirty at the same time. */
static int visit_protect(struct walk *w, u64 *e, unsigned level, bool whole)
{
    const struct ptab_format *f = w->pt->fmt;
    u64 old, new;
    u32 attr;

    do {
        old = READ_ONCE(*e);
        if (!is_leaf(f, old, level))
            return old ? DESCEND : DONE;
        attr = decode(f, old, level);
        new = encode(f, address_of(old, level), (attr & ~w->mask) | (w->attr & w->mask), level);
        if (new == old)
            return DONE;
        if (!whole)
            return DESCEND;
    } while (!swap(e, old, new));

    w->pt->stale |= (old & f->read) != 0;
    if (w->seen)
        w->seen(w->arg, w->at, shift_of(level), attr);
    return DONE;
}

static int visit_split(struct walk *w, u64 *e, unsigned level, bool whole)
{
    (void)w, (void)whole;
    return *e && level ? DESCEND : DONE;
}

/* A range is sound if its bits above the top one that translates are all 0, or copies of that bit.
 */
static bool range_ok(const struct ptab_format *f, u64 va, u64 size)
{
    unsigned bits = shift_of(f->levels) - f->canonical;
    s64 top = (s64)va >> bits, top_of_last = (s64)(va + size - 1) >> bits;

    return size && (va | size) % PAGE_SIZE == 0 && top == top_of_last && size <= 1ull << bits &&
           (top == 0 || (f->canonical && top == -1));
}

static int run(struct walk *w, u64 va, u64 size)
{
    const struct ptab_format *f = w->pt->fmt;

    if (!range_ok(f, va, size))
        return -EINVAL;
    w->start = w->at = va & (span_of(f->levels) - 1);
    w->end = w->start + size;
    return walk_table(w, table_at(w->pt, w->pt->root), f->levels - 1);
}

int ptab_map(struct ptab *pt, u64 va, hpa_t pa, u64 size, u32 attr)
{
    struct walk w = {.pt = pt, .visit = visit_map, .pa = pa.v, .attr = attr};

    if (pa.v & ~PTE_ADDR || (pa.v + size - 1) & ~(PTE_ADDR | (PAGE_SIZE - 1)))
        return -EINVAL;
    return run(&w, va, size);
}

int ptab_unmap(struct ptab *pt, u64 va, u64 size)
{
    struct walk w = {.pt = pt, .visit = visit_unmap};

    return run(&w, va, size);
}

int ptab_protect_seen(struct ptab *pt, u64 va, u64 size, u32 mask, u32 attr, ptab_seen_fn *seen,
                      void *arg)
{
    struct walk w = {
        .pt = pt, .visit = visit_protect, .mask = mask, .attr = attr, .seen = seen, .arg = arg};

    return run(&w, va, size);
}

int ptab_split(struct ptab *pt, u64 va)
{
    struct walk w = {.pt = pt, .visit = visit_split, .apart = true};

    return run(&w, va, PAGE_SIZE);
}

int ptab_protect(struct ptab *pt, u64 va, u64 size, u32 mask, u32 attr)
{
    return ptab_protect_seen(pt, va, size, mask, attr, NULL, NULL);
}

static inline __attribute__((always_inline)) u64 walk_down(const struct ptab *pt, u64 va,
                                                           unsigned *shift, u64 **slot)
{
    u64 *table = table_at(pt, pt->root);
    unsigned at = shift_of(pt->fmt->levels - 1);

    for (;; at -= 9) {
        u64 e;

        *slot = &table[va >> at & (ENTRIES - 1)];
        *shift = at;
        e = READ_ONCE(**slot);
        /* Tables carry it. What does not is a hole or a leaf, or was a hole in a retired table. */
        if (at == PAGE_SHIFT || !(e & pt->fmt->read) || (e & pt->fmt->large))
            return e;
        table = table_of(pt, e);
    }
}

static inline __attribute__((always_inline)) u64 find(const struct ptab *pt, u64 va,
                                                      unsigned *shift, u64 **slot)
{
    u64 e;

    *shift = shift_of(pt->fmt->levels);
    if (unlikely(va >> *shift))
        return 0;
    /* A table that is on its way out is left by the root: there it has been replaced already. */
    do
        e = walk_down(pt, va, shift, slot);
    while (unlikely(e >> pt->fmt->type_shift & PTAB_RETIRED));
    return e;
}

u64 ptab_entry(const struct ptab *pt, u64 va, unsigned *shift)
{
    u64 *slot;

    return find(pt, va, shift, &slot);
}

u64 ptab_entry_written(const struct ptab *pt, u64 va, unsigned *shift)
{
    const u64 marks = pt->fmt->accessed | pt->fmt->dirty, write = pt->fmt->write;
    u64 e, *slot;

    do
        e = find(pt, va, shift, &slot);
    while ((e & write) && (e & marks) != marks && !swap(slot, e, e | marks));
    return e;
}

int ptab_lookup(const struct ptab *pt, u64 va, struct ptab_leaf *leaf)
{
    unsigned shift = shift_of(pt->fmt->levels), level;
    u64 e = 0;

    if (range_ok(pt->fmt, va & PAGE_MASK, PAGE_SIZE))
        e = ptab_entry(pt, va & ((1ull << shift) - 1), &shift);
    leaf->shift = (u8)shift;
    if (!e)
        return -ENOENT;
    level = (shift - PAGE_SHIFT) / 9;
    leaf->pa = HPA(address_of(e, level) | (va & (span_of(level) - 1)));
    leaf->attr = decode(pt->fmt, e, level);
    return 0;
}

int ptab_init(struct ptab *pt, const struct ptab_format *fmt, const struct ptab_mem *mem,
              unsigned max_leaf)
{
    *pt = (struct ptab){
        .fmt = fmt, .mem = mem, .max_leaf = (u8)max_leaf, .limit = ~0u, .retired = MFN_NONE};
    pt->root = mem->alloc(mem->ctx);
    if (mfn_is_none(pt->root))
        return -ENOMEM;
    memset(table_at(pt, pt->root), 0, PAGE_SIZE);
    pt->tables = 1;
    return 0;
}

void ptab_destroy(struct ptab *pt)
{
    if (mfn_is_none(pt->root))
        return;
    retire_tree(pt, pt->root, pt->fmt->levels - 1);
    ptab_flushed(pt);
    pt->root = MFN_NONE;
}
