/* SPDX-License-Identifier: BSD-2-Clause */
#include "boot/multiboot2.h"
#include "boot/info.h"
#include "boot/memmap.h"
#include "hv/errno.h"

enum mb2_tag_type {
    TAG_END = 0,
    TAG_CMDLINE = 1,
    TAG_LOADER_NAME = 2,
    TAG_MODULE = 3,
    TAG_MMAP = 6,
    TAG_FRAMEBUFFER = 8,
    TAG_EFI64 = 12,
    TAG_ACPI_OLD = 14,
    TAG_ACPI_NEW = 15
};

struct mb2_info {
    u32 total_size;
    u32 reserved;
};

struct mb2_tag {
    u32 type;
    u32 size; /* this header included, padding to 8 bytes not */
};

struct mb2_module {
    struct mb2_tag tag;
    u32 start, end;
    char cmdline[];
};

struct mb2_mmap_entry {
    u64 base, size;
    u32 type;
    u32 reserved;
};

struct mb2_mmap {
    struct mb2_tag tag;
    u32 entry_size;
    u32 entry_version;
    u8 entries[];
};

struct mb2_framebuffer {
    struct mb2_tag tag;
    u64 base;
    u32 pitch, width, height;
    u8 bpp;
    u8 type;
    u16 reserved;
    u8 red_pos, red_size, green_pos, green_size, blue_pos, blue_size; /* type 1 only */
};

#define FRAMEBUFFER_RGB 1

struct mb2_pointer64 {
    struct mb2_tag tag;
    u64 pointer;
};

_Static_assert(offsetof(struct mb2_module, cmdline) == 16, "Multiboot2 3.6.6");
_Static_assert(sizeof(struct mb2_mmap_entry) == 24, "Multiboot2 3.6.8");
_Static_assert(offsetof(struct mb2_mmap, entries) == 16, "Multiboot2 3.6.8");
_Static_assert(offsetof(struct mb2_framebuffer, bpp) == 28, "Multiboot2 3.6.12");
_Static_assert(offsetof(struct mb2_framebuffer, red_pos) == 32, "Multiboot2 3.6.12");

struct parse {
    struct boot_info *bi;
    struct mb2_extra *extra;
    bool mmap_seen;
};

/* Length of the string of at most max bytes at s; max itself if no NUL ends it. */
static u32 text_length(const char *s, u32 max)
{
    u32 n = 0;

    while (n < max && s[n])
        n++;
    return n;
}

static const char *read_cmdline(struct parse *p, const struct mb2_tag *tag)
{
    const char *text = (const char *)(tag + 1);
    u32 max = tag->size - (u32)sizeof(*tag);

    if (boot_copy(p->bi->cmdline, sizeof(p->bi->cmdline), text, text_length(text, max)))
        return "the hypervisor's command line is longer than 1023 characters; shorten it.";
    return NULL;
}

static const char *read_loader_name(struct parse *p, const struct mb2_tag *tag)
{
    const char *text = (const char *)(tag + 1);
    u32 max = tag->size - (u32)sizeof(*tag);

    /* Only for the log: a long name may be cut. */
    if (boot_copy(p->bi->loader, sizeof(p->bi->loader), text, text_length(text, max)))
        return NULL;
    return NULL;
}

static const char *read_module(struct parse *p, const struct mb2_tag *tag)
{
    const struct mb2_module *m = (const void *)tag;
    u32 max = tag->size - (u32)offsetof(struct mb2_module, cmdline);

    if (m->end < m->start)
        return "the loader gave a module that ends before it starts.";
    switch (boot_add_module(p->bi, m->start, m->end - m->start, m->cmdline,
                            text_length(m->cmdline, max), NULL, 0)) {
    case 0:
        return NULL;
    case -ENOSPC:
        return "there are more than 32 modules; load fewer.";
    case -E2BIG:
        return "the modules' command lines are longer than 8190 characters in all; shorten them.";
    default:
        return "the loader put a module at an address that is not page-aligned.";
    }
}

static const char *read_mmap(struct parse *p, const struct mb2_tag *tag)
{
    const struct mb2_mmap *map = (const void *)tag;
    u32 size = tag->size - (u32)offsetof(struct mb2_mmap, entries);

    if (map->entry_size < sizeof(struct mb2_mmap_entry) || map->entry_size % 8)
        return "the loader's memory map has entries of an unknown form.";
    for (u32 at = 0; size - at >= map->entry_size; at += map->entry_size) {
        const struct mb2_mmap_entry *e = (const void *)&map->entries[at];

        if (boot_mem_add(p->bi, e->base, e->size, boot_mem_from_e820(e->type)))
            return "the memory map has more than 256 regions.";
    }
    p->mmap_seen = true;
    return NULL;
}

static const char *read_framebuffer(struct parse *p, const struct mb2_tag *tag)
{
    const struct mb2_framebuffer *f = (const void *)tag;

    if (f->type != FRAMEBUFFER_RGB || tag->size < offsetof(struct mb2_framebuffer, blue_size) + 1)
        return NULL;
    p->bi->framebuffer = (struct boot_framebuffer){
        .base = f->base,
        .pitch = f->pitch,
        .width = f->width,
        .height = f->height,
        .bpp = f->bpp,
        .red_pos = f->red_pos,
        .red_size = f->red_size,
        .green_pos = f->green_pos,
        .green_size = f->green_size,
        .blue_pos = f->blue_pos,
        .blue_size = f->blue_size,
        .present = 1,
    };
    return NULL;
}

static const char *read_efi64(struct parse *p, const struct mb2_tag *tag)
{
    p->bi->efi_system_table = ((const struct mb2_pointer64 *)tag)->pointer;
    return NULL;
}

static const char *read_acpi(struct parse *p, const struct mb2_tag *tag)
{
    if (tag->type == TAG_ACPI_OLD && p->extra->rsdp)
        return NULL;
    p->extra->rsdp = tag + 1;
    p->extra->rsdp_size = tag->size - (u32)sizeof(*tag);
    return NULL;
}

static const struct {
    const char *(*read)(struct parse *p, const struct mb2_tag *tag);
    u32 min_size;
} readers[] = {
    [TAG_CMDLINE] = {read_cmdline, sizeof(struct mb2_tag)},
    [TAG_LOADER_NAME] = {read_loader_name, sizeof(struct mb2_tag)},
    [TAG_MODULE] = {read_module, offsetof(struct mb2_module, cmdline)},
    [TAG_MMAP] = {read_mmap, sizeof(struct mb2_mmap)},
    [TAG_FRAMEBUFFER] = {read_framebuffer, offsetof(struct mb2_framebuffer, red_pos)},
    [TAG_EFI64] = {read_efi64, sizeof(struct mb2_pointer64)},
    [TAG_ACPI_OLD] = {read_acpi, sizeof(struct mb2_tag)},
    [TAG_ACPI_NEW] = {read_acpi, sizeof(struct mb2_tag)},
};

static const char *read_tag(struct parse *p, const struct mb2_tag *tag)
{
    if (tag->type >= ARRAY_SIZE(readers) || !readers[tag->type].read)
        return NULL;
    if (tag->size < readers[tag->type].min_size)
        return "the loader's information structure has a tag that is too short.";
    return readers[tag->type].read(p, tag);
}

const char *mb2_parse(const void *mbi, u32 size, struct boot_info *bi, struct mb2_extra *extra)
{
    struct parse p = {.bi = bi, .extra = extra};
    u32 at = sizeof(struct mb2_info);

    boot_info_init(bi);
    *extra = (struct mb2_extra){0};
    for (;;) {
        const struct mb2_tag *tag = (const void *)((const u8 *)mbi + at);
        const char *wrong;

        if (at > size || size - at < sizeof(*tag))
            return "the loader's information structure has no end.";
        if (tag->type == TAG_END)
            break;
        if (tag->size < sizeof(*tag) || tag->size > size - at)
            return "the loader's information structure has a tag of impossible size.";
        wrong = read_tag(&p, tag);
        if (wrong)
            return wrong;
        at += ALIGN_UP(tag->size, 8);
    }
    return p.mmap_seen ? NULL : "the loader gave no memory map; use GRUB 2 or helium.efi.";
}
