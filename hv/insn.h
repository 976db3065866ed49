/* SPDX-License-Identifier: BSD-2-Clause */
/* The instruction a vcpu stopped at: its length, its operands, or all of it carried out in
 * software. */
#ifndef HV_INSN_H
#define HV_INSN_H

#include "hv/compiler.h"
#include "hv/decode.h"
#include "hv/types.h"

struct vcpu;

/* Answers of a device model, so that an instruction that waited for one can be run again
 * (hv/emulate.h): each access of up to 8 bytes to what is not RAM is one piece. */
#define REPLAY_PIECES 16

struct replay {
    u8 next, done;
    u64 value[REPLAY_PIECES];
};

/* Carries out the instruction at RIP, whatever it takes: faults are injected, a wait for a device
 * model leaves the vcpu blocked at the instruction, what cannot be emulated is logged and raises
 * #UD. */
void insn_emulate(struct vcpu *v);

/* Fetches and decodes it. -EFAULT: an exception has been injected instead. */
int __must_check insn_decode(struct vcpu *v, struct insn *insn);

/* The length, from the CPU or by decoding. 0: an exception has been injected instead. */
unsigned insn_length(struct vcpu *v);
/* Skips the instruction: the end of most exits. False: an exception has been injected instead. */
bool insn_skip(struct vcpu *v);

#endif
