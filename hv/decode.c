/* SPDX-License-Identifier: BSD-2-Clause */
/* The instruction decoder: SDM 2A chapter 2 and 2D appendix A, as tables. */
#include "hv/decode.h"
#include "hv/errno.h"

/* Where an operand comes from. A pair is written DST_SRC. */
enum { NO, RM, REG, ACC, OPC, IMM, OFFS, ONE, CL, DX };

#define PAIR(dst, src) ((dst) << 4 | (src))
#define RM_            PAIR(RM, NO)
#define RM_REG         PAIR(RM, REG)
#define RM_IMM         PAIR(RM, IMM)
#define RM_ONE         PAIR(RM, ONE)
#define RM_CL          PAIR(RM, CL)
#define REG_RM         PAIR(REG, RM)
#define ACC_IMM        PAIR(ACC, IMM)
#define ACC_OFFS       PAIR(ACC, OFFS)
#define OFFS_ACC       PAIR(OFFS, ACC)
#define ACC_DX         PAIR(ACC, DX)
#define DX_ACC         PAIR(DX, ACC)
#define IMM_ACC        PAIR(IMM, ACC)
#define OPC_           PAIR(OPC, NO)
#define OPC_ACC        PAIR(OPC, ACC)
#define OPC_IMM        PAIR(OPC, IMM)
#define IMM_           PAIR(NO, IMM)

/* How it is encoded. */
enum {
    M = 1 << 0,     /* has ModRM */
    B = 1 << 1,     /* operands are bytes */
    I8 = 1 << 2,    /* immediate: a byte, sign-extended */
    U8 = 1 << 3,    /* immediate: a byte, zero-extended */
    I16 = 1 << 4,   /* immediate: two bytes, zero-extended */
    IZ = 1 << 5,    /* immediate: operand size, at most 4 bytes, sign-extended */
    IV = 1 << 6,    /* immediate: operand size */
    FAR = 1 << 7,   /* immediate: offset of operand size, then a selector */
    L = 1 << 8,     /* LOCK allowed with a memory destination */
    D64 = 1 << 9,   /* operand size defaults to 8 in 64-bit mode */
    NO64 = 1 << 10, /* not in 64-bit mode */
    MEM = 1 << 11,  /* r/m must be memory */
    GPR = 1 << 12,  /* mod is ignored, r/m is a register; operands have the mode's size */
    NEAR = 1 << 13, /* near branch: Intel ignores a 66 prefix in 64-bit mode, AMD does not */
    DW = 1 << 14,   /* operand size is 4, or 8 with REX.W */
};

struct opcode {
    u8 op;   /* enum operation, or one of the values below */
    u8 args; /* PAIR() */
    u16 enc;
};

/* In place of an operation: ModRM.reg tells. The group's line is merged with the opcode's. */
enum {
    GRP1 = OP_COUNT,
    GRP1A,
    GRP2,
    GRP3,
    GRP4,
    GRP5,
    GRP6,
    GRP7,
    GRP8,
    GRP9,
    GRP11,
    GRP15,
    UNKNOWN
};

#define ALU(n, op)                                                    \
    [(n)] = {op, RM_REG, M | B | L}, [(n) + 1] = {op, RM_REG, M | L}, \
    [(n) + 2] = {op, REG_RM, M | B}, [(n) + 3] = {op, REG_RM, M},     \
    [(n) + 4] = {op, ACC_IMM, B | IZ}, [(n) + 5] = {op, ACC_IMM, IZ}

/* An operation on bytes and the same on words, at n and n + 1. */
#define BOTH(n, op, args, enc) [(n)] = {op, args, (enc) | B}, [(n) + 1] = {op, args, enc}

static const struct opcode map_one[256] = {
    /* clang-format off */
    ALU(0x00, OP_ADD), ALU(0x08, OP_OR), ALU(0x10, OP_ADC), ALU(0x18, OP_SBB),
    ALU(0x20, OP_AND), ALU(0x28, OP_SUB), ALU(0x30, OP_XOR), ALU(0x38, OP_CMP),
    [0x06 ... 0x07] = {OP_OTHER, NO, NO64}, [0x0e] = {OP_OTHER, NO, NO64}, /* PUSH, POP of segments */
    [0x16 ... 0x17] = {OP_OTHER, NO, NO64}, [0x1e ... 0x1f] = {OP_OTHER, NO, NO64},
    [0x27] = {OP_OTHER, NO, NO64}, [0x2f] = {OP_OTHER, NO, NO64}, /* DAA, DAS */
    [0x37] = {OP_OTHER, NO, NO64}, [0x3f] = {OP_OTHER, NO, NO64}, /* AAA, AAS */
    [0x40 ... 0x47] = {OP_INC, OPC_, NO64}, [0x48 ... 0x4f] = {OP_DEC, OPC_, NO64},
    [0x50 ... 0x57] = {OP_PUSH, PAIR(NO, OPC), D64}, [0x58 ... 0x5f] = {OP_POP, OPC_, D64},
    [0x60 ... 0x61] = {OP_OTHER, NO, NO64}, /* PUSHA, POPA */
    [0x62] = {OP_OTHER, NO, M | MEM},       /* BOUND; EVEX is told apart before */
    [0x63] = {OP_MOVSXD, REG_RM, M},        /* ARPL outside 64-bit mode */
    [0x68] = {OP_PUSH, IMM_, IZ | D64}, [0x69] = {OP_IMUL_IMM, REG_RM, M | IZ},
    [0x6a] = {OP_PUSH, IMM_, I8 | D64}, [0x6b] = {OP_IMUL_IMM, REG_RM, M | I8},
    BOTH(0x6c, OP_INS, NO, 0), BOTH(0x6e, OP_OUTS, NO, 0),
    [0x70 ... 0x7f] = {OP_OTHER, IMM_, I8}, /* Jcc */
    BOTH(0x80, GRP1, RM_IMM, M | IZ), [0x82] = {GRP1, RM_IMM, M | B | I8 | NO64},
    [0x83] = {GRP1, RM_IMM, M | I8},
    BOTH(0x84, OP_TEST, RM_REG, M), BOTH(0x86, OP_XCHG, RM_REG, M | L),
    BOTH(0x88, OP_MOV, RM_REG, M), BOTH(0x8a, OP_MOV, REG_RM, M),
    [0x8c] = {OP_MOV_FROM_SREG, RM_REG, M}, [0x8d] = {OP_LEA, REG_RM, M | MEM},
    [0x8e] = {OP_MOV_TO_SREG, REG_RM, M}, [0x8f] = {GRP1A, RM_, M},
    [0x90 ... 0x97] = {OP_XCHG, OPC_ACC, 0},
    [0x98 ... 0x99] = {OP_OTHER, NO, 0},    /* CBW, CWD */
    [0x9a] = {OP_OTHER, IMM_, FAR | NO64}, [0x9b] = {OP_OTHER, NO, 0},
    [0x9c] = {OP_PUSHF, NO, D64}, [0x9d] = {OP_POPF, NO, D64}, [0x9e ... 0x9f] = {OP_OTHER, NO, 0},
    BOTH(0xa0, OP_MOV, ACC_OFFS, 0), BOTH(0xa2, OP_MOV, OFFS_ACC, 0),
    BOTH(0xa4, OP_MOVS, NO, 0), BOTH(0xa6, OP_CMPS, NO, 0), BOTH(0xa8, OP_TEST, ACC_IMM, IZ),
    BOTH(0xaa, OP_STOS, NO, 0), BOTH(0xac, OP_LODS, NO, 0), BOTH(0xae, OP_SCAS, NO, 0),
    [0xb0 ... 0xb7] = {OP_MOV, OPC_IMM, B | IV}, [0xb8 ... 0xbf] = {OP_MOV, OPC_IMM, IV},
    BOTH(0xc0, GRP2, RM_IMM, M | U8),
    [0xc2] = {OP_OTHER, IMM_, I16}, [0xc3] = {OP_OTHER, NO, 0},  /* RET */
    [0xc4 ... 0xc5] = {OP_OTHER, NO, M | MEM | NO64},            /* LES, LDS */
    BOTH(0xc6, GRP11, RM_IMM, M | IZ),
    [0xc8] = {OP_OTHER, IMM_, I16 | U8}, [0xc9] = {OP_OTHER, NO, 0}, /* ENTER, LEAVE */
    [0xca] = {OP_OTHER, IMM_, I16}, [0xcb] = {OP_OTHER, NO, 0},      /* RETF */
    [0xcc] = {OP_INT3, NO, 0}, [0xcd] = {OP_INT, IMM_, U8}, [0xce] = {OP_INTO, NO, NO64},
    [0xcf] = {OP_IRET, NO, 0},
    BOTH(0xd0, GRP2, RM_ONE, M), BOTH(0xd2, GRP2, RM_CL, M),
    [0xd4 ... 0xd5] = {OP_OTHER, IMM_, U8 | NO64}, [0xd6] = {OP_OTHER, NO, NO64},
    [0xd7] = {OP_OTHER, NO, 0}, [0xd8 ... 0xdf] = {OP_OTHER, RM_, M}, /* XLAT, x87 */
    [0xe0 ... 0xe3] = {OP_OTHER, IMM_, I8},                          /* LOOP, JCXZ */
    BOTH(0xe4, OP_IN, ACC_IMM, U8), BOTH(0xe6, OP_OUT, IMM_ACC, U8),
    [0xe8 ... 0xe9] = {OP_OTHER, IMM_, IZ | NEAR}, [0xea] = {OP_OTHER, IMM_, FAR | NO64},
    [0xeb] = {OP_OTHER, IMM_, I8}, BOTH(0xec, OP_IN, ACC_DX, 0), BOTH(0xee, OP_OUT, DX_ACC, 0),
    [0xf1] = {OP_INT1, NO, 0}, [0xf4] = {OP_HLT, NO, 0}, [0xf5] = {OP_OTHER, NO, 0},
    BOTH(0xf6, GRP3, RM_, M), [0xf8 ... 0xf9] = {OP_OTHER, NO, 0},
    [0xfa] = {OP_CLI, NO, 0}, [0xfb] = {OP_STI, NO, 0}, [0xfc ... 0xfd] = {OP_OTHER, NO, 0},
    [0xfe] = {GRP4, RM_, M | B}, [0xff] = {GRP5, RM_, M},
    /* clang-format on */
};

static const struct opcode map_0f[256] = {
    /* clang-format off */
    [0x00] = {GRP6, RM_, M}, [0x01] = {GRP7, RM_, M}, [0x02 ... 0x03] = {OP_OTHER, REG_RM, M},
    [0x05] = {OP_OTHER, NO, 0}, [0x06] = {OP_CLTS, NO, 0}, [0x07] = {OP_OTHER, NO, 0},
    [0x08] = {OP_INVD, NO, 0}, [0x09] = {OP_WBINVD, NO, 0}, [0x0d] = {OP_NOP, RM_, M},
    [0x0e] = {OP_OTHER, NO, 0}, [0x0f] = {OP_OTHER, REG_RM, M | U8}, /* 3DNow! */
    [0x10 ... 0x17] = {OP_VECTOR_MOVE, NO, M}, [0x18 ... 0x19] = {OP_NOP, RM_, M},
    [0x1a ... 0x1b] = {OP_OTHER, RM_, M}, [0x1c ... 0x1f] = {OP_NOP, RM_, M}, /* MPX */
    [0x20] = {OP_MOV_FROM_CR, RM_REG, M | GPR}, [0x21] = {OP_MOV_FROM_DR, RM_REG, M | GPR},
    [0x22] = {OP_MOV_TO_CR, REG_RM, M | GPR}, [0x23] = {OP_MOV_TO_DR, REG_RM, M | GPR},
    [0x28 ... 0x29] = {OP_VECTOR_MOVE, NO, M}, [0x2a] = {OP_OTHER, NO, M},
    [0x2b] = {OP_VECTOR_MOVE, NO, M | MEM}, [0x2c ... 0x2f] = {OP_OTHER, NO, M},
    [0x30] = {OP_WRMSR, NO, 0}, [0x31] = {OP_RDTSC, NO, 0}, [0x32] = {OP_RDMSR, NO, 0},
    [0x33] = {OP_RDPMC, NO, 0}, [0x34 ... 0x35] = {OP_OTHER, NO, 0}, [0x37] = {OP_OTHER, NO, 0},
    [0x40 ... 0x4f] = {OP_CMOV, REG_RM, M}, [0x50 ... 0x6d] = {OP_OTHER, NO, M},
    [0x6e ... 0x6f] = {OP_VECTOR_MOVE, NO, M}, [0x70 ... 0x73] = {OP_OTHER, NO, M | U8},
    [0x74 ... 0x76] = {OP_OTHER, NO, M}, [0x77] = {OP_OTHER, NO, 0},
    [0x78 ... 0x79] = {OP_OTHER, NO, M}, [0x7c ... 0x7d] = {OP_OTHER, NO, M},
    [0x7e ... 0x7f] = {OP_VECTOR_MOVE, NO, M}, [0x80 ... 0x8f] = {OP_OTHER, IMM_, IZ | NEAR},
    [0x90 ... 0x9f] = {OP_SETCC, RM_, M | B}, [0xa0 ... 0xa1] = {OP_OTHER, NO, 0},
    [0xa2] = {OP_CPUID, NO, 0}, [0xa3] = {OP_BT, RM_REG, M},
    [0xa4] = {OP_SHLD, RM_REG, M | U8}, [0xa5] = {OP_SHLD, RM_REG, M},
    [0xa8 ... 0xa9] = {OP_OTHER, NO, 0}, [0xaa] = {OP_RSM, NO, 0}, [0xab] = {OP_BTS, RM_REG, M | L},
    [0xac] = {OP_SHRD, RM_REG, M | U8}, [0xad] = {OP_SHRD, RM_REG, M}, [0xae] = {GRP15, RM_, M},
    [0xaf] = {OP_IMUL_REG, REG_RM, M}, BOTH(0xb0, OP_CMPXCHG, RM_REG, M | L),
    [0xb2] = {OP_OTHER, NO, M | MEM}, [0xb3] = {OP_BTR, RM_REG, M | L},
    [0xb4 ... 0xb5] = {OP_OTHER, NO, M | MEM}, [0xb6 ... 0xb7] = {OP_MOVZX, REG_RM, M},
    [0xb8] = {OP_POPCNT, REG_RM, M}, [0xba] = {GRP8, RM_IMM, M | U8}, [0xbb] = {OP_BTC, RM_REG, M | L},
    [0xbc] = {OP_BSF, REG_RM, M}, [0xbd] = {OP_BSR, REG_RM, M},
    [0xbe ... 0xbf] = {OP_MOVSX, REG_RM, M}, BOTH(0xc0, OP_XADD, RM_REG, M | L),
    [0xc2] = {OP_OTHER, NO, M | U8}, [0xc3] = {OP_MOV, RM_REG, M | MEM | DW}, /* MOVNTI */
    [0xc4 ... 0xc6] = {OP_OTHER, NO, M | U8}, [0xc7] = {GRP9, RM_, M},
    [0xc8 ... 0xcf] = {OP_OTHER, NO, 0}, [0xd0 ... 0xd5] = {OP_OTHER, NO, M}, /* BSWAP */
    [0xd6] = {OP_VECTOR_MOVE, NO, M}, [0xd7 ... 0xe6] = {OP_OTHER, NO, M},
    [0xe7] = {OP_VECTOR_MOVE, NO, M | MEM}, [0xe8 ... 0xef] = {OP_OTHER, NO, M},
    [0xf0] = {OP_VECTOR_MOVE, NO, M | MEM}, [0xf1 ... 0xfe] = {OP_OTHER, NO, M},
    /* clang-format on */
};

/* From GRP1 on. */
static const struct opcode groups[][8] = {
    /* clang-format off */
    [0] = {{OP_ADD, 0, L}, {OP_OR, 0, L}, {OP_ADC, 0, L}, {OP_SBB, 0, L},
           {OP_AND, 0, L}, {OP_SUB, 0, L}, {OP_XOR, 0, L}, {OP_CMP, 0, 0}},
    [GRP1A - GRP1] = {[0] = {OP_POP, 0, D64}, [1 ... 7] = {UNKNOWN, 0, 0}}, /* XOP */
    [GRP2 - GRP1] = {{OP_ROL, 0, 0}, {OP_ROR, 0, 0}, {OP_RCL, 0, 0}, {OP_RCR, 0, 0},
                     {OP_SHL, 0, 0}, {OP_SHR, 0, 0}, {OP_SAL, 0, 0}, {OP_SAR, 0, 0}},
    [GRP3 - GRP1] = {{OP_TEST, IMM, IZ}, {OP_TEST, IMM, IZ}, {OP_NOT, 0, L}, {OP_NEG, 0, L},
                     {OP_MUL, 0, 0}, {OP_IMUL, 0, 0}, {OP_DIV, 0, 0}, {OP_IDIV, 0, 0}},
    [GRP4 - GRP1] = {{OP_INC, 0, L}, {OP_DEC, 0, L}},
    [GRP5 - GRP1] = {{OP_INC, 0, L}, {OP_DEC, 0, L}, {OP_CALL, 0, D64 | NEAR}, {OP_OTHER, 0, MEM},
                     {OP_JMP, 0, D64 | NEAR}, {OP_OTHER, 0, MEM}, {OP_PUSH, RM, D64}},
    [GRP6 - GRP1] = {{OP_SLDT, 0, 0}, {OP_STR, 0, 0}, {OP_LLDT, 0, 0}, {OP_LTR, 0, 0},
                     {OP_OTHER, 0, 0}, {OP_OTHER, 0, 0}},
    [GRP7 - GRP1] = {{OP_SGDT, 0, 0}, {OP_SIDT, 0, 0}, {OP_LGDT, 0, 0}, {OP_LIDT, 0, 0},
                     {OP_SMSW, 0, 0}, {OP_OTHER, 0, 0}, {OP_LMSW, 0, 0}, {OP_INVLPG, 0, 0}},
    [GRP8 - GRP1] = {[4] = {OP_BT, 0, 0}, {OP_BTS, 0, L}, {OP_BTR, 0, L}, {OP_BTC, 0, L}},
    [GRP9 - GRP1] = {[1] = {OP_CMPXCHG8B, 0, L | MEM}, [3 ... 7] = {OP_OTHER, 0, 0}},
    [GRP11 - GRP1] = {[0] = {OP_MOV, 0, 0}, [7] = {OP_OTHER, 0, 0}}, /* 7: XABORT, XBEGIN */
    [GRP15 - GRP1] = {[0 ... 6] = {OP_OTHER, 0, 0}, [7] = {OP_NOP, 0, 0}}, /* 7: CLFLUSH, SFENCE */
    /* clang-format on */
};

/* 0F 01 with a register form: the ModRM byte, from C0, tells. */
static const u8 group7_reg[64] = {
    [0xc1 - 0xc0] = OP_VMCALL,
    [0xc8 - 0xc0] = OP_MONITOR,
    [0xc9 - 0xc0] = OP_MWAIT,
    [0xd0 - 0xc0] = OP_XGETBV,
    [0xd1 - 0xc0] = OP_XSETBV,
    [0xd8 - 0xc0] = OP_VMRUN,
    [0xd9 - 0xc0] = OP_VMMCALL,
    [0xda - 0xc0] = OP_VMLOAD,
    [0xdb - 0xc0] = OP_VMSAVE,
    [0xdc - 0xc0] = OP_STGI,
    [0xdd - 0xc0] = OP_CLGI,
    [0xde - 0xc0] = OP_SKINIT,
    [0xdf - 0xc0] = OP_INVLPGA,
    [0xf9 - 0xc0] = OP_RDTSCP,
    [0xe0 - 0xc0 ... 0xe7 - 0xc0] = OP_SMSW,
    [0xf0 - 0xc0 ... 0xf7 - 0xc0] = OP_LMSW,
};

/* The bytes not looked at yet. The first error sticks; what is read after it is 0. */
struct cursor {
    const u8 *bytes;
    unsigned len, pos;
    int err;
};

static u64 take(struct cursor *c, unsigned n)
{
    u64 v = 0;

    if (!c->err && c->pos + n > INSN_MAX)
        c->err = -E2BIG;
    if (!c->err && c->pos + n > c->len)
        c->err = -ENODATA;
    if (c->err)
        return 0;
    for (unsigned k = 0; k < n; k++)
        v |= (u64)c->bytes[c->pos++] << (8 * k);
    return v;
}

static u64 take_signed(struct cursor *c, unsigned n)
{
    unsigned unused = 64 - 8 * n;

    return (u64)((s64)(take(c, n) << unused) >> unused);
}

/* What of the prefixes matters to decoding only. A REX byte counts right before the opcode only. */
struct prefixes {
    u8 rex;
    bool addr_size;
    bool seg_given;
};

/* ES, CS, SS and DS overrides mean nothing in 64-bit mode. */
static void segment_prefix(struct insn *i, struct prefixes *p, u8 seg)
{
    if (i->mode == MODE_64 && seg < SEG_FS)
        return;
    i->seg = seg;
    p->seg_given = true;
}

/* Takes in one byte if it is a legacy prefix. */
static bool legacy_prefix(struct insn *i, struct prefixes *p, u8 byte)
{
    switch (byte) {
    case 0x26:
    case 0x2e:
    case 0x36:
    case 0x3e:
        segment_prefix(i, p, (byte >> 3) & 3);
        return true;
    case 0x64:
    case 0x65:
        segment_prefix(i, p, SEG_FS + (byte & 1));
        return true;
    case 0x66:
        return i->data16 = true;
    case 0x67:
        return p->addr_size = true;
    case 0xf0:
        return i->lock = true;
    case 0xf2:
    case 0xf3:
        i->rep = byte;
        return true;
    }
    return false;
}

/* Returns the first byte that is no prefix. */
static u8 take_prefixes(struct insn *i, struct prefixes *p, struct cursor *c)
{
    for (;;) {
        u8 byte = take(c, 1);

        if (c->err)
            return 0;
        if (legacy_prefix(i, p, byte))
            p->rex = 0;
        else if (i->mode == MODE_64 && (byte & 0xf0) == 0x40)
            p->rex = byte;
        else
            return byte;
    }
}

/*
 * C4 and C5 are VEX prefixes, and 62 EVEX, wherever LES, LDS or BOUND would have a register
 * operand, and always in 64-bit mode (SDM 2A 2.3.5).
 */
static bool is_vex(const struct insn *i, struct cursor *c)
{
    struct cursor ahead = *c;
    u8 next = take(&ahead, 1);

    if (ahead.err)
        c->err = ahead.err;
    return !ahead.err && (i->mode == MODE_64 || next >= 0xc0);
}

/* Reads what follows C4 or C5, the opcode included (SDM 2A figure 2-9). */
static int take_vex(struct insn *i, struct prefixes *p, struct cursor *c, u8 first)
{
    static const u8 pp[4] = {0, 0x66, 0xf3, 0xf2};
    u8 b1 = take(c, 1);
    u8 b2 = first == 0xc4 ? take(c, 1) : (b1 & 0x7f);

    if (c->err)
        return c->err;
    if (i->lock || i->rep || i->data16 || p->rex)
        return -EINVAL;
    i->vex = true;
    i->map = first == 0xc4 ? b1 & 0x1f : MAP_0F;
    if (i->map < MAP_0F || i->map > MAP_0F3A)
        return -EINVAL;
    p->rex = (~b1 & 0x80) >> 5 | (b2 & 0x80) >> 4; /* R, W */
    if (first == 0xc4)
        p->rex |= (~b1 & 0x60) >> 5; /* X, B */
    if (i->mode != MODE_64)
        p->rex &= 8;
    i->vex_reg = (~b2 >> 3) & (i->mode == MODE_64 ? 15 : 7);
    i->vex_256 = b2 & 4;
    i->data16 = pp[b2 & 3] == 0x66;
    i->rep = i->data16 ? 0 : pp[b2 & 3];
    i->opcode = take(c, 1);
    return c->err;
}

/* Follows the escape bytes from the first opcode byte to the last. */
static void take_opcode(struct insn *i, struct cursor *c, u8 byte)
{
    i->map = MAP_ONE;
    if (byte == 0x0f) {
        i->map = MAP_0F;
        byte = take(c, 1);
        if (byte == 0x38 || byte == 0x3a) {
            i->map = byte == 0x38 ? MAP_0F38 : MAP_0F3A;
            byte = take(c, 1);
        }
    }
    i->opcode = byte;
}

/* MOVBE is all that is known of 0F38; F2 in front makes it CRC32. */
static struct opcode lookup_0f38(const struct insn *i)
{
    if (i->opcode == 0xf0 && !i->rep)
        return (struct opcode){OP_MOVBE, REG_RM, M | MEM};
    if (i->opcode == 0xf1 && !i->rep)
        return (struct opcode){OP_MOVBE, RM_REG, M | MEM};
    return (struct opcode){OP_OTHER, NO, M};
}

/* The prefix is part of the opcode. */
static struct opcode lookup_0f(const struct insn *i)
{
    struct opcode o = map_0f[i->opcode];
    bool f3 = i->rep == 0xf3;

    if (o.op == OP_POPCNT && !f3)
        o.op = OP_INVALID;
    if ((o.op == OP_BSF || o.op == OP_BSR) && f3) /* TZCNT, LZCNT, or not: CPUID knows */
        o.op = OP_OTHER;
    if (i->opcode == 0xc3 && (i->rep || i->data16))
        o.op = OP_INVALID;
    if ((i->opcode & 0xfe) == 0x78 && (i->rep || i->data16)) /* EXTRQ, INSERTQ: two immediates */
        o.op = UNKNOWN;
    return o;
}

static struct opcode lookup_one(const struct insn *i, u8 rex)
{
    struct opcode o = map_one[i->opcode];

    if (i->opcode == 0x90 && !(rex & 1))
        o = (struct opcode){i->rep == 0xf3 ? OP_PAUSE : OP_NOP, NO, 0};
    if (i->opcode == 0x63 && i->mode != MODE_64)
        o.op = OP_OTHER;
    return o;
}

/* Of VEX instructions, moves are the ones known by more than their length. */
static struct opcode lookup_vex(const struct insn *i)
{
    struct opcode o = map_0f[i->opcode];

    if (i->map == MAP_0F38)
        return (struct opcode){OP_OTHER, NO, M};
    if (i->opcode == 0x77 || o.op == OP_VECTOR_MOVE)
        return o;
    return (struct opcode){OP_OTHER, NO, M | (o.op == OP_OTHER ? o.enc & U8 : 0)};
}

static struct opcode lookup(const struct insn *i, u8 rex)
{
    if (i->map == MAP_0F3A)
        return (struct opcode){OP_OTHER, NO, M | U8};
    if (i->vex)
        return lookup_vex(i);
    if (i->map == MAP_0F38)
        return lookup_0f38(i);
    return i->map == MAP_0F ? lookup_0f(i) : lookup_one(i, rex);
}

/* The operation of a group, with the opcode's and the group's encodings together. */
static struct opcode lookup_group(const struct insn *i, struct opcode o)
{
    struct opcode g = groups[o.op - GRP1][i->reg & 7];

    if (o.op == GRP7 && i->mod == 3)
        g.op = group7_reg[(i->reg & 7) << 3 | (i->rm & 7)] ?: OP_OTHER;
    g.args |= g.op == OP_PUSH ? 0 : o.args;
    g.enc |= o.enc;
    return g;
}

/* SDM 2A table 2-1. */
static void take_memory16(struct insn *i, struct cursor *c)
{
    static const u8 base[8] = {rBX, rBX, rBP, rBP, rSI, rDI, rBP, rBX};
    static const u8 index[4] = {rSI, rDI, rSI, rDI};

    i->base = base[i->rm];
    i->index = i->rm < 4 ? index[i->rm] : REG_NONE;
    if (i->mod == 0 && i->rm == 6) {
        i->base = REG_NONE;
        i->disp = take_signed(c, 2);
    } else if (i->mod) {
        i->disp = take_signed(c, i->mod);
    }
}

/* SDM 2A tables 2-2 and 2-3. rm and the SIB fields have their REX bits; 4 and 5 are told without.
 */
static void take_memory(struct insn *i, u8 rex, struct cursor *c)
{
    bool no_base;

    i->base = i->rm;
    if ((i->rm & 7) == rSP) {
        u8 sib = take(c, 1);

        i->scale = sib >> 6;
        i->base = (sib & 7) | (rex & 1) << 3;
        i->index = ((sib >> 3) & 7) | (rex & 2) << 2;
        if (i->index == rSP)
            i->index = REG_NONE;
    }
    no_base = i->mod == 0 && (i->base & 7) == rBP;
    if (no_base)
        i->base = (i->rm & 7) == rBP && i->mode == MODE_64 ? BASE_RIP : REG_NONE;
    if (i->mod == 2 || no_base)
        i->disp = take_signed(c, 4);
    else if (i->mod == 1)
        i->disp = take_signed(c, 1);
}

static void take_modrm(struct insn *i, const struct prefixes *p, struct cursor *c)
{
    u8 byte = take(c, 1);

    i->mod = byte >> 6;
    i->reg = ((byte >> 3) & 7) | (p->rex & 4) << 1;
    i->rm = (byte & 7) | (p->rex & 1) << 3;
}

static void take_address(struct insn *i, const struct prefixes *p, struct cursor *c)
{
    if (i->addr_size == 2)
        take_memory16(i, c);
    else
        take_memory(i, p->rex, c);
    if (!p->seg_given && (i->base == rBP || i->base == rSP))
        i->seg = SEG_SS;
}

static u8 operand_size(const struct insn *i, u16 enc)
{
    if (enc & B)
        return 1;
    if (enc & GPR)
        return i->mode == MODE_64 ? 8 : 4;
    if (enc & DW)
        return i->rex_w ? 8 : 4;
    if (i->mode == MODE_64 && (i->rex_w || (enc & D64 && !i->data16)))
        return 8;
    return (i->mode == MODE_16) == i->data16 ? 4 : 2;
}

static u8 address_size(const struct insn *i, bool prefix)
{
    if (i->mode == MODE_64)
        return prefix ? 4 : 8;
    return (i->mode == MODE_16) == prefix ? 4 : 2;
}

static void take_immediates(struct insn *i, u16 enc, struct cursor *c)
{
    unsigned z = MIN(i->op_size, 4);

    if (enc & I16)
        i->imm = take(c, 2);
    if (enc & I8)
        i->imm = take_signed(c, 1);
    if (enc & IZ)
        i->imm = take_signed(c, z);
    if (enc & IV)
        i->imm = take_signed(c, i->op_size);
    if (enc & FAR)
        i->imm = take(c, z);
    if (enc & FAR)
        i->imm2 = take(c, 2);
    if (enc & U8 && enc & I16)
        i->imm2 = take(c, 1);
    else if (enc & U8)
        i->imm = take(c, 1);
}

static struct operand reg_operand(u8 reg)
{
    return (struct operand){OPND_REG, reg};
}

/* Turns a place in the encoding into a register, memory or the immediate. */
static struct operand resolve(struct insn *i, u8 arg, u8 rex, struct cursor *c)
{
    switch (arg) {
    case RM:
        return i->mod == 3 ? reg_operand(i->rm) : (struct operand){OPND_MEM, REG_NONE};
    case REG:
        return reg_operand(i->reg);
    case ACC:
        return reg_operand(rAX);
    case CL:
        return reg_operand(rCX);
    case DX:
        return reg_operand(rDX);
    case OPC:
        return reg_operand((i->opcode & 7) | (rex & 1) << 3);
    case ONE:
        i->imm = 1;
        return (struct operand){OPND_IMM, REG_NONE};
    case IMM:
        return (struct operand){OPND_IMM, REG_NONE};
    case OFFS:
        i->disp = take(c, i->addr_size);
        return (struct operand){OPND_MEM, REG_NONE};
    }
    return (struct operand){OPND_NONE, REG_NONE};
}

/* LOCK before MOV CR0 is AMD's way to name CR8 outside 64-bit mode (APM 3, MOV CRn). */
static void alternative_cr8(struct insn *i)
{
    if (i->lock && i->reg == 0 && (i->op == OP_MOV_FROM_CR || i->op == OP_MOV_TO_CR)) {
        i->reg = 8;
        i->lock = false;
    }
}

/* LOCK wants a read-modify-write of memory. */
static int check_lock(const struct insn *i, u16 enc)
{
    bool allowed = enc & L && i->dst.kind == OPND_MEM && i->op != OP_CMP;

    return i->lock && !allowed ? -EINVAL : 0;
}

static int check(const struct insn *i, struct opcode o)
{
    if (o.op == OP_INVALID || (o.enc & NO64 && i->mode == MODE_64))
        return -EINVAL;
    if (o.op == UNKNOWN || (o.enc & NEAR && i->data16 && i->mode == MODE_64))
        return -ENOSYS;
    if (o.enc & MEM && i->mod == 3)
        return -EINVAL;
    return 0;
}

/* What follows the opcode. */
static int take_operands(struct insn *i, const struct prefixes *p, struct cursor *c)
{
    struct opcode o = lookup(i, p->rex);

    if (o.op == OP_INVALID)
        return -EINVAL;
    if (o.enc & M)
        take_modrm(i, p, c);
    if (o.enc & GPR)
        i->mod = 3;
    if (c->err)
        return c->err;
    if (o.op >= GRP1 && o.op < UNKNOWN)
        o = lookup_group(i, o);
    if (check(i, o))
        return check(i, o);
    i->op = o.op;
    i->op_size = operand_size(i, o.enc);
    if (o.enc & M && i->mod != 3)
        take_address(i, p, c);
    alternative_cr8(i);
    i->dst = resolve(i, o.args >> 4, p->rex, c);
    i->src = resolve(i, o.args & 15, p->rex, c);
    take_immediates(i, o.enc, c);
    return c->err ?: check_lock(i, o.enc);
}

int decode(struct insn *i, const u8 *bytes, unsigned len, enum cpu_mode mode)
{
    struct cursor c = {.bytes = bytes, .len = len};
    struct prefixes p = {0};
    u8 byte;

    *i = (struct insn){.mode = mode, .seg = SEG_DS, .base = REG_NONE, .index = REG_NONE};
    byte = take_prefixes(i, &p, &c);
    i->addr_size = address_size(i, p.addr_size);
    if (byte == 0x62 && is_vex(i, &c))
        return -ENOSYS;
    if ((byte == 0xc4 || byte == 0xc5) && is_vex(i, &c)) {
        int err = take_vex(i, &p, &c, byte);

        if (err)
            return err;
    } else {
        take_opcode(i, &c, byte);
    }
    if (c.err)
        return c.err;
    i->rex = p.rex && !i->vex;
    i->rex_w = p.rex & 8;
    c.err = take_operands(i, &p, &c);
    i->length = c.pos;
    return c.err;
}
