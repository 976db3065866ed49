/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "libvmctl/plain.h"

static void becomes(const char *text, const char *expected)
{
    char copy[64];

    strcpy(copy, text);
    make_plain(copy);
    assert_string_equal(copy, expected);
}

static void text_stays(void **state)
{
    (void)state;
    becomes("", "");
    becomes("Device 'x' is locked", "Device 'x' is locked");
    becomes("Gerät, 漢字, \xc2\xa0~", "Gerät, 漢字, \xc2\xa0~");
    becomes("\xe0\xc2\x80\xdb", "\xe0??\xdb"); /* not UTF-8 as a whole */
}

static void controls_go(void **state)
{
    (void)state;
    becomes("a\nb\tc\r", "a b c ");
    becomes("\x1b]0;title\x07\x1b[2J\x7f\x01", "?]0;title??[2J??");
    becomes("\xc2\x9b"
            "31m",
            "??31m"); /* the escape and the bracket in one */
    becomes("\xc2", "\xc2");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_stays),
        cmocka_unit_test(controls_go),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
