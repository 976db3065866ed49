/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "devmodel/qmp_message.h"

static void is(struct text t, const char *want)
{
    assert_non_null(t.at);
    assert_int_equal(t.length, strlen(want));
    assert_memory_equal(t.at, want, t.length);
}

static struct text object(const char *s)
{
    return qmp_object(s, strlen(s));
}

static void test_object(void **state)
{
    (void)state;
    is(object("{}"), "{}");
    is(object("\r\n {\"a\": {\"b\": [1, {}]}} {\"c\""), "{\"a\": {\"b\": [1, {}]}}");
    is(object("{\"}\": \"\\\"}\\\\\"}x"), "{\"}\": \"\\\"}\\\\\"}");
    assert_null(object("").at);
    assert_null(object("  ]").at);
    assert_null(object("{\"a\": 1").at);
    assert_null(object("{\"a}").at);
    assert_null(object("{\"a\\\"}").at);
}

/* However the stream is cut, an object appears with its last byte. */
static void test_stream(void **state)
{
    static const char text[] = "{\"execute\": \"a{\\\"\", \"arguments\": {\"x\": [\"]\", {}]}}";

    (void)state;
    for (size_t n = 0; n < sizeof(text) - 1; n++) {
        char *copy = malloc(n + 1); /* so that a read behind it is seen */

        memcpy(copy, text, n);
        assert_null(qmp_object(copy, n).at);
        free(copy);
    }
    is(qmp_object(text, sizeof(text) - 1), text);
}

static void test_member(void **state)
{
    struct text o = object("{ \"arguments\" : {\"id\": 9, \"execute\": \"no\"},\n\"id\":\"x 1\", "
                           "\"execute\":\"query\" , \"n\": -1.5e3}");

    (void)state;
    is(qmp_member(o, "id"), "\"x 1\"");
    is(qmp_member(o, "execute"), "\"query\"");
    is(qmp_member(o, "n"), "-1.5e3");
    is(qmp_member(qmp_member(o, "arguments"), "id"), "9");
    assert_null(qmp_member(o, "x").at);
    assert_true(qmp_is(qmp_member(o, "execute"), "query"));
    assert_false(qmp_is(qmp_member(o, "execute"), "quer"));
    assert_false(qmp_is(qmp_member(o, "n"), "-1.5e3"));
    assert_false(qmp_is(qmp_member(o, "x"), ""));
}

static void test_nonsense(void **state)
{
    static const char *const texts[] = {"{,}",    "{:}",     "{\"a\"}",  "{\"a\",1}",
                                        "{]}",    "{a b c}", "{\"a\":}", "{\"a\" \"b\":1}",
                                        "{{}:{}}"};

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct text o = object(texts[i]);

        if (o.at)
            assert_null(qmp_member(o, "b").at);
    }
}

static void test_string(void **state)
{
    char s[8];

    (void)state;
    assert_true(qmp_string(object("{}").at ? qmp_member(object("{\"f\":\"/a\\\\b\\\"\"}"), "f")
                                           : (struct text){0},
                           s, sizeof(s)));
    assert_string_equal(s, "/a\\b\"");
    assert_true(qmp_string((struct text){"\"1234567\"", 9}, s, sizeof(s)));
    assert_false(qmp_string((struct text){"\"12345678\"", 10}, s, sizeof(s)));
    assert_false(qmp_string((struct text){"12", 2}, s, sizeof(s)));
    assert_false(qmp_string((struct text){"\"\\u0041\"", 8}, s, sizeof(s)));
    assert_true(qmp_string((struct text){"\"\\\\u\"", 5}, s, sizeof(s)));
    assert_string_equal(s, "\\u");
    assert_false(qmp_string((struct text){0}, s, sizeof(s)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_object), cmocka_unit_test(test_stream),
        cmocka_unit_test(test_member), cmocka_unit_test(test_nonsense),
        cmocka_unit_test(test_string),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
