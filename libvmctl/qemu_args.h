/* SPDX-License-Identifier: BSD-2-Clause */
/* The command line of the stock QEMU that is a guest's device model, but for its monitor and what
 * confines it: devmodel adds these. */
#ifndef LIBVMCTL_QEMU_ARGS_H
#define LIBVMCTL_QEMU_ARGS_H

#include "libvmctl/config.h"
#include <stdbool.h>
#include <stddef.h>

#define QEMU_MAX_ARGS 192

struct qemu_args {
    char *arg[QEMU_MAX_ARGS + 1]; /* as execv() takes them */
    unsigned count;
    bool failed; /* no memory, or too many */
};

/* tap_fd[i] is the open tap of nic i. -1: no memory, or too many arguments; free in any case. */
int qemu_args_build(struct qemu_args *a, const struct vm_config *c, unsigned domid,
                    const int *tap_fd);
void qemu_args_free(struct qemu_args *a);

#endif
