/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * No function holds the locks of two tables: a map is made in steps, and while they are under way
 * its entry in the mapper's books is busy, which no handle reaches.
 */
#include "hv/domain.h"
#include "hv/errno.h"
#include "hv/frames.h"
#include "hv/grant.h"
#include "hv/p2m.h"
#include "hv/panic.h"
#include "hv/string.h"
#include "hv/vmem.h"

#define ENTRIES_PER_FRAME (u32)(PAGE_SIZE / sizeof(grant_entry_v1_t))
#define USES_ORDER        1 /* of the uses that go with a page of entries */
#define MAPS_PER_PAGE     (u32)(PAGE_SIZE / sizeof(struct map))
#define MAP_PAGES         256u /* 32768 maps for the privileged domain */
#define MAP_PAGES_OTHERS  16u  /* 2048 for any other: their books come out of the common pool */
#define NO_MAP            (~0u)
#define MARK_TRIES        8 /* against an entry that changes all the time */
#define ATTR_READ         (PTAB_R | PTAB_MEMTYPE(MEMTYPE_WB))
#define ATTR_WRITE        (PTAB_RW | PTAB_MEMTYPE(MEMTYPE_WB))

/* What goes with an entry while it is in use. */
struct use {
    mfn_t frame;
    u16 domid;   /* who uses it */
    u16 users;   /* maps and copies; 0: not in use */
    u16 writers; /* of these, those that may write */
};

enum map_state {
    MAP_FREE,
    MAP_BUSY, /* being made or undone */
    MAP_USED
};

struct map {
    mfn_t frame;
    gfn_t gfn;   /* where the mapper has it */
    u64 granter; /* serial of the granter's table */
    u32 ref;     /* MAP_FREE: the next free one */
    u16 domid;   /* the granter's */
    u8 state;
    bool write;
};

struct grant_table {
    spinlock_t lock; /* guards everything below, and uses */
    u64 serial;      /* domain ids come again, this does not */
    u32 frames;
    mfn_t frame[GRANT_MAX_FRAMES];      /* pages of entries, owned by the domain */
    gfn_t gfn[GRANT_MAX_FRAMES];        /* where it has put them */
    struct use *uses[GRANT_MAX_FRAMES]; /* NULL: none of that page has been used yet */
    u32 map_pages, map_limit;
    u32 free_map;
    struct map *maps[MAP_PAGES];
};

_Static_assert(sizeof(struct use) * ENTRIES_PER_FRAME <= PAGE_SIZE << USES_ORDER, "uses of a page");
_Static_assert(sizeof(struct map) == 32, "maps fill their page");
_Static_assert(sizeof(struct grant_table) <= PAGE_SIZE, "the books start on one page");
_Static_assert(MAP_PAGES *MAPS_PER_PAGE + 2 * MAX_CPUS <= 0xffff, "counts of uses do not overflow");
_Static_assert(sizeof(grant_entry_v1_t) == 8 && offsetof(grant_entry_v1_t, domid) == 2,
               "an entry's words");

/* ---- The table ---- */

static mfn_t new_entries(const struct domain *d)
{
    mfn_t m = frames_alloc(0, FRAMES_ZERO);

    if (!mfn_is_none(m) && frame_own(m, 1, d->id)) {
        frames_free(m, 0);
        return MFN_NONE;
    }
    return m;
}

/* Lock held. */
static int grow(struct domain *d, u32 frames)
{
    struct grant_table *t = d->grant;

    while (t->frames < frames) {
        mfn_t m = new_entries(d);

        if (mfn_is_none(m))
            return -ENOMEM;
        t->frame[t->frames] = m;
        t->gfn[t->frames++] = GFN(~0ull);
    }
    return 0;
}

int grant_init(struct domain *d)
{
    static u64 serial;
    mfn_t m = frames_alloc(0, FRAMES_ZERO);

    if (mfn_is_none(m))
        return -ENOMEM;
    d->grant = mfn_virt(m);
    d->grant->serial = __atomic_add_fetch(&serial, 1, __ATOMIC_RELAXED);
    d->grant->map_limit = d->privileged ? MAP_PAGES : MAP_PAGES_OTHERS;
    d->grant->free_map = NO_MAP;
    return grow(d, 1);
}

mfn_t grant_table_frame(struct domain *d, u64 idx)
{
    struct grant_table *t = d->grant;
    mfn_t m = MFN_NONE;

    if (!t || idx >= GRANT_MAX_FRAMES)
        return m;
    spin_lock(&t->lock);
    if (grow(d, (u32)idx + 1) == 0)
        m = t->frame[idx];
    spin_unlock(&t->lock);
    return m;
}

gfn_t grant_table_gfn(struct domain *d, u32 idx)
{
    return idx < grant_table_size(d) ? d->grant->gfn[idx] : GFN(~0ull);
}

gfn_t grant_table_placed(struct domain *d, u32 idx, gfn_t gfn)
{
    if (idx >= grant_table_size(d))
        return gfn;
    return GFN(__atomic_exchange_n(&d->grant->gfn[idx].v, gfn.v, __ATOMIC_RELAXED));
}

u32 grant_table_size(struct domain *d)
{
    return d->grant ? READ_ONCE(d->grant->frames) : 0;
}

static grant_entry_v1_t *entry_of(const struct grant_table *t, u32 ref)
{
    grant_entry_v1_t *page = mfn_virt(t->frame[ref / ENTRIES_PER_FRAME]);

    return &page[ref % ENTRIES_PER_FRAME];
}

/* Lock held, ref within the table. NULL: no memory. */
static struct use *use_of(struct grant_table *t, u32 ref)
{
    struct use **uses = &t->uses[ref / ENTRIES_PER_FRAME];

    if (!*uses) {
        mfn_t m = frames_alloc(USES_ORDER, FRAMES_ZERO);

        if (mfn_is_none(m))
            return NULL;
        *uses = mfn_virt(m);
    }
    return &(*uses)[ref % ENTRIES_PER_FRAME];
}

/* ---- Using an entry ---- */

static u16 marks(bool write)
{
    return write ? GTF_reading | GTF_writing : GTF_reading;
}

/* The guest changes entries while we look: flags and domid are read as one word, and the marks are
 * set only in the word that was judged. */
static s16 mark(grant_entry_v1_t *e, u16 domid, bool write)
{
    u32 *word = (u32 *)e, old = __atomic_load_n(word, __ATOMIC_ACQUIRE);

    for (unsigned tries = 0; tries < MARK_TRIES; tries++) {
        if ((old & GTF_type_mask) != GTF_permit_access || old >> 16 != domid)
            return GNTST_bad_gntref;
        if (write && (old & GTF_readonly))
            return GNTST_general_error;
        if (__atomic_compare_exchange_n(word, &old, old | marks(write), false, __ATOMIC_SEQ_CST,
                                        __ATOMIC_ACQUIRE))
            return GNTST_okay;
    }
    return GNTST_general_error;
}

static void unmark(grant_entry_v1_t *e, u16 which)
{
    __atomic_fetch_and(&e->flags, (u16)~which, __ATOMIC_SEQ_CST);
}

/* Marked, the frame's number stays as it is: by a guest that keeps to the rules. */
static s16 begin_first(struct domain *d, struct use *u, grant_entry_v1_t *e, u16 domid, bool write)
{
    s16 status = mark(e, domid, write);

    if (status)
        return status;
    if (p2m_hold(d, GFN(READ_ONCE(e->frame)), write, &u->frame)) {
        unmark(e, marks(write));
        return GNTST_bad_page;
    }
    u->domid = domid;
    return GNTST_okay;
}

static s16 begin_more(struct domain *d, struct use *u, grant_entry_v1_t *e, u16 domid, bool write)
{
    s16 status;

    if (u->domid != domid)
        return GNTST_general_error;
    status = write && !u->writers ? mark(e, domid, true) : GNTST_okay;
    if (status == GNTST_okay && p2m_hold_frame(d, u->frame)) {
        if (write && !u->writers)
            unmark(e, GTF_writing);
        return GNTST_bad_page;
    }
    return status;
}

/* domid begins to use entry ref of d: *frame, with a reference, until use_end() and p2m_let_go().
 */
static s16 use_begin(struct domain *d, u16 domid, u32 ref, bool write, mfn_t *frame)
{
    struct grant_table *t = d->grant;
    s16 status = GNTST_bad_gntref;
    struct use *u;

    spin_lock(&t->lock);
    if (ref / ENTRIES_PER_FRAME < t->frames) {
        grant_entry_v1_t *e = entry_of(t, ref);

        u = use_of(t, ref);
        status = !u ? GNTST_no_space : (u->users ? begin_more : begin_first)(d, u, e, domid, write);
        if (status == GNTST_okay) {
            u->users++;
            u->writers += write;
            *frame = u->frame;
        }
    }
    spin_unlock(&t->lock);
    return status;
}

static void use_end(struct domain *d, u32 ref, bool write)
{
    struct grant_table *t = d->grant;
    struct use *u;

    spin_lock(&t->lock);
    u = use_of(t, ref);
    u->writers -= write;
    if (--u->users == 0)
        unmark(entry_of(t, ref), GTF_reading | GTF_writing);
    else if (write && u->writers == 0)
        unmark(entry_of(t, ref), GTF_writing);
    spin_unlock(&t->lock);
}

static struct domain *granter(struct domain *d, u16 domid)
{
    struct domain *g = domid == DOMID_SELF || domid == d->id ? d : domain_find(domid);

    return g && g->grant ? g : NULL;
}

/* ---- The mapper's books ---- */

static struct map *map_of(const struct grant_table *t, u32 handle)
{
    return &t->maps[handle / MAPS_PER_PAGE][handle % MAPS_PER_PAGE];
}

/* Lock held. */
static void free_map(struct grant_table *t, u32 handle)
{
    *map_of(t, handle) = (struct map){.state = MAP_FREE, .ref = t->free_map};
    t->free_map = handle;
}

static bool grow_maps(struct grant_table *t)
{
    u32 first = t->map_pages * MAPS_PER_PAGE;
    mfn_t m;

    if (t->map_pages == t->map_limit)
        return false;
    m = frames_alloc(0, 0);
    if (mfn_is_none(m))
        return false;
    t->maps[t->map_pages++] = mfn_virt(m);
    for (u32 i = MAPS_PER_PAGE; i-- > 0;)
        free_map(t, first + i);
    return true;
}

/* A busy map, or NULL when there are too many. */
static struct map *map_new(struct grant_table *t, u32 *handle)
{
    struct map *m = NULL;

    spin_lock(&t->lock);
    if (t->free_map != NO_MAP || grow_maps(t)) {
        *handle = t->free_map;
        m = map_of(t, *handle);
        t->free_map = m->ref;
        m->state = MAP_BUSY;
    }
    spin_unlock(&t->lock);
    return m;
}

static void map_set(struct grant_table *t, u32 handle, const struct map *m)
{
    spin_lock(&t->lock);
    *map_of(t, handle) = *m;
    spin_unlock(&t->lock);
}

static void map_drop(struct grant_table *t, u32 handle)
{
    spin_lock(&t->lock);
    free_map(t, handle);
    spin_unlock(&t->lock);
}

/* The map becomes busy, and the caller's alone; *m is a copy. */
static s16 map_take(struct grant_table *t, u32 handle, u64 host_addr, struct map *m)
{
    s16 status = GNTST_bad_handle;

    spin_lock(&t->lock);
    if (handle / MAPS_PER_PAGE < t->map_pages && map_of(t, handle)->state == MAP_USED) {
        *m = *map_of(t, handle);
        status = host_addr == gfn_gpa(m->gfn).v ? GNTST_okay : GNTST_bad_virt_addr;
        if (status == GNTST_okay)
            map_of(t, handle)->state = MAP_BUSY;
    }
    spin_unlock(&t->lock);
    return status;
}

/* ---- Map ---- */

/* Nested paging has one kind of map only: of a frame, at a guest-physical address. */
static s16 check_map(const struct domain *d, const struct gnttab_map_grant_ref *op)
{
    if (!(op->flags & (GNTMAP_host_map | GNTMAP_device_map)))
        return GNTST_bad_gntref;
    if (op->flags & (GNTMAP_device_map | GNTMAP_application_map | GNTMAP_contains_pte))
        return GNTST_general_error;
    if (op->host_addr % PAGE_SIZE || op->host_addr >> d->policy->phys_bits)
        return GNTST_bad_virt_addr;
    return GNTST_okay;
}

static s16 enter(struct domain *d, const struct map *m)
{
    switch (p2m_enter(d, m->gfn, m->frame, P2M_GRANT, m->write ? ATTR_WRITE : ATTR_READ)) {
    case 0:
        return GNTST_okay;
    case -ENOMEM:
        return GNTST_no_space;
    default:
        return GNTST_general_error;
    }
}

/* The granter is looked up anew: whoever has waited for a flush may find him gone, or his id given
 * to another domain. Then there is nobody to tell. */
static void end_map(struct domain *d, const struct map *m)
{
    struct domain *g = granter(d, m->domid);

    if (g && g->grant->serial == m->granter)
        use_end(g, m->ref, m->write);
    p2m_let_go(m->frame);
}

/* Uses the entry, and enters the frame where the mapper wants it. */
static s16 make_map(struct domain *d, struct domain *g, struct map *m)
{
    s16 status = use_begin(g, d->id, m->ref, m->write, &m->frame);

    if (status)
        return status;
    status = enter(d, m);
    if (status)
        end_map(d, m);
    return status;
}

static s16 map_one(struct domain *d, struct gnttab_map_grant_ref *op)
{
    struct domain *g = granter(d, op->dom);
    s16 status = g ? check_map(d, op) : GNTST_bad_domain;
    struct map m;
    u32 handle;

    if (status)
        return status;
    m = (struct map){.gfn = gpa_gfn(GPA(op->host_addr)),
                     .granter = g->grant->serial,
                     .ref = op->ref,
                     .domid = g->id,
                     .state = MAP_USED,
                     .write = !(op->flags & GNTMAP_readonly)};
    if (!map_new(d->grant, &handle))
        return GNTST_no_space;
    status = make_map(d, g, &m);
    if (status) {
        map_drop(d->grant, handle);
        return status;
    }
    map_set(d->grant, handle, &m);
    op->handle = handle;
    op->dev_bus_addr = mfn_hpa(m.frame).v;
    return GNTST_okay;
}

void grant_map(struct domain *d, struct gnttab_map_grant_ref *op, u32 count)
{
    for (u32 i = 0; i < count; i++)
        op[i].status = map_one(d, &op[i]);
}

/* ---- Unmap ---- */

/* What is left to do once no TLB knows the frame. */
static void unmap_end(struct domain *d, u32 handle, const struct map *m)
{
    end_map(d, m);
    map_drop(d->grant, handle);
}

/* Where the guest has put something else meanwhile, that stays. An address of 0 names no mapping.
 */
static bool unmap_begin(struct domain *d, struct gnttab_unmap_grant_ref *op, struct map *m)
{
    op->status = GNTST_okay;
    if (op->host_addr == 0)
        return false;
    op->status = map_take(d->grant, op->handle, op->host_addr, m);
    if (op->status)
        return false;
    p2m_withdraw(d, m->gfn, m->frame, P2M_GRANT);
    return true;
}

void grant_unmap(struct domain *d, struct gnttab_unmap_grant_ref *op, u32 count)
{
    struct map taken[GRANT_BATCH];
    bool begun[GRANT_BATCH];

    for (u32 i = 0; i < count; i++)
        begun[i] = unmap_begin(d, &op[i], &taken[i]);
    p2m_flush(d);
    for (u32 i = 0; i < count; i++)
        if (begun[i])
            unmap_end(d, op[i].handle, &taken[i]);
}

/* ---- Copy ---- */

/* One end of a copy: a frame in use, by a grant or as the domain's own. */
struct copy_end {
    struct domain *granter; /* NULL: the frame is the domain's own */
    u32 ref;
    bool write;
    mfn_t frame;
};

static s16 begin_end(struct domain *d, const struct gnttab_copy_ptr *p, bool by_ref,
                     struct copy_end *end)
{
    if (!by_ref) {
        if (p->domid != DOMID_SELF && p->domid != d->id)
            return GNTST_permission_denied;
        return p2m_hold(d, GFN(p->u.gmfn), end->write, &end->frame) ? GNTST_bad_page : GNTST_okay;
    }
    end->ref = p->u.ref;
    end->granter = granter(d, p->domid);
    if (!end->granter)
        return GNTST_bad_domain;
    return use_begin(end->granter, d->id, end->ref, end->write, &end->frame);
}

static void end_end(const struct copy_end *end)
{
    if (end->granter)
        use_end(end->granter, end->ref, end->write);
    p2m_let_go(end->frame);
}

static s16 copy_one(struct domain *d, const struct gnttab_copy *op)
{
    struct copy_end from = {.write = false}, to = {.write = true};
    s16 status;

    if (op->source.offset + op->len > PAGE_SIZE || op->dest.offset + op->len > PAGE_SIZE)
        return GNTST_bad_copy_arg;
    status = begin_end(d, &op->source, op->flags & GNTCOPY_source_gref, &from);
    if (status)
        return status;
    status = begin_end(d, &op->dest, op->flags & GNTCOPY_dest_gref, &to);
    if (status == GNTST_okay) {
        memmove((u8 *)mfn_virt(to.frame) + op->dest.offset,
                (const u8 *)mfn_virt(from.frame) + op->source.offset, op->len);
        end_end(&to);
    }
    end_end(&from);
    return status;
}

void grant_copy(struct domain *d, struct gnttab_copy *op, u32 count)
{
    for (u32 i = 0; i < count; i++)
        op[i].status = copy_one(d, &op[i]);
}

/* ---- Swap ---- */

static bool in_use(const struct grant_table *t, u32 ref)
{
    const struct use *uses = t->uses[ref / ENTRIES_PER_FRAME];

    return uses && uses[ref % ENTRIES_PER_FRAME].users;
}

/* Lock held. */
static s16 swap_locked(struct grant_table *t, u32 a, u32 b)
{
    grant_entry_v1_t kept;

    if (a / ENTRIES_PER_FRAME >= t->frames || b / ENTRIES_PER_FRAME >= t->frames)
        return GNTST_bad_gntref;
    if (in_use(t, a) || in_use(t, b))
        return GNTST_eagain;
    kept = *entry_of(t, a);
    *entry_of(t, a) = *entry_of(t, b);
    *entry_of(t, b) = kept;
    return GNTST_okay;
}

void grant_swap(struct domain *d, struct gnttab_swap_grant_ref *op, u32 count)
{
    struct grant_table *t = d->grant;

    for (u32 i = 0; i < count; i++) {
        spin_lock(&t->lock);
        op[i].status = swap_locked(t, op[i].ref_a, op[i].ref_b);
        spin_unlock(&t->lock);
    }
}

/* ---- The end ---- */

static void undo_maps(struct domain *d)
{
    const struct grant_table *t = d->grant;
    u32 count = t->map_pages * MAPS_PER_PAGE;

    for (u32 i = 0; i < count; i++)
        if (map_of(t, i)->state == MAP_USED)
            p2m_withdraw(d, map_of(t, i)->gfn, map_of(t, i)->frame, P2M_GRANT);
    p2m_flush(d);
    for (u32 i = 0; i < count; i++)
        if (map_of(t, i)->state == MAP_USED) {
            struct map m = *map_of(t, i);

            unmap_end(d, i, &m);
        }
}

/* A page of entries that another domain has mapped stays until that one lets go. */
static void free_entries(struct domain *d)
{
    struct grant_table *t = d->grant;

    for (u32 i = 0; i < t->frames; i++) {
        if (t->uses[i])
            frames_free(virt_mfn(t->uses[i]), USES_ORDER);
        ASSERT(frame_release(t->frame[i], 1, d->id) == 0);
    }
}

void grant_destroy(struct domain *d)
{
    struct grant_table *t = d->grant;

    if (!t)
        return;
    undo_maps(d);
    for (u32 i = 0; i < t->map_pages; i++)
        frames_free(virt_mfn(t->maps[i]), 0);
    free_entries(d);
    d->grant = NULL;
    frames_free(virt_mfn(t), 0);
}
