/* SPDX-License-Identifier: BSD-2-Clause */
#include "boot/memmap.h"
#include "hv/errno.h"

#define PHYS_END (1ull << 52)

static const u8 strictness[] = {
    [BOOT_MEM_USABLE] = 0,   [BOOT_MEM_LOADER] = 1,   [BOOT_MEM_ACPI] = 2,       [BOOT_MEM_NVS] = 3,
    [BOOT_MEM_UNUSABLE] = 4, [BOOT_MEM_RESERVED] = 5, [BOOT_MEM_HYPERVISOR] = 6,
};

static u64 region_end(const struct boot_region *r)
{
    return r->base + r->size;
}

/* Index of the first region that ends above addr; region_count if there is none. */
static u32 first_above(const struct boot_info *bi, u64 addr)
{
    u32 i = 0;

    while (i < bi->region_count && region_end(&bi->region[i]) <= addr)
        i++;
    return i;
}

static int insert(struct boot_info *bi, u32 at, u64 base, u64 end, u32 type)
{
    if (bi->region_count == BOOT_MAX_REGIONS)
        return -ENOSPC;
    for (u32 i = bi->region_count; i > at; i--)
        bi->region[i] = bi->region[i - 1];
    bi->region[at] = (struct boot_region){.base = base, .size = end - base, .type = type};
    bi->region_count++;
    return 0;
}

static void drop(struct boot_info *bi, u32 at)
{
    bi->region_count--;
    for (u32 i = at; i < bi->region_count; i++)
        bi->region[i] = bi->region[i + 1];
}

/* Makes addr a border between regions if it lies inside one. */
static int split(struct boot_info *bi, u64 addr)
{
    u32 i = first_above(bi, addr);
    struct boot_region *r = &bi->region[i];
    u64 end;

    if (i == bi->region_count || r->base >= addr)
        return 0;
    end = region_end(r);
    if (insert(bi, i + 1, addr, end, r->type))
        return -ENOSPC;
    r->size = addr - r->base;
    return 0;
}

static void merge_neighbours(struct boot_info *bi)
{
    for (u32 i = 1; i < bi->region_count;) {
        struct boot_region *left = &bi->region[i - 1], *r = &bi->region[i];

        if (left->type == r->type && region_end(left) == r->base) {
            left->size += r->size;
            drop(bi, i);
        } else {
            i++;
        }
    }
}

/* The hole [base, end) below region `at` becomes type. A left neighbour of that type grows instead
 * of getting a neighbour to merge with: the map may be full. */
static int fill(struct boot_info *bi, u32 at, u64 base, u64 end, u32 type)
{
    struct boot_region *left = at ? &bi->region[at - 1] : NULL;

    if (!left || left->type != type || region_end(left) != base)
        return insert(bi, at, base, end, type);
    left->size += end - base;
    return 0;
}

/* Regions inside [base, end) become type if that is stricter, holes become type unless it is
 * LOADER. No region crosses base or end. */
static int cover(struct boot_info *bi, u64 base, u64 end, enum boot_mem_type type)
{
    while (base < end) {
        u32 i = first_above(bi, base);
        struct boot_region *r = &bi->region[i];
        u64 hole_end = i < bi->region_count && r->base < end ? r->base : end;

        if (base < hole_end) {
            if (type != BOOT_MEM_LOADER && fill(bi, i, base, hole_end, type))
                return -ENOSPC;
            base = hole_end;
        } else {
            if (strictness[type] > strictness[r->type])
                r->type = type;
            base = region_end(r);
        }
    }
    return 0;
}

int boot_mem_add(struct boot_info *bi, u64 base, u64 size, enum boot_mem_type type)
{
    u64 end = size > PHYS_END ? PHYS_END : size;
    int err;

    if (type < BOOT_MEM_USABLE || type > BOOT_MEM_LOADER)
        type = BOOT_MEM_RESERVED;
    if (base >= PHYS_END || !size)
        return 0;
    end = MIN(base + end, PHYS_END);
    if (type == BOOT_MEM_USABLE) {
        base = ALIGN_UP(base, PAGE_SIZE);
        end = ALIGN_DOWN(end, PAGE_SIZE);
    } else {
        base = ALIGN_DOWN(base, PAGE_SIZE);
        end = ALIGN_UP(end, PAGE_SIZE);
    }
    if (base >= end)
        return 0;

    err = split(bi, base);
    if (!err)
        err = split(bi, end);
    if (!err)
        err = cover(bi, base, end, type);
    merge_neighbours(bi);
    return err;
}

enum boot_mem_type boot_mem_from_e820(u32 type)
{
    switch (type) {
    case 1:
        return BOOT_MEM_USABLE;
    case 3:
        return BOOT_MEM_ACPI;
    case 4:
        return BOOT_MEM_NVS;
    case 5:
        return BOOT_MEM_UNUSABLE;
    default:
        return BOOT_MEM_RESERVED; /* 7, persistent memory, is not ours to overwrite either */
    }
}

/* UEFI 2.10, table 7.10: memory type usage after ExitBootServices. */
enum efi_type {
    EFI_LOADER_CODE = 1,
    EFI_LOADER_DATA = 2,
    EFI_BOOT_CODE = 3,
    EFI_BOOT_DATA = 4,
    EFI_CONVENTIONAL = 7,
    EFI_UNUSABLE = 8,
    EFI_ACPI_RECLAIM = 9,
    EFI_ACPI_NVS = 10
};

#define EFI_ATTR_WB      (1ull << 3)  /* can be cached */
#define EFI_ATTR_SP      (1ull << 18) /* set aside for a special purpose */
#define EFI_ATTR_RUNTIME (1ull << 63)

enum boot_mem_type boot_mem_from_efi(u32 type, u64 attribute)
{
    switch (type) {
    case EFI_LOADER_CODE:
    case EFI_LOADER_DATA:
    case EFI_BOOT_CODE:
    case EFI_BOOT_DATA:
    case EFI_CONVENTIONAL:
        if (attribute & (EFI_ATTR_RUNTIME | EFI_ATTR_SP) || !(attribute & EFI_ATTR_WB))
            return BOOT_MEM_RESERVED;
        return BOOT_MEM_USABLE;
    case EFI_ACPI_RECLAIM:
        return BOOT_MEM_ACPI;
    case EFI_ACPI_NVS:
        return BOOT_MEM_NVS;
    case EFI_UNUSABLE:
        return BOOT_MEM_UNUSABLE;
    default:
        return BOOT_MEM_RESERVED;
    }
}
