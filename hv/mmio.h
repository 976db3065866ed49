/* SPDX-License-Identifier: BSD-2-Clause */
/* Guest-physical ranges that root mode itself answers: the interrupt controllers, a test's device.
 */
#ifndef HV_MMIO_H
#define HV_MMIO_H

#include "hv/compiler.h"
#include "hv/types.h"

struct vcpu;
struct domain;

/* size: 1, 2, 4 or 8; the access lies inside the range. v's CPU. */
struct mmio_range {
    u64 base, size;
    u64 (*read)(struct vcpu *v, u64 offset, unsigned size);
    void (*write)(struct vcpu *v, u64 offset, unsigned size, u64 value);
};

/* Before the domain runs. -ENOSPC. */
int __must_check mmio_register(struct domain *d, const struct mmio_range *r);

/* Does root mode itself answer there? */
bool mmio_is_ours(struct vcpu *v, gpa_t gpa);

/* One access to what is not RAM, up to 8 bytes, inside one page. 0, or -EAGAIN: a device model was
 * asked and the vcpu is blocked until it answers. What nobody answers reads as ones. */
int mmio_access(struct vcpu *v, gpa_t gpa, unsigned size, bool write, u64 *value);

#endif
