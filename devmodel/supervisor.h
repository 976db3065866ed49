/* SPDX-License-Identifier: BSD-2-Clause */
/* A guest's device models, started, watched and reported on: the worker (devmodel/worker.h), which
 * has the clocks, and the stock QEMU, which has the rest and is confined. */
#ifndef DEVMODEL_SUPERVISOR_H
#define DEVMODEL_SUPERVISOR_H

#include "devmodel/worker.h"

#define SUPERVISOR_TAPS 8

struct supervisor_config {
    struct worker_config worker;
    const char *socket;           /* where clients speak QMP */
    int log;                      /* QEMU's output */
    int tap[SUPERVISOR_TAPS + 1]; /* descriptors for QEMU, and -1 */
    char *const *qemu;            /* its command line, without monitor and confinement */
};

/* Returns the exit status, when the guest is gone or by SIGTERM. Once both models serve the guest,
 * it says "ready" on standard output; if one cannot, that one's name. Standard output is closed
 * after that. */
int supervisor_run(const struct supervisor_config *c);

#endif
