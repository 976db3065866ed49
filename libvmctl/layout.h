/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where things are in a new guest's address space.
 *
 *   0          a0000      c0000    100000            low_end    f0000000                   4 GiB
 *   |   RAM    |  (VGA)   |        RAM               |          |  devices, APICs, ACPI    |   RAM
 * ... hole                ^ hvmloader, start            ^ special pages just below ff000000 9f000:
 * hvm_info_table            information, firmware
 */
#ifndef LIBVMCTL_LAYOUT_H
#define LIBVMCTL_LAYOUT_H

#include <stddef.h>
#include <stdint.h>

#define LAYOUT_PAGE       4096ull
#define LAYOUT_HOLE_START 0xf0000000ull
#define LAYOUT_2G         (1ull << 31)
#define LAYOUT_4G         (1ull << 32)
#define LAYOUT_VGA_START  0xa0ull /* in pages */
#define LAYOUT_VGA_END    0xc0ull
#define LAYOUT_MAP_START  0x100000ull
#define LAYOUT_MAX_RAM    (1ull << 38)

/* Pages root mode, QEMU, the store and the console share with the guest; hvmloader keeps away from
 * them by hvm_info_table's reserved_mem_pgstart. */
#define LAYOUT_SPECIAL_END   0xff000ull
#define LAYOUT_IOREQ_SERVERS 8u
enum layout_special {
    SPECIAL_IOREQ_SERVERS,
    SPECIAL_BUFIOREQ = LAYOUT_IOREQ_SERVERS,
    SPECIAL_IOREQ,
    SPECIAL_STORE,
    SPECIAL_CONSOLE,
    SPECIAL_IDENT_PT,
    SPECIAL_PAGES = LAYOUT_IOREQ_SERVERS + 8, /* the rest is kept free */
};
#define LAYOUT_SPECIAL(n) (LAYOUT_SPECIAL_END - SPECIAL_PAGES + (n))

struct layout_range {
    uint64_t start, end; /* in pages */
};

struct layout {
    uint64_t low_end;  /* end of RAM below the hole, in bytes */
    uint64_t high_end; /* end of RAM above 4 GiB, in bytes; 0: none there */
    struct layout_range ram[3];
    unsigned ranges;
    uint64_t pages; /* RAM to be populated */
};

/* ram_bytes of RAM, a multiple of a page. */
void layout_compute(struct layout *l, uint64_t ram_bytes);

/* The largest power of two (18, 9 or 0) of pages by which populating goes on at pfn, no larger than
 * max. */
unsigned layout_order(uint64_t pfn, uint64_t end, unsigned max);

/* A 32-bit page directory of 4 MiB pages, each at its own address. */
void layout_identity(uint32_t entry[1024]);

/* Where the pieces loaded into the guest lie, behind the loader. */
struct layout_boot {
    uint64_t start_info, start_info_size;
    uint64_t firmware, firmware_size;
    uint64_t end;
};
/* loader_end and sizes in bytes. -1: they do not fit into the RAM below the hole. */
int layout_boot(struct layout_boot *b, const struct layout *l, uint64_t loader_end,
                uint64_t firmware_size);

/* hvm_start_info, module list, its name and memory map (xen/arch-x86/hvm/start_info.h), as
 * hvmloader takes them, into a buffer of start_info_size bytes. */
void layout_start_info(void *to, const struct layout_boot *b, const struct layout *l);
/* hvm_info_table into a page (at HVM_INFO_OFFSET of it). */
void layout_hvm_info(void *page, const struct layout *l, unsigned vcpus);

#endif
