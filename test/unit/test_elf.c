/* SPDX-License-Identifier: BSD-2-Clause */
/* The kernel's ELF as hv/elf.c reads it: sound files of both classes, every truncation, and files
 * that lie. The file always ends where ASan notices a read beyond it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <elf.h>
#include "hv/elf.h"
#include "hv/errno.h"
#include "random.h"
#include <xen/elfnote.h>

#define ENTRY     0x1000200u
#define NOTES_AT  0x200
#define DATA_AT   0x300
#define FILE_SIZE 0x400

struct note {
    Elf32_Nhdr h;
    char name[4];
    u32 desc[2];
};

union file {
    u8 bytes[FILE_SIZE];
    struct {
        Elf64_Ehdr h;
        Elf64_Phdr p[3]; /* two segments, one note segment */
    } wide;
    struct {
        Elf32_Ehdr h;
        Elf32_Phdr p[3];
    } narrow;
};

static union file file;

static struct note *note(void)
{
    return (struct note *)(file.bytes + NOTES_AT);
}

static void put_notes(void)
{
    note()[0] = (struct note){{4, 8, XEN_ELFNOTE_ENTRY}, "Xen", {0xdead, 0}};
    note()[1] = (struct note){{4, 8, XEN_ELFNOTE_PHYS32_ENTRY}, "Xen", {ENTRY, 0}};
}

static void make_wide(void)
{
    memset(&file, 0, sizeof(file));
    memcpy(file.wide.h.e_ident, ELFMAG, SELFMAG);
    file.wide.h.e_ident[EI_CLASS] = ELFCLASS64;
    file.wide.h.e_ident[EI_DATA] = ELFDATA2LSB;
    file.wide.h.e_machine = EM_X86_64;
    file.wide.h.e_phoff = offsetof(union file, wide.p);
    file.wide.h.e_phentsize = sizeof(Elf64_Phdr);
    file.wide.h.e_phnum = 3;
    file.wide.p[0] = (Elf64_Phdr){.p_type = PT_LOAD,
                                  .p_offset = DATA_AT,
                                  .p_paddr = 0x1000000,
                                  .p_filesz = 0x100,
                                  .p_memsz = 0x1000};
    file.wide.p[1] = (Elf64_Phdr){.p_type = PT_LOAD,
                                  .p_offset = DATA_AT,
                                  .p_paddr = 0x800000,
                                  .p_filesz = 0,
                                  .p_memsz = 0x2000};
    file.wide.p[2] =
        (Elf64_Phdr){.p_type = PT_NOTE, .p_offset = NOTES_AT, .p_filesz = 2 * sizeof(struct note)};
    put_notes();
}

static void make_narrow(void)
{
    memset(&file, 0, sizeof(file));
    memcpy(file.narrow.h.e_ident, ELFMAG, SELFMAG);
    file.narrow.h.e_ident[EI_CLASS] = ELFCLASS32;
    file.narrow.h.e_ident[EI_DATA] = ELFDATA2LSB;
    file.narrow.h.e_machine = EM_386;
    file.narrow.h.e_phoff = offsetof(union file, narrow.p);
    file.narrow.h.e_phentsize = sizeof(Elf32_Phdr);
    file.narrow.h.e_phnum = 3;
    file.narrow.p[0] = (Elf32_Phdr){.p_type = PT_LOAD,
                                    .p_offset = DATA_AT,
                                    .p_paddr = 0x1000000,
                                    .p_filesz = 0x100,
                                    .p_memsz = 0x1000};
    file.narrow.p[1] = (Elf32_Phdr){.p_type = PT_LOAD,
                                    .p_offset = DATA_AT,
                                    .p_paddr = 0x800000,
                                    .p_filesz = 0,
                                    .p_memsz = 0x2000};
    file.narrow.p[2] =
        (Elf32_Phdr){.p_type = PT_NOTE, .p_offset = NOTES_AT, .p_filesz = 2 * sizeof(struct note)};
    put_notes();
}

/* What a loader may do with k: nothing outside the file, nothing that wraps. */
static void assert_sound(const struct elf_kernel *k, u64 size)
{
    assert_in_range(k->segments, 1, ELF_MAX_SEGMENTS);
    assert_true(k->low < k->high && k->entry >= k->low && k->entry < k->high);
    for (unsigned i = 0; i < k->segments; i++) {
        const struct elf_segment *s = &k->segment[i];

        assert_true(s->file_size <= s->mem_size && s->offset <= size &&
                    s->file_size <= size - s->offset);
        assert_true(s->paddr >= k->low && s->paddr + s->mem_size <= k->high &&
                    s->paddr + s->mem_size > s->paddr);
    }
}

/* Parses the first `size` bytes, from memory that ends right behind them. */
static int parse(struct elf_kernel *k, u64 size)
{
    u8 *copy = malloc(size ? size : 1);
    const char *why = "unset";
    int rc;

    memcpy(copy, file.bytes, size);
    rc = elf_parse(k, copy, size, &why);
    if (rc == 0) {
        assert_null(why);
        assert_sound(k, size);
    } else {
        assert_int_equal(rc, -EINVAL);
        assert_non_null(why);
        assert_true(strlen(why) > 10);
    }
    free(copy);
    return rc;
}

static void refused(const char *part)
{
    struct elf_kernel k;
    const char *why;

    assert_int_equal(elf_parse(&k, file.bytes, FILE_SIZE, &why), -EINVAL);
    if (!strstr(why, part))
        fail_msg("said '%s', not '%s'", why, part);
    assert_int_equal(parse(&k, FILE_SIZE), -EINVAL);
}

static void check_good(void)
{
    struct elf_kernel k;

    assert_int_equal(parse(&k, FILE_SIZE), 0);
    assert_int_equal(k.entry, ENTRY);
    assert_int_equal(k.low, 0x800000);
    assert_int_equal(k.high, 0x1001000);
    assert_int_equal(k.segments, 2);
    assert_int_equal(k.segment[0].offset, DATA_AT);
    assert_int_equal(k.segment[0].file_size, 0x100);
    assert_int_equal(k.segment[0].paddr, 0x1000000);
    assert_int_equal(k.segment[0].mem_size, 0x1000);
    assert_int_equal(k.segment[1].file_size, 0);
}

static void test_good(void **state)
{
    (void)state;
    make_wide();
    check_good();
    make_narrow();
    check_good();
}

static void check_truncated(void)
{
    struct elf_kernel k;

    for (u64 size = 0; size < FILE_SIZE; size++)
        assert_true(parse(&k, size) == (size < DATA_AT + 0x100 ? -EINVAL : 0));
}

static void test_truncated(void **state)
{
    (void)state;
    make_wide();
    check_truncated();
    make_narrow();
    check_truncated();
}

static void test_headers_that_lie(void **state)
{
    (void)state;
    make_wide();
    file.bytes[0] = 'M';
    refused("not an ELF");
    make_wide();
    file.wide.h.e_ident[EI_DATA] = ELFDATA2MSB;
    refused("not an ELF");
    make_wide();
    file.wide.h.e_machine = EM_AARCH64;
    refused("another machine");
    make_wide();
    file.wide.h.e_ident[EI_CLASS] = 3;
    refused("another machine");
    make_narrow();
    file.narrow.h.e_machine = EM_X86_64;
    refused("another machine");
    make_wide();
    file.wide.h.e_phnum = 65;
    refused("too many program headers");
    make_wide();
    file.wide.h.e_phnum = 0;
    refused("nothing to load");
    make_wide();
    file.wide.h.e_phentsize = sizeof(Elf64_Phdr) - 1;
    refused("program headers");
    make_wide();
    file.wide.h.e_phoff = ~0ull;
    refused("program headers");
    make_wide();
    file.wide.h.e_phoff = 0 - (u64)sizeof(Elf64_Phdr); /* the second one would be at 0 */
    refused("program headers");
    make_narrow();
    file.narrow.h.e_phoff = 0xfffffff0;
    refused("program headers");
}

static void test_segments_that_lie(void **state)
{
    (void)state;
    make_wide();
    file.wide.p[0].p_offset = ~0ull;
    refused("outside the file");
    make_wide();
    file.wide.p[0].p_offset = ~0ull - 0x7f; /* the sum wraps */
    refused("outside the file");
    make_wide();
    file.wide.p[0].p_filesz = ~0ull;
    refused("outside the file");
    make_wide();
    file.wide.p[0].p_memsz = 0xff;
    refused("outside the file");
    make_wide();
    file.wide.p[0].p_paddr = ~0ull - 0xfff;
    refused("impossible");
    make_wide();
    file.wide.p[1].p_memsz = ~0ull;
    refused("impossible");
    make_wide();
    file.wide.p[0].p_type = file.wide.p[1].p_type = PT_NULL;
    refused("nothing to load");
}

/* More PT_LOADs than there is room for. */
static void test_too_many_segments(void **state)
{
    static u8 big[sizeof(Elf64_Ehdr) + (ELF_MAX_SEGMENTS + 1) * sizeof(Elf64_Phdr)];
    Elf64_Ehdr h;
    struct elf_kernel k;
    const char *why;

    (void)state;
    make_wide();
    h = file.wide.h;
    h.e_phoff = sizeof(h);
    h.e_phnum = ELF_MAX_SEGMENTS + 1;
    memcpy(big, &h, sizeof(h));
    for (unsigned i = 0; i <= ELF_MAX_SEGMENTS; i++) {
        Elf64_Phdr p = {.p_type = PT_LOAD, .p_paddr = 0x100000 + i * 0x1000, .p_memsz = 0x1000};

        memcpy(big + sizeof(h) + i * sizeof(p), &p, sizeof(p));
    }
    assert_int_equal(elf_parse(&k, big, sizeof(big), &why), -EINVAL);
    assert_non_null(strstr(why, "too many segments"));
}

static void test_notes_that_lie(void **state)
{
    (void)state;
    make_wide();
    note()[1].h.n_type = XEN_ELFNOTE_ENTRY;
    refused("no PVH entry");
    make_wide();
    memcpy(note()[1].name, "Xeq", 4);
    refused("no PVH entry");
    make_wide();
    note()[1].h.n_namesz = 3;
    refused("no PVH entry");
    make_wide();
    note()[1].h.n_descsz = 3;
    refused("no PVH entry");
    make_wide();
    note()[0].h.n_namesz = ~0u; /* the second is out of sight */
    refused("no PVH entry");
    make_wide();
    note()[0].h.n_descsz = ~0u;
    refused("no PVH entry");
    make_wide();
    note()[1].h.n_descsz = 9; /* ends beyond its segment */
    refused("no PVH entry");
    make_wide();
    file.wide.p[2].p_offset = ~0ull;
    refused("no PVH entry");
    make_wide();
    note()[1].desc[0] = 0x1001000; /* right behind the end */
    refused("entry lies outside");
    make_wide();
    note()[1].desc[0] = 0x7fffff;
    refused("entry lies outside");
}

/* A few bytes changed at random: refused, or sound; never a read beyond the file. */
static void test_random(void **state)
{
    unsigned good = 0;
    struct elf_kernel k;

    (void)state;
    random_init();
    for (unsigned i = 0; i < 200000; i++) {
        random_below(2) ? make_wide() : make_narrow();
        for (u64 n = random_below(4); n > 0; n--)
            file.bytes[random_below(DATA_AT)] = (u8)random_u64();
        good += parse(&k, random_below(8) ? FILE_SIZE : random_below(FILE_SIZE)) == 0;
    }
    assert_in_range(good, 20000, 190000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_truncated),
        cmocka_unit_test(test_headers_that_lie),
        cmocka_unit_test(test_segments_that_lie),
        cmocka_unit_test(test_too_many_segments),
        cmocka_unit_test(test_notes_that_lie),
        cmocka_unit_test(test_random),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
