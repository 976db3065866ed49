/* SPDX-License-Identifier: BSD-2-Clause */
/* The privileged domain's way to switch the machine off: let through, but not without a word. */
#ifndef HV_DOM0_POWER_H
#define HV_DOM0_POWER_H

#include "hv/acpi.h"
#include "hv/compiler.h"

struct domain;

/* Watches ACPI's PM1 control registers. -ENOSPC. Before d runs, after all its ports have been
 * allowed. */
int __must_check dom0_power_init(struct domain *d, const struct acpi_info *acpi);

#endif
