/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The first bytes of the hypervisor's image, wherever it is loaded: how a loader that is not GRUB
 * recognises helium.elf and finds the way in. Written once, in boot/header.c, by the compiler.
 */
#ifndef BOOT_HEADER_H
#define BOOT_HEADER_H

#include "hv/compiler.h"
#include "hv/types.h"

#define HELIUM_HEADER_MAGIC   0x746f6f62756d6568ull /* "hemuboot", little endian */
#define HELIUM_HEADER_VERSION 1

struct helium_header {
    u64 magic;
    u32 version;
    u32 size;              /* sizeof(struct helium_header) */
    u32 boot_info_version; /* of the structure that entry64 expects */
    u32 boot_info_size;
    u64 link_base; /* linked address of this header: the start of the image */
    u64 link_end;  /* linked address of the end of .bss */
    u64 entry64;   /* linked address of boot_entry64; docs/boot.md says what it expects */
};

_Static_assert(sizeof(struct helium_header) == 48, "loader ABI");
_Static_assert(offsetof(struct helium_header, entry64) == 40, "loader ABI");

#endif
