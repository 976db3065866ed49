/* SPDX-License-Identifier: BSD-2-Clause */
/* The configuration device as a firmware sees it, and the tables that it hands over: a guest's
 * memory with tables such as hvmloader makes, and broken ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "devmodel/firmware.h"

#define RAM       0x100000u
#define RSDP_AT   0xea020u
#define XSDT_AT   0x10000u
#define FADT_AT   0x11001u /* anywhere */
#define FACS_AT   0x12040u
#define DSDT_AT   0x13000u
#define MADT_AT   0x16000u
#define SMBIOS_AT 0xeb000u
#define TYPES_AT  0xeb020u

static uint8_t *ram;
static struct firmware *fw;

static bool read_ram(void *ctx, uint64_t gpa, void *to, size_t size)
{
    assert_ptr_equal(ctx, ram);
    if (gpa > RAM || size > RAM - gpa)
        return false;
    memcpy(to, ram + gpa, size);
    return true;
}

static struct guest_reader reader(void)
{
    return (struct guest_reader){ram, read_ram};
}

static void set_sum(uint32_t at, uint32_t field, uint32_t size)
{
    uint8_t sum = 0;

    ram[at + field] = 0;
    for (uint32_t i = 0; i < size; i++)
        sum = (uint8_t)(sum + ram[at + i]);
    ram[at + field] = (uint8_t)-sum;
}

static void table(uint32_t at, const char *signature, uint32_t length)
{
    memset(ram + at, signature[0], length);
    memcpy(ram + at, signature, 4);
    table_put(ram + at + 4, 4, length);
    set_sum(at, 9, length);
}

static void set_rsdp(void)
{
    memcpy(ram + RSDP_AT, "RSD PTR ", 8);
    ram[RSDP_AT + 15] = 2;
    table_put(ram + RSDP_AT + 24, 8, XSDT_AT);
    set_sum(RSDP_AT, 8, 20);
}

static int start(void **state)
{
    (void)state;
    ram = calloc(1, RAM);
    fw = calloc(1, sizeof(*fw));
    table(XSDT_AT, "XSDT", 36 + 2 * 8);
    table_put(ram + XSDT_AT + 36, 8, FADT_AT);
    table_put(ram + XSDT_AT + 44, 8, MADT_AT);
    table(FADT_AT, "FACP", 244);
    table_put(ram + FADT_AT + 36, 4, FACS_AT);
    table_put(ram + FADT_AT + 40, 4, DSDT_AT);
    table_put(ram + FADT_AT + 132, 8, FACS_AT);
    table_put(ram + FADT_AT + 140, 8, 0); /* the short one counts then */
    table(FACS_AT, "FACS", 64);
    table(DSDT_AT, "DSDT", 5000);
    table(MADT_AT, "APIC", 90);
    set_rsdp();
    memcpy(ram + SMBIOS_AT, "_SM_", 4);
    table_put(ram + SMBIOS_AT + 0x16, 2, 300);
    table_put(ram + SMBIOS_AT + 0x18, 4, TYPES_AT);
    set_sum(SMBIOS_AT, 4, SMBIOS_ANCHOR_SIZE);
    memset(ram + TYPES_AT, 0x5a, 300);
    firmware_init(fw, 3, "");
    return 0;
}

static int end(void **state)
{
    (void)state;
    free(ram);
    free(fw);
    return 0;
}

/* ---- as a firmware does it ---- */

static void select_key(uint16_t key)
{
    const struct guest_reader g = reader();

    firmware_write(fw, FW_CFG_PORT, 2, key, &g);
}

static void take(void *to, size_t size)
{
    for (size_t i = 0; i < size; i++)
        ((uint8_t *)to)[i] = (uint8_t)firmware_read(fw, 1);
}

static uint32_t big(const uint8_t *p, unsigned bytes)
{
    uint32_t value = 0;

    while (bytes--)
        value = value << 8 | *p++;
    return value;
}

/* Selects the file; returns its size, UINT32_MAX: there is none. */
static uint32_t open_file(const char *name)
{
    uint8_t entry[64];
    uint32_t n, size = UINT32_MAX;
    uint16_t key = 0;

    select_key(FW_CFG_FILE_DIR);
    take(entry, 4);
    for (n = big(entry, 4); n; n--) {
        take(entry, sizeof(entry));
        if (strcmp((char *)entry + 8, name) != 0)
            continue;
        size = big(entry, 4);
        key = (uint16_t)big(entry + 4, 2);
    }
    select_key(key);
    return size;
}

/* What a firmware makes of the files: they lie at `tables` and `rsdp` (addresses of its choice),
 * pointers and checksums are as the script wants them. */
struct placed {
    uint8_t tables[16384], rsdp[ACPI_RSDP_SIZE];
    uint32_t size;
};
#define TABLES_BASE 0x7fff0000u

static uint8_t *file_of(struct placed *p, const char *name)
{
    return strcmp(name, ACPI_RSDP_FILE) == 0 ? p->rsdp : p->tables;
}

static void obey(struct placed *p, const struct acpi_command *c)
{
    uint8_t *at, sum = 0;

    if (c->kind == ACPI_ADD_POINTER) {
        assert_string_equal(c->pointer.target, ACPI_TABLES_FILE);
        at = file_of(p, c->pointer.file) + c->pointer.offset;
        assert_true(table_get(at, c->pointer.size) < p->size);
        table_put(at, c->pointer.size, table_get(at, c->pointer.size) + TABLES_BASE);
    }
    if (c->kind == ACPI_ADD_CHECKSUM) {
        at = file_of(p, c->checksum.file);
        assert_int_equal(at[c->checksum.offset], 0);
        for (uint32_t i = 0; i < c->checksum.length; i++)
            sum = (uint8_t)(sum + at[c->checksum.start + i]);
        at[c->checksum.offset] = (uint8_t)-sum;
    }
}

static void place(struct placed *p)
{
    struct acpi_command c;
    uint32_t commands, allocated = 0;

    p->size = open_file(ACPI_TABLES_FILE);
    assert_in_range(p->size, 1, sizeof(p->tables));
    take(p->tables, p->size);
    assert_int_equal(open_file(ACPI_RSDP_FILE), ACPI_RSDP_SIZE);
    take(p->rsdp, ACPI_RSDP_SIZE);
    commands = open_file(ACPI_SCRIPT_FILE) / (uint32_t)sizeof(c);
    while (commands--) {
        take(&c, sizeof(c));
        allocated += c.kind == ACPI_ALLOCATE;
        obey(p, &c);
    }
    assert_int_equal(allocated, 2);
}

/* The table that lies at this address now; its checksum is right. */
static const uint8_t *at_address(const struct placed *p, uint64_t address, const char *signature)
{
    const uint8_t *t = p->tables + (address - TABLES_BASE);
    uint8_t sum = 0;

    assert_in_range(address, TABLES_BASE, TABLES_BASE + p->size - 36);
    assert_memory_equal(t, signature, 4);
    for (uint32_t i = 0; i < table_get(t + 4, 4); i++)
        sum = (uint8_t)(sum + t[i]);
    if (strcmp(signature, "FACS") != 0) /* which has none */
        assert_int_equal(sum, 0);
    return t;
}

static void test_tables(void **state)
{
    static struct placed p;
    const uint8_t *xsdt, *fadt, *dsdt;

    (void)state;
    place(&p);
    assert_memory_equal(p.rsdp, "RSD PTR ", 8);
    xsdt = at_address(&p, table_get(p.rsdp + 24, 8), "XSDT");
    assert_int_equal(table_get(xsdt + 4, 4), 36 + 2 * 8);
    at_address(&p, table_get(xsdt + 44, 8), "APIC");
    fadt = at_address(&p, table_get(xsdt + 36, 8), "FACP");
    dsdt = at_address(&p, table_get(fadt + 40, 4), "DSDT");
    assert_ptr_equal(dsdt, at_address(&p, table_get(fadt + 140, 8), "DSDT"));
    assert_memory_equal(dsdt, ram + DSDT_AT, 5000);
    at_address(&p, table_get(fadt + 36, 4), "FACS");
    at_address(&p, table_get(fadt + 132, 8), "FACS");
    assert_int_equal(table_get(fadt + 36, 4) % 64, 0);
}

static void test_smbios(void **state)
{
    uint8_t anchor[SMBIOS_ANCHOR_SIZE], types[300];

    (void)state;
    assert_int_equal(open_file(SMBIOS_ANCHOR_FILE), sizeof(anchor));
    take(anchor, sizeof(anchor));
    assert_memory_equal(anchor, ram + SMBIOS_AT, sizeof(anchor));
    assert_int_equal(open_file(SMBIOS_TABLES_FILE), sizeof(types));
    take(types, sizeof(types));
    assert_memory_equal(types, ram + TYPES_AT, sizeof(types));
}

static void test_items(void **state)
{
    uint8_t four[5];

    (void)state;
    select_key(FW_CFG_SIGNATURE);
    take(four, 5);
    assert_memory_equal(four, "QEMU", 5); /* and 0 behind it */
    select_key(FW_CFG_ID);
    take(four, 5);
    assert_memory_equal(four, "\1\0\0\0", 5);
    select_key(FW_CFG_NB_CPUS);
    assert_int_equal(firmware_read(fw, 1), 3);
    select_key(FW_CFG_FILE_FIRST + FW_CFG_FILES);
    assert_int_equal(firmware_read(fw, 1), 0);
    select_key(0xffff);
    assert_int_equal(firmware_read(fw, 1), 0);
}

/* Selected by two bytes at its own port, read by one. */
static void test_ports(void **state)
{
    const struct guest_reader g = reader();

    (void)state;
    select_key(FW_CFG_SIGNATURE);
    firmware_write(fw, FW_CFG_PORT, 1, FW_CFG_ID, &g);
    firmware_write(fw, FW_CFG_PORT, 4, FW_CFG_ID, &g);
    firmware_write(fw, FW_CFG_LAST_PORT, 2, FW_CFG_ID, &g);
    assert_int_equal(firmware_read(fw, 2), 0);
    assert_int_equal(firmware_read(fw, 4), 0);
    assert_int_equal(firmware_read(fw, 1), 'Q');
    select_key(FW_CFG_SIGNATURE);
    assert_int_equal(firmware_read(fw, 1), 'Q');
}

static void test_boot_order(void **state)
{
    static const char order[] = "/pci@i0cf8/ide@1,1/drive@1/disk@0\n/pci@i0cf8/ethernet@4";
    char text[sizeof(order)];

    (void)state;
    assert_int_equal(open_file("bootorder"), UINT32_MAX);
    firmware_init(fw, 1, order);
    assert_int_equal(open_file("bootorder"), sizeof(order));
    take(text, sizeof(text));
    assert_string_equal(text, order);
}

/* What was gathered once stays, whatever becomes of the memory. */
static void test_once(void **state)
{
    static struct placed p, q;

    (void)state;
    place(&p);
    memset(ram, 0, RAM);
    place(&q);
    assert_memory_equal(&p, &q, sizeof(p));
}

static bool offers_acpi(void)
{
    firmware_init(fw, 1, "");
    return open_file(ACPI_SCRIPT_FILE) != UINT32_MAX;
}

static void breaks(uint32_t at, unsigned bytes, uint64_t value)
{
    uint8_t before[8];

    memcpy(before, ram + at, bytes);
    table_put(ram + at, bytes, value);
    assert_false(offers_acpi());
    assert_int_not_equal(open_file(SMBIOS_TABLES_FILE), UINT32_MAX);
    memcpy(ram + at, before, bytes);
    assert_true(offers_acpi());
}

static void test_broken(void **state)
{
    (void)state;
    assert_true(offers_acpi());
    breaks(RSDP_AT, 1, 'X');
    breaks(RSDP_AT + 8, 1, ram[RSDP_AT + 8] + 1u);
    breaks(XSDT_AT, 1, 'R');
    breaks(XSDT_AT + 4, 4, 35);
    breaks(XSDT_AT + 4, 4, 36 + 8 * (ACPI_MAX_POINTERS + 1));
    breaks(XSDT_AT + 4, 4, UINT32_MAX);
    breaks(XSDT_AT + 36, 8, RAM);
    breaks(XSDT_AT + 36, 8, RAM - 7);
    breaks(XSDT_AT + 36, 8, UINT64_MAX - 3);
    breaks(FADT_AT + 4, 4, 43);
    breaks(FADT_AT + 36, 8, 0xfffffffffffffff0);
    breaks(DSDT_AT + 4, 4, ACPI_TABLES_MAX);
    breaks(FACS_AT + 4, 4, 0);
}

/* As many FADTs as there are pointers, each with commands of its own, and tables that together are
 * too large. */
static void test_too_much(void **state)
{
    (void)state;
    table(XSDT_AT, "XSDT", 36 + 8 * ACPI_MAX_POINTERS);
    for (unsigned i = 0; i < ACPI_MAX_POINTERS; i++)
        table_put(ram + XSDT_AT + 36 + i * 8, 8, FADT_AT);
    assert_false(offers_acpi());
    for (unsigned i = 0; i < ACPI_MAX_POINTERS; i++)
        table_put(ram + XSDT_AT + 36 + i * 8, 8, MADT_AT);
    assert_true(offers_acpi());
    table_put(ram + MADT_AT + 4, 4, ACPI_TABLES_MAX / 16);
    assert_false(offers_acpi());
}

static void test_no_smbios(void **state)
{
    (void)state;
    table_put(ram + SMBIOS_AT + 0x18, 4, RAM - 100);
    set_sum(SMBIOS_AT, 4, SMBIOS_ANCHOR_SIZE);
    assert_int_equal(open_file(SMBIOS_TABLES_FILE), UINT32_MAX);
    assert_int_equal(open_file(SMBIOS_ANCHOR_FILE), UINT32_MAX);
}

static void test_long_names(void **state)
{
    char name[FW_CFG_NAME + 1];

    (void)state;
    memset(name, 'a', sizeof(name));
    name[FW_CFG_NAME] = 0;
    assert_false(fw_cfg_add(&fw->cfg, name, ram, 1));
    name[FW_CFG_NAME - 1] = 0;
    for (unsigned i = 0; i < FW_CFG_FILES; i++)
        assert_true(fw_cfg_add(&fw->cfg, name, ram, 1));
    assert_false(fw_cfg_add(&fw->cfg, "b", ram, 1));
    assert_int_equal(open_file(name), 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_tables),     TEST(test_smbios),    TEST(test_items),  TEST(test_ports),
        TEST(test_boot_order), TEST(test_once),      TEST(test_broken), TEST(test_too_much),
        TEST(test_no_smbios),  TEST(test_long_names)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
