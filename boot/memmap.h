/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The memory map of struct boot_info: kept sorted, page-aligned and free of overlaps while it is
 * built, from entries that firmware or a loader gives in any order and quality. Pure; used by the
 * multiboot2 entry and by helium.efi.
 */
#ifndef BOOT_MEMMAP_H
#define BOOT_MEMMAP_H

#include "hv/boot_info.h"
#include "hv/compiler.h"
#include "hv/types.h"

/*
 * Enters [base, base + size) as type. Where entries overlap, the stricter type stays:
 *
 *   USABLE < LOADER < ACPI < NVS < UNUSABLE < RESERVED < HYPERVISOR
 *
 * Usable memory is rounded inwards to whole pages, everything else outwards. LOADER takes only what
 * is USABLE by now: what firmware does not call memory does not become memory because something was
 * said to have been loaded there. An entry of no size adds nothing; one that runs past the end of
 * the 52-bit physical address space ends there; an unknown type is RESERVED.
 *
 * Returns 0, or -ENOSPC if the map would need more than BOOT_MAX_REGIONS regions; the map is then
 * unchanged or lacks part of the entry, and not fit for use.
 */
int boot_mem_add(struct boot_info *bi, u64 base, u64 size, enum boot_mem_type type) __must_check;

/* The type of an E820 entry, which is also that of a multiboot2 memory map entry. */
enum boot_mem_type boot_mem_from_e820(u32 type);

/* The type of an EFI_MEMORY_DESCRIPTOR once ExitBootServices has succeeded. */
enum boot_mem_type boot_mem_from_efi(u32 type, u64 attribute);

#endif
