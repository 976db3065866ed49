/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The multiboot2 information structure (Multiboot2 Specification 3.6), read into struct boot_info.
 * Pure: follows no address that the structure contains.
 */
#ifndef BOOT_MULTIBOOT2_H
#define BOOT_MULTIBOOT2_H

#include "hv/boot_info.h"
#include "hv/compiler.h"
#include "hv/types.h"

#define MB2_LOADER_MAGIC 0x36d76289
#define MB2_MAX_SIZE     0x1000000 /* of the structure: more is a lie */

/* What the structure tells beyond struct boot_info. Pointers lead into the structure. */
struct mb2_extra {
    const void *rsdp; /* copy of the RSDP, the ACPI 2.0 one if there are both; NULL if none */
    u32 rsdp_size;
};

/*
 * Reads the size bytes at mbi, 8-byte aligned, into *bi: command line, loader name, modules,
 * framebuffer, EFI system table, and the memory map as firmware gave it. Returns NULL, or a
 * sentence that says what is wrong with the structure; *bi is then of no use.
 */
const char *mb2_parse(const void *mbi, u32 size, struct boot_info *bi,
                      struct mb2_extra *extra) __must_check;

#endif
