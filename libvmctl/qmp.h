/* SPDX-License-Identifier: BSD-2-Clause */
/* Commands to a running QEMU by its machine protocol. */
#ifndef LIBVMCTL_QMP_H
#define LIBVMCTL_QMP_H

#include <stddef.h>

#define QMP_REPLY_MAX 65536

/* One command with its arguments as a JSON object (NULL: none). 0 and QEMU's reply, cut off at
 * size; or -errno: -ECONNREFUSED and the like nobody listens, -ETIMEDOUT it does not answer,
 * -EREMOTEIO it refuses, and reply is why, in its own words. */
int qmp_command(const char *path, const char *command, const char *arguments, char *reply,
                size_t size);

#endif
