/* SPDX-License-Identifier: BSD-2-Clause */
/* A guest's device models, processes of the privileged domain: devmodel, which has its clocks, and
 * the stock QEMU, which has the rest. */
#ifndef LIBVMCTL_MODEL_H
#define LIBVMCTL_MODEL_H

#include "libvmctl/handle.h"

#define MODEL_LOG_DIR "/var/log/vmctl"
#define MODEL_RUN_DIR "/run/vmctl"

/* Starts it and waits until it serves the guest. On failure it is gone again, with a sentence that
 * quotes what it said last. */
int model_start(struct vmctl *v, const struct vm_config *c, uint16_t id);
/* Ends them, if they run, and removes their sockets. */
void model_stop(struct vmctl *v, uint16_t id);

/* The number of QEMU's process, 0 if there is none; *lost: one of the two is gone. */
int model_pid(struct vmctl *v, uint16_t id, bool *lost);
void model_qmp_path(uint16_t id, char *path, size_t size);

#endif
