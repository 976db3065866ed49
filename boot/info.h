/* SPDX-License-Identifier: BSD-2-Clause */
/* Filling struct boot_info piece by piece; pure, used by both loaders. */
#ifndef BOOT_INFO_H
#define BOOT_INFO_H

#include "hv/boot_info.h"
#include "hv/compiler.h"
#include "hv/types.h"

/* Empties *bi and gives it magic, version and size. */
void boot_info_init(struct boot_info *bi);

/* Whether *bi is what this hypervisor understands. */
bool boot_info_valid(const struct boot_info *bi);

/*
 * Copies len bytes of src and a NUL to dst, which has room for size bytes. Returns 0, or -E2BIG if
 * they do not fit; dst then holds as much as fits, with its NUL.
 */
int boot_copy(char *dst, size_t size, const char *src, size_t len) __must_check;

/*
 * Appends a module: base page-aligned, cmdline and name of the given lengths, without NUL. Returns
 * 0, -EINVAL if base is not aligned or the end wraps, -ENOSPC if there are too many modules, -E2BIG
 * if the strings do not fit. The memory map is not touched.
 */
int boot_add_module(struct boot_info *bi, u64 base, u64 size, const char *cmdline,
                    size_t cmdline_len, const char *name, size_t name_len) __must_check;

#endif
