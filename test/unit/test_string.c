/* SPDX-License-Identifier: BSD-2-Clause */
/* hv/string.c beside the libc: its functions are compiled here under names of their own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "random.h"
#include "hv/string.h"

#undef memcpy
#undef memmove
#undef memset
#undef memcmp
#undef strlen
#define memcpy  own_memcpy
#define memmove own_memmove
#define memset  own_memset
#define memcmp  own_memcmp
#define strlen  own_strlen
#define strcmp  own_strcmp
#define strncmp own_strncmp
#include "hv/string.c"
#undef memcpy
#undef memmove
#undef memset
#undef memcmp
#undef strlen
#undef strcmp
#undef strncmp

#define SIZE 300

static int sign(int v)
{
    return (v > 0) - (v < 0);
}

static void randomize(u8 *buf)
{
    for (int i = 0; i < SIZE; i++)
        buf[i] = (u8)random_u64();
}

static void test_copy(void **state)
{
    u8 a[SIZE], b[SIZE];

    (void)state;
    for (int i = 0; i < 20000; i++) {
        size_t to = random_below(SIZE), from = random_below(SIZE);
        size_t n = random_below(SIZE - (to > from ? to : from));

        randomize(a);
        memcpy(b, a, SIZE);
        assert_ptr_equal(own_memmove(a + to, a + from, n), a + to);
        memmove(b + to, b + from, n);
        assert_memory_equal(a, b, SIZE);

        randomize(b);
        memcpy(a, b, SIZE);
        randomize(a);
        assert_ptr_equal(own_memcpy(b + to, a + from, n), b + to);
        assert_memory_equal(b + to, a + from, n);
    }
}

static void test_copy_touches_nothing_else(void **state)
{
    u8 a[SIZE], b[SIZE], before[SIZE];

    (void)state;
    for (size_t n = 0; n < 64; n++) {
        randomize(a);
        randomize(b);
        memcpy(before, b, SIZE);
        own_memcpy(b + 100, a, n);
        assert_memory_equal(b, before, 100);
        assert_memory_equal(b + 100 + n, before + 100 + n, SIZE - 100 - n);
        own_memset(b + 100, (int)n, n);
        assert_memory_equal(b, before, 100);
        assert_memory_equal(b + 100 + n, before + 100 + n, SIZE - 100 - n);
        for (size_t i = 0; i < n; i++)
            assert_int_equal(b[100 + i], n);
    }
}

static void test_compare(void **state)
{
    (void)state;
    for (int i = 0; i < 20000; i++) {
        char a[8] = "", b[8] = "";
        size_t n = random_below(sizeof(a));

        for (int j = 0; j < 7; j++) {
            a[j] = (char)(random_below(3) * 127);
            b[j] = random_below(8) ? a[j] : (char)(random_below(3) * 127);
        }
        assert_int_equal(own_strlen(a), strlen(a));
        assert_int_equal(sign(own_strcmp(a, b)), sign(strcmp(a, b)));
        assert_int_equal(sign(own_strncmp(a, b, n)), sign(strncmp(a, b, n)));
        assert_int_equal(sign(own_memcmp(a, b, n)), sign(memcmp(a, b, n)));
    }
}

static void test_str_copy(void **state)
{
    char buf[5];

    (void)state;
    assert_true(str_copy(buf, "", sizeof(buf)));
    assert_string_equal(buf, "");
    assert_true(str_copy(buf, "four", sizeof(buf)));
    assert_string_equal(buf, "four");
    assert_false(str_copy(buf, "fives", sizeof(buf)));
    assert_string_equal(buf, "five");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_copy),
        cmocka_unit_test(test_copy_touches_nothing_else),
        cmocka_unit_test(test_compare),
        cmocka_unit_test(test_str_copy),
    };

    random_init();
    return cmocka_run_group_tests_name("string", tests, NULL, NULL);
}
