/* SPDX-License-Identifier: BSD-2-Clause */
/* The loop each CPU lives in. */
#ifndef HV_RUN_H
#define HV_RUN_H

/* Runs vcpus, and sleeps when there are none. Never returns. */
void run_cpu(void);

#endif
