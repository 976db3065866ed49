/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The two ways to hv_main(). Physical memory below 4 GiB is mapped at its own address and at
 * DIRECT_BASE; pointers here use DIRECT_BASE, so that address 0 is no special case.
 */
#include "boot/boot.h"
#include "boot/info.h"
#include "boot/memmap.h"
#include "boot/multiboot2.h"
#include "boot/rsdp.h"
#include "hv/layout.h"

#define MAPPED_END        0x100000000ull

#define BIOS_EBDA_POINTER 0x40e /* real-mode segment of the extended BIOS data area */
#define BIOS_EBDA_SCAN    1024
#define BIOS_ROM          0xe0000
#define BIOS_ROM_SIZE     0x20000

/* UEFI 2.10, 4.3 and 4.6, as far as they lead to the RSDP. */
#define EFI_TABLE_COUNT 104 /* offsets in the system table */
#define EFI_TABLES      112
#define EFI_TABLE_END   120
#define EFI_MAX_TABLES  256

struct efi_config_table {
    u64 guid[2];
    u64 table;
};

static const u64 guid_acpi20[2] = {0x11d3e4f18868e871, 0x81883cc7800022bc};
static const u64 guid_acpi10[2] = {0x11d32d88eb9d2d30, 0x4dc13f279000169a};

extern const char __image_start[], __image_end[];

/* Here, because the boot stack is too small for it; in .bss, and so in the hypervisor's memory. */
static struct boot_info info;
static u8 rsdp_copy[36] __aligned(16);

static void *at(u64 phys)
{
    return (void *)(DIRECT_BASE + phys);
}

/* Walks the boot page tables' one mapping of the image. */
static u64 image_load_address(void)
{
    extern const u64 boot_tables[];
    const u64 *pd_image = boot_tables + 3 * 512;

    return pd_image[0] & ~(u64)0x1fffff;
}

static u64 rsdp_from_bios(void)
{
    u64 ebda = (u64) * (const u16 *)at(BIOS_EBDA_POINTER) << 4;
    size_t found;

    if (ebda >= 0x80000 && ebda < 0xa0000) {
        found = rsdp_scan(at(ebda), BIOS_EBDA_SCAN);
        if (found < BIOS_EBDA_SCAN)
            return ebda + found;
    }
    found = rsdp_scan(at(BIOS_ROM), BIOS_ROM_SIZE);
    return found < BIOS_ROM_SIZE ? BIOS_ROM + found : 0;
}

static u64 find_table(const struct efi_config_table *t, u64 count, const u64 guid[2])
{
    for (u64 i = 0; i < count; i++) {
        if (t[i].guid[0] == guid[0] && t[i].guid[1] == guid[1])
            return t[i].table;
    }
    return 0;
}

static u64 rsdp_from_efi(u64 system_table)
{
    const struct efi_config_table *tables;
    u64 count, where, rsdp;

    if (!system_table || system_table % 8 || system_table > MAPPED_END - EFI_TABLE_END)
        return 0;
    count = *(const u64 *)at(system_table + EFI_TABLE_COUNT);
    where = *(const u64 *)at(system_table + EFI_TABLES);
    if (count > EFI_MAX_TABLES || where % 8 || where > MAPPED_END - count * sizeof(*tables))
        return 0;
    tables = at(where);
    rsdp = find_table(tables, count, guid_acpi20);
    return rsdp ? rsdp : find_table(tables, count, guid_acpi10);
}

/* The loader gives a copy, of use only if the original cannot be found: it lies in memory of ours.
 */
static u64 rsdp_from_loader(const struct mb2_extra *extra, u64 image_base)
{
    u32 size = MIN(extra->rsdp_size, (u32)sizeof(rsdp_copy));

    if (!extra->rsdp || !rsdp_valid(extra->rsdp, size))
        return 0;
    for (u32 i = 0; i < size; i++)
        rsdp_copy[i] = ((const u8 *)extra->rsdp)[i];
    return image_base + (u64)((const char *)rsdp_copy - __image_start);
}

static void find_rsdp(struct boot_info *bi, const struct mb2_extra *extra)
{
    bi->rsdp = rsdp_from_efi(bi->efi_system_table);
    if (!bi->rsdp)
        bi->rsdp = rsdp_from_bios();
    if (!bi->rsdp)
        bi->rsdp = rsdp_from_loader(extra, bi->image_base);
}

static bool overlap(u64 a, u64 a_size, u64 b, u64 b_size)
{
    return a < b + b_size && b < a + a_size;
}

/* Takes what is in use out of the memory that firmware calls usable. */
static const char *carve(struct boot_info *bi, u64 mbi, u64 mbi_size)
{
    static const char full[] = "the memory map has more than 256 regions.";

    if (boot_mem_add(bi, bi->image_base, bi->image_size, BOOT_MEM_HYPERVISOR) ||
        boot_mem_add(bi, 0, PAGE_SIZE,
                     BOOT_MEM_RESERVED) || /* the BIOS's data; and nobody's NULL */
        boot_mem_add(bi, mbi, mbi_size, BOOT_MEM_LOADER))
        return full;
    for (u32 i = 0; i < bi->module_count; i++) {
        const struct boot_module *m = &bi->module[i];

        if (overlap(m->base, m->size, bi->image_base, bi->image_size))
            return "the loader put a module into the hypervisor's memory.";
        if (boot_mem_add(bi, m->base, m->size, BOOT_MEM_LOADER))
            return full;
    }
    return NULL;
}

void boot_multiboot2(u32 magic, u32 mbi)
{
    struct mb2_extra extra;
    const char *wrong;
    u32 size;

    if (magic != MB2_LOADER_MAGIC)
        boot_fail(
            "not started by a multiboot2 loader; use GRUB's multiboot2 command or helium.efi.");
    size = *(const u32 *)at(mbi);
    if (mbi % 8 || size > MB2_MAX_SIZE || mbi > MAPPED_END - size)
        boot_fail("the loader's information structure has an impossible address or size.");

    wrong = mb2_parse(at(mbi), size, &info, &extra);
    if (wrong)
        boot_fail(wrong);
    info.image_base = image_load_address();
    info.image_size = (u64)(__image_end - __image_start);
    find_rsdp(&info, &extra);
    wrong = carve(&info, mbi, size);
    if (wrong)
        boot_fail(wrong);
    hv_main(&info);
}

void boot_efi(u32 boot_info)
{
    const struct boot_info *bi = at(boot_info);

    if (!boot_info_valid(bi))
        boot_fail("helium.efi and the hypervisor are of different versions; install both anew.");
    info = *bi; /* the loader's copy may be reused once the modules are consumed */
    hv_main(&info);
}
