/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * String instructions and port I/O.
 *
 * A REP string is done in parts, each committed by itself, as on a CPU that takes an interrupt in
 * between: either a chunk that e->ops->rep takes whole, or one element. RIP moves when the count is
 * used up.
 */
#include "hv/emulate_internal.h"

#define REP_LIMIT 64
#define REPNE     0xf2

static unsigned io_size(const struct insn *i)
{
    return MIN(i->op_size, 4);
}

static unsigned element_size(const struct insn *i)
{
    return i->op == OP_INS || i->op == OP_OUTS ? io_size(i) : i->op_size;
}

static bool has_src(u8 op)
{
    return op == OP_MOVS || op == OP_CMPS || op == OP_LODS || op == OP_OUTS;
}

static bool has_dst(u8 op)
{
    return op != OP_LODS && op != OP_OUTS;
}

static u64 index_register(const struct emu *e, const struct insn *i, u8 reg)
{
    return reg_read(e, reg, i->addr_size);
}

/* Counts n elements as done. */
static void advance(struct emu *e, const struct insn *i, u64 n)
{
    u64 step = n * element_size(i);

    if (e->rflags & RFLAGS_DF)
        step = -step;
    if (has_src(i->op))
        reg_write(e, rSI, i->addr_size, e->gpr[rSI] + step);
    if (has_dst(i->op))
        reg_write(e, rDI, i->addr_size, e->gpr[rDI] + step);
    if (i->rep)
        reg_write(e, rCX, i->addr_size, e->gpr[rCX] - n);
    e->seq = 0;
    if (e->ops->commit)
        e->ops->commit(e);
}

static int port_in(struct emu *e, u16 port, u64 *v, unsigned size)
{
    u32 value = 0;
    int err = e->ops->in(e, port, &value, size);

    e->seq++;
    *v = value & size_mask(size);
    return err;
}

static int port_out(struct emu *e, u16 port, u64 v, unsigned size)
{
    int err = e->ops->out(e, port, v & size_mask(size), size);

    e->seq++;
    return err;
}

/* A port's data is gone once read: see first that it can be stored. */
static int probe_dst(struct emu *e, const struct insn *i, unsigned size)
{
    u64 gva;
    int err = mem_linear(e, SEG_ES, index_register(e, i, rDI), size, EMU_WRITE, &gva);

    if (err || !e->ops->probe_write)
        return err;
    return e->ops->probe_write(e, gva, size);
}

/* Where an element comes from. */
static int read_element(struct emu *e, const struct insn *i, unsigned size, u64 *v)
{
    *v = 0;
    switch (i->op) {
    case OP_INS:
        return probe_dst(e, i, size) ?: port_in(e, reg_read(e, rDX, 2), v, size);
    case OP_STOS:
    case OP_SCAS:
        *v = reg_read(e, rAX, size);
        return 0;
    }
    return mem_read(e, i->seg, index_register(e, i, rSI), v, size, EMU_READ);
}

/* And what becomes of it. */
static int use_element(struct emu *e, const struct insn *i, unsigned size, u64 v)
{
    u64 other = 0;
    int err;

    switch (i->op) {
    case OP_LODS:
        reg_write(e, rAX, size, v);
        return 0;
    case OP_OUTS:
        return port_out(e, reg_read(e, rDX, 2), v, size);
    case OP_CMPS:
    case OP_SCAS:
        err = mem_read(e, SEG_ES, index_register(e, i, rDI), &other, size, EMU_READ);
        if (!err)
            e->rflags = compare_flags(e->rflags, v, other, size);
        return err;
    }
    return mem_write(e, SEG_ES, index_register(e, i, rDI), &v, size);
}

static int one_element(struct emu *e, const struct insn *i)
{
    unsigned size = element_size(i);
    u64 v;
    int err = read_element(e, i, size, &v) ?: use_element(e, i, size, v);

    if (!err)
        advance(e, i, 1);
    return err;
}

/* How many elements from gva on lie in its page, and before the offset wraps around. */
static u64 elements_in_page(const struct emu *e, u64 gva, u64 offset, unsigned size, u64 wrap)
{
    u64 in_page = gva & ~PAGE_MASK;

    if (in_page + size > PAGE_SIZE)
        return 0;
    if (e->rflags & RFLAGS_DF)
        return MIN(in_page, offset) / size + 1;
    return MIN(PAGE_SIZE - in_page, wrap - offset + 1) / size;
}

/*
 * Shortens *count to the elements that can be taken together at seg:reg, possibly none, and finds
 * the linear address of the first. A fault is left to the element that has it.
 */
static bool clip(struct emu *e, const struct insn *i, u8 seg, u8 reg, enum emu_access access,
                 u64 *count, u64 *gva)
{
    unsigned size = element_size(i);
    u64 offset = index_register(e, i, reg), low = offset, unused;

    if (mem_linear(e, seg, offset, size, access, gva))
        return false;
    *count = MIN(*count, elements_in_page(e, *gva, offset, size, size_mask(i->addr_size)));
    if (e->rflags & RFLAGS_DF)
        low -= (*count - 1) * size;
    return *count && !seg_linear(e, seg, low, *count * size, access, &unused);
}

/* Offers as much as possible to the callback: its result, 0 if it has to be done one by one. */
static int chunk(struct emu *e, const struct insn *i, u64 count)
{
    struct emu_rep r = {.op = i->op, .size = element_size(i), .down = e->rflags & RFLAGS_DF};
    int n;

    if (!e->ops->rep || i->op == OP_LODS || i->op == OP_CMPS || i->op == OP_SCAS)
        return 0;
    if (has_src(i->op) && !clip(e, i, i->seg, rSI, EMU_READ, &count, &r.src))
        return 0;
    if (has_dst(i->op) && !clip(e, i, SEG_ES, rDI, EMU_WRITE, &count, &r.dst))
        return 0;
    r.port = reg_read(e, rDX, 2);
    r.value = reg_read(e, rAX, r.size);
    r.count = count;
    n = e->ops->rep(e, &r); /* not numbered if declined, the last of its part otherwise */
    if (n > 0)
        advance(e, i, n);
    return n;
}

/* REPE and REPNE end early; other strings look at the count only. */
static bool finished(const struct emu *e, const struct insn *i)
{
    if (!index_register(e, i, rCX))
        return true;
    if (i->op != OP_CMPS && i->op != OP_SCAS)
        return false;
    return !(e->rflags & RFLAGS_ZF) == (i->rep != REPNE);
}

int emulate_string(struct emu *e, const struct insn *i)
{
    unsigned limit = e->rep_limit ?: REP_LIMIT;

    if (!i->rep)
        return one_element(e, i);
    if (!index_register(e, i, rCX))
        return 0;
    for (unsigned n = 0; n < limit; n++) {
        int done = chunk(e, i, index_register(e, i, rCX));
        int err = done ? MIN(done, 0) : one_element(e, i);

        if (err || finished(e, i))
            return err;
    }
    return -EBUSY;
}

static u16 port_number(const struct emu *e, const struct insn *i, struct operand o)
{
    return o.kind == OPND_IMM ? i->imm : reg_read(e, o.reg, 2);
}

int emulate_in(struct emu *e, const struct insn *i)
{
    u64 v;
    int err = port_in(e, port_number(e, i, i->src), &v, io_size(i));

    if (!err)
        reg_write(e, rAX, io_size(i), v);
    return err;
}

int emulate_out(struct emu *e, const struct insn *i)
{
    return port_out(e, port_number(e, i, i->dst), reg_read(e, rAX, io_size(i)), io_size(i));
}
