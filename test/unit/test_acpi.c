/* SPDX-License-Identifier: BSD-2-Clause */
/* ACPI tables that are good, old, cut short, lying, cyclic, and too many. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "random.h"
#include "hv/acpi.h"
#include "hv/errno.h"

/* ---- Physical memory: pieces at addresses. What is mapped is a copy of its own, so that ASan sees
 * a read behind its end. ---- */

#define MAX_PIECES 160
static struct piece {
    u64 phys;
    size_t len;
    u8 data[4096];
} pieces[MAX_PIECES];
static unsigned piece_count;
static void *copies[4096];
static unsigned copy_count;

static const void *map(void *ctx, u64 phys, size_t len)
{
    assert_ptr_equal(ctx, pieces);
    assert_true(copy_count < 4096);
    for (unsigned i = 0; i < piece_count; i++) {
        struct piece *p = &pieces[i];

        if (phys < p->phys || phys - p->phys > p->len || len > p->len - (phys - p->phys))
            continue;
        copies[copy_count] = malloc(len);
        memcpy(copies[copy_count], p->data + (phys - p->phys), len);
        return copies[copy_count++];
    }
    return NULL;
}

static struct acpi_info info;

static int parse(u64 rsdp)
{
    int rc = acpi_init(&info, rsdp, map, pieces);

    while (copy_count)
        free(copies[--copy_count]);
    /* Whatever was read, these hold. */
    assert_true(info.cpus <= ACPI_MAX_CPUS && info.ioapics <= ACPI_MAX_IOAPICS);
    assert_true(info.lapic_nmis <= ACPI_MAX_NMIS && info.segments <= ACPI_MAX_SEGMENTS);
    assert_true(info.tables <= ACPI_MAX_TABLES);
    return rc;
}

/* ---- Writing tables ---- */

static struct piece *piece(u64 phys)
{
    struct piece *p = &pieces[piece_count++];

    assert_true(piece_count <= MAX_PIECES);
    memset(p, 0, sizeof(*p));
    p->phys = phys;
    return p;
}

static void put(struct piece *p, u64 value, unsigned bytes)
{
    assert_true(p->len + bytes <= sizeof(p->data));
    for (; bytes; bytes--, value >>= 8)
        p->data[p->len++] = (u8)value;
}

static void poke(struct piece *p, size_t at, u64 value, unsigned bytes)
{
    for (; bytes; bytes--, value >>= 8)
        p->data[at++] = (u8)value;
}

static void fix_sum(struct piece *p, size_t at, size_t len)
{
    u8 sum = 0;

    p->data[at] = 0;
    for (size_t i = 0; i < len; i++)
        sum += p->data[i];
    p->data[at] = (u8)-sum;
}

static struct piece *table(u64 phys, const char *signature)
{
    struct piece *p = piece(phys);

    memcpy(p->data, signature, 4);
    p->len = 36;
    return p;
}

/* Length and checksum as they are to be. */
static void finish(struct piece *p)
{
    poke(p, 4, p->len, 4);
    fix_sum(p, 9, p->len);
}

/* The same with a length that is not its own. */
static void finish_with_length(struct piece *p, u32 length)
{
    poke(p, 4, length, 4);
    fix_sum(p, 9, length <= p->len ? length : p->len);
}

enum {
    RSDP = 0xe0010,
    ROOT = 0x7ff01003, /* tables need not be aligned */
    ROOT32 = 0x7ff09000,
    MADT = 0x7ff02000,
    FADT = 0x7ff03000,
    DSDT = 0x7ff04000,
    HPET = 0x7ff05000,
    MCFG = 0x7ff06000,
    DMAR = 0x7ff07000
};

static struct piece *rsdp, *root, *madt, *fadt, *dsdt, *hpet, *mcfg, *dmar;

static void make_rsdp(unsigned revision)
{
    rsdp = piece(RSDP);
    memcpy(rsdp->data, "RSD PTR ", 8);
    rsdp->len = revision < 2 ? 20 : 36;
    rsdp->data[15] = (u8)revision;
    poke(rsdp, 16, ROOT32, 4);
    fix_sum(rsdp, 8, 20);
    if (revision < 2)
        return;
    poke(rsdp, 20, 36, 4);
    poke(rsdp, 24, ROOT, 8);
    fix_sum(rsdp, 8, 20);
    fix_sum(rsdp, 32, 36);
}

static void put_lapic(struct piece *p, u8 uid, u8 id, u32 flags)
{
    put(p, 0 | 8 << 8 | uid << 16 | (u64)id << 24 | (u64)flags << 32, 8);
}

static void put_x2apic(struct piece *p, u32 uid, u32 id, u32 flags)
{
    put(p, 9 | 16 << 8 | (u64)id << 32, 8);
    put(p, flags | (u64)uid << 32, 8);
}

static void put_ioapic(struct piece *p, u8 id, u32 address, u32 gsi)
{
    put(p, 1 | 12 << 8 | id << 16 | (u64)address << 32, 8);
    put(p, gsi, 4);
}

static void put_override(struct piece *p, u8 bus, u8 source, u32 gsi, u16 flags)
{
    put(p, 2 | 10 << 8 | bus << 16 | (u64)source << 24 | (u64)gsi << 32, 8);
    put(p, flags, 2);
}

static void make_madt(void)
{
    madt = table(MADT, "APIC");
    put(madt, 0xfee00000, 4);
    put(madt, 1, 4);
    put_lapic(madt, 1, 0, 1);
    put_lapic(madt, 2, 4, 1);
    put_lapic(madt, 3, 6, 0);     /* disabled */
    put_lapic(madt, 4, 0xff, 1);  /* no id at all */
    put_x2apic(madt, 2, 4, 1);    /* once more */
    put_x2apic(madt, 77, 400, 1); /* beyond 8 bits */
    put_ioapic(madt, 8, 0xfec00000, 0);
    put_ioapic(madt, 9, 0xfec01000, 24);
    put_override(madt, 0, 0, 2, 0);
    put_override(madt, 0, 9, 9, 0xd);
    put(madt, 0x7f | 6 << 8, 6);                      /* a type of the future */
    put(madt, 4 | 6 << 8 | 0xff << 16 | 5u << 24, 5); /* LINT1 of all CPUs */
    put(madt, 1, 1);
    put(madt, 10 | 12 << 8 | 0 << 16, 4);
    put(madt, 77, 4);
    put(madt, 0, 4); /* LINT0 of CPU 77 */
    finish(madt);
}

static void make_fadt(void)
{
    fadt = table(FADT, "FACP");
    fadt->len = 276;
    poke(fadt, 40, DSDT, 4);
    poke(fadt, 46, 9, 2);
    poke(fadt, 56, 0x600, 4);
    poke(fadt, 64, 0x604, 4);
    poke(fadt, 76, 0x608, 4);
    poke(fadt, 91, 4, 1);
    poke(fadt, 112, 1u << 8 | 1u << 10, 4);
    poke(fadt, 116, 1 | 8 << 8, 4);
    poke(fadt, 120, 0xcf9, 8);
    poke(fadt, 128, 0x0e, 1);
    finish(fadt);
}

static const u8 s5[] = {0x08, '_', 'S', '5', '_', 0x12, 0x06, 0x04, 0x0a, 0x05, 0x00, 0x00, 0x00};

static void make_dsdt(const u8 *aml, size_t len)
{
    dsdt = table(DSDT, "DSDT");
    put(dsdt, 0x5f35535f, 4); /* a mention of _S5_ that declares nothing */
    memcpy(dsdt->data + dsdt->len, aml, len);
    dsdt->len += len;
    finish(dsdt);
}

static void make_others(void)
{
    hpet = table(HPET, "HPET");
    put(hpet, 0x8086a201, 4);
    put(hpet, 0 | 64 << 8, 4);
    put(hpet, 0xfed00000, 8);
    put(hpet, 0x0080 << 8, 4);
    finish(hpet);

    mcfg = table(MCFG, "MCFG");
    put(mcfg, 0, 8);
    put(mcfg, 0xb0000000, 8);
    put(mcfg, 0 | 0ull << 16 | 255ull << 24, 8);
    put(mcfg, 0x1000000000, 8);
    put(mcfg, 3 | 8ull << 16 | 15ull << 24, 8);
    put(mcfg, 0xc0000000, 8);
    put(mcfg, 4 | 9ull << 16 | 8ull << 24, 8); /* ends before it starts */
    finish(mcfg);

    dmar = table(DMAR, "DMAR");
    put(dmar, 0x26, 12);
    finish(dmar);
}

static const u64 addresses[] = {FADT, MADT, 0, HPET, MCFG, DMAR};

static void make_root(u64 phys, const char *signature, unsigned bytes)
{
    root = table(phys, signature);
    for (unsigned i = 0; i < ARRAY_SIZE(addresses); i++)
        put(root, addresses[i], bytes);
    finish(root);
}

static int good(void **state)
{
    (void)state;
    piece_count = 0;
    make_rsdp(2);
    make_root(ROOT, "XSDT", 8);
    make_madt();
    make_fadt();
    make_dsdt(s5, sizeof(s5));
    make_others();
    return 0;
}

/* ---- Good tables ---- */

static void check_cpus(void)
{
    assert_int_equal(info.cpus, 3);
    assert_int_equal(info.cpu[0].apic_id, 0);
    assert_int_equal(info.cpu[0].uid, 1);
    assert_int_equal(info.cpu[1].apic_id, 4);
    assert_int_equal(info.cpu[2].apic_id, 400);
    assert_int_equal(info.cpu[2].uid, 77);
}

static void test_madt(void **state)
{
    (void)state;
    assert_int_equal(parse(RSDP), 0);
    check_cpus();
    assert_int_equal(info.lapic_base, 0xfee00000);
    assert_true(info.has_8259);
    assert_int_equal(info.ioapics, 2);
    assert_int_equal(info.ioapic[1].address, 0xfec01000);
    assert_int_equal(info.ioapic[1].gsi_base, 24);
    assert_int_equal(info.ioapic[1].id, 9);
    for (u32 i = 0; i < ACPI_ISA_IRQS; i++) {
        assert_int_equal(info.isa[i].gsi, i == 0 ? 2 : i);
        assert_int_equal(info.isa[i].flags, i == 9 ? 0xd : 0);
    }
    assert_int_equal(info.lapic_nmis, 2);
    assert_int_equal(info.lapic_nmi[0].uid, ACPI_ALL_CPUS);
    assert_int_equal(info.lapic_nmi[0].flags, 5);
    assert_int_equal(info.lapic_nmi[0].lint, 1);
    assert_int_equal(info.lapic_nmi[1].uid, 77);
    assert_int_equal(info.lapic_nmi[1].lint, 0);
}

static void test_others(void **state)
{
    (void)state;
    assert_int_equal(parse(RSDP), 0);
    assert_int_equal(info.hpet_base, 0xfed00000);
    assert_int_equal(info.segments, 2);
    assert_int_equal(info.segment[0].base, 0xb0000000);
    assert_int_equal(info.segment[0].last_bus, 255);
    assert_int_equal(info.segment[1].base, 0x1000000000);
    assert_int_equal(info.segment[1].segment, 3);
    assert_int_equal(info.segment[1].first_bus, 8);
    assert_int_equal(info.rejected, 1); /* the third segment */
    assert_int_equal(info.tables, 5);
    assert_non_null(acpi_find(&info, "DMAR"));
    assert_int_equal(acpi_find(&info, "DMAR")->address, DMAR);
    assert_int_equal(acpi_find(&info, "DMAR")->length, 48);
    assert_null(acpi_find(&info, "IVRS"));
}

static void test_fadt(void **state)
{
    (void)state;
    assert_int_equal(parse(RSDP), 0);
    assert_int_equal(info.sci, 9);
    assert_int_equal(info.pm1a_evt, 0x600);
    assert_int_equal(info.pm1b_evt, 0);
    assert_int_equal(info.pm1a_cnt, 0x604);
    assert_int_equal(info.pm_timer_port, 0x608);
    assert_int_equal(info.pm_timer_bits, 32);
    assert_int_equal(info.reset.address, 0xcf9);
    assert_int_equal(info.reset.space, ACPI_IO);
    assert_int_equal(info.reset.bits, 8);
    assert_int_equal(info.reset_value, 0x0e);
    assert_int_equal(info.dsdt, DSDT);
    assert_true(info.has_s5);
    assert_int_equal(info.s5_a, 5);
    assert_int_equal(info.s5_b, 0);
}

static void test_fadt_extended(void **state)
{
    (void)state;
    poke(fadt, 40, 0xdead0000, 4);
    poke(fadt, 140, DSDT, 8);
    poke(fadt, 172, 1 | 16 << 8, 4);
    poke(fadt, 176, 0x1804, 8);
    poke(fadt, 208, 0 | 32 << 8, 4); /* the PM timer in memory: the port stays */
    poke(fadt, 212, 0xfe000000, 8);
    poke(fadt, 112, 0, 4);
    finish(fadt);
    assert_int_equal(parse(RSDP), 0);
    assert_int_equal(info.dsdt, DSDT);
    assert_int_equal(info.pm1a_cnt, 0x1804);
    assert_int_equal(info.pm1a_evt, 0x600);
    assert_int_equal(info.pm_timer_port, 0x608);
    assert_int_equal(info.pm_timer_bits, 24);
    assert_int_equal(info.reset.address, 0);
}

/* ACPI 1.0: RSDT, and a FADT that ends before the reset register. */
static void test_old(void **state)
{
    (void)state;
    piece_count = 0;
    make_rsdp(0);
    make_root(ROOT32, "RSDT", 4);
    make_madt();
    make_fadt();
    fadt->len = 116;
    finish(fadt);
    make_dsdt(s5, sizeof(s5));
    assert_int_equal(parse(RSDP), 0);
    check_cpus();
    assert_int_equal(info.pm_timer_port, 0x608);
    assert_int_equal(info.reset.address, 0);
    assert_true(info.has_s5);
    assert_int_equal(info.hpet_base, 0);
    assert_int_equal(info.rejected, 3); /* HPET, MCFG, DMAR lead nowhere */
}

static void test_lapic_address(void **state)
{
    (void)state;
    put(madt, 5 | 12 << 8, 4);
    put(madt, 0x1fee00000, 8);
    finish(madt);
    assert_int_equal(parse(RSDP), 0);
    assert_int_equal(info.lapic_base, 0x1fee00000);
}

static void test_s5_forms(void **state)
{
    static const struct {
        u8 aml[16];
        u8 len;
        int a, b; /* -1: none */
    } forms[] = {
        {{'_', 'S', '5', '_', 0x12, 0x06, 0x04, 0x01, 0x00, 0x00, 0x00}, 11, 1, 0},
        {{'_', 'S', '5', '_', 0x12, 0x08, 0x02, 0x0a, 0x07, 0x0a, 0x03}, 11, 7, 3},
        {{'_', 'S', '5', '_', 0x12, 0x4a, 0x00, 0x04, 0x0a, 0x05, 0x01, 0, 0}, 13, 5, 1},
        {{'_', 'S', '5', '_', 0x12, 0x8a, 0, 0, 0x04, 0x0a, 0x05, 0x01}, 12, 5, 1},
        {{'_', 'S', '5', '_', 0x12, 0x06, 0x04, 0x0a, 0x08, 0x00}, 10, -1, 0}, /* four bits */
        {{'_', 'S', '5', '_', 0x12, 0x06, 0x01, 0x0a, 0x05, 0x00}, 10, -1, 0}, /* one element */
        {{'_', 'S', '5', '_', 0x12, 0x06, 0x04, 0x0b, 0x05, 0x00}, 10, -1, 0}, /* a word */
        {{'_', 'S', '5', '_', 0x11, 0x06, 0x04, 0x01, 0x01, 0x00}, 10, -1, 0}, /* a buffer */
        {{'_', 'S', '5', '_', 0x12, 0x06, 0x04, 0x01}, 8, -1, 0},              /* ends early */
        {{'_', 'S', '5', '_', 0x12, 0x06, 0x04, 0x01, 0x0a}, 9, -1, 0},
        {{'_', 'S', '5', '_', 0x12, 0xc6, 0, 0}, 8, -1, 0},
        {{'_', 'S', '5', '_', 0x12}, 5, -1, 0},
        {{'_', 'S', '5', '_'}, 4, -1, 0},
        {{'_', 'S', '5'}, 3, -1, 0},
    };

    for (unsigned i = 0; i < ARRAY_SIZE(forms); i++) {
        good(state);
        piece_count = (unsigned)(dsdt - pieces); /* this one and HPET, MCFG, DMAR anew */
        make_dsdt(forms[i].aml, forms[i].len);
        make_others();
        assert_int_equal(parse(RSDP), 0);
        assert_int_equal(info.dsdt, DSDT);
        assert_int_equal(info.has_s5, forms[i].a >= 0);
        if (info.has_s5) {
            assert_int_equal(info.s5_a, forms[i].a);
            assert_int_equal(info.s5_b, forms[i].b);
        }
    }
}

static void test_doubtful_fields(void **state)
{
    (void)state;
    poke(fadt, 56, 0x10600, 4); /* no port has this number */
    poke(fadt, 91, 3, 1);       /* a PM timer block is 4 bytes long */
    finish(fadt);
    madt->len -= 12 + 6;                             /* the NMIs */
    put(madt, 4 | 6 << 8 | 1 << 16 | 2ull << 40, 6); /* LINT2 */
    finish(madt);
    assert_int_equal(parse(RSDP), 0);
    assert_int_equal(info.pm1a_evt, 0);
    assert_int_equal(info.pm1a_cnt, 0x604);
    assert_int_equal(info.pm_timer_port, 0);
    assert_int_equal(info.lapic_nmis, 0);
    assert_int_equal(info.rejected, 2);
}

/* ---- No tables ---- */

static void check_nothing(void)
{
    assert_int_equal(info.cpus | info.ioapics | info.tables | info.segments, 0);
    assert_int_equal(info.lapic_base, 0xfee00000);
    assert_int_equal(info.isa[15].gsi, 15);
}

static void test_no_rsdp(void **state)
{
    (void)state;
    assert_int_equal(parse(0), -ENOENT);
    check_nothing();
    assert_int_equal(parse(RSDP + 16), -ENOENT);
    assert_int_equal(parse(~0ull - 7), -ENOENT);
    rsdp->data[10] ^= 1;
    assert_int_equal(parse(RSDP), -ENOENT);
    check_nothing();
    piece_count = 0;
    make_rsdp(0);
    make_root(ROOT32, "RSDT", 4);
    assert_int_equal(parse(RSDP), 0);
    rsdp->data[8] ^= 1;
    assert_int_equal(parse(RSDP), -ENOENT);
}

/* The extended part is wrong: the old part leads to the RSDT, if there is one. */
static void test_half_an_rsdp(void **state)
{
    (void)state;
    rsdp->data[32] ^= 1;
    assert_int_equal(parse(RSDP), -ENOENT);
    make_root(ROOT32, "RSDT", 4);
    assert_int_equal(parse(RSDP), 0);
    check_cpus();
    good(state);
    rsdp->len = 20; /* revision 2, but only revision 1 can be read */
    make_root(ROOT32, "RSDT", 4);
    assert_int_equal(parse(RSDP), 0);
    check_cpus();
}

static void test_bad_xsdt(void **state)
{
    (void)state;
    root->data[3] = 'X';
    finish(root);
    assert_int_equal(parse(RSDP), -ENOENT);
    make_root(ROOT32, "RSDT", 4);
    assert_int_equal(parse(RSDP), 0);
    check_cpus();
    assert_int_equal(info.hpet_base, 0xfed00000);
}

/* ---- Lies ---- */

static void test_checksums(void **state)
{
    static const unsigned order[] = {2, 3, 4, 5, 6, 7}; /* pieces behind RSDP and XSDT */

    for (unsigned i = 0; i < ARRAY_SIZE(order); i++) {
        good(state);
        pieces[order[i]].data[pieces[order[i]].len - 1] ^= 0x10;
        assert_int_equal(parse(RSDP), 0);
        assert_int_equal(info.cpus, &pieces[order[i]] == madt ? 0 : 3);
        assert_int_equal(info.hpet_base, &pieces[order[i]] == hpet ? 0 : 0xfed00000);
        assert_int_equal(info.segments, &pieces[order[i]] == mcfg ? 0 : 2);
        assert_int_equal(info.pm_timer_port, &pieces[order[i]] == fadt ? 0 : 0x608);
        assert_int_equal(info.has_s5, &pieces[order[i]] != dsdt && &pieces[order[i]] != fadt);
        assert_int_equal(!acpi_find(&info, "DMAR"), &pieces[order[i]] == dmar);
        assert_int_equal(info.rejected, 1 + (&pieces[order[i]] != mcfg));
    }
}

/* Every table says every length, with a checksum to match where it can have one. */
static void test_lengths(void **state)
{
    static const u32 far[] = {4096, 8 << 20, (8 << 20) + 1, 0x7fffffff, 0x80000000, 0xffffffff};

    for (unsigned i = 1; i < 8; i++)
        for (u32 length = 0; length < 300 + ARRAY_SIZE(far); length++) {
            good(state);
            finish_with_length(&pieces[i], length < 300 ? length : far[length - 300]);
            parse(RSDP);
        }
}

/* Every table ends where memory does. */
static void test_cut_short(void **state)
{
    for (unsigned i = 0; i < 8; i++) {
        size_t whole;

        good(state);
        whole = pieces[i].len;
        for (size_t len = 0; len < whole; len++) {
            pieces[i].len = len;
            assert_int_equal(parse(RSDP), i < 2 ? -ENOENT : 0);
            assert_int_equal(info.cpus, i < 2 || &pieces[i] == madt ? 0 : 3);
        }
    }
}

/* The MADT's length is any prefix's: entries that are not whole are left alone. */
static void test_madt_prefixes(void **state)
{
    size_t whole;
    u32 cpus = 0;

    good(state);
    whole = madt->len;
    for (size_t len = 36; len < whole; len++) {
        madt->len = len;
        finish(madt);
        assert_int_equal(parse(RSDP), 0);
        assert_true(info.cpus >= cpus && info.cpus <= 3);
        cpus = info.cpus;
        if (len < 44 + 8)
            assert_int_equal(cpus, 0);
    }
    assert_int_equal(cpus, 3);
}

static void test_madt_entry_lengths(void **state)
{
    static const u8 types[] = {0, 1, 2, 4, 5, 9, 10};

    for (unsigned t = 0; t < ARRAY_SIZE(types); t++)
        for (unsigned length = 0; length < 40; length++) {
            good(state);
            madt->len = 44;
            put_lapic(madt, 1, 0, 1);
            put(madt, types[t] | length << 8, 4);
            for (unsigned i = 0; i < 4; i++)
                put(madt, 0x0101010101010101, 8);
            madt->len = 44 + 8 + (length < 2 ? 20 : MIN(length, 20u));
            finish(madt);
            assert_int_equal(parse(RSDP), 0);
            assert_true(info.cpus >= 1 && info.cpus <= 2);
            if (length < 2 || length > 20)
                assert_int_equal(info.rejected, 2);
        }
}

/* Tables that lead back to where we are. */
static void test_cycles(void **state)
{
    (void)state;
    put(root, ROOT, 8);
    put(root, RSDP, 8);
    put(root, MADT, 8);
    put(root, FADT, 8);
    finish(root);
    poke(fadt, 40, FADT, 4);
    finish(fadt);
    assert_int_equal(parse(RSDP), 0);
    check_cpus();
    assert_int_equal(info.ioapics, 2);
    assert_false(info.has_s5);
    assert_int_equal(info.dsdt, 0);
    poke(rsdp, 24, RSDP, 8);
    fix_sum(rsdp, 32, 36);
    assert_int_equal(parse(RSDP), -ENOENT);
}

static void test_too_many(void **state)
{
    (void)state;
    madt->len = 44;
    for (u32 i = 0; i < 240; i++)
        put_x2apic(madt, i, i, 1);
    for (u32 i = 0; i < 5; i++)
        put_ioapic(madt, (u8)i, 0, 0);
    put_override(madt, 0, 16, 16, 0);
    put_override(madt, 1, 3, 16, 0);
    finish(madt);
    assert_int_equal(parse(RSDP), 0);
    assert_int_equal(info.cpus, 240);
    assert_int_equal(info.ioapics, 0);
    assert_int_equal(info.isa[3].gsi, 3);
    assert_int_equal(info.rejected, 1 + 5 + 2);

    madt->len = 44;
    for (u32 i = 0; i < 255; i++)
        put_lapic(madt, (u8)i, (u8)i, 1);
    for (u32 i = 0; i < 20; i++)
        put_x2apic(madt, 1000 + i, 1000 + i, 1);
    for (u32 i = 0; i < 40; i++)
        put_ioapic(madt, (u8)i, 0xfec00000 + i * 0x1000, i * 24);
    for (u32 i = 0; i < 40; i++)
        put(madt, 4 | 6 << 8 | (u64)i << 16, 6);
    put(madt, 4 | 6 << 8 | 2ull << 40, 6); /* LINT2 */
    finish(madt);
    assert_int_equal(parse(RSDP), 0);
    assert_int_equal(info.cpus, ACPI_MAX_CPUS);
    assert_int_equal(info.ioapics, ACPI_MAX_IOAPICS);
    assert_int_equal(info.lapic_nmis, ACPI_MAX_NMIS);
    assert_int_equal(info.rejected, 1 + (275 - 256) + 8 + 8 + 1);
}

static void test_too_many_tables(void **state)
{
    struct piece *p = table(0x80000000, "SSDT");

    (void)state;
    finish(p);
    for (int i = 0; i < 450; i++)
        put(root, 0x80000000, 8);
    finish(root);
    assert_int_equal(parse(RSDP), 0);
    check_cpus();
    assert_int_equal(info.tables, ACPI_MAX_TABLES);

    mcfg->len = 44;
    for (int i = 0; i < 20; i++) {
        put(mcfg, 0xb0000000, 8);
        put(mcfg, 0, 8);
    }
    finish(mcfg);
    assert_int_equal(parse(RSDP), 0);
    assert_int_equal(info.segments, ACPI_MAX_SEGMENTS);
}

/* Bytes at random anywhere, checksums put right or not. */
static void test_mutations(void **state)
{
    for (int round = 0; round < 20000; round++) {
        good(state);
        for (u64 n = 1 + random_below(8); n; n--) {
            struct piece *p = &pieces[random_below(piece_count)];

            p->data[random_below(p->len)] = random_below(2) ? (u8)random_u64() : 0xff;
            if (random_below(8) && p != rsdp)
                fix_sum(p, 9, p->len);
        }
        parse(RSDP);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_madt, good),
        cmocka_unit_test_setup(test_others, good),
        cmocka_unit_test_setup(test_fadt, good),
        cmocka_unit_test_setup(test_fadt_extended, good),
        cmocka_unit_test_setup(test_old, good),
        cmocka_unit_test_setup(test_lapic_address, good),
        cmocka_unit_test_setup(test_s5_forms, good),
        cmocka_unit_test_setup(test_doubtful_fields, good),
        cmocka_unit_test_setup(test_no_rsdp, good),
        cmocka_unit_test_setup(test_half_an_rsdp, good),
        cmocka_unit_test_setup(test_bad_xsdt, good),
        cmocka_unit_test_setup(test_checksums, good),
        cmocka_unit_test_setup(test_lengths, good),
        cmocka_unit_test_setup(test_cut_short, good),
        cmocka_unit_test_setup(test_madt_prefixes, good),
        cmocka_unit_test_setup(test_madt_entry_lengths, good),
        cmocka_unit_test_setup(test_cycles, good),
        cmocka_unit_test_setup(test_too_many, good),
        cmocka_unit_test_setup(test_too_many_tables, good),
        cmocka_unit_test_setup(test_mutations, good),
    };

    random_init();
    return cmocka_run_group_tests_name("acpi", tests, NULL, NULL);
}
