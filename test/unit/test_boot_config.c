/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "boot/efi/config.h"
#include "test/unit/random.h"

static struct config config;
static struct config_error error;

/* Parses a copy that ends with the text, so that ASan sees any byte read beyond it. */
static bool parse(const char *text, size_t size)
{
    static char *copy;

    free(copy);
    copy = malloc(size ? size : 1);
    memcpy(copy, text, size);
    return config_parse(copy, size, &config, &error);
}

static bool is(struct slice s, const char *text)
{
    return s.len == strlen(text) && (!s.len || !memcmp(s.at, text, s.len));
}

static void accept(const char *text)
{
    if (!parse(text, strlen(text)))
        fail_msg("line %u: %s '%.*s'", error.line, error.reason, (int)error.word.len,
                 error.word.at ? error.word.at : "");
}

static void refuse(const char *text, u32 line, const char *reason, const char *word)
{
    assert_false(parse(text, strlen(text)));
    assert_int_equal(error.line, line);
    if (!strstr(error.reason, reason))
        fail_msg("'%s' is not in '%s'", reason, error.reason);
    if (!is(error.word, word))
        fail_msg("the word is '%.*s'", (int)error.word.len, error.word.at ? error.word.at : "");
}

/* Appends to the string in text, which has size bytes. */
static void append(char *text, size_t size, const char *more)
{
    size_t len = strlen(text);

    assert_true(len + strlen(more) < size);
    snprintf(text + len, size - len, "%s", more);
}

static void test_all_keys(void **state)
{
    (void)state;
    accept("# Helium\n"
           "hypervisor = \\EFI\\helium\\helium.elf\n"
           "cmdline = loglvl=debug a=b#c   # the rest is comment\n"
           "\n"
           "  module\t=\t/one.bin  first  module \n"
           "ramdisk=\\initrd.img\n"
           "kernel = \\vmlinux root=/dev/sda2 quiet\n"
           "module = two.bin\n"
           "video = 1280x1024\n");
    assert_true(is(config.hypervisor.path, "\\EFI\\helium\\helium.elf"));
    assert_true(is(config.cmdline, "loglvl=debug a=b#c"));
    assert_int_equal(config.file_count, 4);
    assert_true(is(config.file[0].path, "\\vmlinux"));
    assert_true(is(config.file[0].args, "root=/dev/sda2 quiet"));
    assert_int_equal(config.file[0].line, 7);
    assert_true(is(config.file[1].path, "\\initrd.img"));
    assert_int_equal(config.file[1].args.len, 0);
    assert_true(is(config.file[2].path, "/one.bin"));
    assert_true(is(config.file[2].args, "first  module"));
    assert_true(is(config.file[3].path, "two.bin"));
    assert_int_equal(config.video_width, 1280);
    assert_int_equal(config.video_height, 1024);
}

static void test_least(void **state)
{
    (void)state;
    accept("hypervisor=h");
    assert_true(is(config.hypervisor.path, "h"));
    assert_int_equal(config.file_count, 0);
    assert_int_equal(config.cmdline.len, 0);
    assert_int_equal(config.video_width, 0);
    accept("hypervisor = h\nvideo = keep\nmodule = m");
    assert_int_equal(config.file_count, 1);
    assert_int_equal(config.video_width, 0);
}

static void test_crlf_and_byte_order_mark(void **state)
{
    (void)state;
    accept("\xef\xbb\xbfhypervisor = h\r\n\r\n# c\r\nkernel = k a b\r\n");
    assert_true(is(config.hypervisor.path, "h"));
    assert_true(is(config.file[0].args, "a b"));
    refuse("\xef\xbb\xbfkernal = k\r\n", 1, "no such key", "kernal");
}

static void test_wrong_keys(void **state)
{
    (void)state;
    refuse("hypervisor = h\n\nkernal = k\n", 3, "no such key", "kernal");
    refuse("Hypervisor = h\n", 1, "no such key", "Hypervisor");
    refuse("hyper = h\n", 1, "no such key", "hyper");
    refuse("hypervisors = h\n", 1, "no such key", "hypervisors");
    refuse("= h\n", 1, "no such key", "");
    refuse("hypervisor = h\nkernel\n", 2, "not 'key = value'", "kernel");
    refuse("hypervisor = h\nkernel /vmlinux\n", 2, "not 'key = value'", "kernel /vmlinux");
}

static void test_missing(void **state)
{
    (void)state;
    refuse("", 0, "'hypervisor' is missing", "");
    refuse("kernel = k\n", 0, "'hypervisor' is missing", "");
    refuse("hypervisor = h\nramdisk = r\n", 0, "no 'kernel'", "");
    refuse("hypervisor =\n", 1, "no value", "hypervisor");
    refuse("hypervisor = h\nkernel = # later\n", 2, "no value", "kernel");
    refuse("hypervisor = h\ncmdline =   ", 2, "no value", "cmdline");
}

static void test_twice(void **state)
{
    static const char *const keys[] = {"hypervisor", "cmdline", "kernel", "ramdisk", "video"};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
        char text[100];

        snprintf(text, sizeof(text), "%s = keep\n%s = keep\n", keys[i], keys[i]);
        refuse(text, 2, "second time", keys[i]);
    }
}

static void test_values(void **state)
{
    (void)state;
    refuse("hypervisor = h loglvl=debug\n", 1, "takes a path only", "");
    refuse("hypervisor = h\xc3\xa4\n", 1, "not ASCII", "");
    refuse("hypervisor = h\nvideo = 1024\n", 2, "'video' is", "1024");
    refuse("hypervisor = h\nvideo = 1024x\n", 2, "'video' is", "1024x");
    refuse("hypervisor = h\nvideo = x768\n", 2, "'video' is", "x768");
    refuse("hypervisor = h\nvideo = 0x768\n", 2, "'video' is", "0x768");
    refuse("hypervisor = h\nvideo = 1024x768x\n", 2, "'video' is", "1024x768x");
    refuse("hypervisor = h\nvideo = 4294968320x768\n", 2, "'video' is", "4294968320x768");
    refuse("hypervisor = h\nvideo = 99999x1\n", 2, "'video' is", "99999x1");
    refuse("hypervisor = h\nvideo = best\n", 2, "'video' is", "best");
}

static void test_binary(void **state)
{
    (void)state;
    assert_false(parse("hypervisor = h\nkernel = k\0x\n", 28));
    assert_int_equal(error.line, 2);
    assert_non_null(strstr(error.reason, "control character"));
    assert_false(parse("\xff\xfeh\0y\0p\0", 8)); /* UTF-16 */
    assert_int_equal(error.line, 1);
    refuse("hypervisor = h\rkernel = k\r", 1, "control character", ""); /* lone CRs */
    refuse("# \x1b[2J\n", 1, "control character", "");
}

static void test_lengths(void **state)
{
    static char text[CONFIG_MAX_SIZE + 64];
    char *end;

    (void)state;
    end = text + sprintf(text, "hypervisor = ");
    memset(end, 'p', CONFIG_MAX_PATH);
    end[CONFIG_MAX_PATH] = '\0';
    accept(text);
    assert_int_equal(config.hypervisor.path.len, CONFIG_MAX_PATH);
    append(text, sizeof(text), "p");
    refuse(text, 1, "longer than 255", "");

    end = text + sprintf(text, "hypervisor = h\ncmdline = ");
    memset(end, 'c', BOOT_CMDLINE);
    end[BOOT_CMDLINE - 1] = '\0';
    accept(text);
    assert_int_equal(config.cmdline.len, BOOT_CMDLINE - 1);
    append(text, sizeof(text), "c");
    refuse(text, 2, "longer than 1023", "");

    end = text + sprintf(text, "hypervisor = h\nkernel = k ");
    memset(end, 'a', BOOT_STRINGS);
    end[BOOT_STRINGS] = '\0';
    refuse(text, 2, "too long", "k");

    memset(text, '#', sizeof(text));
    assert_false(config_parse(text, CONFIG_MAX_SIZE + 1, &config, &error));
    assert_non_null(strstr(error.reason, "larger than 64 KiB"));
    assert_false(config_parse(text, CONFIG_MAX_SIZE, &config, &error)); /* one huge comment */
    assert_non_null(strstr(error.reason, "'hypervisor' is missing"));
}

static void test_too_many_modules(void **state)
{
    char text[2000] = "hypervisor = h\nkernel = k\nramdisk = r\n";

    (void)state;
    for (int i = 0; i < BOOT_MAX_MODULES - 2; i++)
        append(text, sizeof(text), "module = m\n");
    accept(text);
    assert_int_equal(config.file_count, BOOT_MAX_MODULES);
    assert_true(is(config.file[0].path, "k"));
    assert_true(is(config.file[1].path, "r"));
    append(text, sizeof(text), "module = m\n");
    refuse(text, 0, "more than 32", "");
    append(text, sizeof(text), "module = m\nmodule = m\n");
    refuse(text, 3 + 33, "more than 32", "");
}

/* Wherever the file is cut off, and whatever byte is changed: an answer, and nothing read beyond.
 */
static void test_damaged(void **state)
{
    static const char whole[] = "\xef\xbb\xbf# c\r\nhypervisor = \\h.elf\r\ncmdline = a\r\n"
                                "kernel = \\k x\nramdisk = \\r\nmodule = m y\nvideo = 640x480\n";

    (void)state;
    for (size_t n = 0; n < sizeof(whole); n++) {
        if (!parse(whole, n))
            assert_non_null(error.reason);
    }
    random_init();
    for (int i = 0; i < 20000; i++) {
        char text[sizeof(whole)];

        memcpy(text, whole, sizeof(whole));
        for (u64 n = 1 + random_below(3); n; n--)
            text[random_below(sizeof(whole))] = (char)random_u64();
        if (parse(text, sizeof(whole) - 1)) {
            assert_true(config.hypervisor.path.len > 0);
            assert_true(config.file_count <= 3);
        } else {
            assert_true(error.line <= 12);
            assert_non_null(error.reason);
        }
    }
}

static bool option(const char *text, char *path)
{
    size_t n = strlen(text);
    u16 *wide = malloc(n * 2 + 1);
    bool found;

    for (size_t i = 0; i < n; i++)
        wide[i] = (u8)text[i];
    found = config_path_option(wide, n, path);
    free(wide);
    return found;
}

static void test_option(void **state)
{
    char path[CONFIG_MAX_PATH + 1], text[CONFIG_MAX_PATH + 20];

    (void)state;
    assert_true(option("config=\\x.cfg", path));
    assert_string_equal(path, "\\x.cfg");
    assert_true(option("helium.efi config=/a/b.cfg more", path));
    assert_string_equal(path, "/a/b.cfg");
    assert_true(option("noconfig=1 config=2", path));
    assert_string_equal(path, "2");
    assert_false(option("", path));
    assert_false(option("helium.efi", path));
    assert_false(option("config", path));
    assert_false(option("config=", path));
    assert_false(option("x config= y", path));
    assert_false(option("xconfig=1", path));
    assert_false(option("config=\xe4", path));
    assert_false(config_path_option(NULL, 0, path));
    sprintf(text, "config=%0*d", CONFIG_MAX_PATH, 1);
    assert_true(option(text, path));
    assert_int_equal(strlen(path), CONFIG_MAX_PATH);
    sprintf(text, "config=%0*d", CONFIG_MAX_PATH + 1, 1);
    assert_false(option(text, path));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_keys),
        cmocka_unit_test(test_least),
        cmocka_unit_test(test_crlf_and_byte_order_mark),
        cmocka_unit_test(test_wrong_keys),
        cmocka_unit_test(test_missing),
        cmocka_unit_test(test_twice),
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_binary),
        cmocka_unit_test(test_lengths),
        cmocka_unit_test(test_too_many_modules),
        cmocka_unit_test(test_damaged),
        cmocka_unit_test(test_option),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
