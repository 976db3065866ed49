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
    P2M_FOREIGN, /* another domain's frame: a reference is held */
    P2M_GRANT,   /* a granted frame: a reference is held */
    P2M_IOREQ    /* exits to a device model (ioreq server) although memory is behind it */
};

struct p2m {
    struct ptab pt;
    spinlock_t lock; /* guards changes; walks take none */
    u64 pages;       /* 4 KiB frames entered as P2M_RAM */
};

/* Page tables live in frames of the pool, reached through the direct map. */
extern const struct ptab_mem p2m_table_mem;

int __must_check p2m_init(struct domain *d);
/* Drops every reference and table. No vcpu of d exists any more. */
void p2m_destroy(struct domain *d);

static inline hpa_t p2m_root(const struct p2m *p)
{
    return mfn_hpa(p->pt.root);
}

/* Enters count frames from mfn on at gfn. Large pages where alignment allows. -ENOMEM leaves a prefix
 * entered, which p2m_remove() takes out. Takes the lock, flushes. */
int __must_check p2m_add(struct domain *d, gfn_t gfn, mfn_t mfn, u64 count, enum p2m_type type,
                         u32 attr);
int __must_check p2m_remove(struct domain *d, gfn_t gfn, u64 count);

/* What is at gfn; MFN_NONE when nothing is. Any CPU, no lock. */
mfn_t p2m_lookup(const struct p2m *p, gfn_t gfn, enum p2m_type *type, u32 *attr);

/* The address in the direct map of RAM at gpa, for a read or a write of up to the end of its page; NULL
 * if the page is not RAM (or, for a write, not writable RAM). */
void *p2m_ram(const struct p2m *p, gpa_t gpa, bool write);

#endif
