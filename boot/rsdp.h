/* SPDX-License-Identifier: BSD-2-Clause */
/* The ACPI root pointer (ACPI 6.5, 5.2.5): where it is, not what hangs on it. */
#ifndef BOOT_RSDP_H
#define BOOT_RSDP_H

#include "hv/compiler.h"
#include "hv/types.h"

/* Whether the size bytes at p hold an RSDP: signature, and the checksums its revision asks for. */
bool rsdp_valid(const void *p, size_t size);

/* The offset of the first RSDP on a 16-byte boundary in the size bytes at p, or size if there is
 * none. */
size_t rsdp_scan(const void *p, size_t size);

#endif
