/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Breakpoints on what root mode does in a guest's name. The CPU watches the guest's own accesses;
 * those of an instruction that exits and is carried out in software it does not see (SDM 3B 17.2.4
 * to 17.2.6).
 */
#ifndef HV_BREAKPOINT_H
#define HV_BREAKPOINT_H

#include "hv/types.h"

struct vcpu;

enum watched { WATCHED_READ, WATCHED_WRITE, WATCHED_IO };

/* The bits of DR6 for the breakpoints that len bytes from address on meet: a linear address or a
 * port. v's CPU, v loaded; ask only if v->dr_loaded. */
u64 breakpoint_hits(struct vcpu *v, enum watched kind, u64 address, unsigned len);

#endif
