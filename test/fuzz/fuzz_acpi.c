/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * libFuzzer on ACPI tables. The input's first byte says how honest the memory is; the rest is dealt
 * out to a root table and the tables it leads to, each where the harness put it. Signatures,
 * lengths and checksums are set right unless that byte says otherwise, so that the parsers behind
 * are reached. What is mapped is a copy of just the bytes asked for.
 *
 *   clang -g -O1 -fsanitize=fuzzer,address,undefined -I. test/fuzz/fuzz_acpi.c hv/acpi.c
 */
#include <stdint.h>
#include <stdlib.h>
#include "hv/acpi.h"
#include "hv/string.h"

enum { OWN_LENGTH = 1, OWN_CHECKSUM = 2, OWN_SIGNATURE = 4, OWN_ROOT = 8, OLD = 16, OWN_DSDT = 32 };

#define TABLES 6
#define RSDP   0x1000
#define AT(i)  (0x10000 * ((u64)(i) + 1) + 3)

static const char signatures[TABLES][5] = {"XSDT", "APIC", "FACP", "HPET", "MCFG", "DSDT"};

struct memory {
    u8 honesty;
    u8 *table[TABLES];
    size_t len[TABLES];
    u8 rsdp[36];
    void *copies[1024];
    unsigned count;
};

static u8 sum(const u8 *data, size_t len)
{
    u8 s = 0;

    while (len--)
        s += *data++;
    return s;
}

static const void *copy(struct memory *m, const u8 *data, size_t have, u64 at, size_t len)
{
    if (at > have || len > have - at || m->count == 1024)
        return NULL;
    m->copies[m->count] = malloc(len);
    memcpy(m->copies[m->count], data + at, len);
    return m->copies[m->count++];
}

static const void *map(void *ctx, u64 phys, size_t len)
{
    struct memory *m = ctx;
    const u8 *data;

    if (phys == RSDP)
        return copy(m, m->rsdp, sizeof(m->rsdp), 0, len);
    for (int i = 0; i < TABLES; i++) {
        u8 *c;

        if (phys < AT(i) || phys - AT(i) > m->len[i])
            continue;
        data = copy(m, m->table[i], m->len[i], phys - AT(i), len);
        c = (u8 *)data;
        if (c && len >= 36 && !(m->honesty & OWN_CHECKSUM))
            c[9] -= sum(c, len);
        return data;
    }
    return NULL;
}

static void make_rsdp(struct memory *m)
{
    u64 root = AT(0);

    memcpy(m->rsdp, "RSD PTR ", 8);
    m->rsdp[15] = m->honesty & OLD ? 0 : 2;
    memcpy(m->rsdp + 16, &root, 4);
    memcpy(m->rsdp + 24, &root, 8);
    m->rsdp[8] -= sum(m->rsdp, 20);
    m->rsdp[32] -= sum(m->rsdp, 36);
}

static void make_table(struct memory *m, int i)
{
    u32 len = (u32)m->len[i];
    u64 dsdt = AT(5);

    if (!(m->honesty & OWN_SIGNATURE) && len >= 4)
        memcpy(m->table[i], i == 0 && m->honesty & OLD ? "RSDT" : signatures[i], 4);
    if (!(m->honesty & OWN_LENGTH) && len >= 8)
        memcpy(m->table[i] + 4, &len, 4);
    if (i == 2 && !(m->honesty & OWN_DSDT) && len >= 148)
        memcpy(m->table[i] + 140, &dsdt, 8);
    for (u64 t = 1, at = 36; i == 0 && !(m->honesty & OWN_ROOT) && t < TABLES; t++) {
        u64 phys = AT(t), size = m->honesty & OLD ? 4 : 8;

        if (at + size <= len)
            memcpy(m->table[0] + at, &phys, size);
        at += size;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct acpi_info info;
    struct memory m = {.honesty = size ? data[0] : 0};
    size_t part = size ? (size - 1) / TABLES : 0;

    for (int i = 0; i < TABLES; i++) {
        m.len[i] = part;
        m.table[i] = malloc(part ? part : 1);
        memcpy(m.table[i], data + 1 + (size_t)i * part, size ? part : 0);
        make_table(&m, i);
    }
    make_rsdp(&m);
    if (acpi_init(&info, RSDP, map, &m) == 0 && info.cpus > ACPI_MAX_CPUS)
        abort();
    while (m.count)
        free(m.copies[--m.count]);
    for (int i = 0; i < TABLES; i++)
        free(m.table[i]);
    return 0;
}
