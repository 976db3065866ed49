/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What root mode wants to know from the ACPI tables, read once at boot into one plain structure.
 * Section numbers are those of the ACPI specification 6.5.
 *
 * Firmware's tables are treated as lying: each is read only where map() allows, as far as its
 * length goes, after its checksum. What makes no sense is left out, and the rest still counts.
 */
#ifndef HV_ACPI_H
#define HV_ACPI_H

#include "hv/compiler.h"
#include "hv/types.h"

#define ACPI_MAX_CPUS     256
#define ACPI_MAX_IOAPICS  32
#define ACPI_MAX_NMIS     32
#define ACPI_MAX_SEGMENTS 16
#define ACPI_MAX_TABLES   64
#define ACPI_ISA_IRQS     16
#define ACPI_ALL_CPUS     0xffffffff /* uid of an NMI pin that is wired on every CPU */

struct acpi_cpu {
    u32 apic_id, uid;
};

struct acpi_ioapic {
    u32 address; /* physical */
    u32 gsi_base;
    u8 id;
};

/* MPS INTI flags (5.2.12.5): polarity in bits 1:0, trigger mode in bits 3:2; in each 0 says "as the
 * bus does" (ISA: high, edge), 1 high or edge, 3 low or level. */
struct acpi_irq {
    u32 gsi;
    u16 flags;
};

struct acpi_nmi {
    u32 uid;
    u16 flags;
    u8 lint; /* 0 or 1 */
};

/* A memory-mapped PCI configuration space (MCFG). */
struct acpi_segment {
    u64 base; /* of bus 0, whatever first_bus is */
    u16 segment;
    u8 first_bus, last_bus;
};

/* 5.2.3.2 */
enum acpi_space { ACPI_MEMORY = 0, ACPI_IO = 1, ACPI_PCI_CONFIG = 2 };
struct acpi_register {
    u64 address; /* 0: there is none */
    u8 space;
    u8 bits;
};

struct acpi_table {
    char signature[4];
    u32 length;
    u64 address;
};

struct acpi_info {
    u32 cpus; /* enabled ones, in the firmware's order */
    struct acpi_cpu cpu[ACPI_MAX_CPUS];
    u32 ioapics;
    struct acpi_ioapic ioapic[ACPI_MAX_IOAPICS];
    struct acpi_irq isa[ACPI_ISA_IRQS]; /* where ISA interrupt n arrives */
    u32 lapic_nmis;
    struct acpi_nmi lapic_nmi[ACPI_MAX_NMIS];
    u64 lapic_base;
    bool has_8259;

    u64 hpet_base; /* 0: none */

    u16 pm_timer_port;                          /* 0: none */
    u8 pm_timer_bits;                           /* 24 or 32 */
    u16 pm1a_evt, pm1b_evt, pm1a_cnt, pm1b_cnt; /* ports, 0: none */
    u16 sci;
    struct acpi_register reset; /* write reset_value there */
    u8 reset_value;
    u64 dsdt;
    bool has_s5;
    u8 s5_a, s5_b; /* SLP_TYP for PM1a and PM1b */

    u32 segments;
    struct acpi_segment segment[ACPI_MAX_SEGMENTS];

    u32 tables; /* sound ones, DMAR and IVRS among them */
    struct acpi_table table[ACPI_MAX_TABLES];
    u32 rejected; /* tables and entries that made no sense, or did not fit above */
};

/* Makes len bytes at phys readable until acpi_init() returns, or returns NULL. */
typedef const void *acpi_map_fn(void *ctx, u64 phys, size_t len);

/* Fills *info from the tables that the RSDP at rsdp leads to. Returns 0, or -ENOENT if there is no
 * sound RSDP with a sound RSDT or XSDT: *info is then as if there were no tables. */
int acpi_init(struct acpi_info *info, u64 rsdp, acpi_map_fn *map, void *ctx) __must_check;

/* The first sound table with this signature, or NULL. */
const struct acpi_table *acpi_find(const struct acpi_info *info, const char *signature);

#endif
