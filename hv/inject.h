/* SPDX-License-Identifier: BSD-2-Clause */
/* Getting events into a guest: exceptions that handlers raise, events that an exit interrupted,
 * NMIs and interrupts, one per entry and in the architecture's order. */
#ifndef HV_INJECT_H
#define HV_INJECT_H

#include "hv/types.h"
#include "hv/vm_event.h"

struct vcpu;

/* The guest takes an exception instead of completing its instruction. Merges with one that is being
 * delivered already, as SDM 3A table 6-5 says: double fault, triple fault. v's CPU. */
void inject_exception(struct vcpu *v, u8 vector);
void inject_exception_error(struct vcpu *v, u8 vector, u32 error);
void inject_page_fault(struct vcpu *v, u64 address, u32 error);
void inject_event(struct vcpu *v, const struct event *e);

/* #DB after an instruction that root mode carried out: DR6_BS under TF, DR6_B(n) for breakpoints
 * met.
 */
void inject_debug_trap(struct vcpu *v, u64 causes);

/* Hands the most urgent event to the next entry, and asks for a window when one must wait. */
void inject_prepare(struct vcpu *v);

/* Does something wait that ends HLT? */
bool inject_would_wake(struct vcpu *v);

#endif
