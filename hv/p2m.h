/* SPDX-License-Identifier: BSD-2-Clause */
/* A domain's guest-physical address space: nested page tables and what each entry means. */
#ifndef HV_P2M_H
#define HV_P2M_H

#include "hv/compiler.h"
#include "hv/ptab.h"
#include "hv/spinlock.h"
#include "hv/types.h"

struct domain;

/* Kept in the entry's software bits. */
enum p2m_type {
    P2M_NONE,    /* nothing there */
    P2M_RAM,     /* the domain's own memory */
    P2M_RAM_RO,  /* readable and executable RAM; writes are dropped */
    P2M_MMIO,    /* a device's memory, passed through */
    P2M_FOREIGN, /* another domain's frame: the entry holds a reference, dropped with it */
    P2M_GRANT,   /* a granted frame: the map's handle holds a reference (hv/grant.h) */
    P2M_IOREQ,   /* exits to a device model (ioreq server) although memory is behind it */
    P2M_SHARED   /* a page root mode keeps for this domain, as long as the domain is there */
};

struct p2m {
    struct ptab pt;
    spinlock_t lock; /* guards changes; walks take none */
    u64 changes;     /* those that made something stale */
    u64 foreign;     /* frames entered as P2M_FOREIGN */
};

/* Page tables live in frames of the pool, reached through the direct map. */
extern const struct ptab_mem p2m_table_mem;

/* How many of them a domain may have to begin with: 4 MiB, enough for 2 GiB of small pages or for
 * 1024 pages far apart. The privileged one, which maps what all others have, is not limited. */
#define P2M_TABLES 1024u

int __must_check p2m_init(struct domain *d);
/* From now on that many at least. Never less than before: a domain that gives up memory page by
 * page splits large pages, and needs more tables then. Takes the lock. */
void p2m_allow_tables(struct domain *d, u64 count);
/* Drops every reference and table. No vcpu of d exists any more. */
void p2m_destroy(struct domain *d);

static inline hpa_t p2m_root(const struct p2m *p)
{
    return mfn_hpa(p->pt.root);
}

/* Enters count frames from mfn on at gfn, in the place of what is there. Large pages where
 * alignment allows. -ENOMEM leaves a prefix entered, which p2m_remove() takes out. Not for
 * P2M_FOREIGN and P2M_GRANT. Takes the lock, flushes. */
int __must_check p2m_add(struct domain *d, gfn_t gfn, mfn_t mfn, u64 count, enum p2m_type type,
                         u32 attr);
int __must_check p2m_remove(struct domain *d, gfn_t gfn, u64 count);

/* One frame, at a gfn where there is nothing or a device: -EBUSY elsewhere, -ENOMEM, -EINVAL beyond
 * the format's reach. P2M_FOREIGN: the caller's reference is the entry's from then on. Takes the
 * lock. */
int __must_check p2m_enter(struct domain *d, gfn_t gfn, mfn_t mfn, enum p2m_type type, u32 attr);
/* Takes out what is at gfn if it is this frame, entered by p2m_enter() with this type: was it? TLBs
 * may remember it until p2m_flush(). P2M_FOREIGN: then its reference is the caller's to drop. Takes
 * the lock. */
bool p2m_withdraw(struct domain *d, gfn_t gfn, mfn_t mfn, enum p2m_type type);
void p2m_flush(struct domain *d);

/*
 * Holding on to a domain's RAM, for as long as another one has it mapped: the frame at gfn (for a
 * write: if d itself may write to it), or one that was found there before. -EINVAL if it is not d's
 * RAM (any more), -ENOMEM. The privileged domain's RAM stays its own for good and is not counted,
 * which saves a page of references for every 2 MiB. Any CPU.
 */
int __must_check p2m_hold(struct domain *d, gfn_t gfn, bool write, mfn_t *mfn);
int __must_check p2m_hold_frame(const struct domain *d, mfn_t mfn);
void p2m_let_go(mfn_t mfn);

/* The domain executes what is at gfn, where it may (ptab_split()): -ENOMEM. Takes the lock; the
 * vcpu that asks flushes its own TLB, others find out by themselves. */
int __must_check p2m_execute(struct domain *d, gfn_t gfn);

/* What is at gfn; MFN_NONE when nothing is. Any CPU, no lock. */
mfn_t p2m_lookup(const struct p2m *p, gfn_t gfn, enum p2m_type *type, u32 *attr);

/* A piece of RAM that was looked up once: pages of one leaf need no second walk of the nested
 * tables. Good for as long as root mode is not left (hv/quiesce.h), or p2m.changes stands still.
 * Starts out zeroed. */
struct p2m_window {
    u64 base, size; /* guest-physical */
    u8 *at;
    bool writable;
};

/* A vcpu's, for hv/guest_mem.c. */
#define RAM_WINDOWS 32 /* a power of two */
struct ram_cache {
    u64 changes; /* of the p2m, when they were looked up */
    struct p2m_window window[RAM_WINDOWS];
};

/* As p2m_ram(), through w. */
void *p2m_window_fill(const struct p2m *p, struct p2m_window *w, gpa_t gpa, bool write);
static inline void *p2m_window_ram(const struct p2m *p, struct p2m_window *w, gpa_t gpa, bool write)
{
    if (likely(gpa.v - w->base < w->size && (w->writable || !write)))
        return w->at + (gpa.v - w->base);
    return p2m_window_fill(p, w, gpa, write);
}

/* The address in the direct map of RAM at gpa, for a read or a write of up to the end of its page;
 * NULL if the page is not RAM (or, for a write, not writable RAM). */
void *p2m_ram(const struct p2m *p, gpa_t gpa, bool write);

#endif
