/* SPDX-License-Identifier: BSD-2-Clause */
/* The decoder: lengths and operations of what exits, addressing forms, prefixes, and what must be
 * refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "hv/decode.h"
#include "hv/errno.h"
#include "test/unit/random.h"

struct known {
    enum cpu_mode mode;
    u8 len;
    u8 bytes[16];
    int op; /* enum operation, or a negative error */
};

/* What the hypervisor has to skip, with the prefixes that compilers and kernels put there. */
static const struct known exits[] = {
    {MODE_64, 2, {0x0f, 0xa2}, OP_CPUID},
    {MODE_16, 3, {0x66, 0x0f, 0xa2}, OP_CPUID},
    {MODE_64, 2, {0x0f, 0x32}, OP_RDMSR},
    {MODE_64, 2, {0x0f, 0x30}, OP_WRMSR},
    {MODE_64, 3, {0x3e, 0x0f, 0x30}, OP_WRMSR},
    {MODE_64, 1, {0xf4}, OP_HLT},
    {MODE_64, 2, {0xf3, 0x90}, OP_PAUSE},
    {MODE_32, 2, {0xf3, 0x90}, OP_PAUSE},
    {MODE_64, 1, {0x90}, OP_NOP},
    {MODE_64, 2, {0x41, 0x90}, OP_XCHG},
    {MODE_64, 3, {0x0f, 0x01, 0xc1}, OP_VMCALL},
    {MODE_64, 3, {0x0f, 0x01, 0xd9}, OP_VMMCALL},
    {MODE_64, 3, {0x0f, 0x01, 0xd8}, OP_VMRUN},
    {MODE_64, 3, {0x0f, 0x01, 0xda}, OP_VMLOAD},
    {MODE_64, 3, {0x0f, 0x01, 0xdb}, OP_VMSAVE},
    {MODE_64, 3, {0x0f, 0x01, 0xdc}, OP_STGI},
    {MODE_64, 3, {0x0f, 0x01, 0xdd}, OP_CLGI},
    {MODE_64, 3, {0x0f, 0x01, 0xde}, OP_SKINIT},
    {MODE_64, 3, {0x0f, 0x01, 0xdf}, OP_INVLPGA},
    {MODE_64, 3, {0x0f, 0x01, 0xc8}, OP_MONITOR},
    {MODE_64, 3, {0x0f, 0x01, 0xc9}, OP_MWAIT},
    {MODE_64, 3, {0x0f, 0x01, 0xd0}, OP_XGETBV},
    {MODE_64, 3, {0x0f, 0x01, 0xd1}, OP_XSETBV},
    {MODE_64, 3, {0x0f, 0x01, 0xf9}, OP_RDTSCP},
    {MODE_64, 3, {0x0f, 0x01, 0xf8}, OP_OTHER}, /* swapgs */
    {MODE_64, 2, {0x0f, 0x31}, OP_RDTSC},
    {MODE_64, 2, {0x0f, 0x33}, OP_RDPMC},
    {MODE_64, 2, {0x0f, 0x08}, OP_INVD},
    {MODE_64, 2, {0x0f, 0x09}, OP_WBINVD},
    {MODE_64, 3, {0xf3, 0x0f, 0x09}, OP_WBINVD},
    {MODE_64, 3, {0x0f, 0x01, 0x38}, OP_INVLPG},
    {MODE_64, 9, {0x65, 0x0f, 0x01, 0x3c, 0x25, 1, 2, 3, 4}, OP_INVLPG},
    {MODE_16, 5, {0x0f, 0x01, 0x3e, 1, 2}, OP_INVLPG},
    {MODE_64, 2, {0x0f, 0x06}, OP_CLTS},
    {MODE_16, 3, {0x0f, 0x01, 0xf0}, OP_LMSW},
    {MODE_16, 4, {0x0f, 0x01, 0x77, 0x10}, OP_LMSW},
    {MODE_16, 3, {0x0f, 0x01, 0xe0}, OP_SMSW},
    {MODE_64, 3, {0x0f, 0x01, 0x10}, OP_LGDT},
    {MODE_16, 6, {0x66, 0x0f, 0x01, 0x16, 1, 2}, OP_LGDT},
    {MODE_64, 7, {0x0f, 0x01, 0x1d, 1, 2, 3, 4}, OP_LIDT},
    {MODE_64, 4, {0x0f, 0x01, 0x4d, 0xf8}, OP_SIDT},
    {MODE_64, 4, {0x0f, 0x01, 0x45, 0xf8}, OP_SGDT},
    {MODE_64, 3, {0x0f, 0x00, 0xc0}, OP_SLDT},
    {MODE_64, 3, {0x0f, 0x00, 0xc8}, OP_STR},
    {MODE_64, 3, {0x0f, 0x00, 0xd0}, OP_LLDT},
    {MODE_64, 3, {0x0f, 0x00, 0xd8}, OP_LTR},
    {MODE_64, 1, {0xcc}, OP_INT3},
    {MODE_64, 2, {0xcd, 0x80}, OP_INT},
    {MODE_32, 1, {0xce}, OP_INTO},
    {MODE_64, 1, {0xf1}, OP_INT1},
    {MODE_64, 2, {0x48, 0xcf}, OP_IRET},
    {MODE_16, 1, {0x9d}, OP_POPF},
    {MODE_16, 2, {0x66, 0x9c}, OP_PUSHF},
    {MODE_16, 1, {0xfa}, OP_CLI},
    {MODE_16, 1, {0xfb}, OP_STI},
    {MODE_16, 2, {0x0f, 0xaa}, OP_RSM},
    {MODE_64, 1, {0xec}, OP_IN},
    {MODE_64, 2, {0xe4, 0x60}, OP_IN},
    {MODE_64, 2, {0x66, 0xed}, OP_IN},
    {MODE_64, 2, {0xe6, 0x80}, OP_OUT},
    {MODE_64, 2, {0xf3, 0x6c}, OP_INS},
    {MODE_16, 4, {0xf3, 0x66, 0x67, 0x6d}, OP_INS},
    {MODE_64, 3, {0xf3, 0x65, 0x6e}, OP_OUTS},
};

/* Lengths that take knowing: immediates, displacements, VEX. */
static const struct known lengths[] = {
    {MODE_64, 10, {0x48, 0xb8, 1, 2, 3, 4, 5, 6, 7, 8}, OP_MOV},
    {MODE_64, 5, {0xb8, 1, 2, 3, 4}, OP_MOV},
    {MODE_64, 4, {0x66, 0xb8, 1, 2}, OP_MOV},
    {MODE_16, 3, {0xb8, 1, 2}, OP_MOV},
    {MODE_16, 6, {0x66, 0xb8, 1, 2, 3, 4}, OP_MOV},
    {MODE_64, 9, {0xa0, 1, 2, 3, 4, 5, 6, 7, 8}, OP_MOV},
    {MODE_64, 6, {0x67, 0xa1, 1, 2, 3, 4}, OP_MOV},
    {MODE_32, 4, {0x67, 0xa3, 1, 2}, OP_MOV},
    {MODE_64, 11, {0x48, 0xc7, 0x80, 1, 2, 3, 4, 5, 6, 7, 8}, OP_MOV},
    {MODE_64, 12, {0x48, 0xc7, 0x84, 0x24, 1, 2, 3, 4, 5, 6, 7, 8}, OP_MOV},
    {MODE_64, 7, {0x66, 0xc7, 0x44, 0x24, 1, 2, 3}, OP_MOV},
    {MODE_64, 8, {0x80, 0x3c, 0x25, 1, 2, 3, 4, 5}, OP_CMP},
    {MODE_64, 6, {0x81, 0xc1, 1, 2, 3, 4}, OP_ADD},
    {MODE_64, 5, {0x66, 0x81, 0xc1, 1, 2}, OP_ADD},
    {MODE_64, 3, {0x83, 0xc1, 1}, OP_ADD},
    {MODE_64, 6, {0xf7, 0xc0, 1, 2, 3, 4}, OP_TEST},
    {MODE_64, 2, {0xf7, 0xd8}, OP_NEG},
    {MODE_64, 4, {0xc8, 1, 2, 3}, OP_OTHER},
    {MODE_32, 7, {0xea, 1, 2, 3, 4, 5, 6}, OP_OTHER},
    {MODE_16, 5, {0x9a, 1, 2, 3, 4}, OP_OTHER},
    {MODE_64, 5, {0xe8, 1, 2, 3, 4}, OP_OTHER},
    {MODE_16, 3, {0xe9, 1, 2}, OP_OTHER},
    {MODE_64, 6, {0x0f, 0x84, 1, 2, 3, 4}, OP_OTHER},
    {MODE_16, 4, {0x0f, 0x84, 1, 2}, OP_OTHER},
    {MODE_64, 5, {0x0f, 0x3a, 0x0f, 0xc1, 4}, OP_OTHER},
    {MODE_64, 6, {0x66, 0x0f, 0x3a, 0x0f, 0xc1, 4}, OP_OTHER},
    {MODE_64, 5, {0x66, 0x0f, 0x38, 0x00, 0xc1}, OP_OTHER},
    {MODE_64, 5, {0x0f, 0x38, 0xf0, 0x43, 1}, OP_MOVBE},
    {MODE_64, 6, {0xf2, 0x0f, 0x38, 0xf0, 0x43, 1}, OP_OTHER}, /* crc32 */
    {MODE_64, 4, {0xc5, 0xf9, 0x6f, 0x03}, OP_VECTOR_MOVE},
    {MODE_64, 5, {0xc4, 0xe1, 0x79, 0x6f, 0x03}, OP_VECTOR_MOVE},
    {MODE_64, 5, {0xc5, 0xf9, 0x70, 0xc1, 5}, OP_OTHER},
    {MODE_64, 3, {0xc5, 0xf8, 0x77}, OP_OTHER}, /* vzeroupper */
    {MODE_64, 6, {0xc4, 0xe3, 0x7d, 0x39, 0xc1, 1}, OP_OTHER},
    {MODE_64, 5, {0xc4, 0xe2, 0x79, 0x18, 0x03}, OP_OTHER},
    {MODE_32, 2, {0xc5, 0x03}, OP_OTHER}, /* lds */
    {MODE_32, 4, {0xc5, 0xf9, 0x6f, 0x03}, OP_VECTOR_MOVE},
    {MODE_64, 4, {0x0f, 0xc2, 0xc1, 5}, OP_OTHER}, /* cmpps */
    {MODE_64, 5, {0x66, 0x0f, 0xc4, 0xc1, 5}, OP_OTHER},
    {MODE_64, 4, {0x0f, 0xc6, 0xc1, 5}, OP_OTHER},
    {MODE_64, 5, {0x66, 0x0f, 0x73, 0xd8, 5}, OP_OTHER},
    {MODE_64, 5, {0x0f, 0x0f, 0x47, 1, 0x9e}, OP_OTHER}, /* 3DNow! */
    {MODE_64, 4, {0x0f, 0xc7, 0x4f, 8}, OP_CMPXCHG8B},
    {MODE_64, 4, {0x0f, 0xba, 0xe0, 7}, OP_BT},
    {MODE_64, 3, {0xc2, 1, 2}, OP_OTHER}, /* ret */
    {MODE_64, 2, {0xeb, 0xfe}, OP_OTHER},
    {MODE_64, 2, {0xe3, 0xfe}, OP_OTHER},
    {MODE_32, 2, {0xd4, 0x0a}, OP_OTHER},
    {MODE_64, 5, {0x68, 1, 2, 3, 4}, OP_PUSH},
    {MODE_64, 4, {0x66, 0x68, 1, 2}, OP_PUSH},
    {MODE_64, 2, {0x6a, 1}, OP_PUSH},
    {MODE_64, 4, {0x0f, 0xae, 0x7f, 0x40}, OP_NOP}, /* clflush */
    {MODE_64, 4, {0x0f, 0x18, 0x4f, 0x40}, OP_NOP},
    {MODE_64, 4, {0xf3, 0x0f, 0x1e, 0xfa}, OP_NOP}, /* endbr64 */
    {MODE_64, 2, {0x0f, 0x05}, OP_OTHER},
    {MODE_64, 3, {0xd9, 0x45, 0xf8}, OP_OTHER},
    {MODE_64,
     15,
     {0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x90},
     OP_NOP},
};

static const struct known refused[] = {
    {MODE_64, 2, {0x0f, 0x0b}, -EINVAL}, /* ud2 */
    {MODE_64, 2, {0x0f, 0xff}, -EINVAL}, /* ud0 */
    {MODE_64, 1, {0x06}, -EINVAL},       /* push es */
    {MODE_64, 1, {0x27}, -EINVAL},       /* daa */
    {MODE_64, 1, {0x60}, -EINVAL},       /* pusha */
    {MODE_64, 1, {0xce}, -EINVAL},       /* into */
    {MODE_64, 7, {0xea, 1, 2, 3, 4, 5, 6}, -EINVAL},
    {MODE_64, 3, {0x82, 0xc0, 1}, -EINVAL},
    {MODE_64, 2, {0xfe, 0xd0}, -EINVAL},
    {MODE_64, 2, {0xff, 0xf8}, -EINVAL},
    {MODE_64, 3, {0x0f, 0xba, 0xc0}, -EINVAL},
    {MODE_64, 2, {0x8d, 0xc0}, -EINVAL},             /* lea between registers */
    {MODE_64, 3, {0x0f, 0xc7, 0xc8}, -EINVAL},       /* cmpxchg8b of a register */
    {MODE_64, 3, {0xf0, 0x01, 0xc0}, -EINVAL},       /* LOCK without memory */
    {MODE_64, 3, {0xf0, 0x8b, 0x00}, -EINVAL},       /* on a load */
    {MODE_64, 3, {0xf0, 0x89, 0x00}, -EINVAL},       /* on a move */
    {MODE_64, 3, {0xf0, 0x39, 0x00}, -EINVAL},       /* on CMP */
    {MODE_64, 4, {0xf0, 0x83, 0x38, 1}, -EINVAL},    /* the other CMP */
    {MODE_64, 3, {0xf0, 0x03, 0x00}, -EINVAL},       /* memory is the source */
    {MODE_64, 4, {0xf0, 0x0f, 0xa3, 0x00}, -EINVAL}, /* on BT */
    {MODE_64, 3, {0xf0, 0x0f, 0xa2}, -EINVAL},
    {MODE_64, 4, {0x0f, 0xb8, 0xc0, 0x90}, -EINVAL},             /* popcnt without F3 */
    {MODE_64, 5, {0x66, 0xc5, 0xf9, 0x6f, 0x03}, -EINVAL},       /* VEX after 66 */
    {MODE_64, 5, {0x48, 0xc5, 0xf9, 0x6f, 0x03}, -EINVAL},       /* after REX */
    {MODE_64, 5, {0xf0, 0xc5, 0xf9, 0x6f, 0x03}, -EINVAL},       /* after LOCK */
    {MODE_64, 5, {0xc4, 0xe4, 0x79, 0x6f, 0x03}, -EINVAL},       /* of a map that is not */
    {MODE_64, 6, {0x62, 0xf1, 0x7c, 0x48, 0x10, 0x03}, -ENOSYS}, /* EVEX */
    {MODE_64, 5, {0x8f, 0xe8, 0x78, 0x10, 0xc0}, -ENOSYS},       /* XOP */
    {MODE_64, 3, {0x66, 0xff, 0xe0}, -ENOSYS}, /* vendors differ about 66 and near branches */
    {MODE_64,
     15,
     {0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66},
     -E2BIG},
    {MODE_64,
     15,
     {0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x04, 0x00},
     OP_ADD},
    {MODE_64,
     15,
     {0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x05, 0x00},
     -E2BIG},
};

/* From memory that ends where the bytes do: reading more is caught by the sanitizer. */
static int decode_tight(struct insn *i, const u8 *bytes, unsigned len, enum cpu_mode mode)
{
    u8 *copy = malloc(len + 1);
    int err;

    memcpy(copy + 1, bytes, len);
    err = decode(i, copy + 1, len, mode);
    free(copy);
    return err;
}

/* In full, and cut short everywhere. */
static bool is_known(const struct known *k)
{
    struct insn i;
    int err = decode_tight(&i, k->bytes, k->len, k->mode);

    if (k->op < 0)
        return err == k->op;
    if (err || i.op != k->op || i.length != k->len)
        return false;
    for (unsigned n = 0; n < k->len; n++)
        if (decode_tight(&i, k->bytes, n, k->mode) != -ENODATA)
            return false;
    return true;
}

static void check_all(const struct known *list, unsigned n)
{
    for (unsigned k = 0; k < n; k++)
        if (!is_known(&list[k]))
            fail_msg("%d-bit %02x %02x %02x %02x", list[k].mode, list[k].bytes[0], list[k].bytes[1],
                     list[k].bytes[2], list[k].bytes[3]);
}

static void test_exits(void **state)
{
    (void)state;
    check_all(exits, ARRAY_SIZE(exits));
}

static void test_lengths(void **state)
{
    (void)state;
    check_all(lengths, ARRAY_SIZE(lengths));
}

static void test_refused(void **state)
{
    (void)state;
    check_all(refused, ARRAY_SIZE(refused));
}

/* Every opcode that 64-bit mode took away (SDM 2D appendix A, superscript i64) is one elsewhere. */
static void test_not_in_64_bit_mode(void **state)
{
    static const u8 gone[] = {0x06, 0x07, 0x0e, 0x16, 0x17, 0x1e, 0x1f, 0x27, 0x2f, 0x37,
                              0x3f, 0x60, 0x61, 0x82, 0x9a, 0xce, 0xd4, 0xd5, 0xd6, 0xea};
    u8 bytes[16] = {0};
    struct insn i;

    (void)state;
    for (unsigned n = 0; n < sizeof(gone); n++) {
        bytes[0] = gone[n];
        assert_int_equal(decode(&i, bytes, sizeof(bytes), MODE_64), -EINVAL);
        assert_int_equal(decode(&i, bytes, sizeof(bytes), MODE_32), 0);
        assert_int_equal(decode(&i, bytes, sizeof(bytes), MODE_16), 0);
    }
}

#define DECODE(i, mode, ...) \
    decode_tight((i), (const u8[]){__VA_ARGS__}, sizeof((const u8[]){__VA_ARGS__}), (mode))

static void assert_address(const struct insn *i, u8 seg, u8 base, u8 index, u8 scale, u64 disp)
{
    assert_int_equal(i->seg, seg);
    assert_int_equal(i->base, base);
    assert_int_equal(i->index, index);
    assert_int_equal(i->scale, scale);
    assert_int_equal(i->disp, disp);
}

static void test_addresses_64(void **state)
{
    struct insn i;

    (void)state;
    assert_int_equal(DECODE(&i, MODE_64, 0x8b, 0x05, 1, 0, 0, 0x80), 0);
    assert_address(&i, SEG_DS, BASE_RIP, REG_NONE, 0, 0xffffffff80000001);
    assert_int_equal(DECODE(&i, MODE_64, 0x8b, 0x04, 0x25, 1, 0, 0, 0x80), 0);
    assert_address(&i, SEG_DS, REG_NONE, REG_NONE, 0, 0xffffffff80000001);
    assert_int_equal(DECODE(&i, MODE_64, 0x4f, 0x8b, 0x44, 0xe5, 0x80),
                     0); /* r8, [r13 + r12*8 - 128] */
    assert_address(&i, SEG_DS, 13, 12, 3, 0xffffffffffffff80);
    assert_int_equal(i.dst.reg, 8);
    assert_int_equal(i.op_size, 8);
    assert_int_equal(DECODE(&i, MODE_64, 0x8b, 0x04, 0x24), 0); /* [rsp] */
    assert_address(&i, SEG_SS, rSP, REG_NONE, 0, 0);
    assert_int_equal(DECODE(&i, MODE_64, 0x8b, 0x45, 0), 0); /* [rbp] */
    assert_address(&i, SEG_SS, rBP, REG_NONE, 0, 0);
    assert_int_equal(DECODE(&i, MODE_64, 0x41, 0x8b, 0x45, 0), 0); /* [r13] */
    assert_address(&i, SEG_DS, 13, REG_NONE, 0, 0);
    assert_int_equal(DECODE(&i, MODE_64, 0x67, 0x64, 0x8b, 0x04, 0x85, 4, 0, 0, 0), 0);
    assert_address(&i, SEG_FS, REG_NONE, rAX, 2, 4);
    assert_int_equal(i.addr_size, 4);
}

static void test_addresses_16(void **state)
{
    static const u8 base[8] = {rBX, rBX, rBP, rBP, rSI, rDI, rBP, rBX};
    static const u8 index[8] = {rSI, rDI, rSI, rDI, REG_NONE, REG_NONE, REG_NONE, REG_NONE};
    struct insn i;

    (void)state;
    for (u8 rm = 0; rm < 8; rm++) {
        assert_int_equal(DECODE(&i, MODE_16, 0x8b, 0x40 | rm, 0xff), 0);
        assert_address(&i, base[rm] == rBP ? SEG_SS : SEG_DS, base[rm], index[rm], 0, ~0ull);
    }
    assert_int_equal(DECODE(&i, MODE_16, 0x8b, 0x06, 0x34, 0x12), 0);
    assert_address(&i, SEG_DS, REG_NONE, REG_NONE, 0, 0x1234);
    assert_int_equal(DECODE(&i, MODE_16, 0x26, 0x8b, 0x86, 0x34, 0x12), 0);
    assert_address(&i, SEG_ES, rBP, REG_NONE, 0, 0x1234);
    assert_int_equal(DECODE(&i, MODE_16, 0x67, 0x66, 0x8b, 0x04, 0x24), 0);
    assert_address(&i, SEG_SS, rSP, REG_NONE, 0, 0);
    assert_int_equal(i.op_size, 4);
}

static void test_prefixes(void **state)
{
    struct insn i;

    (void)state;
    assert_int_equal(DECODE(&i, MODE_64, 0x48, 0x66, 0x89, 0x00), 0); /* REX not last: void */
    assert_int_equal(i.op_size, 2);
    assert_false(i.rex);
    assert_int_equal(DECODE(&i, MODE_64, 0x66, 0x48, 0x89, 0x00), 0); /* REX.W wins over 66 */
    assert_int_equal(i.op_size, 8);
    assert_int_equal(DECODE(&i, MODE_64, 0x64, 0x2e, 0x89, 0x00), 0); /* CS is no override here */
    assert_int_equal(i.seg, SEG_FS);
    assert_int_equal(DECODE(&i, MODE_32, 0x64, 0x2e, 0x89, 0x00), 0); /* the last one wins */
    assert_int_equal(i.seg, SEG_CS);
    assert_int_equal(DECODE(&i, MODE_32, 0x40), 0); /* no REX: inc eax */
    assert_int_equal(i.op, OP_INC);
    assert_int_equal(DECODE(&i, MODE_64, 0xf2, 0xf3, 0xa4), 0);
    assert_int_equal(i.rep, 0xf3);
    assert_int_equal(DECODE(&i, MODE_64, 0xff, 0x30), 0); /* push [rax]: 8 bytes by default */
    assert_int_equal(i.op_size, 8);
}

/* Operands that a CPU without decode assists leaves to us. */
static void test_control_registers(void **state)
{
    struct insn i;

    (void)state;
    assert_int_equal(DECODE(&i, MODE_64, 0x0f, 0x22, 0xd8), 0); /* mov cr3, rax */
    assert_int_equal(i.op, OP_MOV_TO_CR);
    assert_int_equal(i.dst.reg, 3);
    assert_int_equal(i.src.reg, rAX);
    assert_int_equal(i.op_size, 8);
    assert_int_equal(DECODE(&i, MODE_64, 0x45, 0x0f, 0x20, 0xc7), 0); /* mov r15, cr8 */
    assert_int_equal(i.op, OP_MOV_FROM_CR);
    assert_int_equal(i.dst.reg, 15);
    assert_int_equal(i.src.reg, 8);
    assert_int_equal(DECODE(&i, MODE_16, 0x0f, 0x20, 0x00), 0); /* mod is ignored: mov eax, cr0 */
    assert_int_equal(i.dst.kind, OPND_REG);
    assert_int_equal(i.op_size, 4);
    assert_int_equal(i.length, 3);
    assert_int_equal(DECODE(&i, MODE_32, 0xf0, 0x0f, 0x22, 0xc1), 0); /* AMD's name for CR8 */
    assert_int_equal(i.dst.reg, 8);
    assert_int_equal(i.src.reg, rCX);
    assert_int_equal(DECODE(&i, MODE_64, 0x0f, 0x23, 0xfe), 0); /* mov dr7, rsi */
    assert_int_equal(i.op, OP_MOV_TO_DR);
    assert_int_equal(i.dst.reg, 7);
    assert_int_equal(i.src.reg, rSI);
}

static void test_immediates(void **state)
{
    struct insn i;

    (void)state;
    assert_int_equal(DECODE(&i, MODE_64, 0x48, 0x83, 0xc0, 0xff), 0);
    assert_int_equal(i.imm, ~0ull);
    assert_int_equal(DECODE(&i, MODE_64, 0x48, 0x81, 0xc0, 0, 0, 0, 0x80), 0);
    assert_int_equal(i.imm, 0xffffffff80000000);
    assert_int_equal(DECODE(&i, MODE_64, 0xe4, 0xff), 0); /* a port is not signed */
    assert_int_equal(i.imm, 0xff);
    assert_int_equal(DECODE(&i, MODE_64, 0xcd, 0x80), 0);
    assert_int_equal(i.imm, 0x80);
    assert_int_equal(DECODE(&i, MODE_32, 0xea, 1, 2, 3, 0x84, 5, 6), 0);
    assert_int_equal(i.imm, 0x84030201);
    assert_int_equal(i.imm2, 0x0605);
    assert_int_equal(DECODE(&i, MODE_64, 0xd1, 0xe0), 0);
    assert_int_equal(i.src.kind, OPND_IMM);
    assert_int_equal(i.imm, 1);
}

/* Any bytes at all: the result does not depend on what comes behind, and never exceeds what was
 * given. */
static void test_any_bytes(void **state)
{
    static const enum cpu_mode modes[] = {MODE_16, MODE_32, MODE_64};

    (void)state;
    for (unsigned n = 0; n < 300000; n++) {
        enum cpu_mode mode = modes[random_below(3)];
        u8 bytes[32];
        struct insn i, again;
        int err;

        for (unsigned k = 0; k < 4; k++) {
            u64 v = random_u64();

            memcpy(bytes + 8 * k, &v, 8);
        }
        err = decode(&i, bytes, sizeof(bytes), mode);
        assert_int_not_equal(err, -ENODATA);
        if (err)
            continue;
        assert_in_range(i.length, 1, INSN_MAX);
        assert_int_not_equal(i.op, OP_INVALID);
        assert_true(i.op < OP_COUNT);
        assert_int_equal(decode_tight(&again, bytes, i.length, mode), 0);
        assert_memory_equal(&i, &again, sizeof(i));
        assert_int_equal(decode_tight(&again, bytes, i.length - 1u, mode), -ENODATA);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exits),        cmocka_unit_test(test_lengths),
        cmocka_unit_test(test_refused),      cmocka_unit_test(test_not_in_64_bit_mode),
        cmocka_unit_test(test_addresses_64), cmocka_unit_test(test_addresses_16),
        cmocka_unit_test(test_prefixes),     cmocka_unit_test(test_control_registers),
        cmocka_unit_test(test_immediates),   cmocka_unit_test(test_any_bytes),
    };

    random_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
