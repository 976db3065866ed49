/* SPDX-License-Identifier: BSD-2-Clause */
/* Asking a guest's QEMU: qmp.h by domain number, with sentences for a person. */
#ifndef LIBVMCTL_ASK_H
#define LIBVMCTL_ASK_H

#include "libvmctl/handle.h"
#include "libvmctl/qmp.h"

/* qmp_open() to the QEMU of domain id, qmp_ask(), and both for a single command. */
int ask_open(struct vmctl *v, uint16_t id, struct qmp **q);
int ask(struct vmctl *v, struct qmp *q, const char **reply, const char *command,
        const char *arguments, ...) __attribute__((format(printf, 5, 6)));
int ask_once(struct vmctl *v, uint16_t id, const char *command, const char *arguments);

#endif
