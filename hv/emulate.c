/* SPDX-License-Identifier: BSD-2-Clause */
/* The emulator's front: fetch, find the handler, finish. */
#include "hv/emulate_internal.h"

int emu_exception(struct emu *e, u8 vector)
{
    e->fault = (struct event){.valid = true, .type = EVENT_EXC, .vector = vector};
    return -EFAULT;
}

int emu_exception_error(struct emu *e, u8 vector, u32 err)
{
    emu_exception(e, vector);
    e->fault.has_error = true;
    e->fault.error = err;
    return -EFAULT;
}

int emu_page_fault(struct emu *e, u64 gva, u32 err)
{
    emu_exception_error(e, TRAP_PF, err);
    e->fault.set_cr2 = true;
    e->fault.cr2 = gva;
    return -EFAULT;
}

enum cpu_mode emu_mode(u64 efer, const struct segment *cs)
{
    if (efer & EFER_LMA && cs->attr & SEG_L)
        return MODE_64;
    return cs->attr & SEG_DB ? MODE_32 : MODE_16;
}

/* Gets the bytes from *n on, to the end of their page or until there are INSN_MAX. */
static int fetch_more(struct emu *e, u8 *bytes, unsigned *n)
{
    u64 gva, left;
    unsigned len;
    int err = seg_linear(e, SEG_CS, e->rip + *n, 1, EMU_EXEC, &gva);

    if (err || !e->ops->fetch)
        return err ?: -ENOSYS;
    left = PAGE_SIZE - (gva & ~PAGE_MASK);
    len = MIN(INSN_MAX - *n, left);
    err = e->ops->fetch(e, gva, bytes + *n, len);
    *n += len;
    return err;
}

/* The last byte may be past the limit of CS although the fetch of its page went well. */
static int decode_result(struct emu *e, const struct insn *i, int err)
{
    u64 unused;

    switch (err) {
    case 0:
        return seg_linear(e, SEG_CS, e->rip, i->length, EMU_EXEC, &unused);
    case -EINVAL:
        return emu_exception(e, TRAP_UD);
    case -E2BIG:
        return emu_exception_error(e, TRAP_GP, 0);
    }
    return err;
}

int emu_fetch(struct emu *e, struct insn *i, const u8 *bytes, unsigned n)
{
    u8 buf[INSN_MAX];
    int err;

    n = MIN(n, (unsigned)INSN_MAX);
    if (n)
        __builtin_memcpy(buf, bytes, n);
    while ((err = decode(i, buf, n, e->mode)) == -ENODATA) {
        err = fetch_more(e, buf, &n);
        if (err)
            return err;
    }
    return decode_result(e, i, err);
}

static insn_handler *const handlers[OP_COUNT] = {
    [OP_ADD... OP_CMP] = emulate_binary,
    [OP_ROL... OP_SAR] = emulate_shift,
    [OP_BT... OP_BTC] = emulate_bit,
    [OP_TEST] = emulate_binary,
    [OP_NOT] = emulate_not,
    [OP_NEG... OP_DEC] = emulate_unary,
    [OP_MUL... OP_IMUL] = emulate_mul,
    [OP_IMUL_REG... OP_IMUL_IMM] = emulate_imul_reg,
    [OP_DIV... OP_IDIV] = emulate_div,
    [OP_SHLD... OP_SHRD] = emulate_double_shift,
    [OP_BSF... OP_BSR] = emulate_bit_scan,
    [OP_POPCNT] = emulate_popcnt,
    [OP_XADD] = emulate_xadd,
    [OP_CMPXCHG] = emulate_cmpxchg,
    [OP_CMPXCHG8B] = emulate_cmpxchg8b,
    [OP_MOV] = emulate_mov,
    [OP_MOVZX... OP_MOVSXD] = emulate_extend,
    [OP_MOVBE] = emulate_movbe,
    [OP_XCHG] = emulate_xchg,
    [OP_LEA] = emulate_lea,
    [OP_CMOV] = emulate_cmov,
    [OP_SETCC] = emulate_setcc,
    [OP_NOP] = emulate_nop,
    [OP_MOV_FROM_SREG] = emulate_mov_from_sreg,
    [OP_PUSH] = emulate_push,
    [OP_POP] = emulate_pop,
    [OP_CALL... OP_JMP] = emulate_branch,
    [OP_VECTOR_MOVE] = emulate_vector_move,
    [OP_MOVS... OP_OUTS] = emulate_string,
    [OP_IN] = emulate_in,
    [OP_OUT] = emulate_out,
    [OP_CLTS] = emulate_clts,
    [OP_LMSW] = emulate_lmsw,
    [OP_SMSW] = emulate_smsw,
};

/* Outside 64-bit mode EIP is 32 bits wide; a 16-bit IP that runs over its limit faults at the next
 * fetch. */
int emulate(struct emu *e, const struct insn *i)
{
    int err;

    if (!handlers[i->op])
        return -ENOSYS;
    e->seq = 0;
    e->next_rip = e->rip + i->length;
    if (e->mode != MODE_64)
        e->next_rip = (u32)e->next_rip;
    err = handlers[i->op](e, i);
    if (err)
        return err;
    e->rip = e->next_rip;
    e->rflags &= ~RFLAGS_RF;
    return 0;
}
