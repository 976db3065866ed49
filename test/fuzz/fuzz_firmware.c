/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * libFuzzer on the tables that devmodel takes from a guest's memory. There are good ones to begin
 * with; the input is a list of changes to them, of six bytes each: where, and four bytes for it.
 * Whatever comes of that, the files are read as a firmware reads them, and the script must stay
 * within them.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "devmodel/firmware.h"

#define RAM    0x100000u
#define RSDP   0xf0000u
#define AREA   0x10000u /* of 64 KiB, where changes are made */
#define XSDT   AREA
#define FADT   (AREA + 0x1000)
#define FACS   (AREA + 0x2000)
#define DSDT   (AREA + 0x3000)
#define MADT   (AREA + 0x5000)
#define SMBIOS 0xf1000u
#define CHANGE 6

static uint8_t ram[RAM];
static struct firmware firmware;

static bool read_ram(void *ctx, uint64_t gpa, void *to, size_t size)
{
    (void)ctx;
    if (gpa > RAM || size > RAM - gpa)
        return false;
    memcpy(to, ram + gpa, size);
    return true;
}

static const struct guest_reader reader = {NULL, read_ram};

static void table(uint32_t at, const char *signature, uint32_t length)
{
    memcpy(ram + at, signature, 4);
    table_put(ram + at + 4, 4, length);
}

static void set_sum(uint32_t at, uint32_t field, uint32_t size)
{
    ram[at + field] = 0;
    for (uint32_t i = 0; i < size; i++)
        if (i != field)
            ram[at + field] = (uint8_t)(ram[at + field] - ram[at + i]);
}

static void make_tables(void)
{
    memset(ram + AREA, 0, 0x10000);
    table(XSDT, "XSDT", 36 + 3 * 8);
    table_put(ram + XSDT + 36, 8, FADT);
    table_put(ram + XSDT + 44, 8, MADT);
    table_put(ram + XSDT + 52, 8, MADT);
    table(FADT, "FACP", 244);
    table_put(ram + FADT + 36, 4, FACS);
    table_put(ram + FADT + 40, 4, DSDT);
    table(FACS, "FACS", 64);
    table(DSDT, "DSDT", 5000);
    table(MADT, "APIC", 90);
}

static void make_anchors(uint8_t smbios_length, uint32_t smbios_at)
{
    memcpy(ram + RSDP, "RSD PTR ", 8);
    ram[RSDP + 15] = 2;
    table_put(ram + RSDP + 24, 8, XSDT);
    set_sum(RSDP, 8, 20);
    memcpy(ram + SMBIOS, "_SM_", 4);
    table_put(ram + SMBIOS + 0x16, 2, smbios_length * 0x101u);
    table_put(ram + SMBIOS + 0x18, 4, smbios_at);
    set_sum(SMBIOS, 4, SMBIOS_ANCHOR_SIZE);
}

static void check(bool right)
{
    if (!right)
        abort();
}

static uint32_t size_of(const char *name)
{
    check(strcmp(name, ACPI_RSDP_FILE) == 0 || strcmp(name, ACPI_TABLES_FILE) == 0);
    return strcmp(name, ACPI_RSDP_FILE) == 0 ? ACPI_RSDP_SIZE : firmware.acpi.size;
}

static void check_command(const struct acpi_command *c)
{
    uint32_t size;

    if (c->kind == ACPI_ADD_POINTER) {
        check(size_of(c->pointer.target) == firmware.acpi.size);
        check(c->pointer.offset + c->pointer.size <= size_of(c->pointer.file));
    } else if (c->kind == ACPI_ADD_CHECKSUM) {
        size = size_of(c->checksum.file);
        check(c->checksum.offset < size && c->checksum.length <= size - c->checksum.start);
    } else {
        check(c->kind == ACPI_ALLOCATE);
    }
}

/* Every key, the list of files first of all. */
static void read_all(void)
{
    firmware_write(&firmware, FW_CFG_PORT, 2, FW_CFG_FILE_DIR, &reader);
    for (unsigned key = 0; key < FW_CFG_FILE_FIRST + FW_CFG_FILES; key++) {
        firmware_write(&firmware, FW_CFG_PORT, 2, key, &reader);
        for (uint32_t i = 0; i < 64; i++)
            (void)firmware_read(&firmware, 1);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    make_tables();
    for (size_t i = 0; i + CHANGE <= size; i += CHANGE)
        memcpy(ram + AREA + (table_get(data + i, 2) & 0xfffc), data + i + 2, 4);
    make_anchors(size ? data[0] : 0, size > 4 ? (uint32_t)table_get(data + 1, 3) : 0);
    firmware_init(&firmware, 1, "");
    read_all();
    for (unsigned i = 0; i < firmware.cfg.files; i++)
        if (firmware.cfg.file[i].data == firmware.acpi.command)
            for (unsigned c = 0; c < firmware.acpi.commands; c++)
                check_command(&firmware.acpi.command[c]);
    return 0;
}
