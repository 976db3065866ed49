/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "devmodel/debugcon.h"

static struct debugcon console;
static char *text;
static size_t length;
static FILE *out;

static int start(void **state)
{
    (void)state;
    console = (struct debugcon){0};
    out = open_memstream(&text, &length);
    return out ? 0 : -1;
}

static int end(void **state)
{
    (void)state;
    fclose(out);
    free(text);
    return 0;
}

static void say(const char *s)
{
    for (; *s; s++)
        debugcon_write(&console, (uint8_t)*s, out);
    fflush(out);
}

static void test_lines(void **state)
{
    (void)state;
    say("one\r\ntwo");
    assert_string_equal(text, "guest: one\n");
    say("\x1b[0m\xff\n\n");
    assert_string_equal(text, "guest: one\nguest: two?[0m?\nguest: \n");
}

static void test_long_line(void **state)
{
    char want[2 * DEBUGCON_LINE];

    (void)state;
    for (unsigned i = 0; i <= DEBUGCON_LINE; i++)
        say("x");
    snprintf(want, sizeof(want), "guest: %0*d\n", DEBUGCON_LINE, 0);
    for (char *p = want; (p = strchr(p, '0'));)
        *p = 'x';
    assert_string_equal(text, want);
    say("\n");
    assert_int_equal(length, strlen(want) + strlen("guest: x\n"));
}

static void test_limit(void **state)
{
    static const char last[] = "nothing more of it is written.\n";
    size_t before;

    (void)state;
    for (unsigned i = 0; i < DEBUGCON_MAX; i++)
        say("y\n");
    before = length;
    assert_in_range(before, DEBUGCON_MAX, 5 * DEBUGCON_MAX);
    assert_string_equal(text + length - strlen(last), last);
    say("more\n");
    assert_int_equal(length, before);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, start, end)

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(test_lines), TEST(test_long_line), TEST(test_limit)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
