/* SPDX-License-Identifier: BSD-2-Clause */
/* Guests: domains that the privileged domain makes, controls and takes away (domctl). */
#ifndef HV_GUEST_H
#define HV_GUEST_H

#include "hv/compiler.h"
#include "hv/domain.h"
#include "hv/types.h"

/* What control needs to know of a guest; its map is what XENMEM_memory_map shows. */
struct guest {
    u32 pauses;     /* by domctl; guarded by the domain's lock */
    u32 changing;   /* somebody takes it away just now; atomic */
    u64 release_at; /* guest_destroy(): how far */
    u32 ssidref;
    u32 emulation_flags;
    u32 tsc_mode;
    u32 tsc_incarnation;
    struct hvm_memmap_table_entry map[];
};

#define GUEST_MAX_MAP ((PAGE_SIZE - sizeof(struct guest)) / sizeof(struct hvm_memmap_table_entry))

/* A guest without memory, paused once; the id wanted, or 0: the next free one. -EINVAL, -EEXIST,
 * -ENOMEM, or HYPERCALL_AGAIN while another one is made. */
s64 __must_check guest_create(u16 wanted, unsigned vcpus, struct domain **d);

/* Counted; unpause: -EINVAL if it was not paused. Any CPU but in an exit of d's. */
void guest_pause(struct domain *d);
int guest_unpause(struct domain *d);

/* Ends it and gives everything back: 0, or HYPERCALL_AGAIN while there is more. The domain
 * does not exist any more after 0. */
s64 __must_check guest_destroy(struct domain *d);

/* d by number, if it is a guest that is not being taken away; for hypercalls of the privileged
 * domain. NULL and *rc: -ESRCH, -EPERM, -EINVAL: the privileged domain itself. */
struct domain *guest_find(struct vcpu *v, u16 domid, s64 *rc);

#endif
