/* SPDX-License-Identifier: BSD-2-Clause */
/* hv_vsnprintf beside the libc's: random formats, widths, precisions, buffer sizes and values. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "random.h"
#include "hv/printf.h"

#pragma GCC diagnostic ignored "-Wformat-nonliteral"
#pragma GCC diagnostic ignored "-Wformat-security"
#pragma GCC diagnostic ignored "-Wformat-overflow"

/* Formats the same with both and compares text, return value and what lies behind the end. */
#define CHECK(size, fmt, ...)                                                          \
    do {                                                                               \
        char own[512], libc[512];                                                      \
        memset(own, 0x7e, sizeof(own));                                                \
        memset(libc, 0x7e, sizeof(libc));                                              \
        int n = snprintf(libc, size, fmt, __VA_ARGS__);                                \
        int m = hv_snprintf(own, size, fmt, __VA_ARGS__);                              \
        if (n != m || memcmp(own, libc, sizeof(own)))                                  \
            fail_msg("format \"%s\" size %zu: got %d \"%.*s\", libc says %d \"%.*s\"", \
                     (const char *)(fmt), (size_t)(size), m, 400, own, n, 400, libc);  \
    } while (0)

static u64 any_value(void)
{
    switch (random_below(4)) {
    case 0:
        return random_below(4);
    case 1:
        return 0 - random_below(4);
    case 2:
        return 1ull << random_below(64);
    default:
        return random_u64() >> random_below(64);
    }
}

/* Appends flags, width and precision. '0' and '#' only where C defines them. */
static void any_spec(char *fmt, bool number, bool hex)
{
    char part[32];

    strcat(fmt, "%");
    if (random_below(3) == 0)
        strcat(fmt, "-");
    if (number && random_below(3) == 0)
        strcat(fmt, "0");
    if (hex && random_below(3) == 0)
        strcat(fmt, "#");
    if (random_below(2)) {
        snprintf(part, sizeof(part), "%d", (int)random_below(40) + 1);
        strcat(fmt, part);
    }
    if (random_below(3) == 0) {
        snprintf(part, sizeof(part), ".%d", (int)random_below(30));
        strcat(fmt, part);
    }
}

static size_t any_size(void)
{
    return random_below(4) ? 512 : random_below(30);
}

static void test_numbers(void **state)
{
    static const char *const lengths[] = {"hh", "h", "", "l", "ll", "z"};
    static const char letters[] = "diuxX";

    (void)state;
    for (int i = 0; i < 100000; i++) {
        char fmt[64] = "<";
        char letter[3] = {letters[random_below(5)], '>', '\0'};
        unsigned length = (unsigned)random_below(6);
        size_t size = any_size();
        u64 value = any_value();

        any_spec(fmt, true, letter[0] == 'x' || letter[0] == 'X');
        strcat(fmt, lengths[length]);
        strcat(fmt, letter);
        if (length < 3)
            CHECK(size, fmt, (unsigned)value);
        else
            CHECK(size, fmt, value);
    }
}

static void test_text(void **state)
{
    char text[40];

    (void)state;
    for (int i = 0; i < 20000; i++) {
        char fmt[64] = "<";
        size_t size = any_size(), len = random_below(sizeof(text));
        int width = (int)random_below(20) - 10, precision = (int)random_below(20) - 5;

        memset(text, 'a' + (int)random_below(26), len);
        text[len] = '\0';
        any_spec(fmt, false, false);
        strcat(fmt, "s>");
        CHECK(size, fmt, text);
        CHECK(size, "[%c%%%5c|%-5c]", 'x', 'y', 'z');
        CHECK(size, "%*.*s|%-*d", width, precision, text, 7, 3);
        CHECK(size, "%p and %20p and %-20p", (void *)text, (void *)fmt, (void *)&size);
    }
}

/* A text that is not terminated is read no further than the precision says. */
static void test_bounded_text(void **state)
{
    char *text = malloc(3);
    char buf[8];

    (void)state;
    memcpy(text, "abc", 3);
    assert_int_equal(hv_snprintf(buf, sizeof(buf), "%.3s", text), 3);
    assert_string_equal(buf, "abc");
    free(text);
}

static void test_several(void **state)
{
    (void)state;
    CHECK(512, "%d %s %#lx %c%% %llu %hhd %zu", -5, "word", 0xdeadbeeful, 'c', ~0ull, 300,
          (size_t)77);
    CHECK(512, "%08x:%04x:%016llx", 0x1234u, 0xabcdu, 0x123456789abcdefull);
    CHECK(512, "%ld %ld", INT64_MIN, INT64_MAX);
}

static void test_own_ways(void **state)
{
    char buf[64];
    /* Through variables: the compiler would rightly complain of each. */
    const char *unknown = "%y %", *null = "%s|%p|%5q";

    (void)state;
    hv_snprintf(buf, sizeof(buf), unknown, 1);
    assert_string_equal(buf, "%y %");
    hv_snprintf(buf, sizeof(buf), null, NULL, NULL);
    assert_string_equal(buf, "(null)|0x0|%5q");
    buf[0] = 'k';
    assert_int_equal(hv_snprintf(buf, 0, "text"), 4);
    assert_int_equal(buf[0], 'k');
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers),      cmocka_unit_test(test_text),
        cmocka_unit_test(test_bounded_text), cmocka_unit_test(test_several),
        cmocka_unit_test(test_own_ways),
    };

    random_init();
    return cmocka_run_group_tests_name("printf", tests, NULL, NULL);
}
