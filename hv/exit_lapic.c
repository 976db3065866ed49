/* SPDX-License-Identifier: BSD-2-Clause */
#include "hv/cpu_state.h"
#include "hv/decode.h"
#include "hv/domain.h"
#include "hv/emulate.h"
#include "hv/exit_lapic.h"
#include "hv/string.h"
#include "hv/vcpu.h"
#include "hv/vendor.h"

/* SDM 2D table A-2 and 2A 2.1: what is looked for is [67] [REX] opcode ModRM [SIB] [displacement]
 * [immediate], or [67] [REX] opcode address. */
#define PREFIX_ADDRESS   0x67
#define REX_NOT_W        0x40
#define OPCODE_STORE     0x89
#define OPCODE_LOAD      0x8b
#define OPCODE_LOAD_EAX  0xa1
#define OPCODE_STORE_EAX 0xa3
#define OPCODE_STORE_IMM 0xc7
#define LONGEST          (1 + 1 + 1 + 1 + 1 + 4 + 4)

struct mov {
    u8 length;
    bool store, immediate;
    u8 reg;
    u32 value; /* of the immediate */
};

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

/* A load or store of EAX at an address in the instruction (SDM 2B MOV, moffs32). */
static bool parse_moffs(struct mov *m, u8 opcode, bool wide_address)
{
    m->reg = RAX;
    m->store = opcode == OPCODE_STORE_EAX;
    m->length = wide_address ? 9 : 5;
    return true;
}

static bool parse_modrm(struct mov *m, const u8 *bytes, u8 rex)
{
    u8 modrm = bytes[1];
    unsigned operand = modrm_length(modrm, bytes[2]);

    m->reg = (u8)((modrm >> 3 & 7) | (rex & 4) << 1);
    m->store = bytes[0] != OPCODE_LOAD;
    m->immediate = bytes[0] == OPCODE_STORE_IMM;
    if (operand == 0 || (m->immediate && (modrm >> 3 & 7)))
        return false;
    if (m->immediate)
        memcpy(&m->value, bytes + 1 + operand, sizeof(m->value));
    m->length = (u8)(1 + operand + (m->immediate ? 4 : 0));
    return true;
}

/* A 32-bit MOV, as its bytes say in 32- and 64-bit code. REX.W would make it a wider one. */
static bool parse(struct mov *m, const u8 *bytes, bool mode64)
{
    bool addr32 = mode64 && bytes[0] == PREFIX_ADDRESS;
    const u8 *p = bytes + addr32;
    u8 rex = mode64 && (*p & 0xf8) == REX_NOT_W ? *p++ : 0;
    bool done = false;

    *m = (struct mov){0};
    if (*p == OPCODE_LOAD_EAX || *p == OPCODE_STORE_EAX)
        done = parse_moffs(m, *p, mode64 && !addr32);
    else if (*p == OPCODE_LOAD || *p == OPCODE_STORE || *p == OPCODE_STORE_IMM)
        done = parse_modrm(m, p, rex);
    m->length += (u8)(p - bytes);
    return done;
}

/* The CPU has translated and checked the operand: the exit tells where it lies. */
bool exit_lapic_page(struct vcpu *v)
{
    const struct exit_npf *npf = &v->exit.npf;
    u64 offset = npf->gpa.v - vlapic_mmio_base(&v->vlapic).v;
    struct cpu_state s;
    struct mov m;

    if (offset >= PAGE_SIZE || npf->in_walk || (offset & 3) || v->dr_loaded)
        return false;
    vendor->state_get(v, STATE_CR | STATE_CS_SS, &s);
    if (emu_mode(s.efer, &s.seg[SEG_CS]) == MODE_16)
        return false;
    fetch_insn(v, &s);
    if (v->exit.bytes_len < LONGEST ||
        !parse(&m, v->exit.bytes, emu_mode(s.efer, &s.seg[SEG_CS]) == MODE_64) ||
        m.store != !!(npf->access & ACCESS_WRITE))
        return false;
    if (m.store)
        vlapic_mmio_write(&v->vlapic, (u32)offset, 4, m.immediate ? m.value : (u32)v->gpr[m.reg]);
    else
        v->gpr[m.reg] = (u32)vlapic_mmio_read(&v->vlapic, (u32)offset);
    vcpu_skip(v, m.length);
    return true;
}
