/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "libvmctl/keyboard.h"

/* The stroke's keys in one string. */
static const char *joined(const struct stroke *s)
{
    static char text[256];

    text[0] = 0;
    for (unsigned i = 0; i < s->keys; i++)
        strcat(strcat(text, i ? " " : ""), s->key[i]);
    return text;
}

static void is(const char *text, const char *expected)
{
    const char *wrong;
    struct stroke s;

    assert_int_equal(stroke_parse(&s, text, &wrong), 0);
    assert_string_equal(joined(&s), expected);
}

static void names(void **state)
{
    (void)state;
    is("a", "a");
    is("A", "a"); /* a key, not a character */
    is("0", "0");
    is("ret", "ret");
    is("Enter", "ret");
    is("F12", "f12");
    is("ctrl-alt-delete", "ctrl alt delete");
    is("Ctrl+Alt+Del", "ctrl alt delete");
    is("alt-sysrq-b", "alt sysrq b");
    is("shift-bracket_left", "shift bracket_left");
    is("ctrl_r-shift_r-kp_0", "ctrl_r shift_r kp_0");
}

static void no_names(void **state)
{
    static const char *const wrongs[][2] = {
        {"", ""},          {"f13", "f13"}, {"ctrl-alt-foo", "foo"},
        {"ctrl--a", "-a"}, {"ctrl-", ""},  {"-", "-"},
        {"aa", "aa"},      {"a b", "a b"}, {"a-b-c-d-e-f-g-h-i", "i"}};
    const char *wrong;
    struct stroke s;

    (void)state;
    for (size_t i = 0; i < sizeof(wrongs) / sizeof(wrongs[0]); i++) {
        assert_int_equal(stroke_parse(&s, wrongs[i][0], &wrong), -1);
        assert_string_equal(wrong, wrongs[i][1]);
    }
    is("a-b-c-d-e-f-g-h", "a b c d e f g h");
}

/* What a US keyboard types, written down row by row as it is printed on the keys. */
static void characters(void **state)
{
    static const char plain[] = "`1234567890-=qwertyuiop[]\\asdfghjkl;'zxcvbnm,./";
    static const char shifted[] = "~!@#$%^&*()_+QWERTYUIOP{}|ASDFGHJKL:\"ZXCVBNM<>?";
    struct stroke a, b;

    (void)state;
    for (size_t i = 0; i < sizeof(plain) - 1; i++) {
        assert_int_equal(stroke_for(&a, plain[i]), 0);
        assert_int_equal(a.keys, 1);
        assert_int_equal(stroke_for(&b, shifted[i]), 0);
        assert_int_equal(b.keys, 2);
        assert_string_equal(b.key[0], "shift");
        assert_string_equal(b.key[1], a.key[0]);
    }
    assert_int_equal(stroke_for(&a, ' '), 0);
    assert_string_equal(joined(&a), "spc");
    assert_int_equal(stroke_for(&a, '\n'), 0);
    assert_string_equal(joined(&a), "ret");
    assert_int_equal(stroke_for(&a, '7'), 0);
    assert_string_equal(joined(&a), "7");
    assert_int_equal(stroke_for(&a, ';'), 0);
    assert_string_equal(joined(&a), "semicolon");
}

static void every_byte(void **state)
{
    unsigned typed = 0;
    struct stroke s;

    (void)state;
    for (int c = -128; c < 128; c++) {
        int rc = stroke_for(&s, (char)c);

        typed += rc == 0;
        assert_int_equal(rc == 0, (c >= ' ' && c <= '~') || c == '\n' || c == '\t');
    }
    assert_int_equal(typed, 95 + 2);
}

static void json(void **state)
{
    char text[STROKE_JSON];
    const char *wrong;
    struct stroke s;

    (void)state;
    stroke_parse(&s, "ctrl-a", &wrong);
    assert_int_equal(stroke_json(&s, 20, text, sizeof(text)), 0);
    assert_string_equal(text, "{\"hold-time\":20,\"keys\":[{\"type\":\"qcode\",\"data\":\"ctrl\"},"
                              "{\"type\":\"qcode\",\"data\":\"a\"}]}");
    for (size_t size = 1; size <= strlen(text); size++) {
        char *exact = malloc(size); /* its end is watched */

        assert_int_equal(stroke_json(&s, 20, exact, size), -1);
        free(exact);
    }
    s.keys = 0;
    while (s.keys < STROKE_KEYS)
        s.key[s.keys++] = "bracket_right"; /* the longest name */
    assert_int_equal(stroke_json(&s, UINT32_MAX, text, sizeof(text)), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names),      cmocka_unit_test(no_names), cmocka_unit_test(characters),
        cmocka_unit_test(every_byte), cmocka_unit_test(json),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
