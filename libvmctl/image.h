/* SPDX-License-Identifier: BSD-2-Clause */
/* Files that are loaded into a guest: an ELF program at its physical addresses, or plain bytes. */
#ifndef LIBVMCTL_IMAGE_H
#define LIBVMCTL_IMAGE_H

#include <stddef.h>
#include <stdint.h>

struct file {
    void *data;
    size_t size;
};

/* 0 or -errno; data is the caller's to free. -EFBIG: larger than max bytes; -ENODATA: empty. */
int file_read(struct file *f, const char *path, size_t max);

/* A 32-bit executable with physical addresses, as hvmloader is one. */
struct image {
    uint64_t start, end; /* physical, of all its segments */
    uint64_t entry;
};

/* 0, or -ENOEXEC: not such a program, or its headers lie. */
int image_parse(struct image *i, const struct file *f);
/* Copies the segments to where `to` is image->start, and clears what lies between and behind. */
int image_load(const struct image *i, const struct file *f, void *to, size_t size);

#endif
