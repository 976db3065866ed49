/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A guest's ACPI power management timer (ACPI 6.4, 4.8.2.1, 4.8.3.3). Guests read it all the time,
 * and it has no state but its origin, so root mode answers; everything around it is its device
 * model's.
 */
#ifndef HV_PM_TIMER_H
#define HV_PM_TIMER_H

#include "hv/compiler.h"
#include "hv/types.h"

struct domain;

/* The timer of a new guest, 0 now, at the port where Xen's firmware tables say that it is. */
int __must_check pm_timer_init(struct domain *d);

/* Its value, as it is part of a guest's saved state, and setting it. Any CPU. */
u32 pm_timer_get(const struct domain *d);
void pm_timer_set(struct domain *d, u32 value);

#endif
