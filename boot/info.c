/* SPDX-License-Identifier: BSD-2-Clause */
#include "boot/info.h"
#include "hv/errno.h"

void boot_info_init(struct boot_info *bi)
{
    *bi = (struct boot_info){
        .magic = BOOT_INFO_MAGIC,
        .version = BOOT_INFO_VERSION,
        .size = sizeof(*bi),
    };
}

bool boot_info_valid(const struct boot_info *bi)
{
    return bi->magic == BOOT_INFO_MAGIC && bi->version == BOOT_INFO_VERSION &&
           bi->size == sizeof(*bi) && bi->region_count <= BOOT_MAX_REGIONS &&
           bi->module_count <= BOOT_MAX_MODULES;
}

int boot_copy(char *dst, size_t size, const char *src, size_t len)
{
    size_t fits = MIN(len, size - 1);

    for (size_t i = 0; i < fits; i++)
        dst[i] = src[i];
    dst[fits] = '\0';
    return fits < len ? -E2BIG : 0;
}

/* The offset behind the last string: strings are appended in the order of the modules, each
 * module's name behind its command line, and the empty string is the NUL at offset 0. */
static u32 strings_end(const struct boot_info *bi)
{
    u32 last = 0;

    for (u32 i = 0; i < bi->module_count; i++)
        last = MAX(last, MAX(bi->module[i].cmdline, bi->module[i].name));
    while (bi->strings[last])
        last++;
    return last + 1;
}

static int add_string(struct boot_info *bi, u32 *free, const char *s, size_t len, u32 *offset)
{
    if (!len) {
        *offset = 0;
        return 0;
    }
    if (len >= BOOT_STRINGS - *free)
        return -E2BIG;
    *offset = *free;
    *free += (u32)len + 1;
    return boot_copy(&bi->strings[*offset], len + 1, s, len);
}

int boot_add_module(struct boot_info *bi, u64 base, u64 size, const char *cmdline,
                    size_t cmdline_len, const char *name, size_t name_len)
{
    struct boot_module *m = &bi->module[bi->module_count];
    u32 free = strings_end(bi);
    int err;

    if (base % PAGE_SIZE || base + size < base)
        return -EINVAL;
    if (bi->module_count == BOOT_MAX_MODULES)
        return -ENOSPC;
    *m = (struct boot_module){.base = base, .size = size};
    err = add_string(bi, &free, cmdline, cmdline_len, &m->cmdline);
    if (!err)
        err = add_string(bi, &free, name, name_len, &m->name);
    if (!err)
        bi->module_count++;
    return err;
}
