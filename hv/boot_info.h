/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a loader hands to the hypervisor: one structure, filled by helium.efi and by the multiboot2
 * entry alike, so that nothing behind hv_main() knows which of them ran.
 *
 * All addresses are host-physical. The structure and what it points to lie in memory that the
 * memory map does not call BOOT_MEM_USABLE. Versioned: a loader and a hypervisor of different
 * versions refuse each other by one sentence.
 */
#ifndef HV_BOOT_INFO_H
#define HV_BOOT_INFO_H

#include "hv/types.h"

#define BOOT_INFO_MAGIC   0x4d55494c45480a01ull /* "\001\nHELIUM", little endian */
#define BOOT_INFO_VERSION 1

#define BOOT_MAX_REGIONS  256
#define BOOT_MAX_MODULES  32
#define BOOT_CMDLINE      1024
#define BOOT_STRINGS      8192

enum boot_mem_type {
    BOOT_MEM_USABLE = 1,     /* the hypervisor may hand it out */
    BOOT_MEM_RESERVED = 2,   /* not RAM, or firmware's for good */
    BOOT_MEM_ACPI = 3,       /* ACPI tables: RAM the privileged domain may reclaim */
    BOOT_MEM_NVS = 4,        /* ACPI NVS */
    BOOT_MEM_UNUSABLE = 5,   /* RAM with errors */
    BOOT_MEM_HYPERVISOR = 6, /* the hypervisor's image */
    BOOT_MEM_LOADER = 7      /* boot info and modules: usable once they have been consumed */
};

struct boot_region {
    u64 base; /* page-aligned */
    u64 size; /* bytes, a multiple of the page size, not 0 */
    u32 type; /* enum boot_mem_type */
    u32 reserved;
};

/* What the loader was told to load, in the order of helium.cfg or grub.cfg: the first is the
 * privileged domain's kernel, the second its initrd. */
struct boot_module {
    u64 base;    /* page-aligned */
    u64 size;    /* bytes */
    u32 cmdline; /* offset of a NUL-terminated string in strings[], the file's name not included */
    u32 name;    /* the same for the file's name without its path, or an empty string */
};

struct boot_framebuffer {
    u64 base;
    u32 pitch; /* bytes per line */
    u32 width, height;
    u8 bpp;
    u8 red_pos, red_size, green_pos, green_size, blue_pos, blue_size;
    u8 present;
};

struct boot_info {
    u64 magic;
    u32 version;
    u32 size;             /* sizeof(struct boot_info) */
    u64 image_base;       /* where the hypervisor's image lies, 2 MiB aligned */
    u64 image_size;       /* from image_base to the end of .bss, page-aligned */
    u64 rsdp;             /* ACPI RSDP, 0 if none was found */
    u64 efi_system_table; /* 0 if not booted by UEFI */
    u32 region_count;     /* sorted by base, not overlapping */
    u32 module_count;
    struct boot_framebuffer framebuffer;
    char loader[32];            /* who filled this, for the log */
    char cmdline[BOOT_CMDLINE]; /* the hypervisor's own, NUL-terminated */
    struct boot_region region[BOOT_MAX_REGIONS];
    struct boot_module module[BOOT_MAX_MODULES];
    char strings[BOOT_STRINGS]; /* NUL-terminated strings of the modules; strings[0] is NUL */
};

_Static_assert(sizeof(struct boot_region) == 24, "loader ABI");
_Static_assert(sizeof(struct boot_module) == 24, "loader ABI");
_Static_assert(offsetof(struct boot_info, region) % 8 == 0, "loader ABI");

#endif
