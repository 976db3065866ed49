/* SPDX-License-Identifier: BSD-2-Clause */
#include "hv/mov.h"
#include "hv/string.h"

/* SDM 2D tables, 2A 2.1: what is looked for is [66] [67] [REX] opcode ModRM [SIB]
 * [displacement] [immediate], or opcode address. Bit 0 of the opcode: not a byte. */
#define PREFIX_DATA      0x66
#define PREFIX_ADDRESS   0x67
#define REX_PREFIX(b)    (((b)&0xf0) == 0x40)
#define REX_W            8
#define REX_R            4
#define OPCODE_STORE     0x88
#define OPCODE_LOAD      0x8a
#define OPCODE_LOAD_A    0xa0
#define OPCODE_STORE_A   0xa2
#define OPCODE_STORE_IMM 0xc6
#define ESCAPE           0x0f
#define OPCODE_MOVZX     0xb6 /* behind the escape */

struct prefixes {
    bool data16, address32, any_rex;
    u8 rex;
};

static const u8 *take_prefixes(struct prefixes *x, const u8 *p, bool mode64)
{
    *x = (struct prefixes){0};
    for (unsigned i = 0; i < 2; i++) {
        if (*p == PREFIX_DATA && !x->data16)
            x->data16 = true, p++;
        else if (*p == PREFIX_ADDRESS && mode64 && !x->address32)
            x->address32 = true, p++;
    }
    if (mode64 && REX_PREFIX(*p)) {
        x->any_rex = true;
        x->rex = *p++;
    }
    return p;
}

static u8 operand_size(const struct prefixes *x, bool wide)
{
    if (!wide)
        return 1;
    return x->rex & REX_W ? 8 : x->data16 ? 2 : 4;
}

/* Bytes of ModRM, SIB and displacement with 32- or 64-bit addresses; 0: no memory operand (SDM
 * 2A 2.1.5). */
static unsigned modrm_length(u8 modrm, u8 sib)
{
    unsigned mod = modrm >> 6, rm = modrm & 7, length = rm == 4 ? 2 : 1;
    unsigned base = rm == 4 ? sib & 7 : rm;

    switch (mod) {
    case 0:
        return base == 5 ? length + 4 : length;
    case 1:
        return length + 1;
    case 2:
        return length + 4;
    default:
        return 0;
    }
}

static void choose_register(struct mov *m, const struct prefixes *x, u8 modrm)
{
    m->reg = (u8)((modrm >> 3 & 7) | (x->rex & REX_R) << 1);
    if (m->reg_size == 1 && !x->any_rex && m->reg >= 4) {
        m->high = true;
        m->reg -= 4;
    }
}

/* At most four bytes, sign-extended. */
static u64 immediate(const u8 *p, u8 size)
{
    s32 value = 0;

    if (size == 1)
        return (u64)(s8)*p;
    memcpy(&value, p, size == 2 ? 2 : 4);
    return size == 2 ? (u64)(s16)value : (u64)value;
}

/* opcode is behind the escape byte, if there is one; returns the bytes from there on, 0: another
 * one. */
static unsigned parse_modrm(struct mov *m, const struct prefixes *x, const u8 *opcode)
{
    unsigned operand = modrm_length(opcode[1], opcode[2]);

    if (operand == 0)
        return 0;
    if (!m->immediate) {
        choose_register(m, x, opcode[1]);
        return 1 + operand;
    }
    if (opcode[1] >> 3 & 7)
        return 0;
    m->value = immediate(opcode + 1 + operand, m->size);
    return 1 + operand + MIN(m->size, 4);
}

/* The whole of A at an address in the instruction (SDM 2B MOV, moffs). */
static unsigned parse_moffs(struct mov *m, const struct prefixes *x, u8 opcode, bool mode64)
{
    m->store = (opcode & 0xfe) == OPCODE_STORE_A;
    return mode64 && !x->address32 ? 9 : 5;
}

bool mov_parse(struct mov *m, const u8 bytes[MOV_LONGEST], bool mode64)
{
    struct prefixes x;
    const u8 *p = take_prefixes(&x, bytes, mode64);
    bool escaped = *p == ESCAPE;
    u8 opcode = p[escaped], kind = opcode & 0xfe;
    unsigned length = 0;

    *m = (struct mov){.size = operand_size(&x, opcode & 1)};
    m->reg_size = m->size;
    if (escaped && kind == OPCODE_MOVZX) {
        m->size = opcode & 1 ? 2 : 1;
        m->reg_size = operand_size(&x, true);
        length = parse_modrm(m, &x, ++p);
    } else if (!escaped &&
               (kind == OPCODE_LOAD || kind == OPCODE_STORE || kind == OPCODE_STORE_IMM)) {
        m->store = kind != OPCODE_LOAD;
        m->immediate = kind == OPCODE_STORE_IMM;
        length = parse_modrm(m, &x, p);
    } else if (!escaped && (kind == OPCODE_LOAD_A || kind == OPCODE_STORE_A)) {
        length = parse_moffs(m, &x, opcode, mode64);
    }
    m->length = (u8)(p - bytes + length);
    return length && m->length <= MOV_LONGEST;
}
