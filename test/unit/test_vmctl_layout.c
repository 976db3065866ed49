/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "libvmctl/layout.h"
#include <xen/xen.h>
#include <xen/hvm/hvm_info_table.h>
#include <xen/arch-x86/hvm/start_info.h>

#define MIB (1ull << 20)

static bool is_ram(const struct layout *l, uint64_t pfn)
{
    for (unsigned i = 0; i < l->ranges; i++)
        if (pfn >= l->ram[i].start && pfn < l->ram[i].end)
            return true;
    return false;
}

static void test_below_the_hole(void **state)
{
    struct layout l;

    (void)state;
    layout_compute(&l, 256 * MIB);
    assert_int_equal(l.low_end, 256 * MIB);
    assert_int_equal(l.high_end, 0);
    assert_int_equal(l.pages, 256 * MIB / 4096 - 32); /* without the VGA window */
    assert_true(is_ram(&l, 0x9f));
    assert_false(is_ram(&l, 0xa0));
    assert_false(is_ram(&l, 0xbf));
    assert_true(is_ram(&l, 0xc0));
    assert_true(is_ram(&l, 0xffff));
    assert_false(is_ram(&l, 0x10000));
}

static void test_around_the_hole(void **state)
{
    struct layout l;

    (void)state;
    layout_compute(&l, LAYOUT_HOLE_START);
    assert_int_equal(l.high_end, 0);
    layout_compute(&l, LAYOUT_HOLE_START + 4096);
    assert_int_equal(l.low_end, LAYOUT_HOLE_START);
    assert_int_equal(l.high_end, LAYOUT_4G + 4096);
    assert_true(is_ram(&l, 0xeffff));
    assert_false(is_ram(&l, 0xf0000));
    assert_false(is_ram(&l, 0xfffff));
    assert_true(is_ram(&l, 0x100000));
    assert_false(is_ram(&l, 0x100001));
    assert_int_equal(l.pages, LAYOUT_HOLE_START / 4096 + 1 - 32);
}

/* Nothing is special that could be RAM or that an APIC, the IOAPIC or the HPET answers for. */
static void test_special_pages(void **state)
{
    (void)state;
    assert_true(LAYOUT_SPECIAL(0) > LAYOUT_HOLE_START / 4096);
    assert_true(LAYOUT_SPECIAL(0) > 0xfee00);
    assert_int_equal(LAYOUT_SPECIAL(SPECIAL_PAGES), LAYOUT_SPECIAL_END);
    assert_true(SPECIAL_BUFIOREQ >= LAYOUT_IOREQ_SERVERS);
    assert_true(SPECIAL_IDENT_PT < SPECIAL_PAGES);
}

/* Stepping by the order that is given covers a range once, aligned, and by large pages where they
 * fit. */
static void check_steps(uint64_t start, uint64_t end, unsigned max, unsigned most)
{
    unsigned largest = 0;
    uint64_t pfn = start;

    while (pfn < end) {
        unsigned order = layout_order(pfn, end, max);

        assert_true(order <= max);
        assert_int_equal(pfn & ((1ull << order) - 1), 0);
        if (order > largest)
            largest = order;
        pfn += 1ull << order;
    }
    assert_int_equal(pfn, end);
    assert_int_equal(largest, most);
}

static void test_orders(void **state)
{
    (void)state;
    check_steps(0xc0, 0x10000, 18, 9);
    check_steps(0xc0, 0x10000, 8, 0);
    check_steps(0xc0, 0xf0000, 18, 18);
    check_steps(0xc0, 0xf0000, 17, 9);
    check_steps(0x100000, 0x100001, 18, 0);
    check_steps(0x1ff, 0x401, 18, 9);
    check_steps(0x201, 0x400, 18, 0);
}

static void test_identity(void **state)
{
    uint32_t pd[1024];

    (void)state;
    layout_identity(pd);
    assert_int_equal(pd[0], 0xe7);
    assert_int_equal(pd[1], 0x4000e7);
    assert_int_equal(pd[1023], 0xffc000e7);
}

static void test_boot_places(void **state)
{
    struct layout_boot b;
    struct layout l;

    (void)state;
    layout_compute(&l, 8 * MIB);
    assert_int_equal(layout_boot(&b, &l, 0x151234, 256 << 10), 0);
    assert_int_equal(b.start_info, 0x152000);
    assert_int_equal(b.firmware, 0x153000);
    assert_int_equal(b.end, 0x193000);
    /* the last byte that fits, and one more */
    assert_int_equal(layout_boot(&b, &l, 0x151234, 8 * MIB - 0x153000), 0);
    assert_int_equal(b.end, 8 * MIB);
    assert_int_equal(layout_boot(&b, &l, 0x151234, 8 * MIB - 0x153000 + 1), -1);
    assert_int_equal(layout_boot(&b, &l, 0x151234, UINT64_MAX - 0x153000), -1);
}

static void check_start_info(uint64_t ram, uint32_t entries)
{
    uint8_t *page = malloc(4096);
    const struct hvm_memmap_table_entry *map;
    const struct hvm_modlist_entry *module;
    const struct hvm_start_info *s = (const struct hvm_start_info *)page;
    struct layout_boot b;
    struct layout l;

    layout_compute(&l, ram);
    assert_int_equal(layout_boot(&b, &l, 0x160000, 0x40000), 0);
    memset(page, 0xaa, 4096);
    layout_start_info(page, &b, &l);
    assert_int_equal(s->magic, XEN_HVM_START_MAGIC_VALUE);
    assert_int_equal(s->version, 1);
    assert_int_equal(s->flags, 0);
    assert_int_equal(s->nr_modules, 1);
    assert_int_equal(s->cmdline_paddr, 0);
    assert_int_equal(s->rsdp_paddr, 0);
    module = (const void *)(page + (s->modlist_paddr - b.start_info));
    assert_int_equal(module->paddr, b.firmware);
    assert_int_equal(module->size, 0x40000);
    assert_string_equal((const char *)page + (module->cmdline_paddr - b.start_info), "firmware");
    assert_int_equal(s->memmap_entries, entries);
    map = (const void *)(page + (s->memmap_paddr - b.start_info));
    assert_int_equal(map[0].addr, 1 * MIB);
    assert_int_equal(map[0].addr + map[0].size, l.low_end);
    assert_int_equal(map[0].type, XEN_HVM_MEMMAP_TYPE_RAM);
    if (entries == 2) {
        assert_int_equal(map[1].addr, LAYOUT_4G);
        assert_int_equal(map[1].addr + map[1].size, l.high_end);
    }
    free(page);
}

static void test_start_info(void **state)
{
    (void)state;
    check_start_info(64 * MIB, 1);
    check_start_info(6 * 1024 * MIB, 2);
}

static void test_hvm_info(void **state)
{
    uint8_t *page = calloc(1, 4096), sum = 0;
    const struct hvm_info_table *t = (const void *)(page + HVM_INFO_OFFSET);
    struct layout l;

    (void)state;
    layout_compute(&l, 5 * 1024 * MIB);
    layout_hvm_info(page, &l, 11);
    assert_memory_equal(t->signature, "HVM INFO", 8);
    assert_int_equal(t->length, sizeof(*t));
    for (size_t i = 0; i < t->length; i++)
        sum = (uint8_t)(sum + ((const uint8_t *)t)[i]);
    assert_int_equal(sum, 0);
    assert_int_equal(t->nr_vcpus, 11);
    assert_int_equal(t->vcpu_online[0], 0xff);
    assert_int_equal(t->vcpu_online[1], 0x07);
    assert_int_equal(t->vcpu_online[2], 0);
    assert_int_equal(t->low_mem_pgend, 0xf0000);
    assert_int_equal(t->high_mem_pgend, 0x150000);
    assert_int_equal(t->reserved_mem_pgstart, LAYOUT_SPECIAL(0));
    free(page);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_below_the_hole), cmocka_unit_test(test_around_the_hole),
        cmocka_unit_test(test_special_pages),  cmocka_unit_test(test_orders),
        cmocka_unit_test(test_identity),       cmocka_unit_test(test_boot_places),
        cmocka_unit_test(test_start_info),     cmocka_unit_test(test_hvm_info),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
