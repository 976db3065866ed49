/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "hv/boot_info.h"
#include "hv/cmdline.h"
#include "hv/compiler.h"
#include "hv/log.h"

/* What the command line has to say goes here instead of to the log. */
static char said[8192];

void log_print(enum log_level level, const char *fmt, ...)
{
    va_list ap;
    size_t len = strlen(said);

    assert_int_equal(level, LOG_WARN);
    va_start(ap, fmt);
    vsnprintf(said + len, sizeof(said) - len, fmt, ap);
    va_end(ap);
    strcat(said, "\n");
}

static int start(void **state)
{
    (void)state;
    said[0] = '\0';
    return 0;
}

static void test_bool(void **state)
{
    (void)state;
    cmdline_init("a no-b c=no d=on e=off f=1 g=0 no-h h no-i=yes");
    assert_true(cmdline_bool("a", false));
    assert_false(cmdline_bool("b", true));
    assert_false(cmdline_bool("c", true));
    assert_true(cmdline_bool("d", false));
    assert_false(cmdline_bool("e", true));
    assert_true(cmdline_bool("f", false));
    assert_false(cmdline_bool("g", true));
    assert_true(cmdline_bool("h", false));
    assert_true(cmdline_bool("absent", true));
    assert_false(cmdline_bool("absent", false));
    assert_string_equal(said, "");
    assert_int_equal(cmdline_report_unknown(), 1);
    assert_non_null(strstr(said, "unknown option 'no-i=yes'"));
}

static void test_bool_wrong(void **state)
{
    (void)state;
    cmdline_init("a=maybe");
    assert_true(cmdline_bool("a", true));
    assert_false(cmdline_bool("a", false));
    assert_non_null(strstr(said, "a=maybe"));
    assert_int_equal(cmdline_report_unknown(), 0);
}

static void test_u64(void **state)
{
    (void)state;
    cmdline_init(
        "\tdec=123 hex=0xfF k=2k m=512M g=0x4G t=1t\nmax=0xffffffffffffffff dec2=1 dec2=7 ");
    assert_int_equal(cmdline_u64("dec", 0), 123);
    assert_int_equal(cmdline_u64("hex", 0), 255);
    assert_int_equal(cmdline_u64("k", 0), 2048);
    assert_int_equal(cmdline_u64("m", 0), 512ull << 20);
    assert_int_equal(cmdline_u64("g", 0), 4ull << 30);
    assert_int_equal(cmdline_u64("t", 0), 1ull << 40);
    assert_int_equal(cmdline_u64("max", 0), ~0ull);
    assert_int_equal(cmdline_u64("dec2", 0), 7);
    assert_int_equal(cmdline_u64("absent", 42), 42);
    assert_string_equal(said, "");
    assert_int_equal(cmdline_report_unknown(), 0);
}

static void test_u64_wrong(void **state)
{
    static const char *const bad[] = {"n=",
                                      "n",
                                      "n=x",
                                      "n=-1",
                                      "n=0x",
                                      "n=1q",
                                      "n=1kk",
                                      "n=1 k",
                                      "n=18446744073709551616",
                                      "n=0x10000000000000000",
                                      "n=16777216T",
                                      "n=1k2"};

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
        u64 expect = strcmp(bad[i], "n=1 k") ? 99 : 1;

        said[0] = '\0';
        cmdline_init(bad[i]);
        if (cmdline_u64("n", 99) != expect)
            fail_msg("%s was taken", bad[i]);
        assert_int_equal(said[0] == '\0', expect == 1);
    }
}

static void test_choice(void **state)
{
    static const char *const levels[] = {"err", "warn", "info"};

    (void)state;
    cmdline_init("loglvl=info other=inf");
    assert_int_equal(cmdline_choice("loglvl", levels, 3, 0), 2);
    assert_int_equal(cmdline_choice("absent", levels, 3, 1), 1);
    assert_string_equal(said, "");
    assert_int_equal(cmdline_choice("other", levels, 3, 1), 1);
    assert_non_null(strstr(said, "other=inf"));
}

static void test_string(void **state)
{
    (void)state;
    cmdline_init("com1=9600,0x2f8 com10=x bare a=b=c");
    assert_string_equal(cmdline_string("com1"), "9600,0x2f8");
    assert_string_equal(cmdline_string("bare"), "");
    assert_string_equal(cmdline_string("a"), "b=c");
    assert_null(cmdline_string("com"));
    assert_null(cmdline_string("com1x"));
    assert_int_equal(cmdline_report_unknown(), 1);
    assert_non_null(strstr(said, "unknown option 'com10=x'"));
}

static void test_too_much(void **state)
{
    char text[2 * BOOT_CMDLINE];

    (void)state;
    text[0] = '\0';
    for (int i = 0; i < 70; i++)
        sprintf(text + strlen(text), "w%d ", i);
    cmdline_init(text);
    assert_non_null(strstr(said, "'w64' ignored"));
    assert_non_null(cmdline_string("w63"));
    assert_null(cmdline_string("w64"));
    said[0] = '\0';
    assert_int_equal(cmdline_report_unknown(), 63);

    said[0] = '\0';
    memset(text, 'x', sizeof(text));
    text[sizeof(text) - 1] = '\0';
    cmdline_init(text);
    assert_non_null(strstr(said, "cut"));
    cmdline_init("");
    assert_int_equal(cmdline_report_unknown(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_bool, start),
        cmocka_unit_test_setup(test_bool_wrong, start),
        cmocka_unit_test_setup(test_u64, start),
        cmocka_unit_test_setup(test_u64_wrong, start),
        cmocka_unit_test_setup(test_choice, start),
        cmocka_unit_test_setup(test_string, start),
        cmocka_unit_test_setup(test_too_much, start),
    };

    return cmocka_run_group_tests_name("cmdline", tests, NULL, NULL);
}
