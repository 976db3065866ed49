/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The page table walker in all three formats, against a model that keeps an array of pages, and
 * read by "hardware": a walk of our own that knows the bits from the manuals, not from struct
 * ptab_format.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <pthread.h>
#include <sched.h>
#include <cmocka.h>
#include "random.h"
#include "hv/errno.h"
#include "hv/types.h"

/* Every compare-and-swap of the walker can be made to come too late: a CPU was there first. */
static void (*before_swap)(u64 *entry);

static bool late_swap(u64 *entry, u64 *old, u64 new)
{
    if (before_swap)
        before_swap(entry);
    return __atomic_compare_exchange_n(entry, old, new, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
}

#define __atomic_compare_exchange_n(entry, old, new, ...) late_swap(entry, old, new)
#include "hv/ptab.c"
#undef __atomic_compare_exchange_n

#include "hv/ptab_pat.h"
#include "svm/npt.h"
#include "vmx/ept.h"

enum kind { HOST, NPT, EPT, EPT_SMALL_CODE, KINDS };

static bool is_ept(enum kind k)
{
    return k >= EPT;
}

static const struct ptab_format *const formats[] = {&ptab_host, &ptab_npt, &ptab_ept,
                                                    &ptab_ept_small_code};

/* Memory for tables: frames from FIRST_FRAME on. Freed frames are poisoned. */
#define FIRST_FRAME 0x1230
#define FRAMES      2048
static u8 (*arena)[PAGE_SIZE];
static bool in_use[FRAMES];
static unsigned used;
static unsigned budget; /* allocations left before memory runs out */

static mfn_t arena_alloc(void *ctx)
{
    static unsigned next;

    (void)ctx;
    if (!budget || used == FRAMES)
        return MFN_NONE;
    budget--;
    while (in_use[next % FRAMES])
        next++;
    in_use[next % FRAMES] = true;
    used++;
    memset(arena[next % FRAMES], 0xa5, PAGE_SIZE);
    return MFN(FIRST_FRAME + next % FRAMES);
}

static void arena_free(void *ctx, mfn_t frame)
{
    u64 i = frame.v - FIRST_FRAME;

    (void)ctx;
    assert_true(i < FRAMES && in_use[i]);
    in_use[i] = false;
    used--;
    memset(arena[i], 0xcc, PAGE_SIZE);
}

static struct ptab_mem mem = {.alloc = arena_alloc, .free = arena_free};

/* ---- Hardware ---- */

struct translation {
    u64 pa;
    u32 attr; /* PTAB_* as the CPU sees it; no p2m type */
    unsigned shift;
    u64 *entry, value; /* the leaf, and what the walk read there */
};

static u64 *hw_table(u64 e)
{
    u64 i = ((e & 0x000ffffffffff000) >> 12) - FIRST_FRAME;

    assert_true(i < FRAMES && in_use[i]);
    return (u64 *)arena[i];
}

static bool bit(u64 e, unsigned n)
{
    return e >> n & 1;
}

/* SDM 3A tables 4-15 to 4-20; MAXPHYADDR taken as 52. */
static u32 hw_host_attr(enum kind k, u64 e, unsigned level)
{
    unsigned pat = (unsigned)(bit(e, 3) | bit(e, 4) << 1 | bit(e, level ? 12 : 7) << 2);
    u32 attr = PTAB_R | PTAB_MEMTYPE(PAT_ROOT_MODE >> (8 * pat) & 7);

    attr |= bit(e, 1) ? PTAB_W : 0;
    attr |= bit(e, 63) ? 0 : PTAB_X;
    attr |= bit(e, 5) ? PTAB_A : 0;
    attr |= bit(e, 6) ? PTAB_D : 0;
    if (level)
        assert_int_equal(e & ((1ull << (12 + 9 * level)) - 1) & ~0x1fffull, 0);
    if (k == NPT)
        assert_true(bit(e, 2));
    else
        attr |= (bit(e, 2) ? PTAB_U : 0) | (bit(e, 8) ? PTAB_G : 0);
    return attr;
}

/* SDM 3C tables 29-3 to 29-7, and 29.3.3.1 for what is a misconfiguration. */
static u32 hw_ept_attr(enum kind k, u64 e, unsigned level)
{
    unsigned type = e >> 3 & 7;
    u32 attr = PTAB_R | PTAB_MEMTYPE(type);

    assert_true(bit(e, 0));
    assert_true(type != 2 && type != 3 && type != 7);
    attr |= bit(e, 1) ? PTAB_W : 0;
    if (k == EPT_SMALL_CODE && level) { /* what software says of it; the CPU may not execute it */
        assert_false(bit(e, 2));
        attr |= bit(e, 56) ? PTAB_X : 0;
    } else {
        assert_false(bit(e, 56));
        attr |= bit(e, 2) ? PTAB_X : 0;
    }
    attr |= bit(e, 6) ? PTAB_IPAT : 0;
    attr |= bit(e, 8) ? PTAB_A : 0;
    attr |= bit(e, 9) ? PTAB_D : 0;
    if (level)
        assert_int_equal(e & ((1ull << (12 + 9 * level)) - 1) & ~0xfffull, 0);
    return attr;
}

/* All of a table entry must let through what a leaf may grant. */
static void hw_check_table(enum kind k, u64 e)
{
    if (is_ept(k)) {
        assert_int_equal(e & 7, 7);
        assert_int_equal(e & 0xf8, 0); /* reserved */
    } else {
        assert_int_equal(e & 0x187, 7); /* P, W, U; no large page; bit 8 ignored but clean */
        assert_false(bit(e, 63));
    }
}

static bool hw_walk(enum kind k, mfn_t root, u64 va, struct translation *t)
{
    u64 *table = hw_table(root.v << 12);

    for (unsigned level = 3;; level--) {
        u64 *entry = &table[va >> (12 + 9 * level) & 511];
        u64 e = __atomic_load_n(entry, __ATOMIC_ACQUIRE);

        if (!(e & (is_ept(k) ? 7 : 1)))
            return false;
        if (level == 0 || (level < 3 && bit(e, 7))) {
            u64 offset = (1ull << (12 + 9 * level)) - 1;

            *t = (struct translation){.pa = (e & 0x000ffffffffff000 & ~offset) | (va & offset),
                                      .attr = is_ept(k) ? hw_ept_attr(k, e, level)
                                                        : hw_host_attr(k, e, level),
                                      .shift = 12 + 9 * level,
                                      .entry = entry,
                                      .value = e};
            return true;
        }
        hw_check_table(k, e);
        table = hw_table(e);
    }
}

/* A CPU writes: the walk's leaf becomes accessed and dirty, or the walk starts again. */
static bool hw_write(enum kind k, mfn_t root, u64 va)
{
    u64 marks = is_ept(k) ? 0x300 : 0x60;
    struct translation t;

    do {
        if (!hw_walk(k, root, va, &t) || !bit(t.value, 1))
            return false;
    } while (!__atomic_compare_exchange_n(t.entry, &t.value, t.value | marks, false,
                                          __ATOMIC_ACQ_REL, __ATOMIC_RELAXED));
    return true;
}

/* ---- The model: pages of a window ---- */

#define WINDOW_PAGES (2 * 262144 + 1024)
struct page {
    u64 pa;
    u32 attr; /* normalized; 0: a hole */
};
static struct page *model;
static u64 window; /* its first address */

static const u64 windows[] = {0, 0x7fff00000000 & ~((1ull << 30) - 1), 0xffff800000000000,
                              0xffffffff00000000};

/* What is left of attr in a format. A present leaf's p2m type is kept; PTAB_A makes it differ from
 * 0. */
static u32 normalize(enum kind k, u32 attr)
{
    enum x86_memtype type = ptab_memtype(attr);

    if (k != HOST)
        attr &= ~(PTAB_U | PTAB_G);
    if (!is_ept(k))
        attr &= ~PTAB_IPAT;
    if (is_ept(k) && type == MEMTYPE_UC_MINUS)
        attr = (attr & ~PTAB_MEMTYPES) | PTAB_MEMTYPE(MEMTYPE_UC);
    if (!(attr & PTAB_R))
        attr &= ~(PTAB_RWX | PTAB_U | PTAB_G | PTAB_A | PTAB_D);
    return attr;
}

static u32 any_attr(void)
{
    static const enum x86_memtype types[] = {MEMTYPE_UC, MEMTYPE_WC, MEMTYPE_WT,
                                             MEMTYPE_WP, MEMTYPE_WB, MEMTYPE_UC_MINUS};

    return (u32)random_below(256) | (random_below(8) ? PTAB_R : 0) |
           PTAB_MEMTYPE(types[random_below(6)]) | PTAB_TYPE(1 + random_below(7));
}

static u32 any_mask(void)
{
    return (u32)random_below(256) | (random_below(2) ? PTAB_MEMTYPES : 0) |
           (random_below(2) ? PTAB_TYPES : 0);
}

/* Few values, so that neighbours often agree and merging has work. */
static u32 usual_attr(void)
{
    return random_below(4) ? PTAB_RWX | PTAB_MEMTYPE(MEMTYPE_WB) | PTAB_TYPE(1) : any_attr();
}

/* ---- The translations a CPU remembers ---- */

#define TLB_SIZE 64
static struct {
    bool valid;
    u64 va, pa;
    u32 attr;
} tlb[TLB_SIZE];

struct fixture {
    enum kind kind;
    struct ptab pt;
};

static void tlb_fill(struct fixture *f)
{
    unsigned i = (unsigned)random_below(TLB_SIZE);
    struct translation t;

    tlb[i].va = window + random_below(WINDOW_PAGES) * PAGE_SIZE;
    tlb[i].valid = hw_walk(f->kind, f->pt.root, tlb[i].va, &t);
    if (tlb[i].valid) {
        tlb[i].pa = t.pa;
        tlb[i].attr = t.attr & ~(PTAB_A | PTAB_D);
    }
}

/* As long as nobody was told to flush, what CPUs remember must be what the table says. */
static void tlb_check(struct fixture *f)
{
    struct translation t;

    for (unsigned i = 0; i < TLB_SIZE && !f->pt.stale; i++) {
        if (!tlb[i].valid)
            continue;
        assert_true(hw_walk(f->kind, f->pt.root, tlb[i].va, &t));
        assert_int_equal(t.pa, tlb[i].pa);
        assert_int_equal(t.attr & ~(PTAB_A | PTAB_D), tlb[i].attr);
    }
}

static void flush(struct fixture *f)
{
    memset(tlb, 0, sizeof(tlb));
    ptab_flushed(&f->pt);
    assert_false(f->pt.stale);
    assert_int_equal(used, f->pt.tables);
}

/* ---- Comparing ---- */

static bool same(u32 actual, u32 expect)
{
    u32 lost = expect & ~actual & (PTAB_A | PTAB_D); /* merging adds marks, nothing takes them */

    return !lost && ((actual ^ expect) & ~(PTAB_A | PTAB_D)) == 0;
}

static bool page_is(struct fixture *f, u64 i, const struct page *p)
{
    u64 va = window + i * PAGE_SIZE;
    struct ptab_leaf leaf;
    struct translation t;
    bool hw = hw_walk(f->kind, f->pt.root, va, &t);

    if (ptab_lookup(&f->pt, va, &leaf))
        return !p->attr && !hw;
    if (hw != !!(leaf.attr & PTAB_R) || leaf.pa.v != p->pa || !same(leaf.attr, p->attr))
        return false;
    return !hw || (t.pa == p->pa && t.shift == leaf.shift && same(t.attr, p->attr & ~PTAB_TYPES));
}

/* The bare entry says what the lookup says. */
static void check_entry(struct fixture *f, u64 va)
{
    struct ptab_leaf leaf;
    int rc = ptab_lookup(&f->pt, va, &leaf);
    unsigned shift;
    u64 e = ptab_entry(&f->pt, va & ((1ull << 48) - 1), &shift);

    assert_int_equal(shift, leaf.shift);
    assert_int_equal(!e, rc == -ENOENT);
    if (e)
        assert_int_equal((e & PTE_ADDR) >> shift, leaf.pa.v >> shift);
}

static void check_page(struct fixture *f, u64 i)
{
    struct ptab_leaf leaf = {0};
    int rc = ptab_lookup(&f->pt, window + i * PAGE_SIZE, &leaf);

    check_entry(f, window + i * PAGE_SIZE);
    if (!page_is(f, i, &model[i]))
        fail_msg("%s page %#lx: %d pa %#lx attr %#x, model pa %#lx attr %#x", f->pt.fmt->name, i,
                 rc, leaf.pa.v, leaf.attr, model[i].pa, model[i].attr);
}

/* Samples, or all. */
static void check(struct fixture *f, bool all)
{
    for (u64 i = 0; all && i < WINDOW_PAGES; i++)
        check_page(f, i);
    for (int i = 0; i < 64; i++)
        check_page(f, random_below(WINDOW_PAGES));
    tlb_check(f);
}

static unsigned count_tables(struct fixture *f, const u64 *table, unsigned level)
{
    unsigned n = 1;

    for (unsigned i = 0; level && i < 512; i++)
        if (table[i] & (is_ept(f->kind) ? 7 : 1) && !(level < 3 && bit(table[i], 7)))
            n += count_tables(f, hw_table(table[i]), level - 1);
    return n;
}

/* ---- Random operations ---- */

static void any_range(u64 *first, u64 *count)
{
    static const u64 unit[] = {1, 1, 512, 262144};
    u64 u = unit[random_below(32) ? random_below(3) : 3];

    *first = random_below(WINDOW_PAGES / u) * u;
    *count = (1 + random_below(3)) * u;
    if (random_below(4) == 0 && *first)
        (*first)--;
    if (random_below(4) == 0)
        (*count)++;
    *count = *count > WINDOW_PAGES - *first ? WINDOW_PAGES - *first : *count;
}

enum op { MAP, UNMAP, PROTECT };

static struct page expected(enum kind k, enum op op, struct page old, u64 pa, u32 mask, u32 attr)
{
    if (op == UNMAP)
        return (struct page){0, 0};
    if (op == MAP)
        return (struct page){pa, normalize(k, attr)};
    if (old.attr)
        old.attr = normalize(k, (old.attr & ~mask) | (attr & mask));
    return old;
}

/* The table's own marks may be more than the model's; protect starts from the table's. */
static void adopt_marks(struct fixture *f, u64 first, u64 count)
{
    struct ptab_leaf leaf;

    for (u64 i = first; i < first + count; i++)
        if (model[i].attr && !ptab_lookup(&f->pt, window + i * PAGE_SIZE, &leaf))
            model[i].attr |= leaf.attr & (PTAB_A | PTAB_D);
}

static void one_step(struct fixture *f)
{
    enum op op = (enum op)random_below(3);
    u32 attr = usual_attr(), mask = any_mask();
    u64 first, count, pa = random_below(1ull << 39) * PAGE_SIZE, done = 0;
    int rc;

    any_range(&first, &count);
    if (random_below(4)) /* often physically aligned with the address, and contiguous */
        pa = (1ull << 40) + first * PAGE_SIZE;
    budget = random_below(3) ? ~0u : (unsigned)random_below(4);
    f->pt.max_leaf = random_below(4) ? PTAB_1G : (u8)random_below(3);
    adopt_marks(f, first, count);
    if (op == MAP)
        rc = ptab_map(&f->pt, window + first * PAGE_SIZE, HPA(pa), count * PAGE_SIZE, attr);
    else if (op == UNMAP)
        rc = ptab_unmap(&f->pt, window + first * PAGE_SIZE, count * PAGE_SIZE);
    else
        rc = ptab_protect(&f->pt, window + first * PAGE_SIZE, count * PAGE_SIZE, mask, attr);

    /* Done up to some page; with rc 0, all of it. */
    assert_true(rc == 0 || (rc == -ENOMEM && budget == 0) || (rc == -ENOMEM && used == FRAMES));
    for (; done < count; done++) {
        struct page *p = &model[first + done];
        struct page new = expected(f->kind, op, *p, pa + done * PAGE_SIZE, mask, attr);

        if (rc && !page_is(f, first + done, &new))
            break;
        *p = new;
    }
    for (u64 i = 0; i < count; i = i * 2 + 1)
        check_page(f, first + i);
    if (rc)
        for (u64 i = done; i < count; i++)
            check_page(f, first + i);
}

static void test_random(struct fixture *f)
{
    for (unsigned step = 0; step < 1500; step++) {
        one_step(f);
        for (int i = 0; i < 4; i++)
            tlb_fill(f);
        check(f, step % 500 == 499);
        if (random_below(8) == 0)
            flush(f);
    }
    flush(f);
    assert_int_equal(count_tables(f, hw_table(f->pt.root.v << 12), 3), f->pt.tables);
}

static struct fixture start(enum kind k)
{
    struct fixture f = {.kind = k};

    budget = ~0u;
    before_swap = NULL;
    used = 0; /* should a failed test have left some */
    memset(in_use, 0, sizeof(in_use));
    memset(model, 0, WINDOW_PAGES * sizeof(*model));
    memset(tlb, 0, sizeof(tlb));
    window = windows[random_below(k == HOST ? 4 : 2)];
    assert_int_equal(ptab_init(&f.pt, formats[k], &mem, PTAB_1G), 0);
    return f;
}

static void finish(struct fixture *f)
{
    ptab_destroy(&f->pt);
    assert_int_equal(used, 0);
}

static void test_random_host(void **state)
{
    struct fixture f = start(HOST);

    (void)state;
    test_random(&f);
    finish(&f);
}

static void test_random_npt(void **state)
{
    struct fixture f = start(NPT);

    (void)state;
    test_random(&f);
    finish(&f);
}

static void test_random_ept(void **state)
{
    struct fixture f = start(EPT);

    (void)state;
    test_random(&f);
    finish(&f);
}

static void test_random_ept_small_code(void **state)
{
    struct fixture f = start(EPT_SMALL_CODE);

    (void)state;
    test_random(&f);
    finish(&f);
}

/* ---- Single properties ---- */

#define GIB     (1ull << 30)
#define MIB     (1ull << 20)
#define RAM     (PTAB_RWX | PTAB_MEMTYPE(MEMTYPE_WB) | PTAB_TYPE(1))
#define MUST(x) assert_int_equal(x, 0)
#define LOOKUP(f, va)                            \
    ({                                           \
        struct ptab_leaf leaf_;                  \
        MUST(ptab_lookup(&(f)->pt, va, &leaf_)); \
        leaf_;                                   \
    })

static void each_kind(void (*test)(struct fixture *))
{
    for (enum kind k = HOST; k < KINDS; k++) {
        struct fixture f = start(k);

        test(&f);
        finish(&f);
    }
}

static void largest_leaves(struct fixture *f)
{
    /* 4 KiB short of 1 GiB, to 4 KiB after 2 GiB: 4K and 2M up to it, 1G, 4K. */
    MUST(ptab_map(&f->pt, GIB - 2 * MIB - PAGE_SIZE, HPA(3 * GIB - 2 * MIB - PAGE_SIZE),
                  GIB + 2 * MIB + 2 * PAGE_SIZE, RAM));
    assert_int_equal(LOOKUP(f, GIB - 2 * MIB - 1).shift, 12);
    assert_int_equal(LOOKUP(f, GIB - 1).shift, 21);
    assert_int_equal(LOOKUP(f, GIB).shift, 30);
    assert_int_equal(LOOKUP(f, 2 * GIB).shift, 12);
    assert_int_equal(LOOKUP(f, GIB + 0x12345678).pa.v, 3 * GIB + 0x12345678);
    assert_false(f->pt.stale);

    f->pt.max_leaf = PTAB_2M;
    MUST(ptab_map(&f->pt, 4 * GIB, HPA(8 * GIB), GIB, RAM));
    assert_int_equal(LOOKUP(f, 4 * GIB).shift, 21);
    f->pt.max_leaf = PTAB_4K;
    MUST(ptab_map(&f->pt, 5 * GIB, HPA(9 * GIB), 2 * MIB, RAM));
    assert_int_equal(LOOKUP(f, 5 * GIB).shift, 12);
    /* Physically misaligned: small pages whatever the CPU could do. */
    f->pt.max_leaf = PTAB_1G;
    MUST(ptab_map(&f->pt, 6 * GIB, HPA(MIB), 2 * MIB, RAM));
    assert_int_equal(LOOKUP(f, 6 * GIB).shift, 12);
}

static void split_and_merge(struct fixture *f)
{
    unsigned before = f->pt.tables;

    MUST(ptab_map(&f->pt, 0, HPA(GIB), GIB, RAM | PTAB_D));
    assert_int_equal(f->pt.tables, before + 1);
    MUST(ptab_protect(&f->pt, 5 * MIB, PAGE_SIZE, PTAB_W, 0));
    assert_true(f->pt.stale);
    assert_int_equal(f->pt.tables, before + 3);
    assert_int_equal(LOOKUP(f, 5 * MIB).attr & PTAB_RWX, PTAB_R | PTAB_X);
    assert_int_equal(LOOKUP(f, 5 * MIB - 1).attr, RAM | PTAB_D);
    assert_int_equal(LOOKUP(f, 5 * MIB - 1).shift, 12);
    assert_int_equal(LOOKUP(f, 4 * MIB - 1).attr, RAM | PTAB_D);
    assert_int_equal(LOOKUP(f, 4 * MIB - 1).shift, 21);
    assert_int_equal(LOOKUP(f, 4 * MIB - 1).pa.v, GIB + 4 * MIB - 1);

    MUST(ptab_protect(&f->pt, 5 * MIB, PAGE_SIZE, PTAB_W, PTAB_W));
    assert_int_equal(LOOKUP(f, 5 * MIB).shift, 30);
    assert_int_equal(LOOKUP(f, 5 * MIB).attr, RAM | PTAB_A | PTAB_D);
    assert_int_equal(f->pt.tables, before + 1);
    assert_int_equal(used, before + 3);
    flush(f);

    /* A page moved by one is no longer part of the run. */
    MUST(ptab_map(&f->pt, 5 * MIB, HPA(GIB + 5 * MIB + PAGE_SIZE), PAGE_SIZE, RAM));
    assert_int_equal(LOOKUP(f, 5 * MIB - 1).shift, 12);
    /* Nor is one of another type. */
    MUST(ptab_map(&f->pt, 5 * MIB, HPA(GIB + 5 * MIB), PAGE_SIZE, RAM ^ PTAB_TYPE(3)));
    assert_int_equal(LOOKUP(f, 5 * MIB - 1).shift, 12);
    /* Page by page, upwards. */
    MUST(ptab_unmap(&f->pt, 0, GIB));
    for (u64 va = 0; va < 4 * MIB; va += PAGE_SIZE)
        MUST(ptab_map(&f->pt, va, HPA(va), PAGE_SIZE, RAM));
    assert_int_equal(LOOKUP(f, 0).shift, 21);
    assert_int_equal(LOOKUP(f, 3 * MIB).shift, 21);
}

/* A page that is executed: its neighbours within 2 MiB come along, and all says what it said. */
static void split(struct fixture *f)
{
    unsigned before = f->pt.tables;
    struct ptab_leaf leaf;

    MUST(ptab_split(&f->pt, 0)); /* nothing is there */
    MUST(ptab_map(&f->pt, 0, HPA(GIB), GIB, RAM));
    f->pt.stale = false;
    MUST(ptab_split(&f->pt, 5 * MIB));
    assert_false(f->pt.stale);
    assert_int_equal(f->pt.tables, before + 3);
    for (u64 va = 0; va < 8 * MIB; va += PAGE_SIZE) {
        leaf = LOOKUP(f, va);
        assert_int_equal(leaf.shift, va >= 4 * MIB && va < 6 * MIB ? 12 : 21);
        assert_int_equal(leaf.pa.v, GIB + va);
        assert_int_equal(leaf.attr & ~(PTAB_A | PTAB_D), RAM);
    }
    MUST(ptab_split(&f->pt, 5 * MIB)); /* as it is */
    assert_int_equal(f->pt.tables, before + 3);
    /* Another change in the same table puts it together again. */
    MUST(ptab_protect(&f->pt, 5 * MIB, PAGE_SIZE, PTAB_RWX, PTAB_RWX));
    assert_int_equal(LOOKUP(f, 5 * MIB).shift, 30);
    /* Half a split is none. */
    budget = 1;
    assert_int_equal(ptab_split(&f->pt, 5 * MIB), -ENOMEM);
    assert_int_equal(LOOKUP(f, 5 * MIB).shift, 30);
    budget = ~0u;
    assert_int_equal(ptab_split(&f->pt, 1ull << 48), -EINVAL);
    flush(f);
}

/* One page that wanders through the address space costs no more than one that stays. */
static void empty_tables_go(struct fixture *f)
{
    unsigned before = f->pt.tables;

    f->pt.max_leaf = PTAB_4K;
    for (u64 va = 0; va < 64 * GIB; va += GIB / 2 + 2 * MIB + 3 * PAGE_SIZE) {
        MUST(ptab_map(&f->pt, va, HPA(GIB), PAGE_SIZE, RAM));
        assert_int_equal(f->pt.tables, before + 3);
        f->pt.stale = false;
        MUST(ptab_unmap(&f->pt, va, PAGE_SIZE));
        assert_int_equal(f->pt.tables, before);
        assert_true(f->pt.stale); /* a CPU may remember the tables */
        flush(f);
    }
    /* Page by page, the last one takes the table along; from within a large leaf too. */
    MUST(ptab_map(&f->pt, 0, HPA(0), GIB, RAM));
    for (u64 va = 0; va < GIB; va += 2 * MIB)
        MUST(ptab_unmap(&f->pt, va ^ 0x3fe00000, 2 * MIB));
    assert_int_equal(f->pt.tables, before);
    f->pt.max_leaf = PTAB_1G;
    MUST(ptab_map(&f->pt, 0, HPA(0), GIB, RAM));
    MUST(ptab_unmap(&f->pt, 0, 2 * MIB - PAGE_SIZE));
    assert_int_equal(f->pt.tables, before + 3);
    MUST(ptab_unmap(&f->pt, 2 * MIB - PAGE_SIZE, PAGE_SIZE));
    assert_int_equal(f->pt.tables, before + 2);
    MUST(ptab_unmap(&f->pt, 2 * MIB, GIB));
    assert_int_equal(f->pt.tables, before);
    flush(f);
}

/* A limit is as good as no memory, but it holds nobody up who takes whole leaves out. */
static void limited(struct fixture *f)
{
    f->pt.limit = 5;
    MUST(ptab_map(&f->pt, 0, HPA(0), PAGE_SIZE, RAM));
    MUST(ptab_map(&f->pt, 2 * MIB, HPA(0), PAGE_SIZE, RAM));
    MUST(ptab_map(&f->pt, 4 * MIB, HPA(GIB), 2 * MIB, RAM));
    assert_int_equal(f->pt.tables, 5);
    assert_int_equal(ptab_map(&f->pt, 6 * MIB, HPA(0), PAGE_SIZE, RAM), -ENOMEM);
    assert_int_equal(ptab_unmap(&f->pt, 4 * MIB, PAGE_SIZE), -ENOMEM);
    MUST(ptab_map(&f->pt, PAGE_SIZE, HPA(0), PAGE_SIZE, RAM));
    MUST(ptab_unmap(&f->pt, 2 * MIB, PAGE_SIZE));
    MUST(ptab_unmap(&f->pt, 4 * MIB, PAGE_SIZE));
    f->pt.limit = 0; /* below what it has */
    MUST(ptab_unmap(&f->pt, 0, 8 * MIB));
    assert_int_equal(f->pt.tables, 1);
}

/* What was begun and could not be ended leaves no table behind. */
static void in_vain(struct fixture *f)
{
    unsigned before = f->pt.tables;

    budget = 2;
    assert_int_equal(ptab_map(&f->pt, 0, HPA(0), PAGE_SIZE, RAM), -ENOMEM);
    assert_int_equal(f->pt.tables, before);
    budget = ~0u;
    MUST(ptab_map(&f->pt, 0, HPA(0), GIB, RAM));
    budget = 1;
    assert_int_equal(ptab_unmap(&f->pt, 0, PAGE_SIZE), -ENOMEM);
    assert_int_equal(f->pt.tables, before + 1);
    assert_int_equal(LOOKUP(f, 0).shift, 30);
}

/* Who came to a table before it was emptied and retired is told so by whichever entry carries the
 * mark, also where a walk would go on to a table below. */
static void retired_tables_are_left(struct fixture *f)
{
    struct ptab late = f->pt;
    unsigned shift;
    u64 *slot;

    if (f->kind == HOST)
        return;
    MUST(ptab_map(&f->pt, 0, HPA(GIB), PAGE_SIZE, RAM));
    late.root = hpa_mfn(HPA(*table_at(&f->pt, f->pt.root) & PTE_ADDR));
    MUST(ptab_unmap(&f->pt, 0, PAGE_SIZE));
    assert_int_equal(ptab_entry(&f->pt, 0, &shift), 0);
    for (u64 i = 0; i < LINK_PIECES; i++) {
        assert_true(walk_down(&late, i << 39, &shift, &slot) >> f->pt.fmt->type_shift &
                    PTAB_RETIRED);
        assert_int_equal(shift, 39);
        assert_false(hw_walk(f->kind, late.root, i << 39, &(struct translation){0}));
    }
    flush(f);
}

/* What a CPU still walks from memory of its own goes on translating until it was flushed. */
static void retired_tables_translate(struct fixture *f)
{
    u64 copy[512], *table;
    struct translation t;

    MUST(ptab_map(&f->pt, 0, HPA(5 * GIB + MIB), 2 * MIB, RAM));
    MUST(ptab_map(&f->pt, 2 * MIB, HPA(9 * GIB), 2 * MIB, RAM));
    MUST(ptab_protect(&f->pt, 2 * MIB, PAGE_SIZE, PTAB_TYPES, PTAB_TYPE(7)));
    flush(f);
    assert_true(hw_walk(f->kind, f->pt.root, 0, &t));
    table = t.entry;
    memcpy(copy, table, sizeof(copy));
    MUST(ptab_map(&f->pt, 0, HPA(0), GIB, RAM));
    assert_true(f->pt.stale);
    for (unsigned i = 0; i < 512; i++)
        assert_int_equal(table[i] & ~(0xfull << 52), copy[i] & ~(0xfull << 52));
    assert_int_equal(used, f->pt.tables + 3);
    ptab_flushed(&f->pt);
    assert_int_equal(table[0], 0xcccccccccccccccc);
    assert_int_equal(used, f->pt.tables);
}

static void refused(struct fixture *f)
{
    u64 top = 1ull << 48;
    struct ptab_leaf leaf;
    bool host = f->kind == HOST;
    unsigned shift;

    assert_int_equal(ptab_map(&f->pt, 0, HPA(0), 0, RAM), -EINVAL);
    assert_int_equal(ptab_map(&f->pt, 1, HPA(0), PAGE_SIZE, RAM), -EINVAL);
    assert_int_equal(ptab_map(&f->pt, 0, HPA(1), PAGE_SIZE, RAM), -EINVAL);
    assert_int_equal(ptab_map(&f->pt, 0, HPA(0), PAGE_SIZE + 1, RAM), -EINVAL);
    assert_int_equal(ptab_map(&f->pt, 0, HPA(1ull << 52), PAGE_SIZE, RAM), -EINVAL);
    assert_int_equal(ptab_map(&f->pt, 0, HPA((1ull << 52) - PAGE_SIZE), 2 * PAGE_SIZE, RAM),
                     -EINVAL);
    assert_int_equal(ptab_map(&f->pt, 0, HPA(~0ull << 12), PAGE_SIZE, RAM), -EINVAL);
    assert_int_equal(ptab_unmap(&f->pt, top, PAGE_SIZE), -EINVAL);
    assert_int_equal(ptab_unmap(&f->pt, top - PAGE_SIZE, 2 * PAGE_SIZE), -EINVAL);
    assert_int_equal(ptab_unmap(&f->pt, 0, ~0ull << 12), -EINVAL);
    assert_int_equal(ptab_unmap(&f->pt, PAGE_SIZE, 0 - PAGE_SIZE), -EINVAL);
    assert_int_equal(ptab_unmap(&f->pt, 0 - PAGE_SIZE, 2 * PAGE_SIZE), -EINVAL);
    assert_int_equal(ptab_unmap(&f->pt, 2 * PAGE_SIZE, 0 - PAGE_SIZE), -EINVAL); /* all around */
    assert_int_equal(ptab_unmap(&f->pt, 0 - PAGE_SIZE, 0 - PAGE_SIZE), -EINVAL);
    assert_int_equal(ptab_unmap(&f->pt, 0, top), host ? -EINVAL : 0);
    assert_int_equal(ptab_unmap(&f->pt, top / 2, PAGE_SIZE), host ? -EINVAL : 0);
    assert_int_equal(ptab_unmap(&f->pt, 0 - PAGE_SIZE, PAGE_SIZE), host ? 0 : -EINVAL);
    assert_int_equal(ptab_unmap(&f->pt, 0 - top / 2, top / 2), host ? 0 : -EINVAL);
    assert_int_equal(ptab_lookup(&f->pt, top | PAGE_SIZE, &leaf), -ENOENT);
    assert_int_equal(leaf.shift, 48);
    assert_int_equal(ptab_entry(&f->pt, top | PAGE_SIZE, &shift), 0);
    assert_int_equal(shift, 48);
    assert_int_equal(f->pt.tables, 1);
}

/* Both ends of what a format reaches, in one piece each. */
static void ends(struct fixture *f)
{
    u64 last = f->kind == HOST ? 0 - PAGE_SIZE : (1ull << 48) - PAGE_SIZE;

    MUST(ptab_map(&f->pt, last, HPA(PTE_ADDR), PAGE_SIZE, RAM));
    MUST(ptab_map(&f->pt, 0, HPA(0), PAGE_SIZE, RAM));
    assert_int_equal(LOOKUP(f, last + 4095).pa.v, PTE_ADDR + 4095);
    assert_int_equal(LOOKUP(f, 4095).pa.v, 4095);
    MUST(ptab_unmap(&f->pt, last, PAGE_SIZE));
    assert_int_equal(LOOKUP(f, 0).pa.v, 0);
}

static void holes(struct fixture *f)
{
    struct ptab_leaf leaf;

    assert_int_equal(ptab_lookup(&f->pt, 0, &leaf), -ENOENT);
    assert_int_equal(leaf.shift, 39);
    MUST(ptab_map(&f->pt, 0, HPA(0), PAGE_SIZE, RAM));
    assert_int_equal(ptab_lookup(&f->pt, PAGE_SIZE, &leaf), -ENOENT);
    assert_int_equal(leaf.shift, 12);
    assert_int_equal(ptab_lookup(&f->pt, 2 * MIB, &leaf), -ENOENT);
    assert_int_equal(leaf.shift, 21);
    assert_int_equal(ptab_lookup(&f->pt, GIB, &leaf), -ENOENT);
    assert_int_equal(leaf.shift, 30);
    /* A leaf nobody can use is no hole, at any size. */
    MUST(ptab_map(&f->pt, GIB, HPA(0), GIB, PTAB_TYPE(3)));
    MUST(ptab_map(&f->pt, 0, HPA(0), PAGE_SIZE, PTAB_W | PTAB_X | PTAB_TYPE(3)));
    assert_int_equal(LOOKUP(f, GIB).shift, 30);
    assert_int_equal(ptab_type(LOOKUP(f, GIB).attr), 3);
    assert_int_equal(LOOKUP(f, 0).attr & PTAB_RWX, 0);
    assert_false(hw_walk(f->kind, f->pt.root, 0, &(struct translation){0}));
}

/* Without memory nothing changes but what is said to be done. */
static void no_memory(struct fixture *f)
{
    struct ptab none;

    MUST(ptab_map(&f->pt, 0, HPA(0), GIB, RAM));
    budget = 0;
    assert_int_equal(ptab_unmap(&f->pt, 0, PAGE_SIZE), -ENOMEM);
    assert_int_equal(ptab_protect(&f->pt, 0, PAGE_SIZE, PTAB_W, 0), -ENOMEM);
    assert_int_equal(ptab_map(&f->pt, 0, HPA(PAGE_SIZE), PAGE_SIZE, RAM), -ENOMEM);
    assert_int_equal(LOOKUP(f, 0).shift, 30);
    MUST(ptab_protect(&f->pt, 0, PAGE_SIZE, PTAB_W, PTAB_W)); /* changes nothing, needs nothing */
    MUST(ptab_protect(&f->pt, 0, GIB, PTAB_W, 0));
    assert_int_equal(ptab_init(&none, f->pt.fmt, &mem, PTAB_1G), -ENOMEM);
    ptab_destroy(&none);
    budget = 1; /* the second of the two tables it needs is not to be had */
    assert_int_equal(ptab_unmap(&f->pt, 0, PAGE_SIZE), -ENOMEM);
    assert_int_equal(LOOKUP(f, 0).attr & PTAB_RWX, PTAB_R | PTAB_X);
    assert_int_equal(LOOKUP(f, GIB - 1).pa.v, GIB - 1);
}

static void test_largest_leaves(void **state)
{
    (void)state;
    each_kind(largest_leaves);
}

static void test_split_and_merge(void **state)
{
    (void)state;
    each_kind(split_and_merge);
}

static void test_retired_tables_translate(void **state)
{
    (void)state;
    each_kind(retired_tables_translate);
}

static void test_split(void **state)
{
    (void)state;
    each_kind(split);
}

static void test_empty_tables_go(void **state)
{
    (void)state;
    each_kind(empty_tables_go);
}

static void test_limited(void **state)
{
    (void)state;
    each_kind(limited);
}

static void test_in_vain(void **state)
{
    (void)state;
    each_kind(in_vain);
}

static void test_retired_tables_are_left(void **state)
{
    (void)state;
    each_kind(retired_tables_are_left);
}

static void test_refused(void **state)
{
    (void)state;
    each_kind(refused);
}

static void test_ends(void **state)
{
    (void)state;
    each_kind(ends);
}

static void test_holes(void **state)
{
    (void)state;
    each_kind(holes);
}

static void test_no_memory(void **state)
{
    (void)state;
    each_kind(no_memory);
}

/* ---- Dirty pages while a CPU writes ---- */

static u64 last_moment_marks;
static unsigned last_moments;

/* A CPU writes through the entry at the last moment before it changes, once. */
static void write_at_last_moment(u64 *entry)
{
    before_swap = NULL;
    *entry |= last_moment_marks;
    last_moments++;
}

static void note_attr(void *arg, u64 va, unsigned shift, u32 attr)
{
    (void)va;
    (void)shift;
    *(u32 *)arg = attr;
}

static void last_moment(struct fixture *f)
{
    u32 seen = 0;

    last_moment_marks = is_ept(f->kind) ? 0x300 : 0x60;
    last_moments = 0;
    MUST(ptab_map(&f->pt, 0, HPA(GIB), 2 * MIB, RAM));

    before_swap = write_at_last_moment; /* a split: all pages inherit the mark */
    MUST(ptab_protect(&f->pt, 0, PAGE_SIZE, PTAB_TYPES, PTAB_TYPE(2)));
    assert_int_equal(last_moments, 1);
    assert_int_equal(LOOKUP(f, 0).attr, (RAM ^ PTAB_TYPE(3)) | PTAB_A | PTAB_D);
    assert_int_equal(LOOKUP(f, MIB).attr, RAM | PTAB_A | PTAB_D);

    f->pt.max_leaf = PTAB_4K;
    MUST(ptab_protect(&f->pt, 0, 2 * MIB, PTAB_A | PTAB_D, 0));
    before_swap = write_at_last_moment; /* a change of something else keeps it */
    MUST(ptab_protect(&f->pt, MIB, PAGE_SIZE, PTAB_W, 0));
    assert_int_equal(last_moments, 2);
    assert_int_equal(LOOKUP(f, MIB).attr, (RAM & ~PTAB_W) | PTAB_A | PTAB_D);

    MUST(ptab_protect(&f->pt, 0, 2 * MIB, PTAB_D, 0));
    before_swap = write_at_last_moment; /* a collection: either tells of it or leaves it */
    MUST(ptab_protect_seen(&f->pt, MIB, PAGE_SIZE, PTAB_A, 0, note_attr, &seen));
    assert_int_equal(last_moments, 3);
    assert_true(seen & PTAB_D);
    assert_true(LOOKUP(f, MIB).attr & PTAB_D);
}

static void test_last_moment(void **state)
{
    (void)state;
    each_kind(last_moment);
}

#define LOGGED (4 * MIB)
#define PAGES  (LOGGED / PAGE_SIZE)

struct writer {
    struct fixture *f;
    unsigned round; /* starts when this changes */
    unsigned done;
    bool stop;
    u8 wrote[PAGES];
};

/* In each round every page once, so that no later write hides a lost one. */
static void *write_pages(void *arg)
{
    struct writer *w = arg;

    for (unsigned round = 1; !__atomic_load_n(&w->stop, __ATOMIC_ACQUIRE);) {
        if (__atomic_load_n(&w->round, __ATOMIC_ACQUIRE) != round) {
            sched_yield();
            continue;
        }
        for (u64 i = 0, page = round * 77; i < PAGES; i++, page = (page + 1) % PAGES)
            w->wrote[page % PAGES] = hw_write(w->f->kind, w->f->pt.root, page % PAGES * PAGE_SIZE);
        __atomic_store_n(&w->done, round++, __ATOMIC_RELEASE);
    }
    return NULL;
}

static void note_dirty(void *arg, u64 va, unsigned shift, u32 attr)
{
    if (attr & PTAB_D)
        memset((u8 *)arg + va / PAGE_SIZE, 1, (1ul << shift) / PAGE_SIZE);
}

static void collect(struct fixture *f, u8 *dirty)
{
    MUST(ptab_protect_seen(&f->pt, 0, LOGGED, PTAB_D, 0, note_dirty, dirty));
}

/* One large leaf, clean; while the other CPU writes it is split, collected, and in some rounds
 * joined. */
static void dirty_round(struct fixture *f, struct writer *w, unsigned round)
{
    static u8 dirty[PAGES];

    f->pt.max_leaf = PTAB_2M;
    MUST(ptab_map(&f->pt, 0, HPA(GIB), LOGGED, RAM | PTAB_A));
    memset(dirty, 0, sizeof(dirty));
    memset(w->wrote, 0, sizeof(w->wrote));
    __atomic_store_n(&w->round, round, __ATOMIC_RELEASE);

    f->pt.max_leaf = PTAB_4K;
    for (u64 va = 0; va < LOGGED; va += 2 * MIB)
        MUST(ptab_protect(&f->pt, va, PAGE_SIZE, PTAB_TYPES, PTAB_TYPE(2)));
    collect(f, dirty);
    f->pt.max_leaf = round % 4 ? PTAB_4K : PTAB_1G;
    MUST(ptab_protect(&f->pt, 0, LOGGED, PTAB_TYPES, PTAB_TYPE(1)));

    while (__atomic_load_n(&w->done, __ATOMIC_ACQUIRE) != round) {
        sched_yield();
        collect(f, dirty);
    }
    collect(f, dirty);
    for (u64 i = 0; i < PAGES; i++)
        if (w->wrote[i] && !dirty[i])
            fail_msg("%s: the write to page %lu was lost", f->pt.fmt->name, i);
    ptab_flushed(&f->pt);
}

/* Collections, splits and joins under way lose no write. A join makes all of its pages dirty and
 * would hide a loss: most rounds go without. */
static void dirty_log(struct fixture *f)
{
    struct writer w = {.f = f};
    pthread_t thread;

    MUST(pthread_create(&thread, NULL, write_pages, &w));
    for (unsigned round = 1; round <= 30; round++)
        dirty_round(f, &w, round);
    __atomic_store_n(&w.stop, true, __ATOMIC_RELEASE);
    pthread_join(thread, NULL);
}

static void test_dirty_log(void **state)
{
    (void)state;
    each_kind(dirty_log);
}

/* Exactly the written pages are reported, each once. */
static void dirty_exact(struct fixture *f)
{
    u8 dirty[PAGES] = {0};

    f->pt.max_leaf = PTAB_4K;
    MUST(ptab_map(&f->pt, 0, HPA(GIB), LOGGED, RAM));
    for (u64 i = 0; i < PAGES; i += 7)
        assert_true(hw_write(f->kind, f->pt.root, i * PAGE_SIZE));
    MUST(ptab_protect_seen(&f->pt, 0, LOGGED, PTAB_D, 0, note_dirty, dirty));
    for (u64 i = 0; i < PAGES; i++)
        assert_int_equal(dirty[i], i % 7 == 0);
    memset(dirty, 0, sizeof(dirty));
    MUST(ptab_protect_seen(&f->pt, 0, LOGGED, PTAB_D, 0, note_dirty, dirty));
    for (u64 i = 0; i < PAGES; i++)
        assert_int_equal(dirty[i], 0);
}

static void test_dirty_exact(void **state)
{
    (void)state;
    each_kind(dirty_exact);
}

static void take_out(u64 *entry)
{
    before_swap = NULL;
    *entry = 0;
}

/* Who writes in a CPU's stead leaves its marks, where a CPU could write. */
static void written(struct fixture *f)
{
    unsigned shift;
    u64 e;

    if (f->kind == HOST)
        return;
    f->pt.max_leaf = PTAB_4K;
    MUST(ptab_map(&f->pt, 0, HPA(GIB), 2 * PAGE_SIZE, RAM));
    MUST(ptab_protect(&f->pt, PAGE_SIZE, PAGE_SIZE, PTAB_W, 0));
    ptab_entry(&f->pt, 0, &shift);
    assert_int_equal(LOOKUP(f, 0).attr, RAM);
    e = ptab_entry_written(&f->pt, 0, &shift);
    assert_int_equal(e & PTE_ADDR, GIB);
    assert_int_equal(LOOKUP(f, 0).attr, RAM | PTAB_A | PTAB_D);
    ptab_entry_written(&f->pt, PAGE_SIZE, &shift);
    assert_int_equal(LOOKUP(f, PAGE_SIZE).attr, RAM & ~PTAB_W);
    MUST(ptab_protect(&f->pt, 0, PAGE_SIZE, PTAB_D, 0));
    before_swap = take_out;
    assert_int_equal(ptab_entry_written(&f->pt, 0, &shift), 0);
    assert_null(before_swap);
}

static void test_written(void **state)
{
    (void)state;
    each_kind(written);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_largest_leaves),
        cmocka_unit_test(test_split_and_merge),
        cmocka_unit_test(test_retired_tables_translate),
        cmocka_unit_test(test_split),
        cmocka_unit_test(test_empty_tables_go),
        cmocka_unit_test(test_limited),
        cmocka_unit_test(test_in_vain),
        cmocka_unit_test(test_retired_tables_are_left),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_ends),
        cmocka_unit_test(test_holes),
        cmocka_unit_test(test_no_memory),
        cmocka_unit_test(test_dirty_exact),
        cmocka_unit_test(test_written),
        cmocka_unit_test(test_last_moment),
        cmocka_unit_test(test_dirty_log),
        cmocka_unit_test(test_random_host),
        cmocka_unit_test(test_random_npt),
        cmocka_unit_test(test_random_ept),
        cmocka_unit_test(test_random_ept_small_code),
    };
    int failed;

    random_init();
    arena = aligned_alloc(PAGE_SIZE, FRAMES * PAGE_SIZE);
    model = calloc(WINDOW_PAGES, sizeof(*model));
    mem.direct = (uintptr_t)arena - FIRST_FRAME * PAGE_SIZE;
    failed = cmocka_run_group_tests_name("ptab", tests, NULL, NULL);
    free(arena);
    free(model);
    return failed;
}
