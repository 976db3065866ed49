/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The RAM of guests: frames of the pool that the guest owns (hv/frames.h), each in one place of its
 * address space. Counted in domain.ram_pages, up to domain.max_pages.
 *
 * A frame leaves the guest only when nobody can reach it any more: out of the p2m, flushed, every
 * CPU outside root mode once; then it is the pool's, or nobody's until the last who mapped it lets
 * go.
 */
#ifndef HV_GUEST_RAM_H
#define HV_GUEST_RAM_H

#include "hv/compiler.h"
#include "hv/types.h"

struct domain;

#define GUEST_RAM_ORDER_MAX 9 /* 2 MiB at once: what is cleared without looking at interrupts */

/* All: any CPU, no lock held; they may wait for other CPUs (hv/domain.h: domain_let_go()).
 * -EINVAL: not aligned, beyond the address space, no RAM there (or, to add, something); -ENOMEM. */
int __must_check guest_ram_add(struct domain *d, gfn_t gfn, unsigned order);
int __must_check guest_ram_remove(struct domain *d, gfn_t gfn, unsigned order);
/* count pages, at most GUEST_RAM_MOVE_MAX, to another place; RAM that was there is given back. On
 * an error some may have been moved. */
#define GUEST_RAM_MOVE_MAX 64u
int __must_check guest_ram_move(struct domain *d, gfn_t from, gfn_t to, u64 count);
/* HVMMEM_*: RAM, RAM that takes no writes, or the device model's to answer for (the frame is kept).
 */
int __must_check guest_ram_set_type(struct domain *d, gfn_t gfn, u64 count, unsigned type);
/* Which pages were written since the last call, a bit each; count at most GUEST_RAM_DIRTY_MAX.
 * bits: cleared by the caller. */
#define GUEST_RAM_DIRTY_MAX 8192u
int __must_check guest_ram_dirty(struct domain *d, gfn_t gfn, u64 count, u8 *bits);

/* A dying domain's, whose vcpus do not run: gives back up to `limit` batches of leaves. true:
 * all is done. *at is how far it has come, from 0. */
bool guest_ram_release(struct domain *d, u64 *at, unsigned limit);

#endif
