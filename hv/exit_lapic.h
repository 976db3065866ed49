/* SPDX-License-Identifier: BSD-2-Clause */
/* The vLAPIC's page by the instructions every kernel uses for it: MOV between a register, or an
 * immediate, and memory. Everything else is left to the emulator. */
#ifndef HV_EXIT_LAPIC_H
#define HV_EXIT_LAPIC_H

#include "hv/types.h"

struct vcpu;

/* For a page-fault exit, no event in flight. false: nothing has been done. v's CPU. */
bool exit_lapic_page(struct vcpu *v);

#endif
