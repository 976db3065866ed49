/* SPDX-License-Identifier: BSD-2-Clause */
/* Arithmetic, logic, shifts, bits: SDM 1 3.4.3.1 for the flags. */
#include "hv/emulate_internal.h"

typedef unsigned __int128 u128;
typedef __int128 s128;

static u64 top_bit(u64 v, unsigned size)
{
    return (v >> (8 * size - 1)) & 1;
}

static u64 flag(u64 f, u64 which, bool on)
{
    return on ? f | which : f & ~which;
}

/* SF, ZF and PF by a result. PF is set when the low byte has an even number of ones. */
static u64 result_flags(u64 f, u64 r, unsigned size)
{
    unsigned nibble = (r ^ r >> 4) & 15;

    f = flag(f, RFLAGS_SF, top_bit(r, size));
    f = flag(f, RFLAGS_ZF, !(r & size_mask(size)));
    return flag(f, RFLAGS_PF, 0x9669 >> nibble & 1);
}

/* All six. In carry, a bit is set where that position carried (or borrowed) into the next. */
static u64 arith_flags(u64 f, u64 r, unsigned size, u64 carry, u64 overflow)
{
    f = result_flags(f, r, size);
    f = flag(f, RFLAGS_CF, top_bit(carry, size));
    f = flag(f, RFLAGS_AF, carry & 8);
    return flag(f, RFLAGS_OF, top_bit(overflow, size));
}

static u64 add(u64 a, u64 b, bool c, unsigned size, u64 *f)
{
    u64 r = a + b + c;

    *f = arith_flags(*f, r, size, (a & b) | ((a | b) & ~r), (a ^ r) & (b ^ r));
    return r;
}

static u64 sub(u64 a, u64 b, bool c, unsigned size, u64 *f)
{
    u64 r = a - b - c;

    *f = arith_flags(*f, r, size, (~a & b) | ((~a | b) & r), (a ^ b) & (a ^ r));
    return r;
}

static u64 logic(u64 r, unsigned size, u64 *f)
{
    *f = arith_flags(*f, r, size, 0, 0);
    return r;
}

u64 compare_flags(u64 f, u64 a, u64 b, unsigned size)
{
    sub(a, b, 0, size, &f);
    return f;
}

static u64 binary(u8 op, u64 a, u64 b, unsigned size, u64 *f)
{
    bool c = *f & RFLAGS_CF;

    switch (op) {
    case OP_ADD:
        return add(a, b, 0, size, f);
    case OP_ADC:
        return add(a, b, c, size, f);
    case OP_SBB:
        return sub(a, b, c, size, f);
    case OP_SUB:
    case OP_CMP:
        return sub(a, b, 0, size, f);
    case OP_OR:
        return logic(a | b, size, f);
    case OP_XOR:
        return logic(a ^ b, size, f);
    }
    return logic(a & b, size, f); /* AND, TEST */
}

/* The second half of most: the destination, then the flags. */
static int finish(struct emu *e, const struct insn *i, u64 old, u64 result, u64 f)
{
    int err = dst_update(e, i, old, result);

    if (!err)
        e->rflags = f;
    return err;
}

int emulate_binary(struct emu *e, const struct insn *i)
{
    bool reads_only = i->op == OP_CMP || i->op == OP_TEST;
    u64 a, b, r, f = e->rflags;
    int err = operand_read(e, i, i->src, i->op_size, &b)
                  ?: reads_only ? operand_read(e, i, i->dst, i->op_size, &a)
                                : dst_read(e, i, &a);

    if (err)
        return err;
    r = binary(i->op, a, b, i->op_size, &f);
    if (!reads_only)
        return finish(e, i, a, r, f);
    e->rflags = f;
    return 0;
}

int emulate_not(struct emu *e, const struct insn *i)
{
    u64 v;

    return dst_read(e, i, &v) ?: dst_update(e, i, v, ~v);
}

/* INC and DEC keep CF. */
static u64 unary(u8 op, u64 v, unsigned size, u64 *f)
{
    u64 carry = *f & RFLAGS_CF, r;

    if (op == OP_NEG)
        return sub(0, v, 0, size, f);
    r = op == OP_INC ? add(v, 1, 0, size, f) : sub(v, 1, 0, size, f);
    *f = flag(*f, RFLAGS_CF, carry);
    return r;
}

int emulate_unary(struct emu *e, const struct insn *i)
{
    u64 v, r, f = e->rflags;
    int err = dst_read(e, i, &v);

    if (err)
        return err;
    r = unary(i->op, v, i->op_size, &f);
    return finish(e, i, v, r, f);
}

/* n < width < 128 */
static u128 rotate_left(u128 v, unsigned width, unsigned n)
{
    u128 mask = ((u128)1 << width) - 1;

    return n ? (v << n | v >> (width - n)) & mask : v;
}

/* OF of a rotation: left, whether the sign changed on its way to CF; right, whether the top two
 * differ. */
static u64 rotate_flags(u64 f, u64 r, unsigned size, bool left, bool carry)
{
    u64 second = left ? carry : top_bit(r << 1, size);

    f = flag(f, RFLAGS_CF, carry);
    return flag(f, RFLAGS_OF, top_bit(r, size) ^ second);
}

static u64 rotate(u8 op, u64 v, unsigned n, unsigned size, u64 *f)
{
    unsigned bits = 8 * size;
    bool left = op == OP_ROL;
    u64 r = rotate_left(v, bits, (left ? n : bits - n % bits) % bits);

    *f = rotate_flags(*f, r, size, left, left ? r & 1 : top_bit(r, size));
    return r;
}

/* With CF as one more bit on top. */
static u64 rotate_carry(u8 op, u64 v, unsigned n, unsigned size, u64 *f)
{
    unsigned width = 8 * size + 1;
    bool left = op == OP_RCL;
    u128 wide = (u128)(*f & RFLAGS_CF) << (width - 1) | v;

    n %= width;
    wide = rotate_left(wide, width, left || !n ? n : width - n);
    *f = rotate_flags(*f, wide, size, left, wide >> (width - 1));
    return wide;
}

static u64 shift_left(u64 v, unsigned n, unsigned size, u64 *f)
{
    u128 r = (u128)v << n;
    bool carry = r >> (8 * size) & 1;

    *f = flag(result_flags(*f, r, size), RFLAGS_CF, carry);
    *f = flag(*f, RFLAGS_OF, top_bit(r, size) ^ carry);
    return r;
}

static u64 shift_right(u64 v, unsigned n, unsigned size, bool arithmetic, u64 *f)
{
    u64 wide = arithmetic ? sign_extend(v, size) : v;
    u64 r = arithmetic ? (u64)((s64)wide >> n) : wide >> n;

    *f = flag(result_flags(*f, r, size), RFLAGS_CF, (s64)wide >> (n - 1) & 1);
    *f = flag(*f, RFLAGS_OF, !arithmetic && top_bit(v, size));
    return r;
}

static u64 shift(u8 op, u64 v, unsigned n, unsigned size, u64 *f)
{
    switch (op) {
    case OP_ROL:
    case OP_ROR:
        return rotate(op, v, n, size, f);
    case OP_RCL:
    case OP_RCR:
        return rotate_carry(op, v, n, size, f);
    case OP_SHL:
    case OP_SAL:
        return shift_left(v, n, size, f);
    }
    return shift_right(v, n, size, op == OP_SAR, f);
}

static unsigned shift_count(const struct insn *i, u64 count)
{
    return count & (i->op_size == 8 ? 63 : 31);
}

/* A count of 0 changes neither operand nor flags. */
int emulate_shift(struct emu *e, const struct insn *i)
{
    u64 v, n, r, f = e->rflags;
    int err = operand_read(e, i, i->src, 1, &n) ?: dst_read(e, i, &v);

    n = shift_count(i, n);
    if (err || !n)
        return err ?: dst_update(e, i, v, v);
    r = shift(i->op, v, n, i->op_size, &f);
    return finish(e, i, v, r, f);
}

/* SHLD and SHRD: a window of one operand's width slides over both. n >= 1 */
static u64 double_shift(u8 op, u64 dst, u64 src, unsigned n, unsigned size, u64 *f)
{
    unsigned bits = 8 * size;
    u128 both = op == OP_SHLD ? (u128)dst << bits | src : (u128)src << bits | dst;
    u64 r = op == OP_SHLD ? (both << n) >> bits : both >> n;
    bool carry = both >> (op == OP_SHLD ? 2 * bits - n : n - 1) & 1;

    *f = flag(result_flags(*f, r, size), RFLAGS_CF, carry);
    *f = flag(*f, RFLAGS_OF, top_bit(dst ^ r, size));
    return r;
}

int emulate_double_shift(struct emu *e, const struct insn *i)
{
    bool by_cl = i->opcode & 1;
    unsigned n = shift_count(i, by_cl ? reg_read(e, rCX, 1) : i->imm);
    u64 v, src, r, f = e->rflags;
    int err = operand_read(e, i, i->src, i->op_size, &src) ?: dst_read(e, i, &v);

    if (err || !n)
        return err ?: dst_update(e, i, v, v);
    r = double_shift(i->op, v, src, n, i->op_size, &f);
    return finish(e, i, v, r, f);
}

/* A bit number in a register reaches beyond a memory operand, both ways: move the operand there. */
static struct insn bit_operand(const struct insn *i, u64 bit)
{
    struct insn at = *i;

    if (i->dst.kind == OPND_MEM && i->src.kind == OPND_REG)
        at.disp +=
            ((s64)sign_extend(bit, i->op_size) >> (3 + __builtin_ctz(i->op_size))) * i->op_size;
    return at;
}

int emulate_bit(struct emu *e, const struct insn *i)
{
    u64 v, bit, mask, r, f;
    struct insn at;
    int err = operand_read(e, i, i->src, i->op_size, &bit);

    at = bit_operand(i, bit);
    mask = 1ull << (bit & (8 * i->op_size - 1));
    if (!err)
        err = i->op == OP_BT ? operand_read(e, &at, i->dst, i->op_size, &v) : dst_read(e, &at, &v);
    if (err)
        return err;
    f = flag(e->rflags, RFLAGS_CF, v & mask);
    r = i->op == OP_BTS ? v | mask : i->op == OP_BTR ? v & ~mask : v ^ mask;
    if (i->op != OP_BT)
        return finish(e, &at, v, r, f);
    e->rflags = f;
    return 0;
}

/* Of 0 there is no first bit: ZF is set, the destination stays. */
int emulate_bit_scan(struct emu *e, const struct insn *i)
{
    u64 v;
    int err = operand_read(e, i, i->src, i->op_size, &v);

    if (err)
        return err;
    e->rflags = flag(e->rflags, RFLAGS_ZF, !v);
    if (v)
        reg_write(e, i->dst.reg, i->op_size,
                  i->op == OP_BSF ? __builtin_ctzll(v) : 63 - __builtin_clzll(v));
    return 0;
}

int emulate_popcnt(struct emu *e, const struct insn *i)
{
    unsigned n = 0;
    u64 v;
    int err = operand_read(e, i, i->src, i->op_size, &v);

    if (err)
        return err;
    e->rflags = flag(e->rflags & ~RFLAGS_ARITH, RFLAGS_ZF, !v);
    for (; v; v &= v - 1)
        n++;
    reg_write(e, i->dst.reg, i->op_size, n);
    return 0;
}

/* rDX:rAX, or AX for bytes. */
static void write_double(struct emu *e, unsigned size, u64 high, u64 low)
{
    if (size == 1) {
        reg_write(e, rAX, 2, (high & 0xff) << 8 | (low & 0xff));
        return;
    }
    reg_write(e, rAX, size, low);
    reg_write(e, rDX, size, high);
}

static u128 read_double(const struct emu *e, unsigned size)
{
    if (size == 1)
        return reg_read(e, rAX, 2);
    return (u128)reg_read(e, rDX, size) << (8 * size) | reg_read(e, rAX, size);
}

/* CF and OF say that the lower half alone is not the product. */
static u128 multiply(u64 a, u64 b, unsigned size, bool is_signed, u64 *f)
{
    u128 p = is_signed ? (u128)((s128)(s64)sign_extend(a, size) * (s64)sign_extend(b, size))
                       : (u128)a * b;
    u128 fits = is_signed ? (u128)(s64)sign_extend(p, size) : (u64)p & size_mask(size);

    *f = flag(*f, RFLAGS_CF | RFLAGS_OF, p != fits);
    return p;
}

int emulate_mul(struct emu *e, const struct insn *i)
{
    u64 v;
    u128 p;
    int err = operand_read(e, i, i->dst, i->op_size, &v);

    if (err)
        return err;
    p = multiply(reg_read(e, rAX, i->op_size), v, i->op_size, i->op == OP_IMUL, &e->rflags);
    write_double(e, i->op_size, p >> (8 * i->op_size), p);
    return 0;
}

/* With two operands, or source and immediate into a third. */
int emulate_imul_reg(struct emu *e, const struct insn *i)
{
    u64 a, b;
    int err = operand_read(e, i, i->src, i->op_size, &a);

    if (err)
        return err;
    b = i->op == OP_IMUL_IMM ? i->imm : reg_read(e, i->dst.reg, i->op_size);
    reg_write(e, i->dst.reg, i->op_size, multiply(a, b, i->op_size, true, &e->rflags));
    return 0;
}

/* Unsigned division; false if the quotient is above max. */
static bool divide(u128 n, u64 d, u64 max, u64 *quotient, u64 *remainder)
{
    if ((u64)(n >> 64) >= d)
        return false;
    __asm__("divq %4"
            : "=a"(*quotient), "=d"(*remainder)
            : "0"((u64)n), "1"((u64)(n >> 64)), "rm"(d)
            : "cc");
    return *quotient <= max;
}

/* By the absolute values; the remainder has the dividend's sign. */
static bool divide_signed(u128 n, u64 d, unsigned size, u64 *quotient, u64 *remainder)
{
    unsigned unused = 128 - 16 * size;
    s128 sn = (s128)(n << unused) >> unused;
    s64 sd = sign_extend(d, size);
    bool negative = (sn < 0) != (sd < 0);
    u64 max = (size_mask(size) >> 1) + negative;

    if (!divide(sn < 0 ? -(u128)sn : (u128)sn, sd < 0 ? -(u64)sd : (u64)sd, max, quotient,
                remainder))
        return false;
    *quotient = negative ? -*quotient : *quotient;
    *remainder = sn < 0 ? -*remainder : *remainder;
    return true;
}

int emulate_div(struct emu *e, const struct insn *i)
{
    unsigned size = i->op_size;
    u128 n = read_double(e, size);
    u64 d, q, r;
    bool ok;
    int err = operand_read(e, i, i->dst, size, &d);

    if (err)
        return err;
    ok = i->op == OP_IDIV ? divide_signed(n, d, size, &q, &r)
                          : divide(n, d, size_mask(size), &q, &r);
    if (!ok)
        return emu_exception(e, TRAP_DE);
    write_double(e, size, r, q);
    return 0;
}

/* Where both operands are one register, it ends up with the sum. */
int emulate_xadd(struct emu *e, const struct insn *i)
{
    u64 old, src, sum, f = e->rflags;
    int err = operand_read(e, i, i->src, i->op_size, &src) ?: dst_read(e, i, &old);

    if (err)
        return err;
    sum = add(old, src, 0, i->op_size, &f);
    if (i->dst.kind == OPND_MEM)
        err = dst_update(e, i, old, sum);
    if (err)
        return err;
    e->rflags = f;
    return operand_write(e, i, i->src, i->op_size, old)
               ?: i->dst.kind == OPND_REG ? operand_write(e, i, i->dst, i->op_size, sum)
                                          : 0;
}

/* Memory is written in any case: with itself, where it differs from rAX. A register then stays
 * whole. */
int emulate_cmpxchg(struct emu *e, const struct insn *i)
{
    u64 old, src, f = e->rflags, expected = reg_read(e, rAX, i->op_size);
    int err = operand_read(e, i, i->src, i->op_size, &src) ?: dst_read(e, i, &old);

    if (err)
        return err;
    sub(expected, old, 0, i->op_size, &f);
    if (old == expected || i->dst.kind == OPND_MEM)
        err = dst_update(e, i, old, old == expected ? src : old);
    if (err)
        return err;
    e->rflags = f;
    if (old != expected)
        reg_write(e, rAX, i->op_size, old);
    return 0;
}

/* high:low of two registers as the memory operand has them. */
static void register_pair(const struct emu *e, unsigned half, u8 high, u8 low, u64 v[2])
{
    v[0] = half == 8 ? e->gpr[low] : reg_read(e, high, 4) << 32 | reg_read(e, low, 4);
    v[1] = half == 8 ? e->gpr[high] : 0;
}

/* CMPXCHG8B, and with REX.W CMPXCHG16B, which wants its operand aligned. Only ZF changes. */
int emulate_cmpxchg8b(struct emu *e, const struct insn *i)
{
    unsigned half = i->rex_w ? 8 : 4;
    u64 offset = effective_address(e, i), old[2] = {0}, expected[2], new[2];
    bool equal;
    int err;

    if (half == 8 && emu_linear(e, i) & 15)
        return emu_exception_error(e, TRAP_GP, 0);
    err = mem_read(e, i->seg, offset, old, 2 * half, EMU_RMW);
    if (err)
        return err;
    register_pair(e, half, rDX, rAX, expected);
    register_pair(e, half, rCX, rBX, new);
    equal = old[0] == expected[0] && old[1] == expected[1];
    err = mem_update(e, i->seg, offset, old, equal ? new : old, 2 * half, i->lock);
    if (err)
        return err;
    e->rflags = flag(e->rflags, RFLAGS_ZF, equal);
    if (!equal) {
        reg_write(e, rAX, half, old[0]);
        reg_write(e, rDX, half, half == 8 ? old[1] : old[0] >> 32);
    }
    return 0;
}
