/* SPDX-License-Identifier: BSD-2-Clause */
/* The ELF of a PVH kernel: where its segments go and where it is entered. Pure; trusts no byte of
 * it. */
#ifndef HV_ELF_H
#define HV_ELF_H

#include "hv/compiler.h"
#include "hv/types.h"

#define ELF_MAX_SEGMENTS 16

struct elf_segment {
    u64 offset, file_size; /* in the file */
    u64 paddr, mem_size;   /* in memory; the rest after file_size is zero */
};

struct elf_kernel {
    u32 entry;     /* XEN_ELFNOTE_PHYS32_ENTRY: 32-bit, physical */
    u64 low, high; /* what the segments span in memory, [low, high) */
    unsigned segments;
    struct elf_segment segment[ELF_MAX_SEGMENTS];
};

/* 0, or -EINVAL with *why: a sentence that says what is wrong with the file. 32- and 64-bit x86
 * ELFs. */
int __must_check elf_parse(struct elf_kernel *k, const void *image, u64 size, const char **why);

#endif
