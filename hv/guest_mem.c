/* SPDX-License-Identifier: BSD-2-Clause */
#include "hv/domain.h"
#include "hv/errno.h"
#include "hv/guest_mem.h"
#include "hv/string.h"
#include "hv/vcpu.h"
#include "hv/vendor.h"
#include "hv/x86.h"

/*
 *   linear address, 4-level paging (SDM 3A 4.5)
 *
 *     47      39 38      30 29      21 20      12 11        0
 *   +----------+----------+----------+----------+-----------+
 *   |   PML4   |   PDPT   |    PD    |    PT    |   offset  |
 *   +----------+----------+----------+----------+-----------+
 *
 * The other two kinds are the same walk with fewer levels: PAE starts at a PDPT of four entries in
 * which only P and the address count, and 32-bit paging has two levels of 1024 four-byte entries.
 */
struct paging_mode {
    u8 levels;
    u8 index_bits;
    u8 entry_size;
};

#define PAE_HIGH  (0x7ffull << 52)             /* ignored in long mode, reserved here */
#define LARGE_MBZ (PTE_ADDR & ~(u64)PAGE_SIZE) /* of a large page's offset; bit 12 is PAT */

static const struct paging_mode mode_32 = {2, 10, 4};
static const struct paging_mode mode_pae = {3, 9, 8};
static const struct paging_mode mode_long = {4, 9, 8};

static const struct paging_mode *paging_mode(const struct guest_paging *g)
{
    if (!(g->cr4 & CR4_PAE))
        return &mode_32;
    return g->efer & EFER_LMA ? &mode_long : &mode_pae;
}

void guest_paging_get(struct vcpu *v, struct guest_paging *g)
{
    struct cpu_state s;

    vendor->state_get(v, STATE_CR | STATE_CS_SS, &s);
    *g = (struct guest_paging){
        .cr0 = s.cr0,
        .cr3 = s.cr3,
        .cr4 = s.cr4,
        .efer = s.efer,
        .rflags = v->rflags,
        .cpl = SEG_DPL(s.seg[SEG_SS].attr),
        .phys_bits = v->domain->policy->phys_bits,
        .wide = (s.efer & EFER_LMA) && (s.seg[SEG_CS].attr & SEG_L),
    };
}

/* In room, unless they are known. */
static const struct guest_paging *known_paging(struct vcpu *v, struct guest_paging *room)
{
    if (v->paging)
        return v->paging;
    guest_paging_get(v, room);
    return room;
}

/* One walk on its way. */
struct walk {
    const struct guest_paging *g;
    const struct paging_mode *mode;
    u64 gva;
    u32 access;      /* ACCESS_* */
    u64 permissions; /* W and U of all levels, NX of any */
};

/* RAM of v's domain, by what v's walks and copies have found before. What was found is good until
 * the p2m changes: a change counts before it waits for CPUs to leave root mode (hv/quiesce.h), and
 * so before what it took out is used again. */
static void *ram_at(struct vcpu *v, gpa_t gpa, bool write)
{
    struct p2m_window *w = &v->ram.window[(gpa.v >> 21 ^ gpa.v >> 26) & (RAM_WINDOWS - 1)];

    return p2m_window_ram(&v->domain->p2m, w, gpa, write);
}

/* Before each walk. */
static void refresh(struct vcpu *v)
{
    u64 changes = __atomic_load_n(&v->domain->p2m.changes, __ATOMIC_ACQUIRE);

    if (unlikely(v->ram.changes != changes))
        v->ram = (struct ram_cache){.changes = changes};
}

static u32 fault_code(const struct walk *w, bool present, bool reserved)
{
    u32 code = present ? PFEC_P : 0;

    if (reserved)
        code |= PFEC_RSVD;
    if (w->access & ACCESS_WRITE)
        code |= PFEC_W;
    if (w->g->cpl == 3)
        code |= PFEC_U;
    if ((w->access & ACCESS_EXEC) &&
        ((w->g->efer & EFER_NXE && w->g->cr4 & CR4_PAE) || w->g->cr4 & CR4_SMEP))
        code |= PFEC_I;
    return code;
}

static bool is_leaf(const struct walk *w, unsigned level, u64 entry)
{
    if (level == 1)
        return true;
    if (!(entry & PTE_PS) || level > 3)
        return false;
    return w->mode == &mode_32 ? w->g->cr4 & CR4_PSE : level == 2 || w->mode == &mode_long;
}

/* Bits that must be 0 (SDM 3A 4.4.1 ff.). QEMU's TCG sets A in PAE PDPTEs: of those only the
 * address is looked at. */
static bool reserved_bits(const struct walk *w, unsigned level, u64 entry, bool leaf)
{
    u64 phys = ~0ull << w->g->phys_bits & PTE_ADDR;

    if (w->mode == &mode_32)
        return leaf && level == 2 && (entry & BIT(21));
    if (w->mode == &mode_pae && level == 3)
        return entry & phys;
    if (w->mode == &mode_pae)
        phys |= PAE_HIGH;
    if (!(w->g->efer & EFER_NXE))
        phys |= PTE_NX;
    if (leaf && level > 1)
        phys |= (BIT(12 + 9 * (level - 1)) - 1) & ~(BIT(13) - 1);
    if (level == 4)
        phys |= PTE_PS;
    return entry & phys;
}

static gpa_t entry_address(u64 table, const struct walk *w, unsigned level)
{
    unsigned shift = PAGE_SHIFT + (level - 1) * w->mode->index_bits;
    u64 index = w->gva >> shift & (BIT(w->mode->index_bits) - 1);

    if (w->mode == &mode_pae && level == 3)
        index &= 3;
    return GPA(table + index * w->mode->entry_size);
}

/* The guest's other vcpus change tables meanwhile: the bits are set only in what was read. Tables
 * in memory that is not the guest's to write, a frame mapped read-only from another domain say,
 * stay as they are. */
static bool set_accessed(struct vcpu *v, const struct walk *w, gpa_t gpa, u64 entry, u64 bits)
{
    u32 old32 = (u32)entry;
    void *at;

    if ((entry & bits) == bits)
        return true;
    at = ram_at(v, gpa, true);
    if (!at)
        return true;
    if (w->mode->entry_size == 4)
        return __atomic_compare_exchange_n((u32 *)at, &old32, (u32)(entry | bits), false,
                                           __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
    return __atomic_compare_exchange_n((u64 *)at, &entry, entry | bits, false, __ATOMIC_SEQ_CST,
                                       __ATOMIC_SEQ_CST);
}

/* SDM 3A 4.6.1 */
static bool permitted(const struct walk *w)
{
    bool user = w->permissions & PTE_U;
    const struct guest_paging *g = w->g;

    if (g->cpl == 3 && !user)
        return false;
    if (w->access & ACCESS_EXEC) {
        if (w->permissions & PTE_NX)
            return false;
        return g->cpl == 3 || !user || !(g->cr4 & CR4_SMEP);
    }
    if (g->cpl < 3 && user && (g->cr4 & CR4_SMAP) && !(g->rflags & RFLAGS_AC))
        return false;
    if ((w->access & ACCESS_WRITE) && !(w->permissions & PTE_W))
        return g->cpl < 3 && !(g->cr0 & CR0_WP);
    return true;
}

static u64 leaf_address(const struct walk *w, unsigned level, u64 entry)
{
    u64 offset_mask = BIT(PAGE_SHIFT + (level - 1) * w->mode->index_bits) - 1;
    u64 base = entry & PTE_ADDR & ~offset_mask;

    if (w->mode == &mode_32) {
        base = entry & 0xffffffff & ~offset_mask;
        if (level == 2)
            base |= (entry >> 13 & 0xff) << 32; /* PSE-36 */
    }
    return base | (w->gva & offset_mask);
}

static u64 first_table(const struct walk *w)
{
    if (w->mode == &mode_long)
        return w->g->cr3 & PTE_ADDR;
    return w->g->cr3 & (w->mode == &mode_pae ? 0xffffffe0 : 0xfffff000);
}

static u64 read_entry(const struct walk *w, const void *at)
{
    return w->mode->entry_size == 4 ? READ_ONCE(*(const u32 *)at) : READ_ONCE(*(const u64 *)at);
}

/* One level: 1 when the walk ends here with *out the address, 0 to go on with *out the next table,
 * -EAGAIN when the entry changed under us, -EFAULT. */
static int walk_level(struct vcpu *v, struct walk *w, unsigned level, u64 *out, u32 *error)
{
    gpa_t gpa = entry_address(*out, w, level);
    const void *at = ram_at(v, gpa, false);
    bool pdpte = w->mode == &mode_pae && level == 3;
    bool leaf, allowed;
    u64 entry, bits = PTE_A;

    /* No RAM behind a table: reads as ones on the bus, reserved bits set. */
    entry = at ? read_entry(w, at) : ~0ull;
    leaf = is_leaf(w, level, entry);
    if (!(entry & PTE_P) || !at || reserved_bits(w, level, entry, leaf)) {
        *error = fault_code(w, entry & PTE_P, entry & PTE_P);
        return -EFAULT;
    }
    if (!pdpte) {
        w->permissions &= entry | ~(PTE_W | PTE_U);
        w->permissions |= w->g->efer & EFER_NXE && w->mode != &mode_32 ? entry & PTE_NX : 0;
    }
    allowed = !leaf || permitted(w);
    if (!allowed) {
        *error = fault_code(w, true, false);
        return -EFAULT;
    }
    if (leaf && (w->access & ACCESS_WRITE))
        bits |= PTE_D;
    if (!pdpte && !set_accessed(v, w, gpa, entry, bits))
        return -EAGAIN;
    *out = leaf ? leaf_address(w, level, entry)
                : entry & (w->mode == &mode_32 ? 0xfffff000 : PTE_ADDR);
    return leaf;
}

static int walk_once(struct vcpu *v, struct walk *w, u64 *out, u32 *error)
{
    int rc = 0;

    w->permissions = PTE_W | PTE_U;
    *out = first_table(w);
    for (unsigned level = w->mode->levels; level > 0 && rc == 0; level--)
        rc = walk_level(v, w, level, out, error);
    return rc;
}

/* Long mode's last entry on the way to gva, and its level's shift in *shift, or 0. *all: the bits
 * that all entries have. Only what needs no second look: every entry there, used before and sound.
 */
static u64 plain_entry(struct vcpu *v, const struct guest_paging *g, u64 gva, u64 *all,
                       unsigned *shift)
{
    u64 wrong = (~0ull << g->phys_bits & PTE_ADDR) | (g->efer & EFER_NXE ? 0 : PTE_NX);
    u64 e = g->cr3 | PTE_P | PTE_A;

    *all = ~0ull;
    for (*shift = 39;; *shift -= 9) {
        const u64 *at = ram_at(v, GPA((e & PTE_ADDR) + (gva >> *shift & 511) * sizeof(e)), false);

        e = at ? READ_ONCE(*at) : 0;
        *all &= e;
        if ((e & (PTE_P | PTE_A)) != (PTE_P | PTE_A) || (e & wrong))
            return 0;
        if (*shift == PAGE_SHIFT || e & PTE_PS)
            return e;
    }
}

/* The walk that most copies of hypercalls need, in a fifth of the instructions. false: ask the full
 * one, which also knows what is wrong. */
static bool walk_plain(struct vcpu *v, const struct guest_paging *g, u64 gva, u32 access,
                       gpa_t *gpa)
{
    u64 need = (access & ACCESS_WRITE ? PTE_W : 0) | (g->cpl == 3 ? PTE_U : 0), all, e, offset;
    unsigned shift;

    if (!(g->efer & EFER_LMA) || (access & ACCESS_EXEC))
        return false;
    e = plain_entry(v, g, gva, &all, &shift);
    offset = (1ull << shift) - 1;
    if (!e || shift == 39 || (all & need) != need ||
        (shift > PAGE_SHIFT && (e & offset & LARGE_MBZ)))
        return false;
    if (g->cpl < 3 && (all & PTE_U) && (g->cr4 & CR4_SMAP) && !(g->rflags & RFLAGS_AC))
        return false;
    if ((access & ACCESS_WRITE) && !(e & PTE_D))
        return false;
    *gpa = GPA((e & PTE_ADDR & ~offset) | (gva & offset));
    return true;
}

static __noinline int walk_fully(struct vcpu *v, const struct guest_paging *g, u64 gva, u32 access,
                                 gpa_t *gpa, u32 *error)
{
    struct walk w = {.g = g, .mode = paging_mode(g), .gva = gva, .access = access};
    int rc;

    do
        rc = walk_once(v, &w, &gpa->v, error);
    while (rc == -EAGAIN);
    return rc < 0 ? rc : 0;
}

int guest_walk(struct vcpu *v, const struct guest_paging *g, u64 gva, u32 access, gpa_t *gpa,
               u32 *error)
{
    refresh(v);
    if (!(g->cr0 & CR0_PG)) {
        *gpa = GPA(gva & 0xffffffff);
        return 0;
    }
    return walk_plain(v, g, gva, access, gpa) ? 0 : walk_fully(v, g, gva, access, gpa, error);
}

static size_t in_page(u64 address, size_t len)
{
    return MIN(len, PAGE_SIZE - (address & (PAGE_SIZE - 1)));
}

int guest_read_phys(struct domain *d, void *to, gpa_t from, size_t len)
{
    while (len) {
        size_t n = in_page(from.v, len);
        const void *p = p2m_ram(&d->p2m, from, false);

        if (!p)
            return -EFAULT;
        memcpy(to, p, n);
        to = (u8 *)to + n;
        from.v += n;
        len -= n;
    }
    return 0;
}

int guest_write_phys(struct domain *d, gpa_t to, const void *from, size_t len)
{
    while (len) {
        size_t n = in_page(to.v, len);
        void *p = p2m_ram(&d->p2m, to, true);

        if (!p)
            return -EFAULT;
        memcpy(p, from, n);
        from = (const u8 *)from + n;
        to.v += n;
        len -= n;
    }
    return 0;
}

/* The page's part of a copy: where it is in the direct map, NULL if it is not there for this
 * access. */
static void *linear_page(struct vcpu *v, const struct guest_paging *g, u64 gva, bool write)
{
    gpa_t gpa;
    u32 error;

    if (guest_walk(v, g, gva, write ? ACCESS_WRITE : ACCESS_READ, &gpa, &error))
        return NULL;
    return ram_at(v, gpa, write);
}

int guest_read(struct vcpu *v, void *to, u64 from, size_t len)
{
    struct guest_paging room;
    const struct guest_paging *g = known_paging(v, &room);

    while (len) {
        size_t n = in_page(from, len);
        const void *page = linear_page(v, g, from, false);

        if (!page)
            return -EFAULT;
        memcpy(to, page, n);
        to = (u8 *)to + n;
        from += n;
        len -= n;
    }
    return 0;
}

int guest_write(struct vcpu *v, u64 to, const void *from, size_t len)
{
    struct guest_paging room;
    const struct guest_paging *g = known_paging(v, &room);

    while (len) {
        size_t n = in_page(to, len);
        void *page = linear_page(v, g, to, true);

        if (!page)
            return -EFAULT;
        memcpy(page, from, n);
        from = (const u8 *)from + n;
        to += n;
        len -= n;
    }
    return 0;
}
