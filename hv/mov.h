/* SPDX-License-Identifier: BSD-2-Clause */
/* The instructions kernels use for a device's registers: MOV between memory and a register, or from
 * an immediate, and MOVZX from memory. A few dozen steps where the decoder takes hundreds. */
#ifndef HV_MOV_H
#define HV_MOV_H

#include "hv/compiler.h"
#include "hv/types.h"

#define MOV_LONGEST 15 /* bytes of an instruction there must be to look at */

struct mov {
    u8 length;
    u8 size;     /* of what is in memory: 1, 2, 4, 8 */
    u8 reg_size; /* of what a load writes; 4 clears the register's upper half */
    bool store, immediate;
    bool high; /* reg is AH, CH, DH or BH: bits 15:8 of the register */
    u8 reg;
    u64 value; /* of the immediate, sign-extended */
};

/* Is it one of them, in 64-bit or 32-bit code? Bytes behind the instruction may be anything. */
bool mov_parse(struct mov *m, const u8 bytes[MOV_LONGEST], bool mode64);

#endif
