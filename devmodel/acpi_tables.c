/* SPDX-License-Identifier: BSD-2-Clause */
#include "devmodel/acpi_tables.h"
#include <string.h>

/* Offsets of fields: ACPI 6.5, 5.2.5.3 (RSDP), 5.2.6 (what every table begins with), 5.2.9 (FADT).
 */
enum {
    RSDP_CHECKSUM = 8,
    RSDP_REVISION = 15,
    RSDP_RSDT = 16,
    RSDP_XSDT = 24,
    RSDP_CHECKSUM_OF_ALL = 32,
    RSDP_FIRST_PART = 20,

    TABLE_LENGTH = 4,
    TABLE_CHECKSUM = 9,
    TABLE_HEADER = 36,

    FADT_FACS = 36,
    FADT_DSDT = 40,
    FADT_X_FACS = 132,
    FADT_X_DSDT = 140,
    FADT_LEAST = 44,
    FADT_WITH_X = 148,
};
#define FACS_ALIGN  64u /* 5.2.10 */
#define TABLE_ALIGN 16u
#define ANYWHERE    1
#define F_SEGMENT   2

/* ---- the script ---- */

static struct acpi_command *add_command(struct acpi_tables *t, enum acpi_command_kind kind)
{
    struct acpi_command *c = &t->command[t->commands];

    if (t->commands < ACPI_MAX_COMMANDS)
        t->commands++; /* up to the spare place, whose use gather() refuses */
    *c = (struct acpi_command){.kind = kind};
    return c;
}

static void allocate(struct acpi_tables *t, const char *file, uint32_t align, uint8_t zone)
{
    struct acpi_command *c = add_command(t, ACPI_ALLOCATE);

    strcpy(c->allocate.file, file);
    c->allocate.align = align;
    c->allocate.zone = zone;
}

static void point(struct acpi_tables *t, const char *file, uint32_t offset, uint8_t size)
{
    struct acpi_command *c = add_command(t, ACPI_ADD_POINTER);

    strcpy(c->pointer.file, file);
    strcpy(c->pointer.target, ACPI_TABLES_FILE);
    c->pointer.offset = offset;
    c->pointer.size = size;
}

static void sum_up(struct acpi_tables *t, const char *file, uint32_t offset, uint32_t start,
                   uint32_t length)
{
    struct acpi_command *c = add_command(t, ACPI_ADD_CHECKSUM);

    strcpy(c->checksum.file, file);
    c->checksum.offset = offset;
    c->checksum.start = start;
    c->checksum.length = length;
}

/* The table at `at` has a pointer `field` to the table at `to`. */
static void refer(struct acpi_tables *t, uint32_t at, uint32_t field, uint8_t size, uint32_t to)
{
    table_put(t->tables + at + field, size, to);
    point(t, ACPI_TABLES_FILE, at + field, size);
}

static uint32_t length_of(const struct acpi_tables *t, uint32_t at)
{
    return (uint32_t)table_get(t->tables + at + TABLE_LENGTH, 4);
}

static void sum_up_table(struct acpi_tables *t, uint32_t at)
{
    t->tables[at + TABLE_CHECKSUM] = 0;
    sum_up(t, ACPI_TABLES_FILE, at + TABLE_CHECKSUM, at, length_of(t, at));
}

/* ---- the tables ---- */

/* Copies the table at gpa behind the others: *at is its offset there. */
static bool append(struct acpi_tables *t, const struct guest_reader *g, uint64_t gpa,
                   uint32_t align, uint32_t *at)
{
    uint32_t offset = (t->size + align - 1) / align * align, length;
    uint8_t head[TABLE_LENGTH + 4];

    if (!g->read(g->ctx, gpa, head, sizeof(head)))
        return false;
    length = (uint32_t)table_get(head + TABLE_LENGTH, 4);
    if (length < TABLE_HEADER || offset > ACPI_TABLES_MAX || length > ACPI_TABLES_MAX - offset)
        return false;
    if (!g->read(g->ctx, gpa, t->tables + offset, length))
        return false;
    /* Whatever another vcpu has made of it since: */
    table_put(t->tables + offset + TABLE_LENGTH, 4, length);
    t->size = offset + length;
    *at = offset;
    return true;
}

static bool is(const struct acpi_tables *t, uint32_t at, const char *signature)
{
    return memcmp(t->tables + at, signature, 4) == 0;
}

/* The long pointer where there is one, the short one otherwise. */
static uint64_t fadt_pointer(const uint8_t *fadt, bool with_x, unsigned x, unsigned old)
{
    uint64_t value = with_x ? table_get(fadt + x, 8) : 0;

    return value ? value : table_get(fadt + old, 4);
}

/* The FADT at `at` brings the FACS and the DSDT with it. */
static bool append_from_fadt(struct acpi_tables *t, const struct guest_reader *g, uint32_t at)
{
    const uint8_t *fadt = t->tables + at;
    uint32_t length = length_of(t, at), facs, dsdt;
    bool with_x = length >= FADT_WITH_X;

    if (length < FADT_LEAST)
        return false;
    if (!append(t, g, fadt_pointer(fadt, with_x, FADT_X_FACS, FADT_FACS), FACS_ALIGN, &facs) ||
        !append(t, g, fadt_pointer(fadt, with_x, FADT_X_DSDT, FADT_DSDT), TABLE_ALIGN, &dsdt))
        return false;
    refer(t, at, FADT_FACS, 4, facs);
    refer(t, at, FADT_DSDT, 4, dsdt);
    if (with_x) {
        refer(t, at, FADT_X_FACS, 8, facs);
        refer(t, at, FADT_X_DSDT, 8, dsdt);
    }
    sum_up_table(t, at);
    return true;
}

static bool append_from_xsdt(struct acpi_tables *t, const struct guest_reader *g, uint32_t xsdt)
{
    uint32_t pointers = (length_of(t, xsdt) - TABLE_HEADER) / 8, at;

    if (pointers > ACPI_MAX_POINTERS)
        return false;
    for (uint32_t i = 0; i < pointers; i++) {
        uint32_t field = TABLE_HEADER + i * 8;

        if (!append(t, g, table_get(t->tables + xsdt + field, 8), TABLE_ALIGN, &at))
            return false;
        if (is(t, at, "FACP") && !append_from_fadt(t, g, at))
            return false;
        refer(t, xsdt, field, 8, at);
    }
    sum_up_table(t, xsdt);
    return true;
}

static void finish_rsdp(struct acpi_tables *t, uint32_t xsdt)
{
    table_put(t->rsdp + RSDP_RSDT, 4, 0);
    table_put(t->rsdp + RSDP_XSDT, 8, xsdt);
    t->rsdp[RSDP_CHECKSUM] = t->rsdp[RSDP_CHECKSUM_OF_ALL] = 0;
    point(t, ACPI_RSDP_FILE, RSDP_XSDT, 8);
    sum_up(t, ACPI_RSDP_FILE, RSDP_CHECKSUM, 0, RSDP_FIRST_PART);
    sum_up(t, ACPI_RSDP_FILE, RSDP_CHECKSUM_OF_ALL, 0, ACPI_RSDP_SIZE);
}

bool acpi_tables_gather(struct acpi_tables *t, const struct guest_reader *g)
{
    uint32_t xsdt;

    t->size = t->commands = 0;
    if (!guest_find_anchor(g, "RSD PTR ", RSDP_FIRST_PART, t->rsdp, ACPI_RSDP_SIZE) ||
        t->rsdp[RSDP_REVISION] < 2)
        return false;
    allocate(t, ACPI_TABLES_FILE, FACS_ALIGN, ANYWHERE);
    allocate(t, ACPI_RSDP_FILE, TABLE_ALIGN, F_SEGMENT);
    if (!append(t, g, table_get(t->rsdp + RSDP_XSDT, 8), TABLE_ALIGN, &xsdt) ||
        !is(t, xsdt, "XSDT"))
        return false;
    if (!append_from_xsdt(t, g, xsdt))
        return false;
    finish_rsdp(t, xsdt);
    return t->commands < ACPI_MAX_COMMANDS;
}
