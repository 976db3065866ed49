/* SPDX-License-Identifier: BSD-2-Clause */
#include "libvmctl/layout.h"
#include <string.h>
#include <xen/xen.h>
#include <xen/hvm/hvm_info_table.h>
#include <xen/arch-x86/hvm/start_info.h>

#define ORDER_1G 18u
#define ORDER_2M 9u

/* SDM 3A 4.3, a page directory entry that maps 4 MiB. */
#define PDE_4M      0xe7u /* present, writable, user, accessed, dirty, page size */

#define MODULE_NAME "firmware" /* hvmloader looks for the module of this name */

struct start_info_page {
    struct hvm_start_info info;
    struct hvm_modlist_entry module;
    struct hvm_memmap_table_entry map[2];
    char name[sizeof(MODULE_NAME)];
};
_Static_assert(sizeof(struct start_info_page) <= LAYOUT_PAGE, "one page is asked for");

void layout_compute(struct layout *l, uint64_t ram_bytes)
{
    uint64_t low = ram_bytes < LAYOUT_HOLE_START ? ram_bytes : LAYOUT_HOLE_START;

    *l = (struct layout){.low_end = low, .ranges = 2};
    l->ram[0] = (struct layout_range){0, LAYOUT_VGA_START};
    l->ram[1] = (struct layout_range){LAYOUT_VGA_END, low / LAYOUT_PAGE};
    if (ram_bytes > low) {
        l->high_end = LAYOUT_4G + (ram_bytes - low);
        l->ram[l->ranges++] =
            (struct layout_range){LAYOUT_4G / LAYOUT_PAGE, l->high_end / LAYOUT_PAGE};
    }
    for (unsigned i = 0; i < l->ranges; i++)
        l->pages += l->ram[i].end - l->ram[i].start;
}

unsigned layout_order(uint64_t pfn, uint64_t end, unsigned max)
{
    static const unsigned orders[] = {ORDER_1G, ORDER_2M};

    for (size_t i = 0; i < sizeof(orders) / sizeof(orders[0]); i++) {
        uint64_t n = 1ull << orders[i];

        if (orders[i] <= max && pfn % n == 0 && pfn + n <= end)
            return orders[i];
    }
    return 0;
}

void layout_identity(uint32_t entry[1024])
{
    for (uint32_t i = 0; i < 1024; i++)
        entry[i] = i << 22 | PDE_4M;
}

static uint64_t page_up(uint64_t n)
{
    return (n + LAYOUT_PAGE - 1) & ~(LAYOUT_PAGE - 1);
}

int layout_boot(struct layout_boot *b, const struct layout *l, uint64_t loader_end,
                uint64_t firmware_size)
{
    b->start_info = page_up(loader_end);
    b->start_info_size = LAYOUT_PAGE;
    b->firmware = b->start_info + b->start_info_size;
    b->firmware_size = firmware_size;
    b->end = page_up(b->firmware + firmware_size);
    return firmware_size > l->low_end || b->end > l->low_end ? -1 : 0;
}

void layout_start_info(void *to, const struct layout_boot *b, const struct layout *l)
{
    struct start_info_page *p = to;
    uint64_t at = b->start_info;

    memset(to, 0, b->start_info_size);
    p->info.magic = XEN_HVM_START_MAGIC_VALUE;
    p->info.version = 1;
    p->info.nr_modules = 1;
    p->info.modlist_paddr = at + offsetof(struct start_info_page, module);
    p->info.memmap_paddr = at + offsetof(struct start_info_page, map);
    p->info.memmap_entries = l->high_end ? 2 : 1;
    p->module.paddr = b->firmware;
    p->module.size = b->firmware_size;
    p->module.cmdline_paddr = at + offsetof(struct start_info_page, name);
    memcpy(p->name, MODULE_NAME, sizeof(p->name));
    p->map[0].addr = LAYOUT_MAP_START;
    p->map[0].size = l->low_end - LAYOUT_MAP_START;
    p->map[0].type = XEN_HVM_MEMMAP_TYPE_RAM;
    if (l->high_end) {
        p->map[1].addr = LAYOUT_4G;
        p->map[1].size = l->high_end - LAYOUT_4G;
        p->map[1].type = XEN_HVM_MEMMAP_TYPE_RAM;
    }
}

void layout_hvm_info(void *page, const struct layout *l, unsigned vcpus)
{
    struct hvm_info_table *t = (struct hvm_info_table *)((uint8_t *)page + HVM_INFO_OFFSET);
    uint8_t sum = 0;

    memset(t, 0, sizeof(*t));
    memcpy(t->signature, "HVM INFO", sizeof(t->signature));
    t->length = sizeof(*t);
    t->apic_mode = 1;
    t->nr_vcpus = vcpus;
    t->low_mem_pgend = (uint32_t)(l->low_end / LAYOUT_PAGE);
    t->high_mem_pgend = (uint32_t)(l->high_end / LAYOUT_PAGE);
    t->reserved_mem_pgstart = (uint32_t)LAYOUT_SPECIAL(0);
    for (unsigned i = 0; i < vcpus; i++)
        t->vcpu_online[i / 8] |= (uint8_t)(1u << i % 8);
    for (size_t i = 0; i < sizeof(*t); i++)
        sum = (uint8_t)(sum + ((const uint8_t *)t)[i]);
    t->checksum = (uint8_t)-sum;
}
