/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <elf.h>
#include <errno.h>
#include <unistd.h>
#include "libvmctl/image.h"
#include "libvmctl/json.h"

/* Two segments with a gap, the second longer in memory than in the file. */
struct program {
    Elf32_Ehdr e;
    Elf32_Phdr p[3];
    uint8_t data[32];
};

static struct program program;
static struct file file = {.data = &program, .size = sizeof(program)};

static int start(void **state)
{
    (void)state;
    program = (struct program){
        .e = {.e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS32, ELFDATA2LSB, EV_CURRENT},
              .e_type = ET_EXEC,
              .e_machine = EM_386,
              .e_version = EV_CURRENT,
              .e_entry = 0x100004,
              .e_phoff = offsetof(struct program, p),
              .e_ehsize = sizeof(Elf32_Ehdr),
              .e_phentsize = sizeof(Elf32_Phdr),
              .e_phnum = 3},
        .p = {{.p_type = PT_NOTE, .p_offset = 0xffffffff, .p_filesz = 9, .p_memsz = 9},
              {.p_type = PT_LOAD,
               .p_paddr = 0x100000,
               .p_offset = offsetof(struct program, data),
               .p_filesz = 16,
               .p_memsz = 16},
              {.p_type = PT_LOAD,
               .p_paddr = 0x100020,
               .p_offset = offsetof(struct program, data) + 16,
               .p_filesz = 16,
               .p_memsz = 64}},
    };
    for (unsigned i = 0; i < 32; i++)
        program.data[i] = (uint8_t)(i + 1);
    return 0;
}

static void test_load(void **state)
{
    uint8_t memory[0x80];
    struct image i;

    (void)state;
    assert_int_equal(image_parse(&i, &file), 0);
    assert_int_equal(i.start, 0x100000);
    assert_int_equal(i.end, 0x100060);
    assert_int_equal(i.entry, 0x100004);
    memset(memory, 0xaa, sizeof(memory));
    assert_int_equal(image_load(&i, &file, memory, sizeof(memory)), 0);
    for (unsigned n = 0; n < sizeof(memory); n++)
        assert_int_equal(memory[n], n < 16 ? n + 1 : n >= 32 && n < 48 ? n - 15 : 0);
    assert_int_equal(image_load(&i, &file, memory, 0x5f), -ENOEXEC); /* a byte too few */
}

static void refused(void)
{
    struct image i;

    assert_int_equal(image_parse(&i, &file), -ENOEXEC);
    start(NULL);
}

static void test_lies(void **state)
{
    (void)state;
    program.e.e_ident[EI_MAG0] = 0;
    refused();
    program.e.e_ident[EI_CLASS] = ELFCLASS64;
    refused();
    program.e.e_machine = EM_ARM;
    refused();
    program.e.e_type = ET_REL;
    refused();
    program.e.e_entry = 0x100060;
    refused();
    program.e.e_entry = 0xfffff;
    refused();
    program.p[1].p_filesz = 17; /* more than it takes in memory */
    refused();
    program.p[2].p_offset = sizeof(program) - 15;
    refused();
    program.p[2].p_offset = 0xfffffff8;
    refused();
    program.p[2].p_memsz = 0xffffffff;
    refused();
    program.e.e_phnum = 0;
    refused();
    program.e.e_phoff = sizeof(program);
    refused();
}

static void test_cut_off(void **state)
{
    struct image i;

    (void)state;
    for (size_t size = 0; size < sizeof(program); size++) {
        uint8_t *copy = malloc(size ? size : 1); /* its end is watched */
        struct file f = {.data = copy, .size = size};

        memcpy(copy, &program, size);
        assert_int_equal(image_parse(&i, &f), -ENOEXEC);
        free(copy);
    }
}

static void test_read(void **state)
{
    char path[] = "/tmp/test_image_XXXXXX";
    int fd = mkstemp(path);
    struct file f;

    (void)state;
    assert_int_equal(file_read(&f, path, 100), -ENODATA);
    assert_int_equal(write(fd, "0123456789", 10), 10);
    assert_int_equal(file_read(&f, path, 9), -EFBIG);
    assert_null(f.data);
    assert_int_equal(file_read(&f, path, 10), 0);
    assert_int_equal(f.size, 10);
    assert_memory_equal(f.data, "0123456789", 10);
    free(f.data);
    close(fd);
    unlink(path);
    assert_int_equal(file_read(&f, path, 10), -ENOENT);
    assert_int_equal(file_read(&f, "/tmp", 10), -EINVAL);
}

static void test_json_find(void **state)
{
    static const char text[] =
        "{\"return\": {\"a\": \"service\", \"enabled\": true, \"x\": {\"n\" : 12},\n"
        "\"service\": \"59\\\"00\\n\\u0041\\u20ac\", \"l\": [1], \"host\":\"::\"}}";
    char v[32];

    (void)state;
    assert_true(json_find(text, "service", v, sizeof(v)));
    assert_string_equal(v, "59\"00\nA?");
    assert_true(json_find(text, "enabled", v, sizeof(v)));
    assert_string_equal(v, "true");
    assert_true(json_find(text, "n", v, sizeof(v)));
    assert_string_equal(v, "12");
    assert_true(json_find(text, "host", v, sizeof(v)));
    assert_string_equal(v, "::");
    assert_true(json_find(text, "a", v, sizeof(v)));
    assert_string_equal(v, "service");
    assert_false(json_find(text, "x", v, sizeof(v)));
    assert_false(json_find(text, "l", v, sizeof(v)));
    assert_false(json_find(text, "none", v, sizeof(v)));
    assert_false(json_find(text, "service", v, 8));
    assert_false(json_find("{\"a\": \"b", "a", v, sizeof(v)));
    assert_false(json_find("{\"a\": \"b\\", "a", v, sizeof(v)));
    assert_false(json_find("{\"a\":", "a", v, sizeof(v)));
    assert_false(json_find("\"a", "a", v, sizeof(v)));
}

static char each[256];

static bool add_object(void *arg, const char *object)
{
    strcat(strcat(each, object), ";");
    return --*(int *)arg;
}

static void finds_each(int most, const char *text, const char *expected)
{
    each[0] = 0;
    json_each(text, add_object, &most);
    assert_string_equal(each, expected);
}

static void test_json_each(void **state)
{
    (void)state;
    finds_each(9, "{\"return\": [{\"a\": 1},  {\"b\": {\"c\": [{}]}} ,{\"}\\\"]\": \"{\"}]}",
               "{\"a\": 1};{\"b\": {\"c\": [{}]}};{\"}\\\"]\": \"{\"};");
    finds_each(1, "[{\"a\": 1}, {\"b\": 2}]", "{\"a\": 1};");
    finds_each(9, "{\"return\": []}", "");
    finds_each(9, "{\"return\": {}}", "");
    finds_each(9, "[1, {\"a\": 1}]", "");
    finds_each(9, "[{\"a\": 1", "");
    finds_each(9, "[{\"a\": \"}", "");
    finds_each(9, "[{\"a\": 1},", "{\"a\": 1};");
    finds_each(9, "[{\"a\": 1}", "{\"a\": 1};");
    finds_each(9, "[", "");
    finds_each(9, "", "");
}

static void test_json_string(void **state)
{
    char out[64] = {0};
    FILE *f = fmemopen(out, sizeof(out), "w");
    char *quoted;

    (void)state;
    json_string(f, "a\"b\\c\n\x01\xc3\xa4");
    fclose(f);
    assert_string_equal(out, "\"a\\\"b\\\\c\\u000a\\u0001\xc3\xa4\"");
    quoted = json_quoted("a\"b");
    assert_string_equal(quoted, "\"a\\\"b\"");
    free(quoted);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_load, start),
        cmocka_unit_test_setup(test_lies, start),
        cmocka_unit_test_setup(test_cut_off, start),
        cmocka_unit_test(test_read),
        cmocka_unit_test(test_json_find),
        cmocka_unit_test(test_json_each),
        cmocka_unit_test(test_json_string),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
