/* SPDX-License-Identifier: BSD-2-Clause */
/* Pictures: from the form QEMU writes them in to one that everybody reads. */
#ifndef LIBVMCTL_PNG_H
#define LIBVMCTL_PNG_H

#include <stddef.h>

/* A binary PPM picture of 8 bits a colour (P6) as a PNG file, which is the caller's to free().
 * -EINVAL: it is none, or cut off; -ENOMEM. */
int png_from_ppm(const void *ppm, size_t size, void **png, size_t *png_size);

#endif
