/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One domain's memory in another one's address space, for those who build it and serve its devices.
 * Each such entry (P2M_FOREIGN) holds a reference to its frame, which the p2m drops with the entry.
 */
#ifndef HV_FOREIGN_H
#define HV_FOREIGN_H

#include "hv/compiler.h"
#include "hv/types.h"

struct vcpu;
struct domain;

/* The frame at gfn of from appears at at of d, writable if from may write to it. -EINVAL: no RAM
 * there; -EBUSY: at is taken; -ENOMEM. No lock held. */
int __must_check foreign_map(struct domain *d, gfn_t at, struct domain *from, gfn_t gfn);

/* Likewise a frame that is owned by from but in nobody's address space: of its grant table.
 * Writable. */
int __must_check foreign_map_frame(struct domain *d, gfn_t at, struct domain *from, mfn_t frame);

/* XENMEM_add_to_physmap_batch (XENMAPSPACE_gmfn_foreign) and XENMEM_acquire_resource, with the
 * arguments at `arg`, from element `start` on. Returns what memory_op does, or HYPERCALL_AGAIN with
 * *start moved on. */
s64 foreign_batch(struct vcpu *v, u64 arg, u64 *start);
s64 foreign_acquire(struct vcpu *v, u64 arg, u64 *start);

#endif
