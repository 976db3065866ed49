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
#include "boot/efi/elf.h"
#include "hv/boot_info.h"
#include "test/unit/random.h"

#define LINK 0xffffffff80000000ull

/* A hypervisor in two segments: header and code in the first page, data with .bss in the second. */
struct file {
    Elf64_Ehdr ehdr;
    Elf64_Phdr phdr[3];
    struct helium_header header;
    u8 code[64];
    u8 data[32];
};

static struct file f;
static struct hv_image image;

static int start(void **state)
{
    (void)state;
    memset(&f, 0, sizeof(f));
    f.ehdr = (Elf64_Ehdr){
        .e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
        .e_type = ET_EXEC,
        .e_machine = EM_X86_64,
        .e_phoff = offsetof(struct file, phdr),
        .e_phentsize = sizeof(Elf64_Phdr),
        .e_phnum = 3,
    };
    f.phdr[0] = (Elf64_Phdr){.p_type = PT_NOTE, .p_offset = ~0ull, .p_filesz = ~0ull};
    f.phdr[1] = (Elf64_Phdr){
        .p_type = PT_LOAD,
        .p_offset = offsetof(struct file, data),
        .p_vaddr = LINK + 0x1000,
        .p_filesz = sizeof(f.data),
        .p_memsz = 0x1000,
    };
    f.phdr[2] = (Elf64_Phdr){
        .p_type = PT_LOAD,
        .p_offset = offsetof(struct file, header),
        .p_vaddr = LINK,
        .p_filesz = sizeof(f.header) + sizeof(f.code),
        .p_memsz = sizeof(f.header) + sizeof(f.code),
    };
    f.header = (struct helium_header){
        .magic = HELIUM_HEADER_MAGIC,
        .version = HELIUM_HEADER_VERSION,
        .size = sizeof(struct helium_header),
        .boot_info_version = BOOT_INFO_VERSION,
        .boot_info_size = sizeof(struct boot_info),
        .link_base = LINK,
        .link_end = LINK + 0x2000,
        .entry64 = LINK + 0x40,
    };
    memset(f.code, 0xc0, sizeof(f.code));
    memset(f.data, 0xda, sizeof(f.data));
    return 0;
}

/* Checks exactly size bytes, on the heap, so that ASan sees any byte read beyond them. */
static const char *check(size_t size)
{
    static u8 *copy;

    free(copy);
    copy = malloc(size ? size : 1);
    memcpy(copy, &f, size);
    return hv_image_check(copy, size, &image);
}

static void refuse(const char *reason)
{
    const char *wrong = check(sizeof(f));

    if (!wrong || !strstr(wrong, reason))
        fail_msg("'%s' is not in '%s'", reason, wrong ? wrong : "(accepted)");
    start(NULL);
}

static void test_loads(void **state)
{
    u8 *to;

    (void)state;
    assert_null(check(sizeof(f)));
    assert_int_equal(image.size, 0x2000);
    assert_int_equal(image.entry, 0x40);
    to = calloc(1, image.size);
    hv_image_load(&f, to);
    assert_memory_equal(to, &f.header, sizeof(f.header));
    assert_memory_equal(to + sizeof(f.header), f.code, sizeof(f.code));
    assert_int_equal(to[sizeof(f.header) + sizeof(f.code)], 0);
    assert_memory_equal(to + 0x1000, f.data, sizeof(f.data));
    assert_int_equal(to[0x1000 + sizeof(f.data)], 0);
    free(to);
}

static void test_not_ours(void **state)
{
    (void)state;
    f.ehdr.e_ident[1] = 'F';
    refuse("not an ELF");
    f.ehdr.e_ident[EI_CLASS] = ELFCLASS32;
    refuse("not a 64-bit x86 executable");
    f.ehdr.e_ident[EI_DATA] = ELFDATA2MSB;
    refuse("not a 64-bit x86 executable");
    f.ehdr.e_machine = EM_AARCH64;
    refuse("not a 64-bit x86 executable");
    f.ehdr.e_type = ET_REL;
    refuse("not a 64-bit x86 executable");
    f.header.magic++;
    refuse("not a Helium");
    f.phdr[2].p_vaddr += 0x1000; /* the header is not where it says it is */
    refuse("not a Helium");
    f.phdr[2].p_filesz = sizeof(f.header) - 1;
    refuse("not a Helium");
}

static void test_versions(void **state)
{
    (void)state;
    f.header.version++;
    refuse("different versions");
    f.header.size += 8;
    refuse("different versions");
    f.header.boot_info_version++;
    refuse("different versions");
    f.header.boot_info_size -= 8;
    refuse("different versions");
}

static void test_header_contradictions(void **state)
{
    (void)state;
    f.header.link_base += 0x1000;
    f.phdr[2].p_vaddr += 0x1000;
    refuse("contradicts itself");
    f.header.link_end = LINK;
    refuse("contradicts itself");
    f.header.link_end = LINK - 0x1000;
    refuse("contradicts itself");
    f.header.link_end = LINK + 0x40001000;
    refuse("contradicts itself");
    f.header.link_end = LINK + 0x2001;
    refuse("contradicts itself");
    f.header.entry64 = LINK - 1;
    refuse("contradicts itself");
    f.header.entry64 = LINK + 0x2000;
    refuse("contradicts itself");
}

static void test_program_headers(void **state)
{
    (void)state;
    f.ehdr.e_phnum = 0;
    refuse("program headers");
    f.ehdr.e_phnum = 17;
    refuse("program headers");
    f.ehdr.e_phentsize = 32;
    refuse("program headers");
    f.ehdr.e_phoff++;
    refuse("program headers");
    f.ehdr.e_phoff = sizeof(f) & ~7ull;
    refuse("program headers");
    f.ehdr.e_phoff = ~7ull;
    refuse("program headers");
}

static void test_segments(void **state)
{
    (void)state;
    f.phdr[1].p_offset = sizeof(f) - 31;
    refuse("ends inside a segment");
    f.phdr[1].p_offset = ~0ull;
    refuse("ends inside a segment");
    f.phdr[1].p_filesz = ~0ull;
    refuse("ends inside a segment");
    f.phdr[1].p_memsz = sizeof(f.data) - 1;
    refuse("ends inside a segment");
    f.phdr[1].p_memsz = 0x1001;
    refuse("outside its image");
    f.phdr[1].p_memsz = ~0ull;
    refuse("outside its image");
    f.phdr[1].p_vaddr = LINK - 0x1000;
    refuse("outside its image");
    f.phdr[1].p_vaddr = 0x1000;
    refuse("outside its image");
}

static void test_truncated(void **state)
{
    (void)state;
    for (size_t n = 0; n < sizeof(f); n++)
        assert_non_null(check(n));
}

/* Whatever is changed: what passes the check can be loaded within bounds (ASan watches). */
static void test_damaged(void **state)
{
    u8 *to = calloc(1, 0x2000);

    (void)state;
    random_init();
    for (int i = 0; i < 20000; i++) {
        start(NULL);
        for (u64 n = 1 + random_below(3); n; n--)
            ((u8 *)&f)[random_below(offsetof(struct file, code))] = (u8)random_u64();
        if (!check(sizeof(f)) && image.size == 0x2000)
            hv_image_load(&f, to);
    }
    free(to);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_loads, start),
        cmocka_unit_test_setup(test_not_ours, start),
        cmocka_unit_test_setup(test_versions, start),
        cmocka_unit_test_setup(test_header_contradictions, start),
        cmocka_unit_test_setup(test_program_headers, start),
        cmocka_unit_test_setup(test_segments, start),
        cmocka_unit_test_setup(test_truncated, start),
        cmocka_unit_test_setup(test_damaged, start),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
