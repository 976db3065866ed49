/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An event on its way into a guest: an interrupt, an NMI or an exception that VM entry is to
 * deliver, or whose delivery a VM exit interrupted. VT-x and AMD-V use the same numbers for the
 * types (SDM 3C 25.8.3, APM 2 15.20).
 */
#ifndef HV_VM_EVENT_H
#define HV_VM_EVENT_H

#include "hv/types.h"

enum event_type {
    EVENT_INTR = 0,     /* external interrupt */
    EVENT_NMI = 2,      /* vector is 2 */
    EVENT_EXC = 3,      /* exception the CPU or an emulated instruction raised */
    EVENT_SOFT_INT = 4, /* INT n */
    EVENT_PRIV_EXC = 5, /* INT1 (ICEBP) */
    EVENT_SOFT_EXC = 6  /* INT3, INTO */
};

struct event {
    bool valid;
    u8 type; /* enum event_type */
    u8 vector;
    bool has_error;
    u32 error;
    u8 insn_len; /* software events: length of the instruction, RIP still at its start */
    u64 cr2;     /* #PF: the faulting address; loaded into CR2 when the event is injected anew */
    bool set_cr2;
};

#endif
