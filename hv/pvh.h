/* SPDX-License-Identifier: BSD-2-Clause */
/* Starting a domain by the PVH protocol (xen/arch-x86/hvm/start_info.h). */
#ifndef HV_PVH_H
#define HV_PVH_H

#include "hv/compiler.h"
#include "hv/elf.h"
#include "hv/types.h"
#include <xen/xen.h>
#include <xen/arch-x86/hvm/start_info.h>

struct domain;

struct pvh_boot {
    const void *image; /* the ELF file */
    struct elf_kernel kernel;
    const char *cmdline;
    u64 ramdisk, ramdisk_size; /* guest-physical, already in place; size 0: none */
    u32 flags;                 /* SIF_* of xen/xen.h */
    u64 rsdp;                  /* guest-physical, or 0 */
    gpa_t
        info; /* where the start info, command line and maps go: PVH_INFO_SIZE bytes of free RAM */
    const struct hvm_memmap_table_entry *map;
    unsigned map_entries; /* up to PVH_MAX_MAP */
};

#define PVH_INFO_SIZE 0x4000
#define PVH_MAX_MAP   256

/* Copies the kernel's segments and the start info into d's memory and gives its first vcpu the
 * state the protocol asks for. -EFAULT: there is no RAM where something has to go; -E2BIG: the
 * command line. */
int __must_check pvh_load(struct domain *d, const struct pvh_boot *b);

#endif
