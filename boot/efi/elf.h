/* SPDX-License-Identifier: BSD-2-Clause */
/* helium.elf as a file: checked once, then copied segment by segment. Pure. */
#ifndef BOOT_EFI_ELF_H
#define BOOT_EFI_ELF_H

#include "boot/header.h"
#include "hv/compiler.h"
#include "hv/types.h"

#define HV_IMAGE_ALIGN 0x200000 /* of the load address, and of link_base */

struct hv_image {
    u64 size;  /* bytes to load to, .bss included, page-aligned */
    u64 entry; /* boot_entry64, from the start of the image */
};

/* Checks the size bytes at file, 8-byte aligned. Returns NULL and fills *image, or a sentence's end
 * that says what is wrong with the file. */
const char *hv_image_check(const void *file, size_t size, struct hv_image *image) __must_check;

/* Copies the segments of a file that passed hv_image_check to dest, image->size bytes of zeroes. */
void hv_image_load(const void *file, u8 *dest);

#endif
