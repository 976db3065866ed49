/* SPDX-License-Identifier: BSD-2-Clause */
#include <elf.h>
#include "boot/efi/elf.h"
#include "hv/boot_info.h"

#define MAX_SEGMENTS   16
#define MAX_IMAGE_SIZE 0x40000000ull /* what the boot page tables map */

static const Elf64_Phdr *segments(const void *file)
{
    return (const void *)((const u8 *)file + ((const Elf64_Ehdr *)file)->e_phoff);
}

static bool range_in(u64 at, u64 size, u64 limit)
{
    return at <= limit && size <= limit - at;
}

static const char *check_ehdr(const Elf64_Ehdr *e, size_t size)
{
    if (size < sizeof(*e) || e->e_ident[EI_MAG0] != ELFMAG0 || e->e_ident[EI_MAG1] != ELFMAG1 ||
        e->e_ident[EI_MAG2] != ELFMAG2 || e->e_ident[EI_MAG3] != ELFMAG3)
        return "is not an ELF file";
    if (e->e_ident[EI_CLASS] != ELFCLASS64 || e->e_ident[EI_DATA] != ELFDATA2LSB ||
        e->e_machine != EM_X86_64 || e->e_type != ET_EXEC)
        return "is not a 64-bit x86 executable";
    if (!e->e_phnum || e->e_phnum > MAX_SEGMENTS || e->e_phentsize != sizeof(Elf64_Phdr) ||
        e->e_phoff % 8 || !range_in(e->e_phoff, e->e_phnum * sizeof(Elf64_Phdr), size))
        return "is damaged: its program headers are not where they should be";
    return NULL;
}

/* The header that helium.elf has at the start of its image, which is the start of its first
 * segment. */
static const struct helium_header *find_header(const void *file, size_t size)
{
    const Elf64_Ehdr *e = file;

    for (u32 i = 0; i < e->e_phnum; i++) {
        const Elf64_Phdr *p = &segments(file)[i];
        const struct helium_header *h;

        if (p->p_type != PT_LOAD || p->p_offset % 8 || p->p_filesz < sizeof(*h) ||
            !range_in(p->p_offset, p->p_filesz, size))
            continue;
        h = (const void *)((const u8 *)file + p->p_offset);
        if (h->magic == HELIUM_HEADER_MAGIC && h->link_base == p->p_vaddr)
            return h;
    }
    return NULL;
}

static const char *check_header(const struct helium_header *h)
{
    if (!h)
        return "is not a Helium hypervisor";
    if (h->version != HELIUM_HEADER_VERSION || h->size != sizeof(*h) ||
        h->boot_info_version != BOOT_INFO_VERSION || h->boot_info_size != sizeof(struct boot_info))
        return "and helium.efi are of different versions; install both anew";
    if (h->link_base % HV_IMAGE_ALIGN || h->link_end <= h->link_base ||
        h->link_end - h->link_base > MAX_IMAGE_SIZE || h->link_end % PAGE_SIZE ||
        h->entry64 < h->link_base || h->entry64 >= h->link_end)
        return "is damaged: its Helium header contradicts itself";
    return NULL;
}

static const char *check_segments(const void *file, size_t size, const struct helium_header *h)
{
    const Elf64_Ehdr *e = file;

    for (u32 i = 0; i < e->e_phnum; i++) {
        const Elf64_Phdr *p = &segments(file)[i];

        if (p->p_type != PT_LOAD)
            continue;
        if (!range_in(p->p_offset, p->p_filesz, size) || p->p_filesz > p->p_memsz)
            return "is damaged: it ends inside a segment";
        if (p->p_vaddr < h->link_base ||
            !range_in(p->p_vaddr - h->link_base, p->p_memsz, h->link_end - h->link_base))
            return "is damaged: it has a segment outside its image";
    }
    return NULL;
}

const char *hv_image_check(const void *file, size_t size, struct hv_image *image)
{
    const struct helium_header *h;
    const char *wrong = check_ehdr(file, size);

    if (wrong)
        return wrong;
    h = find_header(file, size);
    wrong = check_header(h);
    if (!wrong)
        wrong = check_segments(file, size, h);
    if (!wrong)
        *image = (struct hv_image){h->link_end - h->link_base, h->entry64 - h->link_base};
    return wrong;
}

void hv_image_load(const void *file, u8 *dest)
{
    const Elf64_Ehdr *e = file;
    u64 link_base = 0;

    for (u32 i = 0; i < e->e_phnum; i++) { /* the lowest segment starts the image */
        const Elf64_Phdr *p = &segments(file)[i];

        if (p->p_type == PT_LOAD && (!link_base || p->p_vaddr < link_base))
            link_base = p->p_vaddr;
    }
    for (u32 i = 0; i < e->e_phnum; i++) {
        const Elf64_Phdr *p = &segments(file)[i];
        u64 at = p->p_vaddr - link_base;

        for (u64 n = 0; p->p_type == PT_LOAD && n < p->p_filesz; n++)
            dest[at + n] = ((const u8 *)file)[p->p_offset + n];
    }
}
