/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "boot/info.h"
#include "boot/memmap.h"
#include "hv/errno.h"
#include "test/unit/random.h"

static struct boot_info bi;

static int start(void **state)
{
    (void)state;
    boot_info_init(&bi);
    return 0;
}

static void add(u64 base, u64 size, enum boot_mem_type type)
{
    assert_int_equal(boot_mem_add(&bi, base, size, type), 0);
}

/* The map is exactly these regions, given as base, end, type. */
static void expect(size_t n, const u64 want[][3])
{
    assert_int_equal(bi.region_count, n);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(bi.region[i].base, want[i][0]);
        assert_int_equal(bi.region[i].base + bi.region[i].size, want[i][1]);
        assert_int_equal(bi.region[i].type, want[i][2]);
    }
}

static void test_sorts_and_merges(void **state)
{
    (void)state;
    add(0x300000, 0x100000, BOOT_MEM_USABLE);
    add(0x100000, 0x100000, BOOT_MEM_USABLE);
    add(0x400000, 0x1000, BOOT_MEM_ACPI);
    add(0x200000, 0x100000, BOOT_MEM_USABLE);
    expect(2, (const u64[][3]){{0x100000, 0x400000, BOOT_MEM_USABLE},
                               {0x400000, 0x401000, BOOT_MEM_ACPI}});
}

static void test_rounds_usable_inwards(void **state)
{
    (void)state;
    add(0, 0x9fc00, BOOT_MEM_USABLE);
    add(0x9fc00, 0x400, BOOT_MEM_RESERVED);
    add(0x100001, 0x2fff, BOOT_MEM_USABLE);
    add(0x200800, 0x400, BOOT_MEM_USABLE); /* no whole page */
    expect(3, (const u64[][3]){{0, 0x9f000, BOOT_MEM_USABLE},
                               {0x9f000, 0xa0000, BOOT_MEM_RESERVED},
                               {0x101000, 0x103000, BOOT_MEM_USABLE}});
}

static void test_rounds_others_outwards(void **state)
{
    (void)state;
    add(0x100000, 0x10000, BOOT_MEM_USABLE);
    add(0x104fff, 2, BOOT_MEM_NVS);
    expect(3, (const u64[][3]){{0x100000, 0x104000, BOOT_MEM_USABLE},
                               {0x104000, 0x106000, BOOT_MEM_NVS},
                               {0x106000, 0x110000, BOOT_MEM_USABLE}});
}

static void test_nothing_from_nothing(void **state)
{
    (void)state;
    add(0x1000, 0, BOOT_MEM_USABLE);
    add(0x1000, 0, BOOT_MEM_RESERVED);
    add(~0ull, 0, BOOT_MEM_RESERVED);
    add(1ull << 52, 0x1000, BOOT_MEM_USABLE);
    add(~0ull, ~0ull, BOOT_MEM_USABLE);
    assert_int_equal(bi.region_count, 0);
}

static void test_lies_end_at_52_bits(void **state)
{
    (void)state;
    add(0x1000, ~0ull, BOOT_MEM_USABLE);
    add((1ull << 52) - 1, 1, BOOT_MEM_RESERVED);
    expect(2, (const u64[][3]){{0x1000, (1ull << 52) - 0x1000, BOOT_MEM_USABLE},
                               {(1ull << 52) - 0x1000, 1ull << 52, BOOT_MEM_RESERVED}});
}

static void test_stricter_type_wins(void **state)
{
    static const enum boot_mem_type order[] = {
        BOOT_MEM_USABLE,   BOOT_MEM_LOADER,   BOOT_MEM_ACPI,      BOOT_MEM_NVS,
        BOOT_MEM_UNUSABLE, BOOT_MEM_RESERVED, BOOT_MEM_HYPERVISOR};

    (void)state;
    for (size_t weak = 0; weak < ARRAY_SIZE(order); weak++) {
        for (size_t strict = weak; strict < ARRAY_SIZE(order); strict++) {
            boot_info_init(&bi);
            add(0x1000, 0x1000, BOOT_MEM_USABLE); /* LOADER needs something to take from */
            add(0x1000, 0x1000, order[weak]);
            add(0x1000, 0x1000, order[strict]);
            expect(1, (const u64[][3]){{0x1000, 0x2000, order[strict]}});
            add(0x1000, 0x1000, order[weak]);
            expect(1, (const u64[][3]){{0x1000, 0x2000, order[strict]}});
        }
    }
}

static void test_unknown_type_is_reserved(void **state)
{
    (void)state;
    add(0x1000, 0x1000, (enum boot_mem_type)0);
    add(0x2000, 0x1000, (enum boot_mem_type)99);
    expect(1, (const u64[][3]){{0x1000, 0x3000, BOOT_MEM_RESERVED}});
}

static void test_loader_makes_no_memory(void **state)
{
    (void)state;
    add(0x2000, 0x2000, BOOT_MEM_USABLE);
    add(0x6000, 0x1000, BOOT_MEM_RESERVED);
    add(0x0, 0x10000, BOOT_MEM_LOADER);
    expect(2, (const u64[][3]){{0x2000, 0x4000, BOOT_MEM_LOADER},
                               {0x6000, 0x7000, BOOT_MEM_RESERVED}});
}

static void test_covers_holes_and_regions(void **state)
{
    (void)state;
    add(0x2000, 0x1000, BOOT_MEM_USABLE);
    add(0x5000, 0x1000, BOOT_MEM_NVS);
    add(0x8000, 0x1000, BOOT_MEM_RESERVED);
    add(0x0, 0xa000, BOOT_MEM_ACPI);
    expect(5, (const u64[][3]){{0x0, 0x5000, BOOT_MEM_ACPI},
                               {0x5000, 0x6000, BOOT_MEM_NVS},
                               {0x6000, 0x8000, BOOT_MEM_ACPI},
                               {0x8000, 0x9000, BOOT_MEM_RESERVED},
                               {0x9000, 0xa000, BOOT_MEM_ACPI}});
}

static void test_full(void **state)
{
    (void)state;
    for (u64 i = 0; i < BOOT_MAX_REGIONS; i++)
        add(i * 0x2000, 0x1000, BOOT_MEM_USABLE);
    assert_int_equal(bi.region_count, BOOT_MAX_REGIONS);
    assert_int_equal(boot_mem_add(&bi, 0x10000000, 0x1000, BOOT_MEM_USABLE), -ENOSPC);
    assert_int_equal(bi.region_count, BOOT_MAX_REGIONS);
    add(0x2000, 0x1000, BOOT_MEM_HYPERVISOR); /* needs no new region */
    assert_int_equal(bi.region[1].type, BOOT_MEM_HYPERVISOR);
    add(0x1000, 0x1000, BOOT_MEM_USABLE); /* its left neighbour grows: one more for a moment only */
}

/* A second opinion: 64 pages, the strictest type of each kept in an array. */
#define PAGES 64
static const int rank[] = {-1, 0, 5, 2, 3, 4, 6, 1};

static void model_add(u8 model[PAGES], u64 base, u64 size, u32 type)
{
    for (u64 page = 0; page < PAGES; page++) {
        u64 first = page * PAGE_SIZE, end = first + PAGE_SIZE;
        bool inside = base <= first && base + size >= end;
        bool touched = size && base < end && base + size > first;

        if (!(type == BOOT_MEM_USABLE ? inside : touched))
            continue;
        if (type == BOOT_MEM_LOADER && !model[page])
            continue;
        if (rank[type] > rank[model[page]] || !model[page])
            model[page] = (u8)type;
    }
}

static void compare(const u8 model[PAGES])
{
    u64 last_end = 0;

    for (u32 i = 0; i < bi.region_count; i++) {
        const struct boot_region *r = &bi.region[i];

        assert_true(r->size && r->base % PAGE_SIZE == 0 && r->size % PAGE_SIZE == 0);
        assert_true(i == 0 || r->base >= last_end);
        assert_false(i > 0 && r->base == last_end && r->type == bi.region[i - 1].type);
        last_end = r->base + r->size;
    }
    for (u64 page = 0; page < PAGES; page++) {
        u8 got = 0;

        for (u32 i = 0; i < bi.region_count; i++) {
            if (page * PAGE_SIZE - bi.region[i].base < bi.region[i].size)
                got = (u8)bi.region[i].type;
        }
        assert_int_equal(got, model[page]);
    }
}

static void test_random_against_model(void **state)
{
    (void)state;
    random_init();
    for (int round = 0; round < 3000; round++) {
        u8 model[PAGES] = {0};

        boot_info_init(&bi);
        for (u64 n = random_below(24); n; n--) {
            u64 base = random_below(PAGES * PAGE_SIZE);
            u64 size = random_below(PAGES * PAGE_SIZE - base);
            u32 type = (u32)(1 + random_below(7));

            if (random_below(2)) { /* firmware mostly gives whole pages */
                base &= PAGE_MASK;
                size &= PAGE_MASK;
            }
            add(base, size, type);
            model_add(model, base, size, type);
        }
        compare(model);
    }
}

static void test_e820_types(void **state)
{
    (void)state;
    assert_int_equal(boot_mem_from_e820(1), BOOT_MEM_USABLE);
    assert_int_equal(boot_mem_from_e820(2), BOOT_MEM_RESERVED);
    assert_int_equal(boot_mem_from_e820(3), BOOT_MEM_ACPI);
    assert_int_equal(boot_mem_from_e820(4), BOOT_MEM_NVS);
    assert_int_equal(boot_mem_from_e820(5), BOOT_MEM_UNUSABLE);
    for (u32 type = 6; type < 300; type++)
        assert_int_equal(boot_mem_from_e820(type), BOOT_MEM_RESERVED);
    assert_int_equal(boot_mem_from_e820(0), BOOT_MEM_RESERVED);
    assert_int_equal(boot_mem_from_e820(~0u), BOOT_MEM_RESERVED);
}

static void test_efi_types(void **state)
{
    static const u8 usable[] = {1, 2, 3, 4, 7};
    const u64 wb = 1ull << 3, runtime = 1ull << 63, special = 1ull << 18;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(usable); i++) {
        assert_int_equal(boot_mem_from_efi(usable[i], wb | 7), BOOT_MEM_USABLE);
        assert_int_equal(boot_mem_from_efi(usable[i], wb | runtime), BOOT_MEM_RESERVED);
        assert_int_equal(boot_mem_from_efi(usable[i], wb | special), BOOT_MEM_RESERVED);
        assert_int_equal(boot_mem_from_efi(usable[i], 1), BOOT_MEM_RESERVED); /* UC only */
    }
    assert_int_equal(boot_mem_from_efi(8, wb), BOOT_MEM_UNUSABLE);
    assert_int_equal(boot_mem_from_efi(9, wb), BOOT_MEM_ACPI);
    assert_int_equal(boot_mem_from_efi(10, wb), BOOT_MEM_NVS);
    for (u32 type = 11; type < 20; type++) /* MMIO, PAL, persistent, unaccepted, unknown */
        assert_int_equal(boot_mem_from_efi(type, wb), BOOT_MEM_RESERVED);
    assert_int_equal(boot_mem_from_efi(0, wb), BOOT_MEM_RESERVED);
    assert_int_equal(boot_mem_from_efi(5, wb | runtime), BOOT_MEM_RESERVED);
    assert_int_equal(boot_mem_from_efi(6, wb | runtime), BOOT_MEM_RESERVED);
    assert_int_equal(boot_mem_from_efi(0x80000000, wb), BOOT_MEM_RESERVED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_sorts_and_merges, start),
        cmocka_unit_test_setup(test_rounds_usable_inwards, start),
        cmocka_unit_test_setup(test_rounds_others_outwards, start),
        cmocka_unit_test_setup(test_nothing_from_nothing, start),
        cmocka_unit_test_setup(test_lies_end_at_52_bits, start),
        cmocka_unit_test_setup(test_stricter_type_wins, start),
        cmocka_unit_test_setup(test_unknown_type_is_reserved, start),
        cmocka_unit_test_setup(test_loader_makes_no_memory, start),
        cmocka_unit_test_setup(test_covers_holes_and_regions, start),
        cmocka_unit_test_setup(test_full, start),
        cmocka_unit_test_setup(test_random_against_model, start),
        cmocka_unit_test(test_e820_types),
        cmocka_unit_test(test_efi_types),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
