/* SPDX-License-Identifier: BSD-2-Clause */
/* The short way for MOV against the whole decoder: what it takes it must read as that does, and the
 * forms that kernels use it must take. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "hv/decode.h"
#include "hv/mov.h"
#include "random.h"

#define CASES 300000u

static void same(const struct mov *m, const struct insn *i)
{
    const struct operand *reg = m->store ? &i->src : &i->dst, *mem = m->store ? &i->dst : &i->src;
    unsigned size = i->op == OP_MOVZX ? (i->opcode & 1 ? 2 : 1) : i->op_size;

    assert_int_equal(m->length, i->length);
    assert_int_equal(m->size, size);
    assert_int_equal(mem->kind, OPND_MEM);
    if (m->immediate) {
        assert_int_equal(reg->kind, OPND_IMM);
        assert_int_equal(m->value, i->imm);
        return;
    }
    assert_int_equal(m->reg_size, i->op_size);
    assert_int_equal(reg->kind, OPND_REG);
    if (m->high)
        assert_true(i->op_size == 1 && !i->rex && reg->reg == m->reg + 4);
    else
        assert_int_equal(m->reg, reg->reg);
}

/* Opcodes that are looked for come often enough. */
static void random_bytes(u8 *bytes)
{
    static const u8 likely[] = {0x66, 0x67, 0x48, 0x44, 0x88, 0x89, 0x8a, 0x8b, 0xa0,
                                0xa1, 0xa2, 0xa3, 0xc6, 0xc7, 0x0f, 0xb6, 0xb7};

    for (unsigned i = 0; i < 2 * MOV_LONGEST; i++)
        bytes[i] = (u8)random_below(256);
    for (unsigned i = 0; i < 4; i++)
        if (random_below(4))
            bytes[i] = likely[random_below(sizeof(likely))];
}

static void reads_as_the_decoder_does(void **state)
{
    unsigned taken = 0;

    (void)state;
    random_init();
    for (unsigned n = 0; n < CASES; n++) {
        bool mode64 = random_below(2);
        u8 bytes[2 * MOV_LONGEST];
        struct insn i;
        struct mov m;

        random_bytes(bytes);
        if (!mov_parse(&m, bytes, mode64))
            continue;
        taken++;
        assert_int_equal(decode(&i, bytes, INSN_MAX, mode64 ? MODE_64 : MODE_32), 0);
        assert_true(i.op == OP_MOV || i.op == OP_MOVZX);
        same(&m, &i);
    }
    assert_true(taken > CASES / 20);
}

static void takes_what_kernels_use(void **state)
{
    static const struct {
        u8 bytes[MOV_LONGEST];
        bool mode64;
        u8 length, size;
        bool store;
    } cases[] = {
        {{0x89, 0x07}, true, 2, 4, true},                         /* mov [rdi], eax */
        {{0x8b, 0x07}, false, 2, 4, false},                       /* mov eax, [edi] */
        {{0x88, 0x14, 0x08}, true, 3, 1, true},                   /* mov [rax+rcx], dl */
        {{0x66, 0x89, 0x02}, true, 3, 2, true},                   /* mov [rdx], ax */
        {{0x48, 0x8b, 0x40, 0x08}, true, 4, 8, false},            /* mov rax, [rax+8] */
        {{0x0f, 0xb6, 0x00}, true, 3, 1, false},                  /* movzx eax, byte [rax] */
        {{0x0f, 0xb7, 0x47, 0x02}, false, 4, 2, false},           /* movzx eax, word [edi+2] */
        {{0xc7, 0x03, 1, 0, 0, 0}, true, 6, 4, true},             /* mov dword [rbx], 1 */
        {{0xc6, 0x05, 0, 0x80, 0x0b, 0, 'x'}, false, 7, 1, true}, /* mov byte [b8000h], 'x' */
        {{0xa1, 0x30, 0, 0xe0, 0xfe}, false, 5, 4, false},        /* mov eax, [fee00030h] */
        {{0x89, 0x04, 0x25, 0xb0, 0xc0, 0x5f, 0xff},
         true,
         7,
         4,
         true}, /* mov [ffffffffff5fc0b0h], eax */
    };
    struct mov m;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_true(mov_parse(&m, cases[i].bytes, cases[i].mode64));
        assert_int_equal(m.length, cases[i].length);
        assert_int_equal(m.size, cases[i].size);
        assert_int_equal(m.store, cases[i].store);
    }
}

static void leaves_the_rest(void **state)
{
    static const u8 cases[][MOV_LONGEST] = {
        {0x01, 0x07},             /* add */
        {0x89, 0xc0},             /* between registers */
        {0xf0, 0x89, 0x07},       /* LOCK: #UD */
        {0xc7, 0x0b, 1, 0, 0, 0}, /* C7 /1 */
        {0x0f, 0xbe, 0x00},       /* movsx */
        {0x0f, 0x8b, 0, 0, 0, 0}, /* jnp */
        {0x0f, 0xb6, 0xc0},       /* movzx between registers */
        {0xf3, 0xa5},             /* rep movs */
    };
    struct mov m;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_false(mov_parse(&m, cases[i], true));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_as_the_decoder_does),
        cmocka_unit_test(takes_what_kernels_use),
        cmocka_unit_test(leaves_the_rest),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
