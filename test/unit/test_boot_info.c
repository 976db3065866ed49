/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "boot/info.h"
#include "boot/rsdp.h"
#include "hv/errno.h"

static struct boot_info bi;

static int start(void **state)
{
    (void)state;
    memset(&bi, 0xa5, sizeof(bi));
    boot_info_init(&bi);
    return 0;
}

static void test_valid(void **state)
{
    (void)state;
    assert_true(boot_info_valid(&bi));
    assert_int_equal(bi.strings[0], 0);
    assert_int_equal(bi.module_count, 0);
    assert_memory_equal(&bi.magic, "\001\nHELIUM", 8);
    bi.version++;
    assert_false(boot_info_valid(&bi));
    boot_info_init(&bi);
    bi.size--;
    assert_false(boot_info_valid(&bi));
    boot_info_init(&bi);
    bi.magic ^= 1;
    assert_false(boot_info_valid(&bi));
    boot_info_init(&bi);
    bi.region_count = BOOT_MAX_REGIONS + 1;
    assert_false(boot_info_valid(&bi));
    boot_info_init(&bi);
    bi.module_count = BOOT_MAX_MODULES + 1;
    assert_false(boot_info_valid(&bi));
}

static void test_copy(void **state)
{
    char to[4] = "zzz";

    (void)state;
    assert_int_equal(boot_copy(to, sizeof(to), "abcdef", 3), 0);
    assert_string_equal(to, "abc");
    assert_int_equal(boot_copy(to, sizeof(to), "xyzw", 4), -E2BIG);
    assert_string_equal(to, "xyz");
    assert_int_equal(boot_copy(to, sizeof(to), NULL, 0), 0);
    assert_string_equal(to, "");
}

static const char *cmdline(u32 i)
{
    return &bi.strings[bi.module[i].cmdline];
}

static const char *name(u32 i)
{
    return &bi.strings[bi.module[i].name];
}

static void test_modules(void **state)
{
    (void)state;
    assert_int_equal(boot_add_module(&bi, 0x1000, 1, NULL, 0, NULL, 0), 0);
    assert_int_equal(boot_add_module(&bi, 0x2000, 2, "a b", 3, "k", 1), 0);
    assert_int_equal(boot_add_module(&bi, 0x3000, 0, "c", 1, NULL, 0), 0);
    assert_int_equal(boot_add_module(&bi, 0x4000, 4, NULL, 0, "last", 4), 0);
    assert_int_equal(bi.module_count, 4);
    assert_string_equal(cmdline(0), "");
    assert_string_equal(name(0), "");
    assert_string_equal(cmdline(1), "a b");
    assert_string_equal(name(1), "k");
    assert_string_equal(cmdline(2), "c");
    assert_string_equal(name(2), "");
    assert_string_equal(cmdline(3), "");
    assert_string_equal(name(3), "last");
    assert_int_equal(bi.module[1].base, 0x2000);
    assert_int_equal(bi.module[1].size, 2);
    assert_int_equal(boot_add_module(&bi, 0x1001, 1, NULL, 0, NULL, 0), -EINVAL);
    assert_int_equal(boot_add_module(&bi, 0x1000, ~0ull, NULL, 0, NULL, 0), -EINVAL);
    assert_int_equal(bi.module_count, 4);
}

static void test_too_many_modules(void **state)
{
    (void)state;
    for (u32 i = 0; i < BOOT_MAX_MODULES; i++)
        assert_int_equal(boot_add_module(&bi, 0x1000, 1, "x", 1, "y", 1), 0);
    assert_int_equal(boot_add_module(&bi, 0x1000, 1, "x", 1, "y", 1), -ENOSPC);
    for (u32 i = 0; i < BOOT_MAX_MODULES; i++) {
        assert_string_equal(cmdline(i), "x");
        assert_string_equal(name(i), "y");
    }
}

static void test_strings_full(void **state)
{
    static char text[BOOT_STRINGS];

    (void)state;
    memset(text, 't', sizeof(text));
    assert_int_equal(boot_add_module(&bi, 0, 0, text, BOOT_STRINGS - 1, NULL, 0), -E2BIG);
    assert_int_equal(bi.module_count, 0);
    assert_int_equal(boot_add_module(&bi, 0, 0, text, BOOT_STRINGS - 2, "n", 1), -E2BIG);
    assert_int_equal(bi.module_count, 0);
    /* What failed left nothing behind: the whole table is there for this one. */
    assert_int_equal(boot_add_module(&bi, 0, 0, text, BOOT_STRINGS - 2, NULL, 0), 0);
    assert_int_equal(strlen(cmdline(0)), BOOT_STRINGS - 2);
    assert_int_equal(boot_add_module(&bi, 0, 0, "x", 1, NULL, 0), -E2BIG);
    assert_int_equal(boot_add_module(&bi, 0, 0, NULL, 0, NULL, 0), 0);
    assert_int_equal(bi.module_count, 2);
}

static void seal(u8 *p, size_t size, size_t at)
{
    u8 sum = 0;

    p[at] = 0;
    for (size_t i = 0; i < size; i++)
        sum = (u8)(sum + p[i]);
    p[at] = (u8)-sum;
}

static const u8 signature[8] = {'R', 'S', 'D', ' ', 'P', 'T', 'R', ' '};

static void make_rsdp(u8 *p, u8 revision)
{
    memset(p, 0x11, 36);
    memcpy(p, signature, sizeof(signature));
    p[15] = revision;
    seal(p, 20, 8);
    seal(p, 36, 32);
}

static void test_rsdp_valid(void **state)
{
    u8 p[36];

    (void)state;
    make_rsdp(p, 2);
    assert_true(rsdp_valid(p, 36));
    assert_false(rsdp_valid(p, 35)); /* revision 2 has 36 bytes */
    p[33] ^= 1;
    assert_false(rsdp_valid(p, 36)); /* second checksum */
    p[33] ^= 1;
    p[17] ^= 1;
    assert_false(rsdp_valid(p, 36));

    make_rsdp(p, 0);
    assert_true(rsdp_valid(p, 20));
    assert_false(rsdp_valid(p, 19));
    assert_false(rsdp_valid(p, 0));
    p[0] = 'r';
    seal(p, 20, 8);
    assert_false(rsdp_valid(p, 20));
}

static void test_rsdp_scan(void **state)
{
    const size_t size = 1024;
    u8 *area = calloc(1, size);

    (void)state;
    assert_int_equal(rsdp_scan(area, size), size);
    assert_int_equal(rsdp_scan(area, 0), 0);
    make_rsdp(area + 104, 0); /* not on a 16-byte boundary */
    assert_int_equal(rsdp_scan(area, size), size);
    make_rsdp(area + 512, 2);
    area[520]++; /* bad checksum */
    make_rsdp(area + 640, 2);
    make_rsdp(area + 800, 2);
    assert_int_equal(rsdp_scan(area, size), 640);
    memset(area, 0, size);
    memcpy(area + size - 16, signature, sizeof(signature)); /* cut off by the end */
    assert_int_equal(rsdp_scan(area, size), size);
    free(area);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_valid, start),
        cmocka_unit_test(test_copy),
        cmocka_unit_test_setup(test_modules, start),
        cmocka_unit_test_setup(test_too_many_modules, start),
        cmocka_unit_test_setup(test_strings_full, start),
        cmocka_unit_test(test_rsdp_valid),
        cmocka_unit_test(test_rsdp_scan),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
