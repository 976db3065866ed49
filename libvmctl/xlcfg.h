/* SPDX-License-Identifier: BSD-2-Clause */
/* Guest configurations in the syntax of xl.cfg(5), read by libxlutil. */
#ifndef LIBVMCTL_XLCFG_H
#define LIBVMCTL_XLCFG_H

#include "libvmctl/config.h"

/* Reads text, which came from a file of that name, into c, which was initialised and is the
 * caller's to vm_config_fini() in any case. Every key is either heeded or refused: on -EINVAL (or
 * -ENOMEM), why is one sentence with the file's name, and the line where it is known. */
int xlcfg_parse(const char *text, const char *name, struct vm_config *c, char *why, size_t size);

/* The n-th key there is, and NULL behind the last; *only: the one value it can have, or how it is
 * taken. */
#define XLCFG_REFUSED (-1)
#define XLCFG_HEEDED  (-2)
const char *xlcfg_key(size_t n, int *only);

#endif
