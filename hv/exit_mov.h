/* SPDX-License-Identifier: BSD-2-Clause */
/* Device memory by the instructions of hv/mov.h. Everything else is left to the emulator. */
#ifndef HV_EXIT_MOV_H
#define HV_EXIT_MOV_H

#include "hv/types.h"

struct vcpu;

/* For a page-fault exit at what is not RAM, no event in flight, which may have been begun before
 * (hv/emulate.h, "Replay"). false: nothing has been done. v's CPU. */
bool exit_mov(struct vcpu *v);

#endif
