/* SPDX-License-Identifier: BSD-2-Clause */
/* The part of memory_op (hv/hc_memory.c) that is about guests. `at` is the guest pointer to the
 * argument. */
#ifndef HV_HC_MEMORY_GUEST_H
#define HV_HC_MEMORY_GUEST_H

#include "hv/compiler.h"
#include "hv/types.h"

struct vcpu;
struct xen_add_to_physmap;

/* Is the reservation at `at` about a guest? The privileged domain's own RAM is another matter. */
bool guest_memory_concerns(struct vcpu *v, u64 at);

/* Populate and decrease, from extent *start on: how many are done, an error, or HYPERCALL_AGAIN
 * with *start moved on. */
s64 guest_populate(struct vcpu *v, u64 at, u64 *start);
s64 guest_decrease(struct vcpu *v, u64 at, u64 *start);
/* XENMAPSPACE_gmfn: a page of the guest's to another place. */
s64 guest_move_page(struct vcpu *v, const struct xen_add_to_physmap *a);
s64 guest_set_map(struct vcpu *v, u64 at);
s64 guest_claim(struct vcpu *v, u64 at);
/* XENMEM_current_reservation, _maximum_reservation, _maximum_gpfn. */
s64 guest_pages(struct vcpu *v, u64 at, unsigned cmd);

#endif
