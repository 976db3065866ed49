/* SPDX-License-Identifier: BSD-2-Clause */
/* This terminal as a guest's. */
#ifndef LIBVMCTL_CONSOLE_H
#define LIBVMCTL_CONSOLE_H

#include <stdbool.h>
#include <stddef.h>

#define CONSOLE_ESCAPE 0x1d /* Ctrl-] */

/* Joins standard input and output with the terminal at path until Ctrl-], the end of the input or
 * the other side's end. watch: output only, and nothing is read here. 0 or -errno. */
int console_run(const char *path, bool watch);

/* All of it, however often it takes. 0 or -errno. */
int write_all(int fd, const char *data, size_t size);

#endif
