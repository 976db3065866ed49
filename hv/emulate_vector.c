/* SPDX-License-Identifier: BSD-2-Clause */
/* Moves between memory and vector registers, SSE and AVX: what code uses on frame buffers and
 * devices. */
#include "hv/emulate_internal.h"

#define XCR0_YMM (XCR0_SSE | XCR0_AVX)

/* Which prefix: a set, since many moves come once for singles and once for doubles. */
enum { NP = 1, P66 = 2, PF3 = 4, PF2 = 8 };

/* In place of a number of bytes: 16 or 32 by VEX.L, 4 or 8 by REX.W. */
enum { FULL = 0, WIDTH = 1 };

/* HIGH: bytes 15:8 of the register. MERGE: the other bytes stay. */
enum { STORE = 1, ALIGNED = 2, HIGH = 4, MERGE = 8 };

struct vector_move {
    u8 opcode, prefixes, bytes, how;
};

static const struct vector_move moves[] = {
    /* clang-format off */
    {0x10, NP | P66, FULL, 0},         {0x11, NP | P66, FULL, STORE},     /* MOVUPS, MOVUPD */
    {0x10, PF3, 4, 0},                 {0x11, PF3, 4, STORE},             /* MOVSS */
    {0x10, PF2, 8, 0},                 {0x11, PF2, 8, STORE},             /* MOVSD */
    {0x12, NP | P66, 8, MERGE},        {0x13, NP | P66, 8, STORE},        /* MOVLPS, MOVLPD */
    {0x16, NP | P66, 8, MERGE | HIGH}, {0x17, NP | P66, 8, STORE | HIGH}, /* MOVHPS, MOVHPD */
    {0x28, NP | P66, FULL, ALIGNED},   {0x29, NP | P66, FULL, STORE | ALIGNED}, /* MOVAPS, MOVAPD */
    {0x2b, NP | P66, FULL, STORE | ALIGNED},                              /* MOVNTPS, MOVNTPD */
    {0x6e, P66, WIDTH, 0},             {0x7e, P66, WIDTH, STORE},         /* MOVD, MOVQ */
    {0x7e, PF3, 8, 0},                 {0xd6, P66, 8, STORE},             /* MOVQ */
    {0x6f, P66, FULL, ALIGNED},        {0x7f, P66, FULL, STORE | ALIGNED}, /* MOVDQA */
    {0x6f, PF3, FULL, 0},              {0x7f, PF3, FULL, STORE},          /* MOVDQU */
    {0xe7, P66, FULL, STORE | ALIGNED},                                   /* MOVNTDQ */
    {0xf0, PF2, FULL, 0},                                                 /* LDDQU */
    /* clang-format on */
};

static const struct vector_move *find_move(const struct insn *i)
{
    u8 prefix = i->rep == 0xf3 ? PF3 : i->rep ? PF2 : i->data16 ? P66 : NP;

    for (unsigned k = 0; k < ARRAY_SIZE(moves); k++)
        if (moves[k].opcode == i->opcode && moves[k].prefixes & prefix)
            return &moves[k];
    return NULL;
}

static unsigned move_bytes(const struct insn *i, const struct vector_move *m)
{
    if (m->bytes == FULL)
        return i->vex_256 ? 32 : 16;
    if (m->bytes == WIDTH)
        return i->rex_w && i->mode == MODE_64 ? 8 : 4;
    return m->bytes;
}

/* VEX.L is ignored by scalar moves and must be 0 in other partial ones; vvvv is for merging only.
 */
static bool vex_allowed(const struct emu *e, const struct insn *i, const struct vector_move *m)
{
    bool scalar = i->opcode == 0x10 || i->opcode == 0x11;

    if (!(e->cr0 & CR0_PE) || e->rflags & RFLAGS_VM)
        return false;
    if (!(e->cr4 & CR4_OSXSAVE) || (e->xcr0 & XCR0_YMM) != XCR0_YMM)
        return false;
    if (i->vex_256 && m->bytes != FULL && !scalar)
        return false;
    return !i->vex_reg || (m->how & (MERGE | STORE)) == MERGE;
}

/* SDM 3A table 13-1: which exception a vector instruction has before it starts. */
static int check_enabled(struct emu *e, const struct insn *i, const struct vector_move *m)
{
    bool allowed = i->vex ? vex_allowed(e, i, m) : !(e->cr0 & CR0_EM) && e->cr4 & CR4_OSFXSR;

    if (!allowed)
        return emu_exception(e, TRAP_UD);
    return e->cr0 & CR0_TS ? emu_exception(e, TRAP_NM) : 0;
}

static int load(struct emu *e, const struct insn *i, const struct vector_move *m, unsigned bytes)
{
    u8 ymm[32], data[32];
    u8 rest = i->vex && m->how & MERGE ? i->vex_reg : i->reg; /* where kept bytes come from */
    int err = e->ops->vector_get(e, rest, ymm)
                  ?: mem_read(e, i->seg, effective_address(e, i), data, bytes, EMU_READ);

    if (err)
        return err;
    if (!(m->how & MERGE))
        __builtin_memset(ymm, 0, 16);
    if (i->vex)
        __builtin_memset(ymm + 16, 0, 16);
    __builtin_memcpy(ymm + (m->how & HIGH ? 8 : 0), data, bytes);
    return e->ops->vector_set(e, i->reg, ymm, i->vex);
}

static int store(struct emu *e, const struct insn *i, const struct vector_move *m, unsigned bytes)
{
    u8 ymm[32];

    return e->ops->vector_get(e, i->reg, ymm)
               ?: mem_write(e, i->seg, effective_address(e, i), ymm + (m->how & HIGH ? 8 : 0),
                            bytes);
}

int emulate_vector_move(struct emu *e, const struct insn *i)
{
    const struct vector_move *m = find_move(i);
    unsigned bytes;
    int err;

    if (!m || i->mod == 3 || !e->ops->vector_get || !e->ops->vector_set)
        return -ENOSYS;
    err = check_enabled(e, i, m);
    if (err)
        return err;
    bytes = move_bytes(i, m);
    if (m->how & ALIGNED && emu_linear(e, i) & (bytes - 1))
        return emu_exception_error(e, TRAP_GP, 0);
    return m->how & STORE ? store(e, i, m, bytes) : load(e, i, m, bytes);
}
