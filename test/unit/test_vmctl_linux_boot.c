/* SPDX-License-Identifier: BSD-2-Clause */
/* Where a directly booted kernel lies, what is in its header, and what starts it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <errno.h>
#include "libvmctl/linux_boot.h"

#define MIB   (1ull << 20)
#define LOW   (16 * MIB)
#define HIGH  (240 * MIB)
#define SECTS 3u
#define SETUP ((SECTS + 1) * 512)
#define CODE  (5 * MIB + 17)

static uint8_t *bytes;
static struct file kernel;

static void put16(unsigned at, uint16_t value)
{
    memcpy(bytes + at, &value, 2);
}

static void put32(unsigned at, uint32_t value)
{
    memcpy(bytes + at, &value, 4);
}

static uint32_t get32(const uint8_t *p, unsigned at)
{
    uint32_t value;

    memcpy(&value, p + at, 4);
    return value;
}

/* The offsets are the boot protocol's, written out here once more. */
static int setup(void **state)
{
    (void)state;
    kernel.size = SETUP + CODE;
    kernel.data = bytes = malloc(kernel.size);
    for (size_t i = 0; i < kernel.size; i++)
        bytes[i] = (uint8_t)(i * 7 + i / 251);
    bytes[0x1f1] = SECTS;
    memcpy(bytes + 0x202, "HdrS", 4);
    put16(0x206, 0x20f);
    put16(0x1fa, 0x1234);
    bytes[0x211] = 1;
    put32(0x22c, 0x7fffffff);
    put32(0x238, 2047);
    put32(0x258, 16 * MIB);
    put32(0x25c, 0);
    put32(0x260, 40 * MIB);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    free(bytes);
    return 0;
}

static int plan(struct linux_boot *b, const char *cmdline, size_t initrd)
{
    return linux_boot_plan(b, &kernel, cmdline, initrd, LOW, HIGH);
}

static void test_places(void **state)
{
    struct linux_boot b;

    (void)state;
    assert_int_equal(plan(&b, "quiet", 3 * MIB + 1), 0);
    assert_int_equal(b.initrd % 4096, 0);
    assert_int_equal(b.stage % 4096, 0);
    assert_int_equal(b.stage, LOW);
    assert_int_equal(b.initrd, 56 * MIB); /* the running kernel's own place reaches up to there */
    assert_int_equal(b.initrd_size, 3 * MIB + 1);
    assert_int_equal(b.setup_size, SETUP);
    assert_int_equal(b.code_size, CODE);
}

static void test_refuses(void **state)
{
    struct linux_boot b;
    char longer[2100];

    (void)state;
    memset(longer, 'x', sizeof(longer));
    longer[2047] = 0;
    assert_int_equal(plan(&b, longer, 0), 0);
    longer[2047] = 'x';
    longer[2048] = 0;
    assert_int_equal(plan(&b, longer, 0), -E2BIG);
    assert_int_equal(plan(&b, NULL, HIGH - 56 * MIB + 1), -ENOMEM);
    assert_int_equal(plan(&b, NULL, HIGH - 56 * MIB), 0);
    assert_int_equal(plan(&b, NULL, HIGH + 1), -ENOMEM);
    assert_int_equal(plan(&b, NULL, SIZE_MAX), -ENOMEM);
    bytes[0x211] = 0; /* a zImage */
    assert_int_equal(plan(&b, NULL, 0), -ENOEXEC);
    bytes[0x211] = 1;
    put16(0x206, 0x209);
    assert_int_equal(plan(&b, NULL, 0), -ENOEXEC);
    put16(0x206, 0x20f);
    bytes[0x202] = 'X';
    assert_int_equal(plan(&b, NULL, 0), -ENOEXEC);
    bytes[0x202] = 'H';
    bytes[0x1f1] = 255;
    assert_int_equal(plan(&b, NULL, 0), -ENOEXEC);
    bytes[0x1f1] = SECTS;
    kernel.size = SETUP;
    assert_int_equal(plan(&b, NULL, 0), -ENOEXEC);
    kernel.size = 0x200;
    assert_int_equal(plan(&b, NULL, 0), -ENOEXEC);
}

/* A header may say anything: nothing may come out that lies outside of low and high. */
static void test_lying_headers(void **state)
{
    struct linux_boot b;

    (void)state;
    srand(1);
    put32(0x238, 2047);
    for (unsigned i = 0; i < 20000; i++) {
        for (unsigned at = 0x206; at < 0x264; at++)
            bytes[at] = (uint8_t)rand();
        put16(0x206, 0x20f);
        bytes[0x211] |= 1;
        if (plan(&b, "a", (size_t)rand() % (64 * MIB)))
            continue;
        assert_true(b.stage >= LOW && b.stage + b.stage_size <= b.initrd);
        assert_true(b.initrd + b.initrd_size <= HIGH);
    }
}

static void test_stage(void **state)
{
    struct linux_boot b;
    uint8_t *p, *h;

    (void)state;
    assert_int_equal(plan(&b, "root=/dev/sda vga=0x317 quiet", 4096), 0);
    p = malloc(b.stage_size);
    linux_boot_stage(&b, &kernel, "root=/dev/sda vga=0x317 quiet", p);
    h = p + b.setup_at;
    assert_memory_equal(p, bytes + SETUP, CODE);
    assert_memory_equal(h, bytes, 0x1f1);
    assert_memory_equal(h + 0x264, bytes + 0x264, SETUP - 0x264);
    assert_string_equal((char *)p + b.cmdline_at, "root=/dev/sda vga=0x317 quiet");
    assert_int_equal(get32(h, 0x218), b.initrd);
    assert_int_equal(get32(h, 0x21c), 4096);
    assert_int_equal(h[0x211], 0x81);
    assert_int_equal(h[0x210], 0xff);
    assert_int_equal(h[0x1fa] | h[0x1fb] << 8, 0x317);
    free(p);
}

static void test_video_mode(void **state)
{
    static const struct {
        const char *cmdline;
        unsigned mode;
    } cases[] = {{NULL, 0x1234},        {"quiet", 0x1234},     {"vga=normal", 0xffff},
                 {"a vga=ext", 0xfffe}, {"vga=ask b", 0xfffd}, {"vga=791", 791},
                 {"nvga=791", 0x1234}};
    struct linux_boot b;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(plan(&b, cases[i].cmdline, 0), 0);
        assert_int_equal(b.vid_mode, cases[i].mode);
    }
}

/* Moves of whole words that cover each piece, and an end; the rest is the program as it is. */
static void test_stub(void **state)
{
    uint8_t stub[LINUX_STUB_SIZE];
    struct linux_boot b;

    (void)state;
    assert_int_equal(plan(&b, "quiet", 4096), 0);
    linux_boot_stub(&b, stub);
    assert_memory_equal(stub + 0x202, "HdrS", 4);
    assert_int_equal(stub[0x1f1], 1);
    assert_int_equal(get32(stub, 0x240), b.stage);
    assert_int_equal(get32(stub, 0x244), 0x100000);
    assert_true(get32(stub, 0x248) * 4 >= b.code_size);
    assert_int_equal(get32(stub, 0x24c), b.stage + b.setup_at);
    assert_int_equal(get32(stub, 0x254) * 4, b.setup_size);
    assert_int_equal(get32(stub, 0x258), b.stage + b.cmdline_at);
    assert_true(get32(stub, 0x260) * 4 >= sizeof("quiet"));
    assert_int_equal(get32(stub, 0x26c), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_places, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refuses, setup, teardown),
        cmocka_unit_test_setup_teardown(test_lying_headers, setup, teardown),
        cmocka_unit_test_setup_teardown(test_stage, setup, teardown),
        cmocka_unit_test_setup_teardown(test_video_mode, setup, teardown),
        cmocka_unit_test_setup_teardown(test_stub, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
