/* SPDX-License-Identifier: BSD-2-Clause */
#include "hv/acpi.h"
#include "hv/errno.h"
#include "hv/string.h"

#define MAX_TABLE      (8u << 20) /* bytes; DSDTs reach some 100 KiB */
#define MAX_POINTERS   256        /* looked at in RSDT or XSDT */
#define LAPIC_DEFAULT  0xfee00000
#define XAPIC_ALL_CPUS 0xff

/* ---- The tables' layouts ---- */

struct rsdp { /* 5.2.5.3 */
    char signature[8];
    u8 checksum;
    char oem[6];
    u8 revision;
    u32 rsdt;
    u32 length; /* from here on: revision 2 and later */
    u64 xsdt;
    u8 extended_checksum;
    u8 reserved[3];
} __packed;
_Static_assert(sizeof(struct rsdp) == 36, "ACPI 5.2.5.3");
#define RSDP_1_SIZE offsetof(struct rsdp, length)

struct header { /* 5.2.6 */
    char signature[4];
    u32 length;
    u8 revision;
    u8 checksum;
    char oem[28 - 2];
} __packed;
_Static_assert(sizeof(struct header) == 36, "ACPI 5.2.6");

struct gas { /* generic address structure, 5.2.3.2 */
    u8 space, bits, offset, access;
    u64 address;
} __packed;

struct fadt { /* 5.2.9; what lies between the fields root mode reads is skipped */
    struct header header;
    u32 facs;
    u32 dsdt;
    u16 profile;
    u16 sci;
    u8 skipped1[56 - 48];
    u32 pm1a_evt, pm1b_evt, pm1a_cnt, pm1b_cnt, pm2_cnt, pm_timer;
    u8 skipped2[91 - 80];
    u8 pm_timer_length;
    u8 skipped3[112 - 92];
    u32 flags;
    struct gas reset;
    u8 reset_value;
    u8 skipped4[140 - 129];
    u64 x_dsdt;
    struct gas x_pm1a_evt, x_pm1b_evt, x_pm1a_cnt, x_pm1b_cnt, x_pm2_cnt, x_pm_timer;
} __packed;
_Static_assert(offsetof(struct fadt, pm1a_evt) == 56, "ACPI table 5.9");
_Static_assert(offsetof(struct fadt, pm_timer_length) == 91, "ACPI table 5.9");
_Static_assert(offsetof(struct fadt, flags) == 112, "ACPI table 5.9");
_Static_assert(offsetof(struct fadt, x_dsdt) == 140, "ACPI table 5.9");
_Static_assert(offsetof(struct fadt, x_pm_timer) == 208, "ACPI table 5.9");
#define FADT_1_SIZE      116
#define FADT_TMR_VAL_EXT (1u << 8)
#define FADT_RESET_SUP   (1u << 10)

struct hpet { /* IA-PC HPET specification 1.0a, 3.2.4 */
    struct header header;
    u32 id;
    struct gas base;
    u8 number;
    u16 min_tick;
    u8 attributes;
} __packed;
_Static_assert(sizeof(struct hpet) == 56, "HPET 3.2.4");

struct mcfg_entry { /* PCI firmware specification 3.2, 4.1.2 */
    u64 base;
    u16 segment;
    u8 first_bus, last_bus;
    u32 reserved;
} __packed;
#define MCFG_ENTRIES 44

struct madt { /* 5.2.12 */
    struct header header;
    u32 lapic;
    u32 flags;
} __packed;
#define MADT_PCAT_COMPAT 1u

struct madt_entry {
    u8 type;
    u8 length;
} __packed;

struct madt_lapic { /* 5.2.12.2 */
    struct madt_entry entry;
    u8 uid, apic_id;
    u32 flags;
} __packed;

struct madt_ioapic { /* 5.2.12.3 */
    struct madt_entry entry;
    u8 id, reserved;
    u32 address, gsi_base;
} __packed;

struct madt_override { /* 5.2.12.5 */
    struct madt_entry entry;
    u8 bus, source;
    u32 gsi;
    u16 flags;
} __packed;

struct madt_lapic_nmi { /* 5.2.12.7 */
    struct madt_entry entry;
    u8 uid;
    u16 flags;
    u8 lint;
} __packed;

struct madt_lapic_address { /* 5.2.12.8 */
    struct madt_entry entry;
    u16 reserved;
    u64 address;
} __packed;

struct madt_x2apic { /* 5.2.12.12 */
    struct madt_entry entry;
    u16 reserved;
    u32 apic_id, flags, uid;
} __packed;

struct madt_x2apic_nmi { /* 5.2.12.13 */
    struct madt_entry entry;
    u16 flags;
    u32 uid;
    u8 lint;
    u8 reserved[3];
} __packed;
#define MADT_CPU_ENABLED 1u

/* ---- Reading ---- */

struct parser {
    acpi_map_fn *map;
    void *ctx;
    struct acpi_info *info;
};

/* A table or a part of one; what lies beyond len is not ours to read. */
struct view {
    const u8 *data;
    size_t len;
};

static bool sums_to_zero(const u8 *data, size_t len)
{
    u8 sum = 0;

    for (size_t i = 0; i < len; i++)
        sum += data[i];
    return sum == 0;
}

/* The whole table at phys if it is sound; else len is 0. */
static struct view open_table(const struct parser *p, u64 phys)
{
    const struct header *h = p->map(p->ctx, phys, sizeof(*h));
    struct view none = {NULL, 0}, v;

    if (!h || h->length < sizeof(*h) || h->length > MAX_TABLE)
        return none;
    v.len = h->length;
    v.data = p->map(p->ctx, phys, v.len);
    return v.data && sums_to_zero(v.data, v.len) ? v : none;
}

static bool has_signature(struct view v, const char *signature)
{
    return v.len && memcmp(v.data, signature, 4) == 0;
}

/* ---- MADT ---- */

static void add_cpu(struct acpi_info *info, u32 apic_id, u32 uid, u32 flags)
{
    if (!(flags & MADT_CPU_ENABLED))
        return;
    for (u32 i = 0; i < info->cpus; i++)
        if (info->cpu[i].apic_id == apic_id)
            return; /* listed both as LAPIC and as x2APIC */
    if (info->cpus < ACPI_MAX_CPUS)
        info->cpu[info->cpus++] = (struct acpi_cpu){apic_id, uid};
    else
        info->rejected++;
}

static void add_nmi(struct acpi_info *info, u32 uid, u16 flags, u8 lint)
{
    if (lint <= 1 && info->lapic_nmis < ACPI_MAX_NMIS)
        info->lapic_nmi[info->lapic_nmis++] = (struct acpi_nmi){uid, flags, lint};
    else
        info->rejected++;
}

static void madt_lapic(struct acpi_info *info, const void *entry)
{
    const struct madt_lapic *e = entry;

    if (e->apic_id != 0xff) /* the broadcast id is no CPU's */
        add_cpu(info, e->apic_id, e->uid, e->flags);
}

static void madt_x2apic(struct acpi_info *info, const void *entry)
{
    const struct madt_x2apic *e = entry;

    if (e->apic_id != 0xffffffff)
        add_cpu(info, e->apic_id, e->uid, e->flags);
}

static void madt_ioapic(struct acpi_info *info, const void *entry)
{
    const struct madt_ioapic *e = entry;

    if (e->address && info->ioapics < ACPI_MAX_IOAPICS)
        info->ioapic[info->ioapics++] = (struct acpi_ioapic){e->address, e->gsi_base, e->id};
    else
        info->rejected++;
}

static void madt_override(struct acpi_info *info, const void *entry)
{
    const struct madt_override *e = entry;

    if (e->bus == 0 && e->source < ACPI_ISA_IRQS)
        info->isa[e->source] = (struct acpi_irq){e->gsi, e->flags};
    else
        info->rejected++;
}

static void madt_lapic_nmi(struct acpi_info *info, const void *entry)
{
    const struct madt_lapic_nmi *e = entry;

    add_nmi(info, e->uid == XAPIC_ALL_CPUS ? ACPI_ALL_CPUS : e->uid, e->flags, e->lint);
}

static void madt_x2apic_nmi(struct acpi_info *info, const void *entry)
{
    const struct madt_x2apic_nmi *e = entry;

    add_nmi(info, e->uid, e->flags, e->lint);
}

static void madt_lapic_address(struct acpi_info *info, const void *entry)
{
    info->lapic_base = ((const struct madt_lapic_address *)entry)->address;
}

static const struct {
    u8 type, size;
    void (*read)(struct acpi_info *info, const void *entry);
} madt_readers[] = {
    {0, sizeof(struct madt_lapic), madt_lapic},
    {1, sizeof(struct madt_ioapic), madt_ioapic},
    {2, sizeof(struct madt_override), madt_override},
    {4, sizeof(struct madt_lapic_nmi), madt_lapic_nmi},
    {5, sizeof(struct madt_lapic_address), madt_lapic_address},
    {9, sizeof(struct madt_x2apic), madt_x2apic},
    {10, sizeof(struct madt_x2apic_nmi), madt_x2apic_nmi},
};

static void read_madt_entry(struct acpi_info *info, const struct madt_entry *e)
{
    for (unsigned i = 0; i < ARRAY_SIZE(madt_readers); i++) {
        if (madt_readers[i].type != e->type)
            continue;
        if (e->length < madt_readers[i].size)
            info->rejected++;
        else
            madt_readers[i].read(info, e);
        return;
    }
}

static void read_madt(struct parser *p, struct view v)
{
    const struct madt *t = (const void *)v.data;
    size_t at = sizeof(*t);

    if (v.len < sizeof(*t)) {
        p->info->rejected++;
        return;
    }
    p->info->lapic_base = t->lapic;
    p->info->has_8259 = t->flags & MADT_PCAT_COMPAT;
    while (v.len - at >= sizeof(struct madt_entry)) {
        const struct madt_entry *e = (const void *)(v.data + at);

        if (e->length < sizeof(*e) || e->length > v.len - at) {
            p->info->rejected++; /* where the next one starts is anybody's guess */
            return;
        }
        read_madt_entry(p->info, e);
        at += e->length;
    }
}

/* ---- FADT, and _S5_ in the DSDT ---- */

/* The extended field counts if it names a port, else the old one. */
static u16 port_of(const struct gas *extended, u32 old)
{
    u64 port = extended->space == ACPI_IO && extended->address ? extended->address : old;

    return port <= 0xffff ? (u16)port : 0;
}

/* AML's small integers (20.2.3). Returns what follows, or NULL if it is something else. */
static const u8 *aml_byte(const u8 *at, const u8 *end, u8 *value)
{
    if (at < end && (*at == 0x00 || *at == 0x01)) { /* ZeroOp, OneOp */
        *value = *at;
        return at + 1;
    }
    if (end - at >= 2 && *at == 0x0a) { /* BytePrefix */
        *value = at[1];
        return at + 2;
    }
    return NULL;
}

/* at stands behind "_S5_": PackageOp PkgLength NumElements SLP_TYPa SLP_TYPb ... (20.2.5.4, 7.4.2).
 */
static bool read_s5(const u8 *at, const u8 *end, struct acpi_info *info)
{
    u8 a, b;

    if (end - at < 2 || *at++ != 0x12)
        return false;
    if (end - at < 2 + (*at >> 6)) /* PkgLength: its top bits say how many bytes follow */
        return false;
    at += 1 + (*at >> 6);
    if (*at++ < 2)
        return false;
    at = aml_byte(at, end, &a);
    at = at ? aml_byte(at, end, &b) : NULL;
    if (!at || a > 7 || b > 7) /* SLP_TYP has three bits (4.8.3.2.1) */
        return false;
    info->has_s5 = true;
    info->s5_a = a;
    info->s5_b = b;
    return true;
}

static void find_s5(struct view dsdt, struct acpi_info *info)
{
    const u8 *end = dsdt.data + dsdt.len;

    for (size_t i = sizeof(struct header); i + 4 <= dsdt.len; i++)
        if (memcmp(dsdt.data + i, "_S5_", 4) == 0 && read_s5(dsdt.data + i + 4, end, info))
            return;
}

static void read_dsdt(struct parser *p, u64 phys)
{
    struct view dsdt = phys ? open_table(p, phys) : (struct view){NULL, 0};

    if (!has_signature(dsdt, "DSDT")) {
        p->info->rejected++;
        return;
    }
    p->info->dsdt = phys;
    find_s5(dsdt, p->info);
}

static void read_fadt(struct parser *p, struct view v)
{
    struct acpi_info *info = p->info;
    struct fadt t;

    if (v.len < FADT_1_SIZE) {
        info->rejected++;
        return;
    }
    memset(&t, 0, sizeof(t)); /* older tables are shorter: what they lack is 0 */
    memcpy(&t, v.data, MIN(v.len, sizeof(t)));
    info->sci = t.sci;
    info->pm1a_evt = port_of(&t.x_pm1a_evt, t.pm1a_evt);
    info->pm1b_evt = port_of(&t.x_pm1b_evt, t.pm1b_evt);
    info->pm1a_cnt = port_of(&t.x_pm1a_cnt, t.pm1a_cnt);
    info->pm1b_cnt = port_of(&t.x_pm1b_cnt, t.pm1b_cnt);
    if (t.pm_timer_length == 4)
        info->pm_timer_port = port_of(&t.x_pm_timer, t.pm_timer);
    info->pm_timer_bits = t.flags & FADT_TMR_VAL_EXT ? 32 : 24;
    if (t.flags & FADT_RESET_SUP) {
        info->reset = (struct acpi_register){t.reset.address, t.reset.space, t.reset.bits};
        info->reset_value = t.reset_value;
    }
    read_dsdt(p, t.x_dsdt ? t.x_dsdt : t.dsdt);
}

/* ---- The others ---- */

static void read_hpet(struct parser *p, struct view v)
{
    const struct hpet *t = (const void *)v.data;

    if (v.len >= sizeof(*t) && t->base.space == ACPI_MEMORY)
        p->info->hpet_base = t->base.address;
    else
        p->info->rejected++;
}

static void read_mcfg(struct parser *p, struct view v)
{
    struct acpi_info *info = p->info;

    for (size_t at = MCFG_ENTRIES; at + sizeof(struct mcfg_entry) <= v.len;
         at += sizeof(struct mcfg_entry)) {
        const struct mcfg_entry *e = (const void *)(v.data + at);

        if (e->base && e->first_bus <= e->last_bus && info->segments < ACPI_MAX_SEGMENTS)
            info->segment[info->segments++] =
                (struct acpi_segment){e->base, e->segment, e->first_bus, e->last_bus};
        else
            info->rejected++;
    }
}

static const struct {
    char signature[5];
    void (*read)(struct parser *p, struct view v);
} readers[] = {
    {"APIC", read_madt},
    {"FACP", read_fadt},
    {"HPET", read_hpet},
    {"MCFG", read_mcfg},
};

/* ---- The way there ---- */

/* Of equal tables the first counts. */
static void read_table(struct parser *p, u64 phys)
{
    struct acpi_info *info = p->info;
    struct view v = open_table(p, phys);
    struct acpi_table *t = &info->table[info->tables];

    if (!v.len || info->tables == ACPI_MAX_TABLES) {
        info->rejected++;
        return;
    }
    for (unsigned i = 0; i < ARRAY_SIZE(readers); i++)
        if (has_signature(v, readers[i].signature) && !acpi_find(info, readers[i].signature))
            readers[i].read(p, v);
    memcpy(t->signature, v.data, 4);
    t->address = phys;
    t->length = (u32)v.len;
    info->tables++;
}

/* The RSDT's entries have 4 bytes, the XSDT's 8. */
static bool read_root(struct parser *p, u64 phys, const char *signature, size_t entry)
{
    struct view root = phys ? open_table(p, phys) : (struct view){NULL, 0};

    if (!has_signature(root, signature))
        return false;
    root.len = MIN(root.len, sizeof(struct header) + MAX_POINTERS * entry);
    for (size_t at = sizeof(struct header); root.len - at >= entry; at += entry) {
        u64 table = 0;

        memcpy(&table, root.data + at, entry);
        if (table)
            read_table(p, table);
    }
    return true;
}

/* Copies the RSDP; what its revision does not have is 0. */
static bool read_rsdp(const struct parser *p, u64 phys, struct rsdp *r)
{
    const u8 *data = phys ? p->map(p->ctx, phys, RSDP_1_SIZE) : NULL;

    memset(r, 0, sizeof(*r));
    if (!data || memcmp(data, "RSD PTR ", 8) != 0 || !sums_to_zero(data, RSDP_1_SIZE))
        return false;
    memcpy(r, data, RSDP_1_SIZE);
    if (r->revision < 2)
        return true;
    data = p->map(p->ctx, phys, sizeof(*r));
    if (data && sums_to_zero(data, sizeof(*r)))
        memcpy(r, data, sizeof(*r));
    return true;
}

int acpi_init(struct acpi_info *info, u64 rsdp, acpi_map_fn *map, void *ctx)
{
    struct parser p = {map, ctx, info};
    struct rsdp r;

    memset(info, 0, sizeof(*info));
    info->lapic_base = LAPIC_DEFAULT;
    for (u32 i = 0; i < ACPI_ISA_IRQS; i++)
        info->isa[i].gsi = i;
    if (!read_rsdp(&p, rsdp, &r))
        return -ENOENT;
    if (read_root(&p, r.xsdt, "XSDT", 8) || read_root(&p, r.rsdt, "RSDT", 4))
        return 0;
    return -ENOENT;
}

const struct acpi_table *acpi_find(const struct acpi_info *info, const char *signature)
{
    for (u32 i = 0; i < info->tables; i++)
        if (memcmp(info->table[i].signature, signature, 4) == 0)
            return &info->table[i];
    return NULL;
}
