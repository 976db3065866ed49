/* SPDX-License-Identifier: BSD-2-Clause */
/* Ports that root mode itself answers. */
#ifndef HV_PIO_H
#define HV_PIO_H

#include "hv/compiler.h"
#include "hv/types.h"

struct vcpu;
struct domain;

struct pio_range {
    u16 first, last;
    u32 (*read)(struct vcpu *v, u16 port, unsigned size);
    void (*write)(struct vcpu *v, u16 port, unsigned size, u32 value);
};

int __must_check pio_register(struct domain *d, const struct pio_range *r);

/* Does root mode itself answer there? */
bool pio_is_ours(const struct domain *d, u16 port);

/* size: 1, 2, 4. Returns as mmio_access() does. */
int pio_access(struct vcpu *v, u16 port, unsigned size, bool write, u32 *value);

#endif
