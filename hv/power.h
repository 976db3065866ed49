/* SPDX-License-Identifier: BSD-2-Clause */
/* Switching the machine off, or starting it anew. */
#ifndef HV_POWER_H
#define HV_POWER_H

#include "hv/acpi.h"
#include "hv/compiler.h"

/* Keeps what power_off() and power_reset() need. Boot CPU. */
void power_init(const struct acpi_info *acpi);

/* ACPI S5; if that does nothing, stops with a sentence. Any CPU. */
void power_off(void) __noreturn;
/* ACPI reset register, port CF9h, the keyboard controller, triple fault: the first that works. */
void power_reset(void) __noreturn;

#endif
