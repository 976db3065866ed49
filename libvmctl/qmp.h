/* SPDX-License-Identifier: BSD-2-Clause */
/* Commands to a running QEMU by its machine protocol. */
#ifndef LIBVMCTL_QMP_H
#define LIBVMCTL_QMP_H

#include <stddef.h>

/* Errors, as negative errno: ENOENT, ECONNREFUSED and the like: nobody listens; ETIMEDOUT: it does
 * not answer within ten seconds, whatever else it says; EREMOTEIO: it refuses, and says why. */

struct qmp; /* a connection; QEMU serves one at a time */

int qmp_open(struct qmp **q, const char *path);
void qmp_close(struct qmp *q);

/* One command with its arguments as a JSON object. *reply (unless NULL) is QEMU's answer, with
 * -EREMOTEIO its sentence, and stays until the next command. */
int qmp_ask(struct qmp *q, const char **reply, const char *command, const char *arguments, ...)
    __attribute__((format(printf, 4, 5)));

/* Both in one, with a copy of the answer, cut off at size. */
int qmp_command(const char *path, const char *command, const char *arguments, char *reply,
                size_t size);

#endif
