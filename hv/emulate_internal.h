/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the parts of the emulator share. From the bottom: emulate_operand.c (segmentation, memory,
 * registers), then one file per family of instructions, then emulate.c, which finds the family.
 *
 * The rule in all of them: read everything, compute in locals, write memory, and only then
 * registers and flags. Whatever returns early has changed nothing.
 */
#ifndef HV_EMULATE_INTERNAL_H
#define HV_EMULATE_INTERNAL_H

#include "hv/emulate.h"
#include "hv/errno.h"
#include "hv/x86.h"

#define RFLAGS_ARITH (RFLAGS_CF | RFLAGS_PF | RFLAGS_AF | RFLAGS_ZF | RFLAGS_SF | RFLAGS_OF)

static inline u64 size_mask(unsigned size)
{
    return ~0ull >> (64 - 8 * size);
}

static inline u64 sign_extend(u64 v, unsigned size)
{
    return (u64)((s64)(v << (64 - 8 * size)) >> (64 - 8 * size));
}

/* Registers. A write of 4 bytes clears the upper half, of 1 or 2 keeps the rest (SDM 1 3.4.1.1). */
u64 reg_read(const struct emu *e, u8 reg, unsigned size);
void reg_write(struct emu *e, u8 reg, unsigned size, u64 value);

/* Offset of the memory operand in its segment. */
u64 effective_address(const struct emu *e, const struct insn *i);

/*
 * Memory at seg:offset; offset is already wrapped to the address size. All return 0, or an error of
 * emulate(), exceptions filled in. seg_linear() finds the address and checks segmentation,
 * mem_linear() alignment, too.
 */
int __must_check seg_linear(struct emu *e, u8 seg, u64 offset, unsigned len, enum emu_access access,
                            u64 *gva);
int __must_check mem_linear(struct emu *e, u8 seg, u64 offset, unsigned len, enum emu_access access,
                            u64 *gva);
int __must_check mem_read(struct emu *e, u8 seg, u64 offset, void *buf, unsigned len,
                          enum emu_access access);
int __must_check mem_write(struct emu *e, u8 seg, u64 offset, const void *buf, unsigned len);
/* The second half of a read-modify-write, with lock as one atomic step from old to new. */
int __must_check mem_update(struct emu *e, u8 seg, u64 offset, const void *old, const void *new,
                            unsigned len, bool lock);

/* Operands of an instruction, as numbers. */
int __must_check operand_read(struct emu *e, const struct insn *i, struct operand o, unsigned size,
                              u64 *value);
int __must_check operand_write(struct emu *e, const struct insn *i, struct operand o, unsigned size,
                               u64 value);
/* The destination of op dst, src: both halves. */
int __must_check dst_read(struct emu *e, const struct insn *i, u64 *value);
int __must_check dst_update(struct emu *e, const struct insn *i, u64 old, u64 value);

/* Conditions by the low four bits of Jcc, SETcc and CMOVcc opcodes. */
bool rflags_condition(u64 rflags, u8 cc);

/* One per family: handlers in the table of emulate.c. */
typedef int insn_handler(struct emu *e, const struct insn *i);
insn_handler emulate_binary, emulate_not, emulate_unary, emulate_shift;
insn_handler emulate_double_shift, emulate_bit, emulate_bit_scan, emulate_popcnt, emulate_mul;
insn_handler emulate_imul_reg, emulate_div, emulate_xadd, emulate_cmpxchg, emulate_cmpxchg8b;
insn_handler emulate_mov, emulate_extend, emulate_movbe, emulate_xchg, emulate_lea, emulate_cmov;
insn_handler emulate_setcc, emulate_nop, emulate_mov_from_sreg, emulate_push, emulate_pop;
insn_handler emulate_branch, emulate_vector_move, emulate_string, emulate_in, emulate_out;
insn_handler emulate_clts, emulate_lmsw, emulate_smsw;

/* For CMPS and SCAS: the flags f as a - b leaves them. */
u64 compare_flags(u64 f, u64 a, u64 b, unsigned size);

#endif
