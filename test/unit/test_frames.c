/* SPDX-License-Identifier: BSD-2-Clause */
/* The frame pool over a stretch of real memory that plays RAM around 4 GiB, against a model. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <pthread.h>
#include <sys/mman.h>
#include <cmocka.h>
#include "random.h"
#include "hv/frames.c"

/* ---- Panics come back here ---- */

static jmp_buf panicked;
static bool panic_expected;

void panic(const char *fmt, ...)
{
    if (!panic_expected)
        fail_msg("panic: %s", fmt);
    longjmp(panicked, 1);
}

#define ASSERT_PANICS(statement)               \
    do {                                       \
        panic_expected = true;                 \
        if (setjmp(panicked) == 0) {           \
            statement;                         \
            fail_msg("no panic: " #statement); \
        }                                      \
        panic_expected = false;                \
        lock = (spinlock_t)SPINLOCK_INIT;      \
    } while (0)

/* ---- RAM ---- */

#define MIB 256ull /* frames */
#define GIB (1024 * MIB)

/* Frames from BASE on exist; the pool gets some of them. */
static u64 base, frames;
static u8 *ram;

static void make_ram(u64 first, u64 count)
{
    base = first;
    frames = count;
    ram = mmap(NULL, count * PAGE_SIZE, PROT_READ | PROT_WRITE,
               MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    assert_ptr_not_equal(ram, MAP_FAILED);
}

static int drop_ram(void **state)
{
    (void)state;
    munmap(ram, frames * PAGE_SIZE);
    return 0;
}

static struct frames_range span(u64 first, u64 end)
{
    return (struct frames_range){first * PAGE_SIZE, (end - first) * PAGE_SIZE};
}

static void start_pool(const struct frames_range *range, unsigned count)
{
    assert_int_equal(
        frames_init(range, count, (base + frames) * PAGE_SIZE, (uintptr_t)ram - base * PAGE_SIZE),
        0);
}

static u64 free_frames(void)
{
    struct frames_stats s;

    frames_stats(&s);
    return s.free;
}

/* What the lists hold must be what the numbers say; every free block is where its order allows. */
static void check_lists(void)
{
    struct frames_stats s;
    u64 total = 0;

    frames_stats(&s);
    for (unsigned order = 0; order <= FRAMES_MAX_ORDER; order++) {
        u64 blocks = 0;

        for (enum zone z = LOW; z < ZONES; z++)
            for (u64 m = heads[z][order]; m != NO_FRAME; m = ((struct link *)frame_at(m))->next) {
                const struct record *r = record_of(m);

                assert_true(m >= base && m + (1ull << order) <= base + frames);
                assert_int_equal(m % (1ull << order), 0);
                assert_int_equal(zone_of(m), z);
                assert_true(r->state == FREE && r->order == order);
                for (u64 i = 1; i<1ull << order; i += order> FRAMES_2M ? REGION - i % REGION : 1)
                    assert_int_equal(record_of(m + i)->state,
                                     i < REGION && order >= FRAMES_2M ? FREE : PART);
                blocks++;
            }
        assert_int_equal(blocks, s.blocks[order]);
        total += blocks << order;
    }
    assert_int_equal(total, s.free);
}

/* ---- The model ---- */

#define SMALL_FIRST (GIB * 4 - 32 * MIB)
#define SMALL       (64 * MIB)

enum what { NOT_POOL, POOL_FREE, BLOCK, HELD };
static struct model {
    enum what what;
    bool pool;
    unsigned order; /* BLOCK: of the block that starts here; ~0 inside one */
    u16 owner;
    u32 refs;
    u64 tag; /* what is written in the frame */
} model[SMALL];

/* Free holes of the arena that stay outside the pool. */
static const struct frames_range *small_ranges(void)
{
    static struct frames_range r[4];

    r[0] = span(SMALL_FIRST + 3, SMALL_FIRST + 5 * MIB + 77);
    r[1] = span(SMALL_FIRST + 10 * MIB, SMALL_FIRST + 31 * MIB);
    r[2] = span(SMALL_FIRST + 31 * MIB + 100, SMALL_FIRST + 31 * MIB + 200);
    r[3] = span(SMALL_FIRST + 32 * MIB, SMALL_FIRST + 60 * MIB);
    return r;
}

static int start_small(void **state)
{
    (void)state;
    make_ram(SMALL_FIRST, SMALL);
    start_pool(small_ranges(), 4);
    memset(model, 0, sizeof(model));
    for (int i = 0; i < 4; i++) {
        const struct frames_range *r = &small_ranges()[i];

        for (u64 m = r->base / PAGE_SIZE; m < (r->base + r->size) / PAGE_SIZE; m++)
            model[m - SMALL_FIRST] = (struct model){.what = POOL_FREE, .pool = true};
    }
    return 0;
}

static u64 *frame_word(u64 i, unsigned last)
{
    return (u64 *)(ram + i * PAGE_SIZE) + (last ? 511 : 0);
}

static void write_tag(u64 i)
{
    model[i].tag = random_u64();
    *frame_word(i, 0) = *frame_word(i, 1) = model[i].tag;
}

static void check_tag(u64 i)
{
    assert_int_equal(*frame_word(i, 0), model[i].tag);
    assert_int_equal(*frame_word(i, 1), model[i].tag);
}

/* Frames that are in somebody's hands keep what was written to them. */
static void check_model(void)
{
    struct frames_stats s;
    u64 pool_free = 0;

    frames_stats(&s);
    for (u64 i = 0; i < SMALL; i++) {
        const struct model *p = &model[i];
        mfn_t m = MFN(SMALL_FIRST + i);

        pool_free += p->what == POOL_FREE;
        if (p->what == BLOCK || (p->what == HELD && p->pool))
            check_tag(i);
        assert_int_equal(frame_owner(m), p->what == HELD ? p->owner : FRAME_NOBODY);
        assert_int_equal(frame_refs(m), p->what == HELD ? p->refs : 0);
    }
    /* Detail pages and the table of regions are the pool's own. */
    assert_in_range(pool_free - s.free, s.details, s.details + 8);
    check_lists();
}

static void op_alloc(void)
{
    unsigned order = (unsigned)random_below(random_below(8) ? 6 : 13);
    unsigned flags = (unsigned)random_below(4);
    mfn_t m = frames_alloc(order, flags);
    u64 i = m.v - SMALL_FIRST;

    if (mfn_is_none(m))
        return;
    assert_int_equal(m.v % (1ull << order), 0);
    assert_true(i < SMALL && (1ull << order) <= SMALL - i);
    if (flags & FRAMES_LOW)
        assert_true(m.v + (1ull << order) <= 4 * GIB);
    for (u64 j = i; j < i + (1ull << order); j++) {
        assert_int_equal(model[j].what, POOL_FREE);
        model[j] = (struct model){.what = BLOCK, .pool = true, .order = ~0u};
        for (u64 w = 0; flags & FRAMES_ZERO && w < 512; w++)
            assert_int_equal(((u64 *)(ram + j * PAGE_SIZE))[w], 0);
        memset(ram + j * PAGE_SIZE, 0xee, PAGE_SIZE);
        write_tag(j);
    }
    model[i].order = order;
}

/* A frame in this state, found from a random place on; SMALL if there is none. */
static u64 any_frame(enum what what)
{
    u64 start = random_below(SMALL);

    for (u64 i = 0; i < SMALL; i++)
        if (model[(start + i) % SMALL].what == what &&
            (what != BLOCK || model[(start + i) % SMALL].order != ~0u))
            return (start + i) % SMALL;
    return SMALL;
}

static void op_free(void)
{
    u64 i = any_frame(BLOCK);

    if (i == SMALL)
        return;
    frames_free(MFN(SMALL_FIRST + i), model[i].order);
    for (u64 n = 1ull << model[i].order; n; n--, i++)
        model[i] = (struct model){.what = POOL_FREE, .pool = true};
}

static int model_own(u64 i, u64 count)
{
    for (u64 j = i, n; j < i + count; j += n) {
        n = model[j].what == BLOCK && model[j].order != ~0u ? 1ull << model[j].order : 1;
        if (model[j].what == HELD)
            return -EBUSY;
        if (model[j].what == POOL_FREE || (model[j].what == BLOCK && model[j].order == ~0u))
            return -EINVAL;
        if (j + n > i + count)
            return -EINVAL;
    }
    return 0;
}

static u64 any_count(u64 i)
{
    u64 count = random_below(4) ? 1 + random_below(20) : 1 + random_below(1200);

    return MIN(count, SMALL - i);
}

static void op_own(void)
{
    u64 i = any_frame(random_below(2) ? BLOCK : NOT_POOL);
    u16 domid = (u16)random_below(4);
    u64 count;
    int rc, expect;

    if (i == SMALL)
        return;
    count = model[i].what == BLOCK && random_below(8) ? 1ull << model[i].order : any_count(i);
    if (model[i].what == NOT_POOL && random_below(2))
        i = ALIGN_DOWN(i, REGION);
    expect = model_own(i, count);
    rc = frame_own(MFN(SMALL_FIRST + i), count, domid);
    if (rc == -ENOMEM && free_frames() == 0)
        return;
    assert_int_equal(rc, expect);
    for (u64 j = i; !rc && j < i + count; j++) {
        model[j].what = HELD;
        model[j].owner = domid;
        model[j].refs = 1;
    }
}

static void model_unreferenced(u64 i)
{
    model[i] = (struct model){.what = model[i].pool ? POOL_FREE : NOT_POOL, .pool = model[i].pool};
}

static void op_release(void)
{
    u64 i = any_frame(HELD), count;
    int rc, expect = 0;
    u16 domid;

    if (i == SMALL)
        return;
    domid = random_below(8) && model[i].owner != FRAME_NOBODY ? model[i].owner : 1;
    if (random_below(2))
        i = ALIGN_DOWN(i, REGION);
    count = any_count(i);
    for (u64 j = i; j < i + count; j++)
        if (model[j].what != HELD || model[j].owner != domid)
            expect = -EPERM;
    rc = frame_release(MFN(SMALL_FIRST + i), count, domid);
    if (rc == -ENOMEM && free_frames() == 0)
        return;
    assert_int_equal(rc, expect);
    for (u64 j = i; !rc && j < i + count; j++) {
        model[j].owner = FRAME_NOBODY;
        if (--model[j].refs == 0)
            model_unreferenced(j);
    }
}

static void op_get(void)
{
    u64 i = random_below(2) ? any_frame(HELD) : random_below(SMALL);
    u16 domid = random_below(4) ? FRAME_ANYBODY : (u16)random_below(4);
    bool allowed;
    int rc;

    if (i == SMALL)
        return;
    allowed = model[i].what == HELD && model[i].owner != FRAME_NOBODY &&
              (domid == FRAME_ANYBODY || domid == model[i].owner);
    rc = frame_get(MFN(SMALL_FIRST + i), domid);
    if (rc == -ENOMEM && free_frames() == 0)
        return;
    assert_int_equal(rc, allowed ? 0 : -EPERM);
    model[i].refs += allowed;
}

static void op_put(void)
{
    u64 i = any_frame(HELD);

    if (i == SMALL || model[i].refs == (model[i].owner != FRAME_NOBODY))
        return;
    frame_put(MFN(SMALL_FIRST + i));
    if (--model[i].refs == 0)
        model_unreferenced(i);
}

static void drain(void)
{
    for (u64 i = 0; i < SMALL; i++) {
        if (model[i].what == BLOCK)
            frames_free(MFN(SMALL_FIRST + i), model[i].order), i += (1ull << model[i].order) - 1;
        if (model[i].what != HELD)
            continue;
        if (model[i].owner != FRAME_NOBODY) {
            assert_int_equal(frame_release(MFN(SMALL_FIRST + i), 1, model[i].owner), 0);
            model[i].refs--;
        }
        for (; model[i].refs; model[i].refs--)
            frame_put(MFN(SMALL_FIRST + i));
    }
}

static void test_random(void **state)
{
    static void (*const ops[])(void) = {op_alloc,   op_alloc, op_free, op_own, op_own,
                                        op_release, op_get,   op_get,  op_put};
    struct frames_stats before, after;

    (void)state;
    frames_stats(&before);
    for (int i = 0; i < 40000; i++) {
        ops[random_below(ARRAY_SIZE(ops))]();
        if (i % 1000 == 999)
            check_model();
    }
    drain();
    check_lists();
    frames_stats(&after);
    /* All is back, joined as it was; regions outside the pool may keep pages that describe them. */
    assert_int_equal(after.free + after.details, before.free + before.details);
    assert_in_range(after.details, before.details, before.details + SMALL / REGION);
}

/* What only the pool was asked for leaves no trace at all. */
static void test_all_comes_back(void **state)
{
    struct frames_stats before, after;

    (void)state;
    frames_stats(&before);
    for (int round = 0; round < 20; round++) {
        for (int i = 0; i < 3000; i++)
            random_below(3) ? op_alloc() : op_free();
        check_model();
        while (any_frame(BLOCK) != SMALL)
            op_free();
        frames_stats(&after);
        assert_memory_equal(&before, &after, sizeof(before));
    }
}

/* To the last frame, and again. */
static void test_exhaustion(void **state)
{
    struct frames_stats before, after;
    u64 taken = 0;

    (void)state;
    frames_stats(&before);
    for (;;) {
        mfn_t m = frames_alloc(0, 0);

        if (mfn_is_none(m))
            break;
        assert_int_equal(model[m.v - SMALL_FIRST].what, POOL_FREE);
        model[m.v - SMALL_FIRST] = (struct model){.what = BLOCK, .pool = true};
        taken++;
    }
    frames_stats(&after);
    assert_int_equal(after.free, 0);
    assert_int_equal(taken + after.details, before.free + before.details);
    assert_true(mfn_is_none(frames_alloc(5, FRAMES_LOW)));
    assert_int_equal(frame_own(MFN(SMALL_FIRST + 6 * MIB), 1, 1), -ENOMEM);
    while (any_frame(BLOCK) != SMALL)
        op_free();
    frames_stats(&after);
    assert_memory_equal(&before, &after, sizeof(before));
}

/* ---- Single properties ---- */

static void test_wrong_frees(void **state)
{
    mfn_t one = frames_alloc(0, 0), two = frames_alloc(1, 0), big = frames_alloc(9, 0);
    mfn_t owned = frames_alloc(0, 0);

    (void)state;
    ASSERT_PANICS(frames_free(one, 1));
    ASSERT_PANICS(frames_free(two, 0));
    ASSERT_PANICS(frames_free(MFN(two.v + 1), 0));
    ASSERT_PANICS(frames_free(big, 8));
    ASSERT_PANICS(frames_free(MFN(big.v + 1), 0));
    ASSERT_PANICS(frames_free(MFN(SMALL_FIRST + 6 * MIB), 0)); /* never the pool's */
    ASSERT_PANICS(frames_free(MFN(7), 0));
    ASSERT_PANICS(frames_free(MFN_NONE, 0));
    ASSERT_PANICS(frames_free(MFN(SMALL_FIRST + SMALL), 0));
    ASSERT_PANICS(frames_free(one, FRAMES_MAX_ORDER + 1));
    frames_free(one, 0);
    ASSERT_PANICS(frames_free(one, 0));
    frames_free(big, 9);
    ASSERT_PANICS(frames_free(big, 9));
    assert_int_equal(frame_own(owned, 1, 1), 0);
    ASSERT_PANICS(frames_free(owned, 0));
    ASSERT_PANICS(frame_put(owned));
    ASSERT_PANICS(frame_put(one));
    ASSERT_PANICS(frame_put(two));
    ASSERT_PANICS(frame_put(MFN_NONE));
    assert_int_equal(frame_release(owned, 1, 1), 0);
    frames_free(two, 1);
    assert_true(mfn_is_none(frames_alloc(FRAMES_MAX_ORDER + 1, 0)));
}

/* Joined blocks leave no trace of their parts that a second free could take for real. */
static void test_double_free_after_join(void **state)
{
    static mfn_t m[64]; /* static: longjmp */

    (void)state;
    for (unsigned i = 0; i < 64; i++)
        m[i] = frames_alloc(0, 0);
    for (unsigned i = 0; i < 64; i++)
        frames_free(m[i], 0);
    for (unsigned i = 0; i < 64; i++)
        ASSERT_PANICS(frames_free(m[i], 0));
}

/* What lies behind the table is no buddy, whatever it looks like. */
static void test_last_region(void **state)
{
    struct frames_range range;

    (void)state;
    make_ram(0, 3 * REGION);
    range = span(0, 2 * REGION);
    start_pool(&range, 1);
    regions[3].all = free_record(FRAMES_2M);
    frames_add(2 * REGION * PAGE_SIZE, REGION * PAGE_SIZE);
    check_lists();
    assert_int_equal(heads[LOW][FRAMES_2M], 2 * REGION);
}

/* A range that starts and ends inside regions has its own frames, not its neighbours'. */
static void test_odd_own(void **state)
{
    u64 first = SMALL_FIRST + 6 * MIB + 100, count = REGION + 300;

    (void)state;
    assert_int_equal(frame_own(MFN(first), count, 4), 0);
    assert_int_equal(frame_owner(MFN(first - 1)), FRAME_NOBODY);
    assert_int_equal(frame_owner(MFN(first)), 4);
    assert_int_equal(frame_owner(MFN(first + count - 1)), 4);
    assert_int_equal(frame_owner(MFN(first + count)), FRAME_NOBODY);
    assert_int_equal(frame_release(MFN(first + 5), REGION, 4), 0);
    assert_int_equal(frame_owner(MFN(first + 4)), 4);
    assert_int_equal(frame_owner(MFN(first + 5 + REGION)), 4);
    /* The table of regions, at the end of the largest range, is in nobody's reach. */
    assert_int_equal(frame_own(MFN(SMALL_FIRST + 60 * MIB - 1), 1, 4), -EINVAL);
}

static void test_many_references(void **state)
{
    mfn_t m = frames_alloc(0, 0);

    (void)state;
    assert_int_equal(frame_own(m, 1, 4), 0);
    record_of(m.v)->refs = MAX_REFS - 1;
    assert_int_equal(frame_get(m, 4), 0);
    assert_int_equal(frame_get(m, 4), -EBUSY);
    assert_int_equal(frame_refs(m), MAX_REFS);
}

/* Somebody scribbles over a free frame: found when the list is next used, not followed. */
static void test_scribbled_list(void **state)
{
    unsigned order = FRAMES_2M;

    (void)state;
    while (heads[LOW][order] == NO_FRAME)
        order++;
    ((struct link *)frame_at(heads[LOW][order]))->prev = heads[LOW][order];
    ASSERT_PANICS(assert_true(mfn_is_none(frames_alloc(FRAMES_2M, FRAMES_LOW))));
}

/* The frame that another domain still maps is nobody's until that one lets go. */
static void test_released_but_mapped(void **state)
{
    mfn_t m = frames_alloc(0, FRAMES_ZERO);
    u64 free;

    (void)state;
    assert_int_equal(frame_own(m, 1, 7), 0);
    free = free_frames();
    assert_int_equal(frame_get(m, 8), -EPERM);
    assert_int_equal(frame_get(m, 7), 0);
    assert_int_equal(frame_get(m, FRAME_ANYBODY), 0);
    assert_int_equal(frame_refs(m), 3);
    assert_int_equal(frame_release(m, 1, 8), -EPERM);
    assert_int_equal(frame_release(m, 1, 7), 0);
    assert_int_equal(frame_release(m, 1, 7), -EPERM);
    assert_int_equal(frame_owner(m), FRAME_NOBODY);
    assert_int_equal(frame_get(m, 7), -EPERM);
    assert_int_equal(frame_get(m, FRAME_ANYBODY), -EPERM);
    assert_int_equal(frame_get(m, FRAME_NOBODY), -EPERM);
    assert_int_equal(frame_release(m, 1, FRAME_NOBODY), -EPERM);
    assert_int_equal(frame_own(m, 1, 9), -EBUSY);
    frame_put(m);
    assert_int_equal(free_frames(), free);
    frame_put(m);
    assert_int_equal(free_frames(), free + 1);
}

/* A region with one owner is one word, until one of its frames is referred to. */
static void test_words_and_details(void **state)
{
    mfn_t m = frames_alloc(11, 0), dom0 = MFN(SMALL_FIRST + 6 * MIB);
    struct frames_stats before, s;

    (void)state;
    frames_stats(&before);
    assert_int_equal(frame_own(m, 2048, 1), 0);
    assert_int_equal(frame_own(dom0, 4 * MIB, 0), 0);
    frames_stats(&s);
    assert_int_equal(s.details, before.details);
    assert_int_equal(frame_get(MFN(m.v + 700), 1), 0);
    assert_int_equal(frame_get(MFN(m.v + 701), 1), 0);
    assert_int_equal(frame_get(MFN(dom0.v + 2), 0), 0);
    frames_stats(&s);
    assert_int_equal(s.details, before.details + 2);
    /* The pages that describe are nobody's to have. */
    ASSERT_PANICS(frames_free(MFN(region_of(m.v + 700)->split.detail), 0));
    assert_int_equal(frame_own(MFN(region_of(dom0.v)->split.detail), 1, 0), -EINVAL);
    assert_int_equal(frame_release(m, 2048, 1), 0);
    frames_stats(&s);
    assert_int_equal(s.free, before.free + 2046 - 2);
    frame_put(MFN(m.v + 700));
    frame_put(MFN(m.v + 701));
    assert_int_equal(frame_release(dom0, 4 * MIB, 0), 0);
    frame_put(MFN(dom0.v + 2));
    frames_stats(&s);
    assert_int_equal(s.details, before.details + 1);
    assert_int_equal(s.free, before.free + 2048 - 1);
    assert_int_equal(frame_own(dom0, 4 * MIB, 3), 0);
}

static void test_refused(void **state)
{
    mfn_t m = frames_alloc(3, 0), free = frames_alloc(0, 0);

    (void)state;
    frames_free(free, 0);
    assert_int_equal(frame_own(m, 7, 1), -EINVAL);
    assert_int_equal(frame_own(MFN(m.v + 1), 7, 1), -EINVAL);
    assert_int_equal(frame_own(free, 1, 1), -EINVAL);
    assert_int_equal(frame_own(m, 8, FRAME_NOBODY), -EINVAL);
    assert_int_equal(frame_own(m, 8, FRAME_ANYBODY), -EINVAL);
    assert_int_equal(frame_own(MFN(SMALL_FIRST + SMALL), 1, 1), -EINVAL);
    assert_int_equal(frame_own(MFN(SMALL_FIRST + SMALL - 1), 2, 1), -EINVAL);
    assert_int_equal(frame_own(MFN_NONE, 1, 1), -EINVAL);
    assert_int_equal(frame_own(m, ~0ull, 1), -EINVAL);
    assert_int_equal(frame_release(m, 8, 1), -EPERM);
    assert_int_equal(frame_get(m, FRAME_ANYBODY), -EPERM);
    assert_int_equal(frame_get(MFN_NONE, FRAME_ANYBODY), -EPERM);
    frames_free(m, 3);
}

/* A 4 GiB machine: 1 GiB blocks, and what is kept of 4 GiB is small. */
static void test_large(void **state)
{
    struct frames_range range[2];
    struct frames_stats s;
    mfn_t a, b;

    (void)state;
    make_ram(0, 5 * GIB);
    range[0] = span(1, 0x9f);
    range[1] = span(MIB, 3 * GIB - 10);
    start_pool(range, 2);
    frames_add(4 * GIB * PAGE_SIZE, GIB * PAGE_SIZE);
    frames_stats(&s);
    assert_int_equal(s.total, 0x9e + 4 * GIB - MIB - 10 - region_count * 8 / PAGE_SIZE);
    assert_int_equal(s.blocks[FRAMES_1G], 2); /* 1 to 2 GiB, 4 to 5 GiB */
    assert_in_range(region_count * 8 + s.details * PAGE_SIZE, 1, 64 << 10);
    assert_in_range((u8 *)regions - ram, range[1].base, range[1].base + range[1].size);
    check_lists();

    a = frames_alloc(FRAMES_1G, FRAMES_LOW);
    b = frames_alloc(FRAMES_1G, 0);
    assert_int_equal(a.v, GIB);
    assert_int_equal(b.v, 4 * GIB);
    assert_true(mfn_is_none(frames_alloc(FRAMES_1G, 0)));
    assert_int_equal(frame_own(b, GIB, 5), 0);
    assert_int_equal(frame_get(MFN(b.v + 12345), 5), 0);
    assert_int_equal(frame_release(b, GIB, 5), 0);
    frame_put(MFN(b.v + 12345));
    frames_free(a, FRAMES_1G);
    frames_stats(&s);
    assert_int_equal(s.blocks[FRAMES_1G], 2);
    check_lists();
}

/* The smallest of machines: a few pages that are no whole region. */
static void test_tiny(void **state)
{
    struct frames_range range = span(0x100, 0x104);
    struct frames_stats s;

    (void)state;
    make_ram(0, 2 * REGION);
    start_pool(&range, 1);
    frames_stats(&s);
    assert_int_equal(s.free, 2); /* the table and a detail page are off */
    check_lists();
    assert_false(mfn_is_none(frames_alloc(0, 0)));
    assert_false(mfn_is_none(frames_alloc(0, 0)));
    assert_true(mfn_is_none(frames_alloc(0, 0)));
    range = span(0x100, 0x100);
    assert_int_equal(frames_init(&range, 1, 2 * REGION * PAGE_SIZE, (uintptr_t)ram), -ENOMEM);
    assert_int_equal(frames_init(&range, 0, 2 * REGION * PAGE_SIZE, (uintptr_t)ram), -ENOMEM);
}

/* Ranges that are no whole pages; frame 0 stays out. */
static void test_odd_ranges(void **state)
{
    struct frames_range range[] = {{0, 3 * PAGE_SIZE + 5}, {9 * PAGE_SIZE + 1, 10 * PAGE_SIZE}};
    struct frames_stats s;
    mfn_t m;

    (void)state;
    make_ram(0, REGION);
    start_pool(range, 2);
    frames_stats(&s);
    assert_int_equal(s.total, 2 + 9 - 1);
    while (!mfn_is_none(m = frames_alloc(0, 0)))
        assert_true((m.v >= 1 && m.v < 3) || (m.v >= 10 && m.v < 19));
}

/* ---- Several CPUs ---- */

static void *hammer(void *arg)
{
    u64 seed = (u64)(uintptr_t)arg, tag = seed << 32;
    u16 domid = (u16)seed;

    for (int i = 0; i < 3000; i++) {
        unsigned order;
        mfn_t m;

        seed = seed * 6364136223846793005u + 1442695040888963407u;
        order = (seed >> 40) % 11;
        m = frames_alloc(order, (seed >> 50) & FRAMES_LOW);
        if (mfn_is_none(m))
            continue;
        *(u64 *)frame_at(m.v) = tag + (u64)i;
        if (seed >> 63) {
            mfn_t some = MFN(m.v + (seed >> 33) % (1ull << order));

            assert_int_equal(frame_own(m, 1ull << order, domid), 0);
            if (frame_get(some, domid) == 0) {
                assert_int_equal(*(u64 *)frame_at(m.v), tag + (u64)i);
                while (frame_release(m, 1ull << order, domid))
                    ;
                frame_put(some);
            } else {
                while (frame_release(m, 1ull << order, domid))
                    ;
            }
        } else {
            assert_int_equal(*(u64 *)frame_at(m.v), tag + (u64)i);
            frames_free(m, order);
        }
    }
    return NULL;
}

static void test_concurrent(void **state)
{
    struct frames_stats before, after;
    pthread_t thread[2];

    (void)state;
    frames_stats(&before);
    for (u64 i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, hammer, (void *)(i + 1)), 0);
    for (int i = 0; i < 2; i++)
        pthread_join(thread[i], NULL);
    frames_stats(&after);
    assert_memory_equal(&before, &after, sizeof(before));
    check_lists();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_random, start_small, drop_ram),
        cmocka_unit_test_setup_teardown(test_all_comes_back, start_small, drop_ram),
        cmocka_unit_test_setup_teardown(test_exhaustion, start_small, drop_ram),
        cmocka_unit_test_setup_teardown(test_wrong_frees, start_small, drop_ram),
        cmocka_unit_test_setup_teardown(test_double_free_after_join, start_small, drop_ram),
        cmocka_unit_test_setup_teardown(test_odd_own, start_small, drop_ram),
        cmocka_unit_test_setup_teardown(test_many_references, start_small, drop_ram),
        cmocka_unit_test_setup_teardown(test_scribbled_list, start_small, drop_ram),
        cmocka_unit_test_setup_teardown(test_released_but_mapped, start_small, drop_ram),
        cmocka_unit_test_setup_teardown(test_words_and_details, start_small, drop_ram),
        cmocka_unit_test_setup_teardown(test_refused, start_small, drop_ram),
        cmocka_unit_test_setup_teardown(test_concurrent, start_small, drop_ram),
        cmocka_unit_test_teardown(test_large, drop_ram),
        cmocka_unit_test_teardown(test_tiny, drop_ram),
        cmocka_unit_test_teardown(test_last_region, drop_ram),
        cmocka_unit_test_teardown(test_odd_ranges, drop_ram),
    };

    random_init();
    return cmocka_run_group_tests_name("frames", tests, NULL, NULL);
}
