/* SPDX-License-Identifier: BSD-2-Clause */
/* Moves of general registers, the stack, branches through memory, and the machine status word. */
#include "hv/emulate_internal.h"

int emulate_mov(struct emu *e, const struct insn *i)
{
    u64 v;

    return operand_read(e, i, i->src, i->op_size, &v) ?: operand_write(e, i, i->dst, i->op_size, v);
}

/* MOVZX, MOVSX from a byte or a word, by the lowest bit of the opcode; MOVSXD. */
int emulate_extend(struct emu *e, const struct insn *i)
{
    unsigned size = i->op == OP_MOVSXD ? MIN(i->op_size, 4) : 1 + (i->opcode & 1);
    u64 v;
    int err = operand_read(e, i, i->src, size, &v);

    if (err)
        return err;
    reg_write(e, i->dst.reg, i->op_size, i->op == OP_MOVZX ? v : sign_extend(v, size));
    return 0;
}

int emulate_movbe(struct emu *e, const struct insn *i)
{
    u64 v;
    int err = operand_read(e, i, i->src, i->op_size, &v);

    v = __builtin_bswap64(v) >> (64 - 8 * i->op_size);
    return err ?: operand_write(e, i, i->dst, i->op_size, v);
}

/* Locks memory without being asked to. */
int emulate_xchg(struct emu *e, const struct insn *i)
{
    struct insn locked = *i;
    u64 a, b;
    int err = operand_read(e, i, i->src, i->op_size, &b) ?: dst_read(e, i, &a);

    locked.lock = true;
    return err ?: dst_update(e, &locked, a, b) ?: operand_write(e, i, i->src, i->op_size, a);
}

int emulate_lea(struct emu *e, const struct insn *i)
{
    reg_write(e, i->dst.reg, i->op_size, effective_address(e, i));
    return 0;
}

/* Memory is read, and a 4-byte destination's upper half cleared, whatever the condition says. */
int emulate_cmov(struct emu *e, const struct insn *i)
{
    u64 v;
    int err = operand_read(e, i, i->src, i->op_size, &v);

    if (err)
        return err;
    if (!rflags_condition(e->rflags, i->opcode))
        v = reg_read(e, i->dst.reg, i->op_size);
    reg_write(e, i->dst.reg, i->op_size, v);
    return 0;
}

int emulate_setcc(struct emu *e, const struct insn *i)
{
    return operand_write(e, i, i->dst, 1, rflags_condition(e->rflags, i->opcode));
}

int emulate_nop(struct emu *e, const struct insn *i)
{
    (void)e, (void)i;
    return 0;
}

/* Two bytes to memory, zero-extended to a register. */
int emulate_mov_from_sreg(struct emu *e, const struct insn *i)
{
    unsigned size = i->dst.kind == OPND_MEM ? 2 : i->op_size;
    u8 seg = i->reg & 7;

    if (seg > SEG_GS)
        return emu_exception(e, TRAP_UD);
    return operand_write(e, i, i->dst, size, e->seg[seg].selector);
}

/* SDM 3A 5.8.3 "stack address size": how much of RSP counts. */
static unsigned stack_size(const struct emu *e)
{
    if (e->mode == MODE_64)
        return 8;
    return e->seg[SEG_SS].attr & SEG_DB ? 4 : 2;
}

static int push(struct emu *e, u64 v, unsigned size)
{
    unsigned width = stack_size(e);
    u64 sp = (e->gpr[rSP] - size) & size_mask(width);
    int err = mem_write(e, SEG_SS, sp, &v, size);

    if (!err)
        reg_write(e, rSP, width, sp);
    return err;
}

int emulate_push(struct emu *e, const struct insn *i)
{
    u64 v;

    return operand_read(e, i, i->src, i->op_size, &v) ?: push(e, v, i->op_size);
}

/* The address of POP's destination is computed with the new stack pointer. */
int emulate_pop(struct emu *e, const struct insn *i)
{
    unsigned width = stack_size(e);
    u64 v = 0, old = e->gpr[rSP];
    int err = mem_read(e, SEG_SS, reg_read(e, rSP, width), &v, i->op_size, EMU_READ);

    if (err)
        return err;
    reg_write(e, rSP, width, old + i->op_size);
    err = operand_write(e, i, i->dst, i->op_size, v);
    if (err)
        e->gpr[rSP] = old;
    return err;
}

/* Near CALL and JMP through the operand. */
int emulate_branch(struct emu *e, const struct insn *i)
{
    u64 target, unused;
    int err = operand_read(e, i, i->dst, i->op_size, &target)
                  ?: seg_linear(e, SEG_CS, target, 1, EMU_EXEC, &unused);

    if (!err && i->op == OP_CALL)
        err = push(e, e->next_rip, i->op_size);
    if (!err)
        e->next_rip = target;
    return err;
}

int emulate_clts(struct emu *e, const struct insn *i)
{
    (void)i;
    if (e->cpl)
        return emu_exception_error(e, TRAP_GP, 0);
    e->cr0 &= ~CR0_TS;
    return 0;
}

/* Loads PE, MP, EM and TS; PE can be set, not cleared. */
int emulate_lmsw(struct emu *e, const struct insn *i)
{
    u64 v = 0;
    int err = e->cpl ? emu_exception_error(e, TRAP_GP, 0) : operand_read(e, i, i->dst, 2, &v);

    if (!err)
        e->cr0 = (e->cr0 & ~0xeull) | (v & 0xf);
    return err;
}

int emulate_smsw(struct emu *e, const struct insn *i)
{
    if (e->cpl && e->cr4 & CR4_UMIP)
        return emu_exception_error(e, TRAP_GP, 0);
    return operand_write(e, i, i->dst, i->dst.kind == OPND_MEM ? 2 : i->op_size, e->cr0);
}
