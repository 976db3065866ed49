/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Page tables: one walker, formats as data. Host tables, NPT, EPT and in time the IOMMUs differ
 * only in which bit means what, and a struct ptab_format says that.
 *
 *   address   47      39 38      30 29      21 20      12 11        0
 *            | level 3  | level 2  | level 1  | level 0  |  offset  |
 *                 |          |          |          |
 *   root ---> [entry] --> [entry] --> [entry] --> [entry] --> 4 KiB page
 *                            |          +-- leaf: 2 MiB page
 *                            +-- leaf: 1 GiB page
 *
 * An entry is a hole (0), a leaf, or points to a table. A leaf without PTAB_R is one no CPU can
 * use, but it keeps frame, memory type and p2m type; give it a p2m type other than 0, or page 0
 * looks like a hole.
 *
 * Callers keep changes of one table apart by a lock of their own (p2m lock). CPUs walk
 * concurrently: every entry changes by one 64-bit write, lower tables are complete before they are
 * linked, and a table that was unlinked keeps its translations until the caller says that no TLB
 * remembers it:
 *
 *   if (pt->stale) { flush every TLB that may know pt; ptab_flushed(pt); }
 *
 * Until then another CPU may still use what was there before. ptab_lookup() needs no lock against
 * changes; ptab_flushed() and ptab_destroy() must find no CPU within one, which a flush that waits
 * for every CPU's answer makes sure of, since lookups run with interrupts off.
 */
#ifndef HV_PTAB_H
#define HV_PTAB_H

#include "hv/compiler.h"
#include "hv/types.h"
#include "hv/x86.h"

/* Attributes of a leaf, the same for all formats; what a format cannot say it drops. */
#define PTAB_R          0x01u
#define PTAB_W          0x02u
#define PTAB_X          0x04u
#define PTAB_U          0x08u /* host: ring 3 may */
#define PTAB_G          0x10u /* host: survives a CR3 write */
#define PTAB_A          0x20u /* accessed */
#define PTAB_D          0x40u /* dirty */
#define PTAB_IPAT       0x80u /* EPT: the guest's PAT does not weaken the memory type */
#define PTAB_RW         (PTAB_R | PTAB_W)
#define PTAB_RWX        (PTAB_R | PTAB_W | PTAB_X)
#define PTAB_MEMTYPE(t) ((u32)(t) << 8)  /* enum x86_memtype */
#define PTAB_TYPE(t)    ((u32)(t) << 12) /* p2m type, 0 to 7, for software only */
/* The bit above it in an entry: the table has just been unlinked. ptab_lookup() and ptab_entry()
 * look again. */
#define PTAB_RETIRED  8ull
#define PTAB_MEMTYPES PTAB_MEMTYPE(7)
#define PTAB_TYPES    PTAB_TYPE(7)

static inline enum x86_memtype ptab_memtype(u32 attr)
{
    return (attr & PTAB_MEMTYPES) >> 8;
}

static inline unsigned ptab_type(u32 attr)
{
    return (attr & PTAB_TYPES) >> 12;
}

/* Which bits of a 64-bit entry mean what; 0 for what a format does not have. */
struct ptab_format {
    const char *name;
    u64 read; /* in every entry a CPU may use, tables too: without it, it is not present */
    u64 write, user, global, accessed, dirty, ipat;
    u64 exec, noexec;     /* what a leaf of 4 KiB carries with PTAB_X, and without */
    u64 exec_large;       /* larger ones with PTAB_X: exec, or what CPUs ignore (ptab_split()) */
    u64 large;            /* marks a leaf above level 0 */
    u64 table;            /* what an entry that points to a table carries */
    u64 leaf;             /* what every present leaf carries */
    u8 memtype_bit[2][3]; /* where the memory type's three bits are: at level 0, above */
    u8 memtype_code[8];   /* enum x86_memtype to these three bits */
    u8 memtype_of[8];     /* and back */
    u8 type_shift;        /* four bits that every CPU ignores: the p2m type */
    u8 levels;
    bool canonical; /* addresses are sign-extended from their top bit */
};

extern const struct ptab_format ptab_host;

/* Where tables live. */
struct ptab_mem {
    mfn_t (*alloc)(void *ctx); /* a frame with any contents, MFN_NONE if there is none */
    void (*free)(void *ctx, mfn_t frame);
    void *ctx;
    uintptr_t direct; /* frame f is readable and writable at direct + f * PAGE_SIZE */
};

enum { PTAB_4K, PTAB_2M, PTAB_1G }; /* levels a leaf may stand at */

struct ptab {
    mfn_t root;
    const struct ptab_format *fmt;
    const struct ptab_mem *mem;
    u8 max_leaf; /* the highest level that may hold a leaf; may be lowered and raised at any time */
    bool stale;  /* a TLB may still know what has been changed */
    u32 tables;  /* frames in use, unlinked ones not counted */
    u32 limit;   /* of these; may be changed at any time */
    mfn_t retired; /* tables unlinked, and not taken yet */
};

struct ptab_leaf {
    hpa_t pa; /* of the very byte that was asked for */
    u32 attr;
    u8 shift; /* the leaf, or the hole, spans 1 << shift bytes */
};

/* Called for each leaf that changes, with its attributes before: PTAB_A and PTAB_D are exact. */
typedef void ptab_seen_fn(void *arg, u64 va, unsigned shift, u32 attr);

/* An empty table, without a limit. Returns 0 or -ENOMEM. fmt and mem must outlive pt. */
int ptab_init(struct ptab *pt, const struct ptab_format *fmt, const struct ptab_mem *mem,
              unsigned max_leaf) __must_check;
/* Frees all tables. No CPU may walk them or remember them any more. */
void ptab_destroy(struct ptab *pt);

/*
 * The next four take page-aligned addresses and sizes. They return 0; -EINVAL if the range is
 * empty, not aligned or beyond the format's reach; -ENOMEM if a table could not be had, or was one
 * too many: then the range is done up to some page, the rest is as it was, and the table is sound.
 */

/* Maps size bytes at va to pa, whatever was there before, with the largest leaves that max_leaf and
 * alignment allow. Here and in the others a table that has become one uniform run turns into a
 * large leaf, which counts as accessed and dirty, and an empty one into a hole. */
int ptab_map(struct ptab *pt, u64 va, hpa_t pa, u64 size, u32 attr) __must_check;
int ptab_unmap(struct ptab *pt, u64 va, u64 size) __must_check;
/* Replaces the attributes under mask by those of attr; holes stay holes. */
int ptab_protect(struct ptab *pt, u64 va, u64 size, u32 mask, u32 attr) __must_check;
/* The same, and tells of each leaf that was changed: clearing PTAB_D finds the dirty pages. With
 * max_leaf at PTAB_4K while they are counted, they are counted by page. */
int ptab_protect_seen(struct ptab *pt, u64 va, u64 size, u32 mask, u32 attr, ptab_seen_fn *seen,
                      void *arg) __must_check;

/* The leaf at va becomes leaves of 4 KiB that say the same, until something else is changed in
 * their table. Where large leaves carry PTAB_X for software only, CPUs execute these. No TLB need
 * be flushed but for what it remembers of the right to execute. 0, also of a hole; -EINVAL and
 * -ENOMEM as above. */
int ptab_split(struct ptab *pt, u64 va) __must_check;

/* Returns 0, or -ENOENT with only leaf->shift set: how large the hole is. */
int ptab_lookup(const struct ptab *pt, u64 va, struct ptab_leaf *leaf) __must_check;

/* The leaf at va as it stands, 0 for a hole; either spans 1 << *shift bytes. Not for canonical
 * formats. A quarter of a ptab_lookup(), for those who look up often and need little. */
u64 ptab_entry(const struct ptab *pt, u64 va, unsigned *shift);
/* The same for somebody who is about to write there: a leaf that lets him becomes accessed and
 * dirty, as a CPU's write would have it. */
u64 ptab_entry_written(const struct ptab *pt, u64 va, unsigned *shift);

/* Every TLB has forgotten: frees what was unlinked. */
void ptab_flushed(struct ptab *pt);
/* The same in two steps, for changes whose flushes overlap: the tables unlinked so far, before a
 * flush begins, and what is to be done with them after it. pt stays stale until its owner knows
 * better. */
mfn_t ptab_take_retired(struct ptab *pt) __must_check;
void ptab_free_retired(const struct ptab *pt, mfn_t first);

#endif
