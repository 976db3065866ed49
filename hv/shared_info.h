/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a domain and root mode share: the shared info page, and each vcpu's vcpu_info with event
 * flags and time. Both lie in memory the guest writes as it likes: read with care, never believed.
 */
#ifndef HV_SHARED_INFO_H
#define HV_SHARED_INFO_H

#include "hv/compiler.h"
#include "hv/types.h"
#include <xen/xen.h>

struct domain;
struct vcpu;

/* The page, zeroed, from the pool. -ENOMEM. Then shared_info_free(). */
int __must_check shared_info_alloc(struct domain *d);
void shared_info_free(struct domain *d);
mfn_t shared_info_mfn(const struct domain *d);
/* The domain has put it at gfn; returns where it was, exchanged as grant_table_placed() does. */
gfn_t shared_info_placed(struct domain *d, gfn_t gfn);

/* Where v's vcpu_info is: in the shared page, or where the guest has put it; NULL if it has
 * neither. */
struct vcpu_info *vcpu_info(const struct vcpu *v);
/* VCPUOP_register_vcpu_info: at gpa, which stays in its page. -EINVAL: done already, or no room in
 * the page; -EFAULT: no RAM. v's CPU or v not running. */
int __must_check vcpu_info_register(struct vcpu *v, gpa_t gpa);

/* Lets go of that memory. No event can come for v any more. */
void vcpu_info_forget(struct vcpu *v);

/* Writes v's time (TSC now, and its rate). */
void vcpu_info_update_time(struct vcpu *v);

/* The whole of d's time anew: whoever used the page before, as firmware does, may have cleared it.
 */
void shared_info_refresh(struct domain *d);

/* A guest's shared page follows the width of the code that sets up its hypercalls or its callback:
 * the vcpu's code right now. v's CPU. */
void shared_info_latch(struct vcpu *v);

/* The wall clock at time_ns() zero. The privileged domain's is every guest's, those to come
 * included. */
void shared_info_set_wallclock(struct domain *d, u64 seconds, u32 nanoseconds);

#endif
