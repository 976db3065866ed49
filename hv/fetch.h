/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Instruction bytes for CPUs that do not report them with an exit.
 *
 * Finding the bytes takes a walk of the guest's tables and a look into the p2m for each level, and
 * a guest's exits come from few places. So each vcpu remembers its last walk: where its entries are
 * and what they were. The walk is good while control registers, p2m and entries are the same:
 *
 *   CR3 --> entry 4 --> entry 3 --> entry 2 --> entry 1 --> page of the instruction
 *           value 4     value 3     value 2     value 1     all in root mode's direct map
 *
 * The CPU has just fetched the instruction, so nothing has to be checked but that the entries are
 * there. Whatever is out of the ordinary is left to the decoder (hv/insn.h).
 */
#ifndef HV_FETCH_H
#define HV_FETCH_H

#include "hv/cpu_state.h"
#include "hv/types.h"
#include "hv/x86.h"

struct vcpu;

struct fetch_walk {
    u64 page, cr3, mode, changes;
    unsigned levels;
    const void *entry[4];
    u64 value[4];
    const u8 *bytes; /* the page's; NULL: no such walk */
};

/* What of the control registers says how a linear address is translated: bits that do not overlap.
 */
#define FETCH_MODE(cr0, cr4, efer) \
    (((cr0)&CR0_PG) | ((cr4) & (CR4_PAE | CR4_PSE)) | ((efer)&EFER_LMA))

/* Fills v->exit.bytes with what stands at a linear address, up to the end of its page; leaves it
 * empty if that cannot be had. */
void fetch_bytes(struct vcpu *v, u64 linear, u64 cr3, u64 mode);

/* The same for an instruction that has exited, unless the exit brought its bytes. s has STATE_CR
 * and STATE_CS_SS. */
void fetch_insn(struct vcpu *v, const struct cpu_state *s);

#endif
