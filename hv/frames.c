/* SPDX-License-Identifier: BSD-2-Clause */
/*
 *   regions[]                            detail page of region 1, itself a frame from the pool
 *   +--------------------------+         +--------------------------+
 *   | 0  FREE, order 9         |    +--> | 0    PART (this page)    |
 *   | 1  SPLIT, 37 free -------|----+    | 1    FREE, order 0       |
 *   | 2  OWNED by domain 5     |         | 2    OWNED by 3, 2 refs  |
 *   | 3  USED, order 10        |         | 3    OWNED by 3, 1 ref   |
 *   | 4  PART (of 3)           |         | 4    USED, order 2       |
 *   | 5  NONE                  |         | 5..7 PART (of 4)         |
 *   +--------------------------+         +--------------------------+
 *
 * A word for a region stands for 512 frames that are all alike. Free blocks are listed through
 * their own first bytes, which no one else uses meanwhile.
 *
 * A free 2 MiB block from which less is wanted keeps its detail page in its own first frame; when
 * all the others are free again, so is that one.
 */
#include "hv/frames.h"
#include "hv/errno.h"
#include "hv/panic.h"
#include "hv/spinlock.h"
#include "hv/string.h"

#define REGION   (1ull << FRAMES_2M) /* frames */
#define NO_FRAME (~0ull)
#define MAX_REFS 0xffffffffu

enum state {
    NONE, /* not the pool's, not owned */
    PART, /* inside a block whose first frame tells, or a detail page */
    FREE,
    USED,
    OWNED, /* always single frames: order does not count */
    SPLIT  /* regions only */
};

struct record {
    u64 state : 3;
    u64 order : 5;
    u64 pool : 1; /* came from the pool and goes back there */
    u64 : 7;
    u64 owner : 16;
    u64 refs : 32;
};

union region {
    struct record all;
    struct {
        u64 state : 3;
        u64 free : 10;   /* frames */
        u64 detail : 51; /* frame of the detail page */
    } split;
};
_Static_assert(sizeof(union region) == 8, "a word for each 2 MiB");

struct link {
    u64 next, prev; /* frame numbers or NO_FRAME */
};

enum zone { LOW, HIGH, ZONES };
#define LOW_END (1ull << (32 - PAGE_SHIFT))

static spinlock_t lock = SPINLOCK_INIT; /* guards everything below */
static uintptr_t direct_base;
static union region *regions;
static u64 region_count;
static u64 heads[ZONES][FRAMES_MAX_ORDER + 1];
static struct frames_stats stats;

static void *frame_at(u64 m)
{
    return (void *)(direct_base + m * PAGE_SIZE);
}

static union region *region_of(u64 m)
{
    return &regions[m / REGION];
}

static bool is_split(u64 m)
{
    return region_of(m)->all.state == SPLIT;
}

/* What is known of the frame. */
static struct record *record_of(u64 m)
{
    union region *r = region_of(m);
    struct record *detail;

    if (r->all.state != SPLIT)
        return &r->all;
    detail = frame_at(r->split.detail);
    return &detail[m % REGION];
}

static bool known(u64 m, u64 count)
{
    u64 end = region_count * REGION;

    return m < end && count <= end - m;
}

/* ---- Lists of free blocks ---- */

static enum zone zone_of(u64 m)
{
    return m < LOW_END ? LOW : HIGH;
}

static struct record free_record(unsigned order)
{
    return (struct record){.state = FREE, .order = order, .pool = 1, .owner = FRAME_NOBODY};
}

static struct record part_record(void)
{
    return (struct record){.state = PART, .pool = 1, .owner = FRAME_NOBODY};
}

static void list_add(u64 m, unsigned order)
{
    u64 *head = &heads[zone_of(m)][order];
    struct link *l = frame_at(m);

    *record_of(m) = free_record(order);
    *l = (struct link){.next = *head, .prev = NO_FRAME};
    if (*head != NO_FRAME)
        ((struct link *)frame_at(*head))->prev = m;
    *head = m;
    stats.blocks[order]++;
}

/* The block's record says PART afterwards: the caller makes it what it is to be. */
static void list_remove(u64 m, unsigned order)
{
    struct link *l = frame_at(m);
    u64 *from =
        l->prev == NO_FRAME ? &heads[zone_of(m)][order] : &((struct link *)frame_at(l->prev))->next;

    ASSERT(*from == m); /* or somebody wrote to memory that is not his */
    *from = l->next;
    if (l->next != NO_FRAME)
        ((struct link *)frame_at(l->next))->prev = l->prev;
    record_of(m)->state = PART;
    stats.blocks[order]--;
}

/* ---- Taking and giving blocks ---- */

/* m is a free region off its list. Its first frame becomes its detail page, the rest one block of
 * each order from 0 to 8. */
static void split_region(u64 m)
{
    struct record *detail = frame_at(m);

    for (unsigned i = 0; i < REGION; i++)
        detail[i] = part_record();
    region_of(m)->split = (typeof(region_of(m)->split)){SPLIT, REGION - 1, m};
    for (unsigned order = 0; order < FRAMES_2M; order++)
        list_add(m + (1ull << order), order);
    stats.details++;
    stats.free--;
}

static u64 take_from(enum zone zone, unsigned order)
{
    unsigned have = order;
    u64 m;

    while (have <= FRAMES_MAX_ORDER && heads[zone][have] == NO_FRAME)
        have++;
    if (have > FRAMES_MAX_ORDER)
        return NO_FRAME;
    m = heads[zone][have];
    list_remove(m, have);
    while (have > order && have != FRAMES_2M)
        have--, list_add(m + (1ull << have), have);
    if (have > order) {
        split_region(m);
        return take_from(zone, order);
    }
    *record_of(m) =
        (struct record){.state = USED, .order = order, .pool = 1, .owner = FRAME_NOBODY};
    if (is_split(m))
        region_of(m)->split.free -= 1u << order;
    stats.free -= 1ull << order;
    return m;
}

static u64 take(unsigned order, bool low)
{
    u64 m = low ? NO_FRAME : take_from(HIGH, order);

    return m == NO_FRAME ? take_from(LOW, order) : m;
}

/* Joins the block with free buddies as long as there are some and its order is below limit. */
static unsigned join(u64 *m, unsigned order, unsigned limit)
{
    for (; order < limit; order++) {
        u64 buddy = *m ^ 1ull << order;
        struct record *r;

        if (!known(buddy, 1))
            break;
        r = record_of(buddy);
        if (r->state != FREE || r->order != order)
            break;
        list_remove(buddy, order);
        record_of(*m)->state = PART;
        *m &= ~(1ull << order);
    }
    return order;
}

/* Frees one block of a split region. Returns a detail page that this made superfluous, or NO_FRAME;
 * if the whole region is free it is one again, off its list, and *whole. */
static u64 give_part(u64 m, unsigned order, bool *whole)
{
    union region *r = region_of(m);
    u64 detail = r->split.detail;
    bool inside = detail / REGION == m / REGION;

    r->split.free += 1u << order;
    order = join(&m, order, FRAMES_2M);
    *whole = order == FRAMES_2M;
    if (!*whole) {
        list_add(m, order);
        return inside && r->split.free == REGION - 1 ? detail : NO_FRAME;
    }
    r->all = free_record(FRAMES_2M);
    stats.details--;
    return inside ? NO_FRAME : detail;
}

static u64 give_one(u64 m, unsigned order)
{
    bool whole = true;
    u64 detail = NO_FRAME;

    stats.free += 1ull << order;
    if (order < FRAMES_2M) {
        detail = give_part(m, order, &whole);
        order = FRAMES_2M;
        m &= ~(REGION - 1);
    }
    if (whole) {
        order = join(&m, order, FRAMES_MAX_ORDER);
        list_add(m, order);
    }
    return detail;
}

/* A block off all lists becomes free. A detail page freed by that may free another in turn. */
static void give(u64 m, unsigned order)
{
    for (; m != NO_FRAME; order = 0)
        m = give_one(m, order);
}

/* Gives the region of m, whose frames are all alike, a word for each, in the page at detail. */
static void detail_region(u64 m, u64 detail)
{
    union region *r = region_of(m);
    struct record *records = frame_at(detail);

    for (unsigned i = 0; i < REGION; i++)
        records[i] = r->all;
    r->split = (typeof(r->split)){SPLIT, 0, detail};
    stats.details++;
}

static int need_detail(u64 m)
{
    u64 detail;

    if (is_split(m))
        return 0;
    detail = take(0, false);
    if (detail == NO_FRAME)
        return -ENOMEM;
    *record_of(detail) = part_record();
    detail_region(m, detail);
    return 0;
}

/* ---- The pool ---- */

mfn_t frames_alloc(unsigned order, unsigned flags)
{
    u64 m;

    if (order > FRAMES_MAX_ORDER)
        return MFN_NONE;
    spin_lock(&lock);
    m = take(order, flags & FRAMES_LOW);
    spin_unlock(&lock);
    if (m != NO_FRAME && (flags & FRAMES_ZERO))
        memset(frame_at(m), 0, PAGE_SIZE << order);
    return m == NO_FRAME ? MFN_NONE : MFN(m);
}

void frames_free(mfn_t m, unsigned order)
{
    struct record *r;

    spin_lock(&lock);
    ASSERT(order <= FRAMES_MAX_ORDER && known(m.v, 1ull << order));
    r = record_of(m.v);
    ASSERT(r->state == USED && r->order == order);
    give(m.v, order);
    spin_unlock(&lock);
}

/* count frames within one region that is not wholly theirs. */
static void add_part(u64 m, u64 count)
{
    if (!is_split(m)) {
        u64 detail = take(0, false);

        if (detail == NO_FRAME) /* the very first: its own last frame it is */
            detail = m + --count;
        detail_region(m, detail);
        *record_of(detail) = part_record();
    }
    for (; count; count--, m++) {
        ASSERT(record_of(m)->state == NONE);
        give(m, 0);
    }
}

enum { ADD_WHOLE = 1, ADD_PARTS = 2 };

static void add(u64 m, u64 end, int what)
{
    u64 next;

    for (; m < end; m = next) {
        next = MIN(ALIGN_DOWN(m, REGION) + REGION, end);
        if (next - m < REGION) {
            if (what & ADD_PARTS) {
                stats.total += next - m;
                add_part(m, next - m);
            }
        } else if (what & ADD_WHOLE) {
            stats.total += REGION;
            ASSERT(region_of(m)->all.state == NONE);
            give(m, FRAMES_2M);
        }
    }
}

/* Frame 0 is left out: too many things mean "none" by it. */
static u64 first_frame(u64 base)
{
    return MAX(ALIGN_UP(base, PAGE_SIZE) / PAGE_SIZE, (u64)1);
}

static u64 end_frame(u64 base, u64 size)
{
    return MIN((base + size) / PAGE_SIZE, region_count * REGION);
}

void frames_add(u64 base, u64 size)
{
    spin_lock(&lock);
    add(first_frame(base), end_frame(base, size), ADD_WHOLE | ADD_PARTS);
    spin_unlock(&lock);
}

static unsigned largest(const struct frames_range *range, unsigned count)
{
    unsigned best = 0;

    for (unsigned i = 1; i < count; i++)
        if (range[i].size > range[best].size)
            best = i;
    return best;
}

/* The table's own frames are nobody's to own. */
static int keep_table(u64 m, u64 pages)
{
    for (; pages; pages--, m++) {
        if (need_detail(m))
            return -ENOMEM;
        *record_of(m) = part_record();
    }
    return 0;
}

int frames_init(const struct frames_range *range, unsigned count, u64 ram_end, uintptr_t direct)
{
    unsigned host = largest(range, count);
    u64 pages, table;

    direct_base = direct;
    region_count = (ram_end + (PAGE_SIZE << FRAMES_2M) - 1) >> (PAGE_SHIFT + FRAMES_2M);
    pages = (region_count * sizeof(union region) + PAGE_SIZE - 1) / PAGE_SIZE;
    if (!count ||
        end_frame(range[host].base, range[host].size) < first_frame(range[host].base) + pages)
        return -ENOMEM;
    table = end_frame(range[host].base, range[host].size) - pages;
    regions = frame_at(table);
    for (u64 i = 0; i < region_count; i++)
        regions[i].all = (struct record){.state = NONE, .owner = FRAME_NOBODY};
    stats = (struct frames_stats){0};
    for (unsigned i = 0; i < ZONES * (FRAMES_MAX_ORDER + 1); i++)
        heads[i / (FRAMES_MAX_ORDER + 1)][i % (FRAMES_MAX_ORDER + 1)] = NO_FRAME;

    /* Whole regions first: the parts find room for their detail pages there. */
    for (int what = ADD_WHOLE; what <= ADD_PARTS; what++)
        for (unsigned i = 0; i < count; i++)
            add(first_frame(range[i].base),
                i == host ? table : end_frame(range[i].base, range[i].size), what);
    return keep_table(table, pages);
}

void frames_stats(struct frames_stats *s)
{
    spin_lock(&lock);
    *s = stats;
    spin_unlock(&lock);
}

/* ---- Owners and references ---- */

/* How many frames from m on one step can treat alike, at most left: a block, a region, a frame. 0
 * if the region must get a detail page first. */
static u64 step_of(u64 m, u64 left)
{
    const struct record *r = record_of(m);

    if (r->state == USED)
        return 1ull << r->order;
    if (is_split(m))
        return 1;
    return m % REGION == 0 && left >= REGION ? REGION : 0;
}

/* Looks at each frame of the range, so that nothing can go wrong afterwards: ok() returns 0 or an
 * error. */
static int check_range(u64 m, u64 count, int (*ok)(const struct record *r, u16 domid), u16 domid)
{
    while (count) {
        int rc = ok(record_of(m), domid);
        u64 step = step_of(m, count);

        if (rc)
            return rc;
        if (!step) {
            rc = need_detail(m);
            if (rc)
                return rc;
            step = 1;
        }
        if (step > count)
            return -EINVAL;
        m += step;
        count -= step;
    }
    return 0;
}

static int can_own(const struct record *r, u16 domid)
{
    (void)domid;
    if (r->state == OWNED)
        return -EBUSY;
    return r->state == USED || r->state == NONE ? 0 : -EINVAL;
}

static int can_release(const struct record *r, u16 domid)
{
    return r->state == OWNED && r->owner == domid ? 0 : -EPERM;
}

static void own_step(u64 m, u64 step, u16 domid)
{
    struct record owned = {.state = OWNED, .pool = record_of(m)->pool, .owner = domid, .refs = 1};
    u64 each = is_split(m) ? 1 : REGION;

    for (u64 end = m + step; m < end; m += each)
        *record_of(m) = owned;
}

int frame_own(mfn_t mfn, u64 count, u16 domid)
{
    u64 m = mfn.v, step;
    int rc = -EINVAL;

    spin_lock(&lock);
    if (known(m, count) && domid < FRAME_ANYBODY)
        rc = check_range(m, count, can_own, domid);
    for (; !rc && count; m += step, count -= step) {
        step = step_of(m, count);
        own_step(m, step, domid);
    }
    spin_unlock(&lock);
    return rc;
}

/* The last reference is gone. */
static void unreferenced(u64 m, unsigned order)
{
    struct record *r = record_of(m);

    if (r->pool)
        give(m, order);
    else
        *r = (struct record){.state = NONE, .owner = FRAME_NOBODY};
}

static void release_step(u64 m, u64 step)
{
    struct record *r = record_of(m);

    r->owner = FRAME_NOBODY;
    if (--r->refs == 0)
        unreferenced(m, step == REGION ? FRAMES_2M : 0);
}

int frame_release(mfn_t mfn, u64 count, u16 domid)
{
    u64 m = mfn.v, step;
    int rc = -EPERM;

    spin_lock(&lock);
    if (known(m, count) && domid < FRAME_ANYBODY)
        rc = check_range(m, count, can_release, domid);
    for (; !rc && count; m += step, count -= step) {
        step = step_of(m, count);
        release_step(m, step);
    }
    spin_unlock(&lock);
    return rc;
}

static int get_locked(u64 m, u16 domid)
{
    const struct record *r;
    int rc;

    if (!known(m, 1))
        return -EPERM;
    r = record_of(m);
    if (r->state != OWNED || r->owner == FRAME_NOBODY ||
        (r->owner != domid && domid != FRAME_ANYBODY))
        return -EPERM;
    if (r->refs == MAX_REFS)
        return -EBUSY;
    rc = need_detail(m);
    if (!rc)
        record_of(m)->refs++;
    return rc;
}

int frame_get(mfn_t m, u16 domid)
{
    int rc;

    spin_lock(&lock);
    rc = get_locked(m.v, domid);
    spin_unlock(&lock);
    return rc;
}

void frame_put(mfn_t m)
{
    struct record *r;

    spin_lock(&lock);
    ASSERT(known(m.v, 1));
    r = record_of(m.v);
    ASSERT(r->state == OWNED && r->refs > (r->owner != FRAME_NOBODY)); /* the owner keeps his own */
    if (--r->refs == 0)
        unreferenced(m.v, 0);
    spin_unlock(&lock);
}

/* What the record says of owned frames, of others as of nobody's. */
static struct record owned_record(mfn_t m)
{
    struct record r = {.state = NONE};

    spin_lock(&lock);
    if (known(m.v, 1))
        r = *record_of(m.v);
    spin_unlock(&lock);
    return r.state == OWNED ? r : (struct record){.owner = FRAME_NOBODY};
}

u16 frame_owner(mfn_t m)
{
    return owned_record(m).owner;
}

u32 frame_refs(mfn_t m)
{
    return owned_record(m).refs;
}
