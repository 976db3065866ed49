/* SPDX-License-Identifier: BSD-2-Clause */
/* A guest's device models, processes of the privileged domain: devmodel, which has its clocks, and
 * starts and watches the stock QEMU, which has the rest. */
#ifndef LIBVMCTL_MODEL_H
#define LIBVMCTL_MODEL_H

#include "libvmctl/handle.h"

#define MODEL_LOG_DIR "/var/log/vmctl"
#define MODEL_RUN_DIR "/run/vmctl"

/* Each guest's device models run as a user of their own, that number and its own. */
#define MODEL_FIRST_UID 0x7f0000u

/* Starts it and waits until it serves the guest. On failure it is gone again, with a sentence that
 * quotes what it said last. */
int model_start(struct vmctl *v, const struct vm_config *c, uint16_t id);
/* Ends them, if they run, and removes their sockets. */
void model_stop(struct vmctl *v, uint16_t id);

/* The number of QEMU's process, 0 if there is none; *lost: one of the two is gone. */
int model_pid(struct vmctl *v, uint16_t id, bool *lost);
/* What became of them, as devmodel reported it; "" while all is well. */
void model_reason(struct vmctl *v, uint16_t id, char *reason, size_t size);
void model_qmp_path(uint16_t id, char *path, size_t size);

#endif
