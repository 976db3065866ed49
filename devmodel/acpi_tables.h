/* SPDX-License-Identifier: BSD-2-Clause */
/* The ACPI tables that hvmloader has put into the guest's memory, as the files by which QEMU hands
 * tables to a firmware that places them itself: the tables, one behind the other, the RSDP, and a
 * script that says which fields point into which file and which checksums follow from that (QEMU's
 * hw/acpi/bios-linker-loader.c). */
#ifndef DEVMODEL_ACPI_TABLES_H
#define DEVMODEL_ACPI_TABLES_H

#include "devmodel/guest_reader.h"
#include <stdbool.h>
#include <stdint.h>

#define ACPI_RSDP_FILE    "etc/acpi/rsdp"
#define ACPI_TABLES_FILE  "etc/acpi/tables"
#define ACPI_SCRIPT_FILE  "etc/table-loader"
#define ACPI_RSDP_SIZE    36
#define ACPI_TABLES_MAX   (512u << 10) /* all of them */
#define ACPI_MAX_COMMANDS 64
#define ACPI_MAX_POINTERS 32 /* from the XSDT */

enum acpi_command_kind { ACPI_ALLOCATE = 1, ACPI_ADD_POINTER = 2, ACPI_ADD_CHECKSUM = 3 };

struct acpi_command {
    uint32_t kind;
    union {
        struct {
            char file[56];
            uint32_t align;
            uint8_t zone; /* 1: anywhere, 2: in the last 64 KiB below 1 MiB */
        } __attribute__((packed)) allocate;
        struct {
            char file[56], target[56];
            uint32_t offset; /* of the pointer, which has an offset in target */
            uint8_t size;
        } __attribute__((packed)) pointer;
        struct {
            char file[56];
            uint32_t offset; /* of the checksum, 0 so far */
            uint32_t start, length;
        } __attribute__((packed)) checksum;
        uint8_t all[124];
    };
} __attribute__((packed));

struct acpi_tables {
    uint8_t rsdp[ACPI_RSDP_SIZE];
    uint8_t tables[ACPI_TABLES_MAX];
    uint32_t size;
    struct acpi_command command[ACPI_MAX_COMMANDS + 1]; /* and a spare place */
    unsigned commands;
};

/* False: there are none, or not such as ACPI 6.5, 5.2 has them, whatever the guest has made of
 * them. */
bool acpi_tables_gather(struct acpi_tables *t, const struct guest_reader *g);

#endif
