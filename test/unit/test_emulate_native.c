/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Decoder and emulator against the CPU the test runs on: random instructions with random registers,
 * flags, segments and memory, in 64-bit, 32-bit and 16-bit code. Registers, flags the manuals
 * define, memory and exceptions must come out the same.
 *
 * Instructions are put together here from opcode patterns and an encoder for ModRM and VEX that
 * shares nothing with the decoder. HELIUM_SEED repeats a run, HELIUM_CASES sets how many
 * instructions it has.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "hv/errno.h"
#include "hv/x86.h"
#include "test/unit/machine.h"
#include "test/unit/native.h"
#include "test/unit/random.h"

#define CASES 200000

/* What a pattern needs, or allows. */
enum {
    MODRM = 1,
    MEM = 2,    /* memory operand only */
    LOCK = 4,   /* LOCK allowed, with memory */
    STRING = 8, /* REP allowed, rSI and rDI are pointers, rCX is a count */
    ONLY64 = 16,
    NOT64 = 32,
    OFFS = 64, /* MOV moffs */
    BRANCH = 128,
    VECTOR = 256, /* VEX allowed; prefixes are part of it */
    MERGE = 512,  /* VEX.vvvv is a register */
    F3 = 1024,    /* these prefixes are part of it */
    F2 = 2048,
    P66 = 4096,
    LOCKS = 8192,    /* locks without LOCK */
    PARTIAL = 16384, /* VEX.L must be 0 */
    STACK = 32768,   /* an operand is at the stack pointer: no 66 prefix in some modes */
};

struct pattern {
    u8 map; /* enum opcode_map */
    u8 first, last;
    u8 groups; /* ModRM.reg values allowed, as bits; 0: any */
    u16 needs;
};

static const struct pattern patterns[] = {
    {MAP_ONE, 0x00, 0x03, 0, MODRM},
    {MAP_ONE, 0x04, 0x05, 0, 0},
    {MAP_ONE, 0x08, 0x0b, 0, MODRM},
    {MAP_ONE, 0x0c, 0x0d, 0, 0},
    {MAP_ONE, 0x10, 0x13, 0, MODRM},
    {MAP_ONE, 0x14, 0x15, 0, 0},
    {MAP_ONE, 0x18, 0x1b, 0, MODRM},
    {MAP_ONE, 0x1c, 0x1d, 0, 0},
    {MAP_ONE, 0x20, 0x23, 0, MODRM},
    {MAP_ONE, 0x24, 0x25, 0, 0},
    {MAP_ONE, 0x28, 0x2b, 0, MODRM},
    {MAP_ONE, 0x2c, 0x2d, 0, 0},
    {MAP_ONE, 0x30, 0x33, 0, MODRM},
    {MAP_ONE, 0x34, 0x35, 0, 0},
    {MAP_ONE, 0x38, 0x3b, 0, MODRM},
    {MAP_ONE, 0x3c, 0x3d, 0, 0},
    {MAP_ONE, 0x00, 0x01, 0, MODRM | MEM | LOCK},
    {MAP_ONE, 0x08, 0x09, 0, MODRM | MEM | LOCK},
    {MAP_ONE, 0x10, 0x11, 0, MODRM | MEM | LOCK},
    {MAP_ONE, 0x28, 0x29, 0, MODRM | MEM | LOCK},
    {MAP_ONE, 0x30, 0x31, 0, MODRM | MEM | LOCK},
    {MAP_ONE, 0x80, 0x81, 0x7f, MODRM | MEM | LOCK},
    {MAP_ONE, 0x40, 0x4f, 0, NOT64},
    {MAP_ONE, 0x50, 0x5f, 0, STACK},
    {MAP_ONE, 0x63, 0x63, 0, MODRM | ONLY64},
    {MAP_ONE, 0x68, 0x68, 0, STACK},
    {MAP_ONE, 0x69, 0x69, 0, MODRM},
    {MAP_ONE, 0x6a, 0x6a, 0, STACK},
    {MAP_ONE, 0x6b, 0x6b, 0, MODRM},
    {MAP_ONE, 0x80, 0x81, 0, MODRM},
    {MAP_ONE, 0x82, 0x82, 0, MODRM | NOT64},
    {MAP_ONE, 0x83, 0x83, 0, MODRM},
    {MAP_ONE, 0x84, 0x85, 0, MODRM},
    {MAP_ONE, 0x86, 0x87, 0, MODRM | LOCKS},
    {MAP_ONE, 0x88, 0x8b, 0, MODRM},
    {MAP_ONE, 0x8c, 0x8c, 0x3f, MODRM},
    {MAP_ONE, 0x8d, 0x8d, 0, MODRM | MEM},
    {MAP_ONE, 0x8f, 0x8f, 1, MODRM | STACK},
    {MAP_ONE, 0x90, 0x97, 0, 0},
    {MAP_ONE, 0xa0, 0xa3, 0, OFFS},
    {MAP_ONE, 0xa4, 0xa7, 0, STRING},
    {MAP_ONE, 0xa8, 0xa9, 0, 0},
    {MAP_ONE, 0xaa, 0xaf, 0, STRING},
    {MAP_ONE, 0xb0, 0xbf, 0, 0},
    {MAP_ONE, 0xc0, 0xc1, 0, MODRM},
    {MAP_ONE, 0xc6, 0xc7, 1, MODRM},
    {MAP_ONE, 0xd0, 0xd3, 0, MODRM},
    {MAP_ONE, 0xf6, 0xf7, 0, MODRM},
    {MAP_ONE, 0xf6, 0xf7, 0x0c, MODRM | MEM | LOCK},
    {MAP_ONE, 0xfe, 0xff, 3, MODRM},
    {MAP_ONE, 0xfe, 0xff, 3, MODRM | MEM | LOCK},
    {MAP_ONE, 0xff, 0xff, 0x14, MODRM | BRANCH},
    {MAP_ONE, 0xff, 0xff, 0x40, MODRM | STACK},

    {MAP_0F, 0x18, 0x18, 0x0f, MODRM | MEM},
    {MAP_0F, 0x1f, 0x1f, 0, MODRM},
    {MAP_0F, 0x40, 0x4f, 0, MODRM},
    {MAP_0F, 0x90, 0x9f, 0, MODRM},
    {MAP_0F, 0xa3, 0xa5, 0, MODRM},
    {MAP_0F, 0xab, 0xad, 0, MODRM},
    {MAP_0F, 0xab, 0xab, 0, MODRM | MEM | LOCK},
    {MAP_0F, 0xaf, 0xaf, 0, MODRM},
    {MAP_0F, 0xb0, 0xb1, 0, MODRM},
    {MAP_0F, 0xb0, 0xb1, 0, MODRM | MEM | LOCK},
    {MAP_0F, 0xb3, 0xb3, 0, MODRM},
    {MAP_0F, 0xb6, 0xb7, 0, MODRM},
    {MAP_0F, 0xb8, 0xb8, 0, MODRM | F3},
    {MAP_0F, 0xba, 0xba, 0xf0, MODRM},
    {MAP_0F, 0xba, 0xba, 0xe0, MODRM | MEM | LOCK},
    {MAP_0F, 0xbb, 0xbd, 0, MODRM},
    {MAP_0F, 0xbe, 0xbf, 0, MODRM},
    {MAP_0F, 0xc0, 0xc1, 0, MODRM},
    {MAP_0F, 0xc0, 0xc1, 0, MODRM | MEM | LOCK},
    {MAP_0F, 0xc3, 0xc3, 0, MODRM | MEM | VECTOR},
    {MAP_0F, 0xc7, 0xc7, 2, MODRM | MEM | LOCK},
    {MAP_0F38, 0xf0, 0xf1, 0, MODRM | MEM},

    {MAP_0F, 0x10, 0x11, 0, MODRM | MEM | VECTOR},
    {MAP_0F, 0x10, 0x11, 0, MODRM | MEM | VECTOR | P66},
    {MAP_0F, 0x10, 0x11, 0, MODRM | MEM | VECTOR | F3},
    {MAP_0F, 0x10, 0x11, 0, MODRM | MEM | VECTOR | F2},
    {MAP_0F, 0x12, 0x12, 0, MODRM | MEM | VECTOR | PARTIAL | MERGE},
    {MAP_0F, 0x12, 0x12, 0, MODRM | MEM | VECTOR | PARTIAL | MERGE | P66},
    {MAP_0F, 0x13, 0x13, 0, MODRM | MEM | VECTOR | PARTIAL},
    {MAP_0F, 0x13, 0x13, 0, MODRM | MEM | VECTOR | PARTIAL | P66},
    {MAP_0F, 0x16, 0x16, 0, MODRM | MEM | VECTOR | PARTIAL | MERGE},
    {MAP_0F, 0x16, 0x16, 0, MODRM | MEM | VECTOR | PARTIAL | MERGE | P66},
    {MAP_0F, 0x17, 0x17, 0, MODRM | MEM | VECTOR | PARTIAL},
    {MAP_0F, 0x17, 0x17, 0, MODRM | MEM | VECTOR | PARTIAL | P66},
    {MAP_0F, 0x28, 0x29, 0, MODRM | MEM | VECTOR},
    {MAP_0F, 0x28, 0x29, 0, MODRM | MEM | VECTOR | P66},
    {MAP_0F, 0x2b, 0x2b, 0, MODRM | MEM | VECTOR},
    {MAP_0F, 0x2b, 0x2b, 0, MODRM | MEM | VECTOR | P66},
    {MAP_0F, 0x6e, 0x6e, 0, MODRM | MEM | VECTOR | PARTIAL | P66},
    {MAP_0F, 0x7e, 0x7e, 0, MODRM | MEM | VECTOR | PARTIAL | P66},
    {MAP_0F, 0x7e, 0x7e, 0, MODRM | MEM | VECTOR | PARTIAL | F3},
    {MAP_0F, 0xd6, 0xd6, 0, MODRM | MEM | VECTOR | PARTIAL | P66},
    {MAP_0F, 0x6f, 0x6f, 0, MODRM | MEM | VECTOR | P66},
    {MAP_0F, 0x7f, 0x7f, 0, MODRM | MEM | VECTOR | P66},
    {MAP_0F, 0x6f, 0x6f, 0, MODRM | MEM | VECTOR | F3},
    {MAP_0F, 0x7f, 0x7f, 0, MODRM | MEM | VECTOR | F3},
    {MAP_0F, 0xe7, 0xe7, 0, MODRM | MEM | VECTOR | P66},
    {MAP_0F, 0xf0, 0xf0, 0, MODRM | MEM | VECTOR | F2},
};

/* One case: the instruction, and what it starts from. */
struct trial {
    const struct pattern *p;
    enum cpu_mode mode;
    u8 bytes[32];
    unsigned len;
    u8 opcode;
    u8 rex; /* of the encoding, also within VEX */
    bool addr67, data66, locked;
    int seg; /* override, or -1 */
    u16 ss, ds, es;
    u64 gpr[16], rflags;
    u8 ymm[16][32];
    u8 memory[ARENA_SIZE];
    /* The memory operand: where its address comes from, and what it is to be. */
    bool has_mem;
    int base, index;
    unsigned scale;
    unsigned disp_at, disp_len;
    bool rip_relative;
    u64 target; /* linear */
};

static bool chance(unsigned one_in)
{
    return !random_below(one_in);
}

/* Random numbers with a liking for edges. */
static u64 random_value(void)
{
    static const u64 edges[] = {0,
                                1,
                                0x7f,
                                0x80,
                                0xff,
                                0x7fff,
                                0x8000,
                                0x7fffffff,
                                0x80000000,
                                0xffffffff,
                                0x7fffffffffffffff,
                                0x8000000000000000,
                                ~0ull};

    switch (random_below(4)) {
    case 0:
        return edges[random_below(ARRAY_SIZE(edges))];
    case 1:
        return random_below(256);
    case 2:
        return (u64)(s64)(s32)random_u64();
    }
    return random_u64();
}

static void put(struct trial *t, u8 byte)
{
    t->bytes[t->len++] = byte;
}

static void put_n(struct trial *t, u64 v, unsigned n)
{
    memcpy(t->bytes + t->len, &v, n);
    t->len += n;
}

static unsigned address_bits(const struct trial *t)
{
    if (t->mode == MODE_64)
        return t->addr67 ? 32 : 64;
    return (t->mode == MODE_16) == t->addr67 ? 32 : 16;
}

static bool has_string(const struct trial *t)
{
    return t->p->needs & STRING;
}

static void choose_prefixes(struct trial *t)
{
    static const u8 segments[] = {0x26, 0x2e, 0x36, 0x3e, 0x65};
    unsigned needs = t->p->needs;

    t->addr67 = chance(6);
    /* A 16-bit branch in 32-bit code would land in the first 64 KiB; in 64-bit code vendors differ.
     */
    t->data66 = !(needs & (VECTOR | BRANCH)) ? chance(4) : needs & P66;
    if (needs & BRANCH && t->mode == MODE_16)
        t->data66 = chance(3);
    if (chance(5)) {
        u8 s = segments[random_below(sizeof(segments))];

        put(t, s);
        if (s == 0x65)
            t->seg = SEG_GS;
        else if (t->mode != MODE_64)
            t->seg = (s >> 3) & 3;
    }
}

static void put_prefixes(struct trial *t, bool vex)
{
    unsigned needs = t->p->needs;

    if (t->addr67)
        put(t, 0x67);
    if (needs & LOCK && chance(2)) {
        put(t, 0xf0);
        t->locked = true;
    }
    if (needs & LOCKS)
        t->locked = true;
    if (vex)
        return;
    if (t->data66)
        put(t, 0x66);
    if (needs & F3 || (has_string(t) && chance(3)))
        put(t, 0xf3);
    else if (needs & F2 || (has_string(t) && chance(3)))
        put(t, 0xf2);
}

static u8 vex_pp(const struct trial *t)
{
    return t->p->needs & P66 ? 1 : t->p->needs & F3 ? 2 : t->p->needs & F2 ? 3 : 0;
}

/* The REX bits stay as chosen; in 32-bit code they cannot be given. */
static void put_vex(struct trial *t)
{
    u8 vvvv = t->p->needs & MERGE ? random_below(t->mode == MODE_64 ? 16 : 8) : 0;
    u8 l = t->p->needs & PARTIAL ? 0 : random_below(2);
    u8 low = (~vvvv & 15) << 3 | l << 2 | vex_pp(t);

    if (!(t->rex & 0xb) && chance(2)) {
        put(t, 0xc5);
        put(t, (t->rex & 4 ? 0 : 0x80) | low);
        return;
    }
    put(t, 0xc4);
    put(t, (~t->rex & 7) << 5 | t->p->map);
    put(t, (t->rex & 8 ? 0x80 : 0) | low);
}

static void put_opcode(struct trial *t, bool vex)
{
    t->opcode = t->p->first + random_below(t->p->last - t->p->first + 1);
    if (!vex && t->p->map != MAP_ONE)
        put(t, 0x0f);
    if (!vex && t->p->map == MAP_0F38)
        put(t, 0x38);
    put(t, t->opcode);
}

static u8 choose_reg(const struct trial *t)
{
    u8 reg;

    do
        reg = random_below(8);
    while (t->p->groups && !(t->p->groups >> reg & 1));
    return reg;
}

static void put_memory16(struct trial *t, u8 reg)
{
    static const int base[8] = {rBX, rBX, rBP, rBP, rSI, rDI, rBP, rBX};
    static const int index[8] = {rSI, rDI, rSI, rDI, -1, -1, -1, -1};
    u8 mod = random_below(3), rm = random_below(8);

    put(t, mod << 6 | reg << 3 | rm);
    t->base = mod == 0 && rm == 6 ? -1 : base[rm];
    t->index = index[rm];
    t->disp_at = t->len;
    t->disp_len = t->base < 0 ? 2 : mod;
    put_n(t, random_u64(), t->disp_len);
}

static void put_sib(struct trial *t, u8 mod)
{
    u8 sib = random_u64();
    u8 index = ((sib >> 3) & 7) | (t->rex & 2) << 2;

    put(t, sib);
    t->scale = sib >> 6;
    t->index = index == 4 ? -1 : index;
    t->base = mod == 0 && (sib & 7) == 5 ? -1 : (sib & 7) | (t->rex & 1) << 3;
}

static void put_memory32(struct trial *t, u8 reg)
{
    u8 mod = random_below(3), rm = random_below(8);

    put(t, mod << 6 | reg << 3 | rm);
    t->base = rm | (t->rex & 1) << 3;
    if (rm == 4)
        put_sib(t, mod);
    else if (mod == 0 && rm == 5) {
        t->base = -1;
        t->rip_relative = t->mode == MODE_64;
    }
    t->disp_at = t->len;
    t->disp_len = mod == 1 ? 1 : mod == 2 || t->base < 0 ? 4 : 0;
    put_n(t, random_u64(), t->disp_len);
}

static void put_modrm(struct trial *t)
{
    u8 reg = choose_reg(t);

    if (!(t->p->needs & MEM) && chance(3)) {
        put(t, 0xc0 | reg << 3 | random_below(8));
        return;
    }
    t->has_mem = true;
    if (address_bits(t) == 16)
        put_memory16(t, reg);
    else
        put_memory32(t, reg);
}

/* Puts the instruction together; behind it come random bytes for immediates. */
static void encode(struct trial *t)
{
    bool vex = t->p->needs & VECTOR && t->opcode != 0xc3 && native_state->avx && chance(2);

    t->seg = t->base = t->index = -1;
    vex = vex && t->p->first != 0xc3;
    choose_prefixes(t);
    put_prefixes(t, vex);
    if (t->mode == MODE_64 && chance(2))
        t->rex = 0x40 | random_below(16);
    if (vex)
        put_vex(t);
    else if (t->rex)
        put(t, t->rex);
    put_opcode(t, vex);
    if (t->p->needs & MODRM)
        put_modrm(t);
    if (t->p->needs & OFFS) {
        t->has_mem = true;
        t->disp_at = t->len;
        t->disp_len = address_bits(t) / 8;
        t->len += t->disp_len;
    }
    for (unsigned n = 0; n < 8; n++)
        t->bytes[t->len + n] = random_u64();
}

static u16 choose_selector(const struct trial *t)
{
    static const u16 all[] = {SEL_BIG,   SEL_BIG,  SEL_FLAT,     SEL_DATA16,
                              SEL_SHORT, SEL_DOWN, SEL_READ_ONLY};

    if (t->mode == MODE_64 || !native_state->ldt)
        return SEL_FLAT;
    return all[random_below(ARRAY_SIZE(all))];
}

static void choose_segments(struct trial *t)
{
    static const u16 stacks[] = {SEL_FLAT, SEL_BIG, SEL_DATA16};

    t->ds = choose_selector(t);
    t->es = choose_selector(t);
    t->ss = t->mode == MODE_64 || !native_state->ldt ? SEL_FLAT
                                                     : stacks[random_below(ARRAY_SIZE(stacks))];
}

static u16 code_selector(enum cpu_mode mode)
{
    return mode == MODE_64 ? SEL_CODE64 : mode == MODE_32 ? SEL_CODE32 : SEL_CODE16;
}

static u16 gs_selector(void)
{
    return native_state->ldt ? SEL_BIG : SEL_FLAT;
}

static u64 base_of(const struct trial *t, int seg)
{
    u16 sel[] = {t->es, code_selector(t->mode), t->ss, t->ds, 0, gs_selector()};

    if (t->mode == MODE_64 && seg != SEG_GS)
        return 0;
    return native_segment(sel[seg]).base;
}

static int effective_segment(const struct trial *t)
{
    if (t->seg >= 0)
        return t->seg;
    return t->base == rSP || t->base == rBP ? SEG_SS : SEG_DS;
}

/* Some place in the arena, now and then across its edges. */
static u64 choose_target(const struct trial *t)
{
    u64 a = NATIVE_ARENA + random_below(ARENA_SIZE);

    if (chance(8))
        a = NATIVE_ARENA +
            (chance(2)   ? 0
             : chance(2) ? ARENA_SIZE
                         : ARENA_SIZE / 2) -
            random_below(17);
    if (chance(8) && t->mode != MODE_64)
        a = NATIVE_WINDOW + (chance(2) ? 0x9800 : 0x9000) - random_below(17); /* limits */
    return t->locked || (t->p->needs & VECTOR && chance(2)) ? a & ~31ull : a;
}

static void choose_registers(struct trial *t)
{
    u64 sp = choose_target(t) - base_of(t, SEG_SS);

    for (int n = 0; n < 16; n++)
        t->gpr[n] = random_value();
    if (t->opcode >= 0xf6 && t->opcode <= 0xf7 && t->p->map == MAP_ONE && chance(2))
        t->gpr[rDX] = random_below(16);                    /* a quotient that fits */
    if (t->p->map == MAP_0F && (t->opcode & 0xe7) == 0xa3) /* BT and its kin: stay near */
        for (int n = 0; n < 16; n++)
            t->gpr[n] = chance(4) ? t->gpr[n] : (u64)((s64)random_below(8192) - 4096);
    if (chance(4))
        t->gpr[rCX] = random_below(70);
    /* IRET to a stack segment with B clear loads SP only: the rest is the trampoline's. */
    t->gpr[rSP] = t->ss == SEL_DATA16 ? (NATIVE_BASE & ~0xffffull) | (u16)sp : sp;
    if (t->mode != MODE_64)
        for (int n = 0; n < 16; n++)
            t->gpr[n] = (u32)t->gpr[n];
    for (int n = 0; n < 16; n++)
        for (int k = 0; k < 4; k++) {
            u64 v = random_u64();

            memcpy(t->ymm[n] + 8 * k, &v, 8);
        }
}

/* Gives register n the value that makes an address of the right width; what is above is left alone.
 */
static void set_address(struct trial *t, int n, u64 value)
{
    u64 mask = address_bits(t) == 64 ? ~0ull : (1ull << address_bits(t)) - 1;

    if (n == rSP && t->ss == SEL_DATA16)
        mask = 0xffff;
    t->gpr[n] = (t->gpr[n] & ~mask) | (value & mask);
}

static void set_disp(struct trial *t, u64 value)
{
    memcpy(t->bytes + t->disp_at, &value, t->disp_len);
}

static u64 get_disp(const struct trial *t)
{
    u64 v = 0;

    if (!t->disp_len)
        return 0;
    memcpy(&v, t->bytes + t->disp_at, t->disp_len);
    return (u64)((s64)(v << (64 - 8 * t->disp_len)) >> (64 - 8 * t->disp_len));
}

/* Points the memory operand at t->target. len is the instruction's. */
static void aim(struct trial *t, unsigned len)
{
    u64 want = t->target - base_of(t, effective_segment(t));

    if (t->rip_relative) {
        set_disp(t, want - (NATIVE_CODE + len));
        return;
    }
    if (t->index >= 0 && t->base < 0 && chance(2))
        set_address(t, t->index, random_below(256));
    if (t->index >= 0)
        want -= t->gpr[t->index] << t->scale;
    if (t->base < 0)
        set_disp(t, want);
    else if (t->base != t->index)
        set_address(t, t->base, want - get_disp(t));
}

static void aim_string(struct trial *t)
{
    int src = t->seg >= 0 ? t->seg : SEG_DS;

    set_address(t, rSI, choose_target(t) - base_of(t, src));
    set_address(t, rDI, choose_target(t) - base_of(t, SEG_ES));
    set_address(t, rCX, random_below(chance(8) ? 3000 : 40));
}

/* A branch goes to the jump behind the instruction: the only place prepared for it. */
static void aim_branch(struct trial *t)
{
    u64 to = NATIVE_RETURN(t->len) - (t->mode == MODE_16 ? NATIVE_WINDOW : 0);
    u8 reg = (t->bytes[t->len - 1] & 7) | (t->rex & 1) << 3;

    if (!t->has_mem && (reg != rSP || t->ss != SEL_DATA16))
        t->gpr[reg] = to;
    if (t->has_mem && t->target - NATIVE_ARENA <= ARENA_SIZE - 8)
        memcpy(t->memory + (t->target - NATIVE_ARENA), &to, 8);
}

static void choose_memory(struct trial *t)
{
    for (unsigned n = 0; n < ARENA_SIZE; n += 8) {
        u64 v = n % 64 ? random_u64() : random_value();

        memcpy(t->memory + n, &v, 8);
    }
    if (chance(4)) /* strings that compare equal for a while */
        memset(t->memory, (int)random_u64(), ARENA_SIZE);
}

static void choose_flags(struct trial *t)
{
    const u64 some =
        RFLAGS_CF | RFLAGS_PF | RFLAGS_AF | RFLAGS_ZF | RFLAGS_SF | RFLAGS_OF | RFLAGS_DF;

    t->rflags = (random_u64() & some) | RFLAGS_RESERVED | RFLAGS_IF;
    if (chance(16) && !(t->p->needs & VECTOR))
        t->rflags |= RFLAGS_AC;
}

/* CMPXCHG8B and 16B: let them succeed at times. */
static void aim_cmpxchg(struct trial *t)
{
    u64 at = t->target - NATIVE_ARENA;

    if (t->p->map != MAP_0F || at > ARENA_SIZE - 16 || chance(2))
        return;
    if (t->opcode == 0xc7 && t->rex & 8) {
        memcpy(t->memory + at, &t->gpr[rAX], 8);
        memcpy(t->memory + at + 8, &t->gpr[rDX], 8);
    } else if (t->opcode == 0xc7) {
        memcpy(t->memory + at, &t->gpr[rAX], 4);
        memcpy(t->memory + at + 4, &t->gpr[rDX], 4);
    } else if (t->opcode == 0xb0 || t->opcode == 0xb1) {
        memcpy(t->memory + at, &t->gpr[rAX], 8);
    }
}

/* False: no such instruction in this mode. */
static bool make_trial(struct trial *t, struct insn *i)
{
    static const enum cpu_mode modes[] = {MODE_64, MODE_64, MODE_32, MODE_16};

    memset(t, 0, sizeof(*t));
    t->p = &patterns[random_below(ARRAY_SIZE(patterns))];
    t->mode = modes[random_below(native_state->ldt ? 4 : native_state->code32 ? 3 : 2)];
    if (t->p->needs & (t->mode == MODE_64 ? NOT64 : ONLY64))
        return false;
    encode(t);
    choose_segments(t);
    choose_registers(t);
    choose_flags(t);
    choose_memory(t);
    t->target = choose_target(t);
    if (has_string(t))
        aim_string(t);
    if (decode(i, t->bytes, sizeof(t->bytes), t->mode))
        return false;
    if (t->has_mem)
        aim(t, i->length);
    if (t->p->needs & BRANCH)
        aim_branch(t);
    if (t->has_mem)
        aim_cmpxchg(t);
    return !decode(i, t->bytes, sizeof(t->bytes),
                   t->mode); /* again: the displacement has changed */
}

static void set_machine(struct machine *m, const struct trial *t)
{
    machine_init(m, NATIVE_ARENA);
    machine_mode(m, t->mode, true);
    m->e.cr0 |= CR0_AM;
    m->e.cpl = 3;
    m->e.efer = EFER_LMA;
    m->e.rip = t->mode == MODE_16 ? NATIVE_CODE - NATIVE_WINDOW : NATIVE_CODE;
    m->e.rflags = t->rflags;
    m->seg[SEG_CS] = native_segment(code_selector(t->mode));
    m->seg[SEG_DS] = native_segment(t->ds);
    m->seg[SEG_ES] = native_segment(t->es);
    m->seg[SEG_SS] = native_segment(t->ss);
    m->seg[SEG_GS] = native_segment(gs_selector());
    m->seg[SEG_FS] = (struct segment){0};
    if (t->mode == MODE_64)
        m->seg[SEG_DS].selector = m->seg[SEG_ES].selector = 0;
    memcpy(m->gpr, t->gpr, sizeof(m->gpr));
    memcpy(m->ymm, t->ymm, sizeof(m->ymm));
    memcpy(m->memory, t->memory, ARENA_SIZE);
    m->wait = chance(4);
    m->rep_most = chance(2) ? 0 : 1 + random_below(9);
    m->e.rep_limit = random_below(6);
}

static void run_native(const struct trial *t, const struct insn *i)
{
    struct native *n = native_state;

    memcpy(n->gpr, t->gpr, sizeof(n->gpr));
    memcpy(n->ymm, t->ymm, sizeof(n->ymm));
    memcpy(native_arena, t->memory, ARENA_SIZE);
    n->rflags = t->rflags;
    n->ds = t->mode == MODE_64 ? 0 : t->ds;
    n->es = t->mode == MODE_64 ? 0 : t->es;
    n->gs = gs_selector();
    native_run(t->bytes, i->length, t->mode, t->ss);
}

/* An address where certainly nothing is: a fault there does no harm. */
static bool surely_unmapped(u64 gva)
{
    if (gva >= 1ull << 47)
        return true;
    return gva - NATIVE_WINDOW < 0x10000 && (gva & PAGE_MASK) != NATIVE_CODE &&
           gva - NATIVE_ARENA >= ARENA_SIZE;
}

/* The emulator has run: may the CPU, too? Not if it would write where the test lives. */
static bool is_safe(const struct machine *m, const struct trial *t, const struct insn *i, int err)
{
    u64 behind = NATIVE_RETURN(i->length) - (t->mode == MODE_16 ? NATIVE_WINDOW : 0);

    if (err == -EFAULT && m->e.fault.vector == TRAP_PF)
        return surely_unmapped(m->e.fault.cr2);
    return err || m->e.rip == behind;
}

/* Flags that the manuals leave undefined. */
static u64 undefined_flags(const struct trial *t, const struct insn *i)
{
    const u64 all = RFLAGS_CF | RFLAGS_PF | RFLAGS_AF | RFLAGS_ZF | RFLAGS_SF | RFLAGS_OF;
    bool imm = i->src.kind == OPND_IMM || (i->opcode & 0xf7) == 0xa4;
    unsigned count = (imm ? i->imm : t->gpr[rCX]) & (i->op_size == 8 ? 63 : 31);

    switch (i->op) {
    case OP_AND:
    case OP_OR:
    case OP_XOR:
    case OP_TEST:
        return RFLAGS_AF;
    case OP_ROL:
    case OP_ROR:
    case OP_RCL:
    case OP_RCR:
        return count > 1 ? RFLAGS_OF : 0;
    case OP_SHL:
    case OP_SAL:
    case OP_SHR:
    case OP_SAR:
        return (count ? RFLAGS_AF : 0) | (count > 1 ? RFLAGS_OF : 0) |
               (count >= 8u * i->op_size ? RFLAGS_CF : 0);
    case OP_SHLD:
    case OP_SHRD:
        return (count ? RFLAGS_AF : 0) | (count > 1 ? RFLAGS_OF : 0);
    case OP_BT:
    case OP_BTS:
    case OP_BTR:
    case OP_BTC:
        return all & ~(RFLAGS_CF | RFLAGS_ZF);
    case OP_BSF:
    case OP_BSR:
        return all & ~RFLAGS_ZF;
    case OP_MUL:
    case OP_IMUL:
    case OP_IMUL_REG:
    case OP_IMUL_IMM:
        return all & ~(RFLAGS_CF | RFLAGS_OF);
    case OP_DIV:
    case OP_IDIV:
        return all;
    }
    return 0;
}

/*
 * SHLD and SHRD of words by more than 16 have no defined result at all. Vendors differ in what they
 * read for MOVSXD to 16 bits, and in the upper half of a register that CMPXCHG leaves alone.
 * Intel's model 85 does MOVBE with both 66 and REX.W byte by byte: no #AC, and half of it done at a
 * fault.
 */
static bool undefined_result(const struct trial *t, const struct insn *i)
{
    unsigned count = (i->opcode & 1 ? t->gpr[rCX] : i->imm) & 31;

    if (i->op == OP_SHLD || i->op == OP_SHRD)
        return i->op_size == 2 && count > 16;
    if (i->op == OP_MOVSXD)
        return i->op_size == 2;
    if (i->op == OP_MOVBE)
        return i->op_size == 8 && t->data66;
    return i->op == OP_CMPXCHG && i->dst.kind == OPND_REG && i->op_size == 4;
}

static void print_trial(const struct trial *t, const struct insn *i)
{
    print_error("%d-bit:", t->mode);
    for (unsigned n = 0; n < i->length; n++)
        print_error(" %02x", t->bytes[n]);
    print_error("  op %d ds %x es %x ss %x rflags %lx\n", i->op, t->ds, t->es, t->ss, t->rflags);
    for (int n = 0; n < 16; n++)
        print_error("%s r%d=%lx", n == 8 ? "\n" : "", n, t->gpr[n]);
    print_error("\n");
}

static bool same(const char *what, u64 emulated, u64 real)
{
    if (emulated != real)
        print_error("%s: emulator %lx, CPU %lx\n", what, emulated, real);
    return emulated == real;
}

/* An operand that crosses into another page and out of its segment: the CPU may find its first
 * part's page missing before it looks at the second part's limit. */
static bool first_part_faults(const struct event *f, int err)
{
    const struct native *n = native_state;

    return err == -EFAULT && (f->vector == TRAP_GP || f->vector == TRAP_SS) && n->trap == TRAP_PF &&
           (n->cr2 & (PAGE_SIZE - 1)) > PAGE_SIZE - sizeof(((struct machine *)NULL)->ymm[0]);
}

/* An operand that is not aligned and lies out of its segment: Intel's CPUs may find the first
 * before the second. */
static bool alignment_first(const struct trial *t, const struct event *f, int err)
{
    return err == -EFAULT && (f->vector == TRAP_GP || f->vector == TRAP_SS) &&
           t->rflags & RFLAGS_AC && native_state->trap == TRAP_AC;
}

static bool same_exception(const struct machine *m, const struct trial *t, const struct insn *i,
                           int err)
{
    const struct native *n = native_state;
    const struct event *f = &m->e.fault;

    /* Which of its two accesses, or of push and jump, faults first is the CPU's choice. */
    if ((i->op == OP_CMPS || i->op == OP_CALL) && err && n->trap >= 0)
        return true;
    if (first_part_faults(f, err) || alignment_first(t, f, err))
        return true;
    if (!same("exception", err == -EFAULT ? f->vector : (u64)-1, (u64)n->trap))
        return false;
    if (err != -EFAULT)
        return true;
    if (f->vector != TRAP_PF)
        return same("error code", f->error, n->error);
    return same("CR2", f->cr2, n->cr2) &&
           same("#PF is a write", f->error & PFEC_W, n->error & PFEC_W);
}

static bool is_repeated(const struct insn *i)
{
    return i->rep && i->op >= OP_MOVS && i->op <= OP_SCAS;
}

/* CPUs differ in whether RCX, RSI and RDI lose their upper halves to 32-bit addresses when a
 * repeated instruction does not do a single round, by its count or by a fault. */
static bool may_lose_upper_half(const struct trial *t, const struct insn *i, int err, int k)
{
    return t->mode == MODE_64 && is_repeated(i) && i->addr_size == 4 &&
           (err || (u32)t->gpr[rCX] == 0) && (k == rCX || k == rSI || k == rDI);
}

/* A fault in a later round of CMPS or SCAS: Intel's CPUs put back the flags from before the
 * instruction (SDM 2B, REP), AMD's leave those of the round before. */
static bool flags_put_back(const struct trial *t, const struct insn *i, int err, u64 flags_mask)
{
    return err && is_repeated(i) && (i->op == OP_CMPS || i->op == OP_SCAS) &&
           ((native_state->rflags ^ t->rflags) & flags_mask) == 0;
}

static bool same_registers(const struct machine *m, const struct trial *t, const struct insn *i,
                           int err, u64 flags_mask)
{
    const struct native *n = native_state;
    u64 mask = t->mode == MODE_64 ? ~0ull : 0xffffffff;
    bool ok = true;

    for (int k = 0; k < 16; k++) {
        u64 part = may_lose_upper_half(t, i, err, k) ? 0xffffffff : mask;
        char name[16];

        snprintf(name, sizeof(name), "r%d", k);
        ok = same(name, m->gpr[k] & part, n->gpr[k] & part) && ok;
    }
    if (!flags_put_back(t, i, err, flags_mask))
        ok = same("rflags", m->e.rflags & flags_mask, n->rflags & flags_mask) && ok;
    for (int k = 0; k < 16; k++)
        if (memcmp(m->ymm[k], n->ymm[k], n->avx ? 32 : 16) != 0) {
            print_error("vector register %d differs\n", k);
            ok = false;
        }
    return ok;
}

static bool same_memory(const struct machine *m)
{
    if (!memcmp(m->memory, native_arena, ARENA_SIZE))
        return true;
    for (unsigned n = 0; n < ARENA_SIZE; n++)
        if (!same("memory", m->memory[n], native_arena[n])) {
            print_error("at arena + %x\n", n);
            return false;
        }
    return false;
}

static bool agree(const struct machine *m, const struct trial *t, const struct insn *i, int err)
{
    u64 undefined = err ? 0 : undefined_flags(t, i);
    bool ok = same_exception(m, t, i, err);

    /* RF of a fault's image is the CPU's own business. */
    ok = same_registers(m, t, i, err, ~(undefined | RFLAGS_RF)) && ok;
    /* A CALL that cannot go where it wants to may have pushed already. */
    return ((i->op == OP_CALL && err) || same_memory(m)) && ok;
}

/* What ran, by operation, so that a generator that has gone silent is noticed. */
static unsigned ran[OP_COUNT], ran_in[65], faults;

/* 1: compared; 0: not suitable. */
static int one_trial(void)
{
    static struct trial t;
    static struct machine m;
    struct insn i;
    int err;

    if (!make_trial(&t, &i) || undefined_result(&t, &i))
        return 0;
    set_machine(&m, &t);
    err = machine_run(&m, &i, true);
    if (err && err != -EFAULT) {
        print_trial(&t, &i);
        fail_msg("emulate() returned %d", err);
    }
    if (!is_safe(&m, &t, &i, err))
        return 0;
    run_native(&t, &i);
    if (!agree(&m, &t, &i, err)) {
        print_trial(&t, &i);
        fail_msg("the CPU does it differently");
    }
    ran[i.op]++;
    ran_in[t.mode]++;
    faults += err != 0;
    return 1;
}

static void test_random_instructions(void **state)
{
    static const enum operation others[] = {OP_MOV_TO_SREG, OP_INS, OP_OUTS, OP_IN, OP_OUT};
    const char *cases = getenv("HELIUM_CASES");
    u64 want = cases ? strtoull(cases, NULL, 0) : CASES, done = 0, tried = 0;

    (void)state;
    if (native_init()) {
        print_message("the addresses that the test needs are taken\n");
        skip();
    }
    if (!native_state->code32)
        print_message("this machine runs no 32-bit code: 64-bit code only\n");
    else if (!native_state->ldt)
        print_message("no LDT on this machine: no 16-bit code, and flat segments only\n");
    while (done < want) {
        done += (u64)one_trial();
        assert_true(++tried < 10 * want + 1000);
    }
    print_message(
        "%lu instructions compared (%u 64-bit, %u 32-bit, %u 16-bit), %u of them faults; %lu tried\n",
        done, ran_in[64], ran_in[32], ran_in[16], faults, tried);
    for (int op = OP_ADD; op <= OP_OUT && want >= CASES; op++) {
        bool elsewhere = false;

        for (unsigned n = 0; n < ARRAY_SIZE(others); n++)
            elsewhere |= op == (int)others[n];
        if (!elsewhere && ran[op] < 10)
            fail_msg("operation %d ran %u times only", op, ran[op]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_random_instructions)};

    random_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
