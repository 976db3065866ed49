/* SPDX-License-Identifier: BSD-2-Clause */
/* The emulator's ground floor: registers, segmentation, memory. */
#include "hv/emulate_internal.h"

u64 reg_read(const struct emu *e, u8 reg, unsigned size)
{
    return e->gpr[reg] & size_mask(size);
}

void reg_write(struct emu *e, u8 reg, unsigned size, u64 value)
{
    u64 mask = size_mask(size);
    u64 kept = size == 4 ? 0 : e->gpr[reg] & ~mask;

    e->gpr[reg] = kept | (value & mask);
}

/* AH to BH: bits 15:8 of the first four registers, named by 4 to 7 where no REX prefix is. */
static bool is_high_byte(const struct insn *i, u8 reg, unsigned size)
{
    return size == 1 && !i->rex && reg >= 4 && reg < 8;
}

static u64 operand_reg_read(const struct emu *e, const struct insn *i, u8 reg, unsigned size)
{
    if (is_high_byte(i, reg, size))
        return (e->gpr[reg - 4] >> 8) & 0xff;
    return reg_read(e, reg, size);
}

static void operand_reg_write(struct emu *e, const struct insn *i, u8 reg, unsigned size, u64 value)
{
    if (is_high_byte(i, reg, size))
        e->gpr[reg - 4] = (e->gpr[reg - 4] & ~0xff00ull) | (value & 0xff) << 8;
    else
        reg_write(e, reg, size, value);
}

u64 effective_address(const struct emu *e, const struct insn *i)
{
    u64 a = i->disp;

    if (i->base == BASE_RIP)
        a += e->rip + i->length;
    else if (i->base != REG_NONE)
        a += e->gpr[i->base];
    if (i->index != REG_NONE)
        a += e->gpr[i->index] << i->scale;
    return a & size_mask(i->addr_size);
}

static u64 segment_base(const struct emu *e, u8 seg)
{
    return e->mode == MODE_64 && seg < SEG_FS ? 0 : e->seg[seg].base;
}

u64 emu_linear(const struct emu *e, const struct insn *i)
{
    u64 a = segment_base(e, i->seg) + effective_address(e, i);

    return e->mode == MODE_64 ? a : (u32)a;
}

static bool is_canonical(const struct emu *e, u64 a)
{
    unsigned unused = e->cr4 & CR4_LA57 ? 64 - 57 : 64 - 48;

    return (u64)((s64)(a << unused) >> unused) == a;
}

/* Types with SEG_TYPE_CODE: the second bit allows reading; without it: writing (APM 2 4.8.1). */
#define SEG_TYPE_CODE 8
#define SEG_TYPE_DOWN 4
#define SEG_TYPE_RW   2

static bool segment_allows(const struct emu *e, const struct segment *s, enum emu_access access)
{
    bool code = s->attr & SEG_TYPE_CODE, rw = s->attr & SEG_TYPE_RW;

    if (!(e->cr0 & CR0_PE) || e->rflags & RFLAGS_VM)
        return true;
    if (access == EMU_EXEC)
        return true; /* CS was checked when it was loaded, in real mode not at all: loaders rely on
                        it */
    if (!(s->attr & SEG_P))
        return false;
    return access == EMU_READ ? !code || rw : !code && rw;
}

/* An expand-down segment is what its limit leaves, up to 64 KiB or 4 GiB by its B bit. */
static bool within_limit(const struct segment *s, u64 first, u64 last)
{
    u64 top = s->attr & SEG_DB ? 0xffffffff : 0xffff;

    if ((s->attr & (SEG_TYPE_CODE | SEG_TYPE_DOWN)) == SEG_TYPE_DOWN)
        return first > s->limit && last <= top;
    return last <= s->limit;
}

int seg_linear(struct emu *e, u8 seg, u64 offset, unsigned len, enum emu_access access, u64 *gva)
{
    const struct segment *s = &e->seg[seg];
    u64 a = segment_base(e, seg) + offset;
    bool ok;

    if (e->mode == MODE_64) {
        ok = is_canonical(e, a) && is_canonical(e, a + len - 1);
        *gva = a;
    } else {
        ok = segment_allows(e, s, access) && within_limit(s, offset, offset + len - 1);
        *gva = (u32)a;
    }
    return ok ? 0 : emu_exception_error(e, seg == SEG_SS ? TRAP_SS : TRAP_GP, 0);
}

/* SDM 3A 6.15, #AC. Larger operands have rules of their own, kept where they are moved. */
static int check_alignment(struct emu *e, u64 gva, unsigned len)
{
    bool on = e->cpl == 3 && e->cr0 & CR0_AM && e->rflags & RFLAGS_AC;

    return on && len <= 8 && gva & (len - 1) ? emu_exception_error(e, TRAP_AC, 0) : 0;
}

int mem_linear(struct emu *e, u8 seg, u64 offset, unsigned len, enum emu_access access, u64 *gva)
{
    return seg_linear(e, seg, offset, len, access, gva) ?: check_alignment(e, *gva, len);
}

int mem_read(struct emu *e, u8 seg, u64 offset, void *buf, unsigned len, enum emu_access access)
{
    u64 gva;
    int err =
        mem_linear(e, seg, offset, len, access, &gva) ?: e->ops->read(e, gva, buf, len, access);

    e->seq++;
    return err;
}

int mem_write(struct emu *e, u8 seg, u64 offset, const void *buf, unsigned len)
{
    u64 gva;
    int err = mem_linear(e, seg, offset, len, EMU_WRITE, &gva) ?: e->ops->write(e, gva, buf, len);

    e->seq++;
    return err;
}

int mem_update(struct emu *e, u8 seg, u64 offset, const void *old, const void *new, unsigned len,
               bool lock)
{
    u64 gva;
    int err;

    if (!lock)
        return mem_write(e, seg, offset, new, len);
    err =
        mem_linear(e, seg, offset, len, EMU_WRITE, &gva) ?: e->ops->cmpxchg(e, gva, old, new, len);
    e->seq++;
    return err;
}

static int operand_read_for(struct emu *e, const struct insn *i, struct operand o, unsigned size,
                            u64 *value, enum emu_access access)
{
    *value = 0;
    switch (o.kind) {
    case OPND_REG:
        *value = operand_reg_read(e, i, o.reg, size);
        return 0;
    case OPND_IMM:
        *value = i->imm & size_mask(size);
        return 0;
    case OPND_MEM:
        return mem_read(e, i->seg, effective_address(e, i), value, size, access);
    }
    return -ENOSYS;
}

int operand_read(struct emu *e, const struct insn *i, struct operand o, unsigned size, u64 *value)
{
    return operand_read_for(e, i, o, size, value, EMU_READ);
}

int operand_write(struct emu *e, const struct insn *i, struct operand o, unsigned size, u64 value)
{
    if (o.kind == OPND_MEM)
        return mem_write(e, i->seg, effective_address(e, i), &value, size);
    operand_reg_write(e, i, o.reg, size, value);
    return 0;
}

int dst_read(struct emu *e, const struct insn *i, u64 *value)
{
    return operand_read_for(e, i, i->dst, i->op_size, value, EMU_RMW);
}

int dst_update(struct emu *e, const struct insn *i, u64 old, u64 value)
{
    if (i->dst.kind != OPND_MEM)
        return operand_write(e, i, i->dst, i->op_size, value);
    return mem_update(e, i->seg, effective_address(e, i), &old, &value, i->op_size, i->lock);
}

/* SDM 1 appendix B: eight tests, the lowest bit of cc negates. */
bool rflags_condition(u64 f, u8 cc)
{
    bool less = !(f & RFLAGS_SF) != !(f & RFLAGS_OF);
    const bool test[8] = {f & RFLAGS_OF, f & RFLAGS_CF, f & RFLAGS_ZF, f & (RFLAGS_CF | RFLAGS_ZF),
                          f & RFLAGS_SF, f & RFLAGS_PF, less,          less || f & RFLAGS_ZF};

    return test[(cc >> 1) & 7] != (cc & 1);
}
