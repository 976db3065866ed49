/* SPDX-License-Identifier: BSD-2-Clause */
#include "hv/elf.h"
#include "hv/errno.h"
#include "hv/string.h"
#include <xen/elfnote.h>

#define ELF_MAGIC 0x464c457fu
#define CLASS_32  1
#define CLASS_64  2
#define LITTLE    1
#define EM_386    3
#define EM_X86_64 62
#define PT_LOAD   1
#define PT_NOTE   4
#define MAX_PHDRS 64
#define PHYS_MAX  (1ull << 46)

/* The two classes' headers (System V gABI, chapters 4 and 5). */
struct ehdr64 {
    u32 magic;
    u8 class, data, ident[10];
    u16 type, machine;
    u32 version;
    u64 entry, phoff, shoff;
    u32 flags;
    u16 ehsize, phentsize, phnum;
};
struct ehdr32 {
    u32 magic;
    u8 class, data, ident[10];
    u16 type, machine;
    u32 version;
    u32 entry, phoff, shoff;
    u32 flags;
    u16 ehsize, phentsize, phnum;
};
struct phdr64 {
    u32 type, flags;
    u64 offset, vaddr, paddr, filesz, memsz, align;
};
struct phdr32 {
    u32 type, offset, vaddr, paddr, filesz, memsz, flags, align;
};
struct note {
    u32 namesz, descsz, type;
};

/* What is common to both once it has been read. */
struct table {
    bool wide;
    u64 phoff;
    u16 phentsize, phnum;
};

struct file {
    const u8 *image;
    u64 size;
};

static bool inside(const struct file *f, u64 offset, u64 len)
{
    return offset <= f->size && len <= f->size - offset;
}

static const char *read_header(const struct file *f, struct table *t)
{
    struct ehdr64 h = {0};
    struct ehdr32 h32;

    if (!inside(f, 0, sizeof(h32)))
        return "it is too short to be an ELF file";
    memcpy(&h32, f->image, sizeof(h32));
    if (h32.magic != ELF_MAGIC || h32.data != LITTLE)
        return "it is not an ELF file: a bzImage needs scripts/extract-vmlinux first";
    t->wide = h32.class == CLASS_64;
    if (t->wide) {
        if (!inside(f, 0, sizeof(h)))
            return "it is too short to be an ELF file";
        memcpy(&h, f->image, sizeof(h));
        if (h.machine != EM_X86_64)
            return "it is an ELF file for another machine";
        *t = (struct table){true, h.phoff, h.phentsize, h.phnum};
        return NULL;
    }
    if (h32.class != CLASS_32 || h32.machine != EM_386)
        return "it is an ELF file for another machine";
    *t = (struct table){false, h32.phoff, h32.phentsize, h32.phnum};
    return NULL;
}

static bool read_phdr(const struct file *f, const struct table *t, unsigned i, struct phdr64 *p)
{
    u64 at = t->phoff + (u64)i * t->phentsize;
    struct phdr32 p32;

    if (t->wide) {
        if (t->phentsize < sizeof(*p) || t->phoff > f->size || !inside(f, at, sizeof(*p)))
            return false;
        memcpy(p, f->image + at, sizeof(*p));
        return true;
    }
    if (t->phentsize < sizeof(p32) || t->phoff > f->size || !inside(f, at, sizeof(p32)))
        return false;
    memcpy(&p32, f->image + at, sizeof(p32));
    *p = (struct phdr64){p32.type,  p32.flags,  p32.offset, p32.vaddr,
                         p32.paddr, p32.filesz, p32.memsz,  p32.align};
    return true;
}

static const char *add_segment(struct elf_kernel *k, const struct file *f, const struct phdr64 *p)
{
    if (p->memsz == 0)
        return NULL;
    if (!inside(f, p->offset, p->filesz) || p->filesz > p->memsz)
        return "a segment lies outside the file";
    if (p->paddr > PHYS_MAX || p->memsz > PHYS_MAX)
        return "a segment's address or size is impossible";
    if (k->segments == ELF_MAX_SEGMENTS)
        return "it has too many segments";
    k->segment[k->segments++] = (struct elf_segment){p->offset, p->filesz, p->paddr, p->memsz};
    k->low = k->segments == 1 ? p->paddr : MIN(k->low, p->paddr);
    k->high = MAX(k->high, p->paddr + p->memsz);
    return NULL;
}

static u64 align4(u64 n)
{
    return (n + 3) & ~3ull;
}

/* Notes: header, name, descriptor, each padded to 4 bytes. */
static void scan_notes(struct elf_kernel *k, const struct file *f, u64 at, u64 size)
{
    u64 end = at + size;
    struct note n;

    while (at < end && end - at >= sizeof(n)) {
        u64 desc;

        memcpy(&n, f->image + at, sizeof(n));
        desc = at + sizeof(n) + align4(n.namesz);
        if (desc > end || n.descsz > end - desc)
            return;
        if (n.type == XEN_ELFNOTE_PHYS32_ENTRY && n.namesz == 4 && n.descsz >= 4 &&
            memcmp(f->image + at + sizeof(n), "Xen", 4) == 0)
            memcpy(&k->entry, f->image + desc, sizeof(k->entry));
        at = desc + align4(n.descsz);
    }
}

static const char *read_segments(struct elf_kernel *k, const struct file *f, const struct table *t)
{
    for (unsigned i = 0; i < t->phnum; i++) {
        struct phdr64 p;
        const char *wrong = NULL;

        if (!read_phdr(f, t, i, &p))
            return "its program headers lie outside the file";
        if (p.type == PT_LOAD)
            wrong = add_segment(k, f, &p);
        else if (p.type == PT_NOTE && inside(f, p.offset, p.filesz))
            scan_notes(k, f, p.offset, p.filesz);
        if (wrong)
            return wrong;
    }
    return NULL;
}

static const char *parse(struct elf_kernel *k, const struct file *f)
{
    struct table t;
    const char *wrong = read_header(f, &t);

    if (wrong)
        return wrong;
    if (t.phnum > MAX_PHDRS)
        return "it has too many program headers";
    wrong = read_segments(k, f, &t);
    if (wrong)
        return wrong;
    if (k->segments == 0)
        return "it has nothing to load";
    if (k->entry == 0)
        return "it has no PVH entry (ELF note XEN_ELFNOTE_PHYS32_ENTRY; a Linux kernel needs CONFIG_PVH)";
    if (k->entry < k->low || k->entry >= k->high)
        return "its PVH entry lies outside its segments";
    return NULL;
}

int elf_parse(struct elf_kernel *k, const void *image, u64 size, const char **why)
{
    struct file f = {image, size};

    memset(k, 0, sizeof(*k));
    *why = parse(k, &f);
    return *why ? -EINVAL : 0;
}
