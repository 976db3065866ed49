/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where a vcpu's time goes (xen/vcpu.h): running, waiting for a CPU, or blocked; and the place in
 * the guest's memory that has it at hand, written whenever the vcpu gets a CPU.
 */
#ifndef HV_RUNSTATE_H
#define HV_RUNSTATE_H

#include "hv/compiler.h"
#include "hv/spinlock.h"
#include "hv/types.h"
#include <xen/xen.h>
#include <xen/vcpu.h>

struct vcpu;

/* As hv/guest_args.h names its members. */
#define RUNSTATE_LAYOUT "488888"

/* In the direct map, in two pieces where it crosses a page. */
struct runstate_place {
    void *piece[2]; /* NULL: none */
    u16 first;      /* bytes in the first one */
    bool narrow;    /* laid out for 32-bit code */
};

struct runstate {
    spinlock_t lock; /* guards place: another vcpu may give v one while v is picked for an INIT */
    struct runstate_place place;
    u64 woken;  /* ns, when it could last go on after it was blocked */
    u64 waited; /* ns that it could have run and did not, in all */
};

/* Any CPU. */
void runstate_get(struct vcpu *v, struct vcpu_runstate_info *info);

/* The place for v at linear address va of the caller's, in the form of the caller's code. -EFAULT:
 * no RAM there; -EINVAL: v is another one and up. caller's CPU, in its hypercall. */
s64 __must_check runstate_register(struct vcpu *caller, struct vcpu *v, u64 va);
/* v does not run any more. */
void runstate_forget(struct vcpu *v);

/* v is about to be unblocked. */
void runstate_wake(struct vcpu *v);
/* v has been picked, on its CPU. */
void runstate_enter(struct vcpu *v);

#endif
