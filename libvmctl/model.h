/* SPDX-License-Identifier: BSD-2-Clause */
/* A guest's device model: the stock QEMU, as a process of the privileged domain. */
#ifndef LIBVMCTL_MODEL_H
#define LIBVMCTL_MODEL_H

#include "libvmctl/handle.h"

#define MODEL_LOG_DIR "/var/log/vmctl"
#define MODEL_RUN_DIR "/run/vmctl"

/* Starts it and waits until it serves the guest. On failure it is gone again, with a sentence that
 * quotes what it said last. */
int model_start(struct vmctl *v, const struct vm_config *c, uint16_t id);
/* Ends it, if it runs, and removes its sockets. */
void model_stop(struct vmctl *v, uint16_t id);

/* The number of its process, 0 if there is none; *lost: there was one. */
int model_pid(struct vmctl *v, uint16_t id, bool *lost);
void model_qmp_path(uint16_t id, char *path, size_t size);

#endif
