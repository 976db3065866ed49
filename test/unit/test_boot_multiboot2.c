/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "boot/memmap.h"
#include "boot/multiboot2.h"
#include "hv/compiler.h"
#include "test/unit/random.h"

static struct boot_info bi;
static struct mb2_extra extra;

/* The structure under construction. */
static u8 mbi[65536] __aligned(8);
static u32 used;

static void put(const void *p, size_t n)
{
    assert_true(used + n <= sizeof(mbi));
    if (n)
        memcpy(mbi + used, p, n);
    used += (u32)n;
}

static void put32(u32 v)
{
    put(&v, 4);
}

static void put64(u64 v)
{
    put(&v, 8);
}

static void open_tag(u32 type, u32 payload)
{
    while (used % 8)
        put("", 1);
    put32(type);
    put32(8 + payload);
}

static void put_text_tag(u32 type, const char *text)
{
    open_tag(type, (u32)strlen(text) + 1);
    put(text, strlen(text) + 1);
}

static void check_region(unsigned i, u64 base, u64 size, enum boot_mem_type type)
{
    assert_true(i < bi.region_count);
    assert_int_equal(bi.region[i].base, base);
    assert_int_equal(bi.region[i].size, size);
    assert_int_equal(bi.region[i].type, type);
}

static void put_module(u32 start, u32 end, const char *cmdline)
{
    open_tag(3, 8 + (u32)strlen(cmdline) + 1);
    put32(start);
    put32(end);
    put(cmdline, strlen(cmdline) + 1);
}

static void put_mmap(u32 entry_size, size_t n, const u64 entries[][3])
{
    open_tag(6, 8 + (u32)n * entry_size);
    put32(entry_size);
    put32(0);
    for (size_t i = 0; i < n; i++) {
        put64(entries[i][0]);
        put64(entries[i][1]);
        put32((u32)entries[i][2]);
        for (u32 pad = 20; pad < entry_size; pad += 4)
            put32(0xdeadbeef);
    }
}

static void put_ram(void)
{
    put_mmap(24, 1, (const u64[][3]){{0x100000, 0x100000, 1}});
}

static int start(void **state)
{
    (void)state;
    memset(mbi, 0, sizeof(mbi));
    used = 0;
    put32(0);
    put32(0);
    return 0;
}

/* Parses exactly size bytes, on the heap, so that ASan sees any byte read beyond them. */
static const char *parse_bytes(const void *p, u32 size)
{
    static u8 *copy;

    free(copy);
    copy = malloc(size ? size : 1);
    memcpy(copy, p, size);
    return mb2_parse(copy, size, &bi, &extra);
}

static const char *parse(void)
{
    open_tag(0, 0);
    memcpy(mbi, &used, 4);
    return parse_bytes(mbi, used);
}

static void refuse(const char *reason)
{
    const char *wrong = parse();

    if (!wrong || !strstr(wrong, reason))
        fail_msg("'%s' is not in '%s'", reason, wrong ? wrong : "(accepted)");
}

static void test_everything(void **state)
{
    static const u8 colours[] = {16, 8, 8, 8, 0, 8};

    (void)state;
    put_text_tag(1, "loglvl=debug x");
    put_text_tag(2, "GRUB 2.06");
    put_module(0x200000, 0x200123, "root=/dev/sda");
    put_module(0x300000, 0x300000, "");
    put_mmap(24, 3,
             (const u64[][3]){{0x100000, 0x700000, 1}, {0, 0x9fc00, 1}, {0xfe000000, 0x1000, 7}});
    open_tag(8, 30);
    put64(0xfd000000);
    put32(4096), put32(1024), put32(768);
    put("\x20\x01\0\0", 4);
    put(colours, 6);
    open_tag(12, 8);
    put64(0x123456789a);
    open_tag(0x4242, 3); /* unknown: skipped */
    put("abc", 3);

    assert_null(parse());
    assert_string_equal(bi.cmdline, "loglvl=debug x");
    assert_string_equal(bi.loader, "GRUB 2.06");
    assert_int_equal(bi.module_count, 2);
    assert_int_equal(bi.module[0].base, 0x200000);
    assert_int_equal(bi.module[0].size, 0x123);
    assert_string_equal(&bi.strings[bi.module[0].cmdline], "root=/dev/sda");
    assert_string_equal(&bi.strings[bi.module[0].name], "");
    assert_int_equal(bi.module[1].size, 0);
    assert_int_equal(bi.region_count, 3);
    check_region(0, 0, 0x9f000, BOOT_MEM_USABLE);
    check_region(1, 0x100000, 0x700000, BOOT_MEM_USABLE);
    check_region(2, 0xfe000000, 0x1000, BOOT_MEM_RESERVED);
    assert_int_equal(bi.framebuffer.present, 1);
    assert_int_equal(bi.framebuffer.base, 0xfd000000);
    assert_int_equal(bi.framebuffer.pitch, 4096);
    assert_int_equal(bi.framebuffer.width, 1024);
    assert_int_equal(bi.framebuffer.height, 768);
    assert_int_equal(bi.framebuffer.bpp, 32);
    assert_int_equal(bi.framebuffer.red_pos, 16);
    assert_int_equal(bi.framebuffer.blue_pos, 0);
    assert_int_equal(bi.framebuffer.blue_size, 8);
    assert_int_equal(bi.efi_system_table, 0x123456789a);
    assert_null(extra.rsdp);
}

static void test_larger_mmap_entries(void **state)
{
    (void)state;
    put_mmap(40, 2, (const u64[][3]){{0x100000, 0x1000, 1}, {0x200000, 0x1000, 3}});
    assert_null(parse());
    check_region(0, 0x100000, 0x1000, BOOT_MEM_USABLE);
    check_region(1, 0x200000, 0x1000, BOOT_MEM_ACPI);
}

static void test_newer_rsdp_wins(void **state)
{
    (void)state;
    put_ram();
    put_text_tag(15, "new");
    put_text_tag(14, "old");
    assert_null(parse());
    assert_string_equal(extra.rsdp, "new");
    assert_int_equal(extra.rsdp_size, 4);

    start(state);
    put_ram();
    put_text_tag(14, "old");
    put_text_tag(15, "newer");
    assert_null(parse());
    assert_string_equal(extra.rsdp, "newer");
}

static void test_text_framebuffer_is_none(void **state)
{
    (void)state;
    put_ram();
    open_tag(8, 24);
    put64(0xb8000);
    put32(160), put32(80), put32(25);
    put("\x10\x02\0\0", 4);
    assert_null(parse());
    assert_int_equal(bi.framebuffer.present, 0);

    start(state);
    put_ram();
    open_tag(8, 29); /* RGB, but the last colour is cut off */
    put64(0xfd000000);
    put32(4096), put32(1024), put32(768);
    put("\x20\x01\0\0", 4);
    put("\x10\x08\x08\x08\x00", 5);
    assert_null(parse());
    assert_int_equal(bi.framebuffer.present, 0);
}

static void test_unterminated_text(void **state)
{
    (void)state;
    put_ram();
    open_tag(1, 4);
    put("abcd", 4);
    open_tag(2, 0);
    open_tag(3, 8 + 2);
    put32(0x1000), put32(0x2000);
    put("xy", 2);
    assert_null(parse());
    assert_string_equal(bi.cmdline, "abcd");
    assert_string_equal(bi.loader, "");
    assert_string_equal(&bi.strings[bi.module[0].cmdline], "xy");
}

static void test_long_texts(void **state)
{
    static char text[BOOT_STRINGS + 10];

    (void)state;
    put_ram();
    memset(text, 'x', BOOT_CMDLINE - 1);
    put_text_tag(1, text);
    put_text_tag(2, text); /* a loader's name may be cut */
    assert_null(parse());
    assert_int_equal(strlen(bi.cmdline), BOOT_CMDLINE - 1);
    assert_int_equal(strlen(bi.loader), sizeof(bi.loader) - 1);

    start(state);
    put_ram();
    memset(text, 'x', BOOT_CMDLINE);
    put_text_tag(1, text);
    refuse("longer than 1023");

    start(state);
    put_ram();
    memset(text, 'x', BOOT_STRINGS);
    put_module(0x1000, 0x2000, text);
    refuse("longer than 8190");
}

static void test_bad_modules(void **state)
{
    (void)state;
    put_ram();
    put_module(0x2000, 0x1fff, "");
    refuse("ends before it starts");

    start(state);
    put_ram();
    put_module(0x2001, 0x3000, "");
    refuse("not page-aligned");

    start(state);
    put_ram();
    for (int i = 0; i <= BOOT_MAX_MODULES; i++)
        put_module(0x2000, 0x3000, "");
    refuse("more than 32 modules");
}

static void test_bad_mmap(void **state)
{
    u64 entries[BOOT_MAX_REGIONS + 1][3];

    (void)state;
    refuse("no memory map");

    start(state);
    put_mmap(20, 1, (const u64[][3]){{0x100000, 0x1000, 1}});
    refuse("unknown form");
    start(state);
    put_mmap(28, 1, (const u64[][3]){{0x100000, 0x1000, 1}});
    refuse("unknown form");
    start(state);
    open_tag(6, 8);
    put32(0), put32(0);
    refuse("unknown form");

    start(state);
    for (u64 i = 0; i <= BOOT_MAX_REGIONS; i++) {
        entries[i][0] = i * 0x2000;
        entries[i][1] = 0x1000;
        entries[i][2] = 1;
    }
    put_mmap(24, BOOT_MAX_REGIONS + 1, entries);
    refuse("more than 256 regions");
}

static void test_bad_tags(void **state)
{
    (void)state;
    put_ram();
    put32(1), put32(7); /* shorter than its own header */
    refuse("impossible size");

    start(state);
    put_ram();
    put32(1), put32(0);
    refuse("impossible size");

    start(state);
    put_ram();
    put32(1), put32(~0u);
    refuse("impossible size");

    start(state);
    put_ram();
    open_tag(12, 4);
    put32(0);
    refuse("too short");

    start(state);
    put_ram();
    open_tag(6, 7);
    put("\x18\0\0\0\0\0\0", 7);
    refuse("too short");
}

static void test_no_end(void **state)
{
    (void)state;
    put_ram();
    assert_non_null(strstr(parse_bytes(mbi, used), "no end"));
    assert_non_null(strstr(parse_bytes(mbi, 0), "no end"));
    assert_non_null(strstr(parse_bytes(mbi, 8), "no end"));
    assert_non_null(strstr(parse_bytes(mbi, 15), "no end"));
}

/* Cut anywhere, and with random bytes changed: an answer, and nothing read or written out of
 * bounds. */
static void test_damaged(void **state)
{
    u32 whole;

    (void)state;
    random_init();
    put_text_tag(1, "a b");
    put_module(0x200000, 0x200123, "m");
    put_mmap(24, 2, (const u64[][3]){{0x100000, 0x700000, 1}, {0, 0x9fc00, 1}});
    open_tag(8, 30);
    for (int i = 0; i < 30; i++)
        put("\x01", 1);
    put_text_tag(15, "RSD PTR ");
    assert_null(parse());
    whole = used;
    for (u32 n = 0; n < whole; n++)
        assert_non_null(parse_bytes(mbi, n));
    for (int i = 0; i < 20000; i++) {
        u8 damaged[1024] __aligned(8);

        memcpy(damaged, mbi, whole);
        for (u64 n = 1 + random_below(4); n; n--)
            damaged[random_below(whole)] = (u8)(random_below(2) ? random_u64() : random_below(32));
        if (!parse_bytes(damaged, whole)) {
            assert_true(bi.module_count <= BOOT_MAX_MODULES);
            assert_true(bi.region_count <= BOOT_MAX_REGIONS);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_everything, start),
        cmocka_unit_test_setup(test_larger_mmap_entries, start),
        cmocka_unit_test_setup(test_newer_rsdp_wins, start),
        cmocka_unit_test_setup(test_text_framebuffer_is_none, start),
        cmocka_unit_test_setup(test_unterminated_text, start),
        cmocka_unit_test_setup(test_long_texts, start),
        cmocka_unit_test_setup(test_bad_modules, start),
        cmocka_unit_test_setup(test_bad_mmap, start),
        cmocka_unit_test_setup(test_bad_tags, start),
        cmocka_unit_test_setup(test_no_end, start),
        cmocka_unit_test_setup(test_damaged, start),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
