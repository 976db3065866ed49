/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Walks of a guest's page tables and copies through them, over the real p2m in NPT format. A test
 * decides what a walk meets at each level, builds tables that say so, and expects what the manual
 * says of that: nothing of the expectation comes from reading the tables again.
 */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <cmocka.h>
#include "random.h"

/* Addresses are their own frames: the direct map starts at 0. */
#define HV_LAYOUT_H
#define DIRECT_BASE 0ull
#define MAX_CPUS    64
#include "hv/p2m.c"
#include "hv/guest_mem.c"
#include "svm/npt.h"

#define PAGES   16u /* of guest RAM, from 0 */
#define TABLES  1u  /* page tables: pages 1 to 4, the top one first */
#define RO_PAGE 9u  /* RAM of another domain, mapped read-only */
#define HOLE    PAGES
#define PHYS    40u

static struct domain dom;
static struct vcpu cpu;
static struct policy policy = {.phys_bits = PHYS};
static struct cpu_state regs;
static u8 *ram;

/* ---- The rooms below ---- */

static void state_get(struct vcpu *v, u32 mask, struct cpu_state *s)
{
    (void)v, (void)mask;
    *s = regs;
}

static const struct vendor_ops ops = {.p2m_format = &ptab_npt, .state_get = state_get};
const struct vendor_ops *vendor = &ops;
struct vendor_caps vendor_caps = {.guest_p2m_format = &ptab_npt, .max_leaf_shift = 12};

void panic(const char *fmt, ...)
{
    fail_msg("panic: %s", fmt);
    abort();
}

mfn_t frames_alloc(unsigned order, unsigned flags)
{
    (void)flags;
    return virt_mfn(
        mmap(NULL, PAGE_SIZE << order, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
}

void frames_free(mfn_t m, unsigned order)
{
    munmap(mfn_virt(m), PAGE_SIZE << order);
}

int frame_get(mfn_t m, u16 domid)
{
    (void)m, (void)domid;
    return 0;
}

void frame_put(mfn_t m)
{
    (void)m;
}

u32 frame_refs(mfn_t m)
{
    (void)m;
    return 0;
}

u16 frame_owner(mfn_t m)
{
    (void)m;
    return 0;
}

void vcpu_request(struct vcpu *v, u32 requests)
{
    (void)v, (void)requests;
}

void vcpu_wait_left(struct vcpu *v)
{
    (void)v;
}

void quiesce_wait(void)
{
}

static int setup(void **state)
{
    (void)state;
    memset(&dom, 0, sizeof(dom));
    memset(&cpu, 0, sizeof(cpu));
    memset(&regs, 0, sizeof(regs));
    dom.policy = &policy;
    cpu.domain = &dom;
    ram = mmap(NULL, PAGES * PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(ram, MAP_FAILED);
    assert_int_equal(p2m_init(&dom), 0);
    assert_int_equal(
        p2m_add(&dom, GFN(0), virt_mfn(ram), PAGES, P2M_RAM, PTAB_RWX | PTAB_MEMTYPE(MEMTYPE_WB)),
        0);
    assert_int_equal(p2m_remove(&dom, GFN(RO_PAGE), 1), 0);
    assert_int_equal(p2m_enter(&dom, GFN(RO_PAGE), virt_mfn(ram + RO_PAGE * PAGE_SIZE), P2M_GRANT,
                               PTAB_R | PTAB_MEMTYPE(MEMTYPE_WB)),
                     0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    p2m_destroy(&dom);
    munmap(ram, PAGES * PAGE_SIZE);
    return 0;
}

/* ---- What a walk meets ---- */

enum kind { TWO_LEVELS, PAE, LONG };
static const unsigned levels_of[] = {2, 3, 4};

struct level {
    bool present, write, user, nx, reserved;
};

struct plan {
    enum kind kind;
    unsigned leaf;         /* 1: a page, 2: 2 or 4 MiB, 3: 1 GiB */
    struct level level[5]; /* [4] top of four, [1] the page's own entry */
    bool pse, nxe, wp, smep, smap, ac, user;
    u32 access;
    u64 gva;
    u64 base; /* where the leaf points */
};

static unsigned table_page(const struct plan *p, unsigned level)
{
    return TABLES + levels_of[p->kind] - level;
}

static unsigned bits_of(const struct plan *p)
{
    return p->kind == TWO_LEVELS ? 10 : 9;
}

static unsigned shift_of(const struct plan *p, unsigned level)
{
    return 12 + (level - 1) * bits_of(p);
}

static unsigned entry_size(const struct plan *p)
{
    return p->kind == TWO_LEVELS ? 4 : 8;
}

static u8 *slot_at(const struct plan *p, unsigned level)
{
    u64 index = p->gva >> shift_of(p, level) & ((1u << bits_of(p)) - 1);

    if (p->kind == PAE && level == 3)
        index = p->gva >> 30 & 3;
    return ram + table_page(p, level) * PAGE_SIZE + index * entry_size(p);
}

static u64 slot_value(const struct plan *p, unsigned level)
{
    u64 e = 0;

    memcpy(&e, slot_at(p, level), entry_size(p));
    return e;
}

static bool is_pdpte(const struct plan *p, unsigned level)
{
    return p->kind == PAE && level == 3;
}

/* A bit that must be zero there; 0 where the format has none. */
static u64 reserved_bit(const struct plan *p, unsigned level)
{
    if (p->kind == TWO_LEVELS)
        return level == 2 && p->leaf == 2 ? BIT(21) : 0;
    if (p->kind == PAE && level < 3 && (p->gva & PAGE_SIZE))
        return BIT(52 + (p->gva >> 13) % 11);
    if (level == p->leaf && level > 1)
        return BIT(shift_of(p, level) - 1);
    if (level == 4)
        return BIT(7);
    return BIT(PHYS + 3);
}

static u64 planned(const struct plan *p, unsigned level)
{
    const struct level *l = &p->level[level];
    u64 e = level == p->leaf ? p->base : table_page(p, level - 1) * PAGE_SIZE;

    e |= l->present ? 1 : 0;
    if (!is_pdpte(p, level))
        e |= (l->write ? 2 : 0) | (l->user ? 4 : 0);
    if (l->nx && p->kind != TWO_LEVELS && !is_pdpte(p, level))
        e |= 1ull << 63;
    if (level == p->leaf && level > 1)
        e |= 1u << 7;
    return e | (l->reserved ? reserved_bit(p, level) : 0);
}

static void build(const struct plan *p)
{
    memset(ram, 0, PAGES * PAGE_SIZE);
    for (unsigned level = levels_of[p->kind]; level >= p->leaf; level--) {
        u64 e = planned(p, level);

        memcpy(slot_at(p, level), &e, entry_size(p));
    }
}

static struct guest_paging paging_of(const struct plan *p)
{
    return (struct guest_paging){
        .cr0 = CR0_PE | CR0_PG | (p->wp ? CR0_WP : 0),
        .cr3 = TABLES * PAGE_SIZE,
        .cr4 = (p->kind == TWO_LEVELS ? 0 : CR4_PAE) | (p->pse ? CR4_PSE : 0) |
               (p->smep ? CR4_SMEP : 0) | (p->smap ? CR4_SMAP : 0),
        .efer = (p->kind == LONG ? EFER_LME | EFER_LMA : 0) | (p->nxe ? EFER_NXE : 0),
        .rflags = p->ac ? RFLAGS_AC : 0,
        .cpl = p->user ? 3 : 0,
        .phys_bits = PHYS,
    };
}

/* ---- What the manual says of it (SDM 3A 4.6, 4.7) ---- */

static u32 code_of(const struct plan *p, bool present, bool reserved)
{
    bool tells_fetch = p->smep || (p->nxe && p->kind != TWO_LEVELS);

    return (present ? 1u : 0) | (p->access & ACCESS_WRITE ? 2u : 0) | (p->user ? 4u : 0) |
           (reserved ? 8u : 0) | (p->access & ACCESS_EXEC && tells_fetch ? 16u : 0);
}

static bool is_allowed(const struct plan *p)
{
    bool write = true, user = true, nx = false;

    for (unsigned level = p->leaf; level <= levels_of[p->kind]; level++) {
        if (is_pdpte(p, level))
            continue;
        write &= p->level[level].write;
        user &= p->level[level].user;
        nx |= p->level[level].nx && p->kind != TWO_LEVELS;
    }
    if (p->user && !user)
        return false;
    if (p->access == ACCESS_EXEC)
        return !nx && (p->user || !user || !p->smep);
    if (!p->user && user && p->smap && !p->ac)
        return false;
    return p->access != ACCESS_WRITE || write || (!p->user && !p->wp);
}

/* 0 or the error code plus BIT(31). */
static u32 expected(const struct plan *p)
{
    for (unsigned level = levels_of[p->kind]; level >= p->leaf; level--) {
        const struct level *l = &p->level[level];
        bool nx_reserved = l->nx && !p->nxe && p->kind != TWO_LEVELS && !is_pdpte(p, level);

        if (!l->present)
            return code_of(p, false, false) | 1u << 31;
        if ((l->reserved && reserved_bit(p, level)) || nx_reserved)
            return code_of(p, true, true) | 1u << 31;
    }
    return is_allowed(p) ? 0 : code_of(p, true, false) | 1u << 31;
}

static void check_marks(const struct plan *p)
{
    for (unsigned level = p->leaf; level <= levels_of[p->kind]; level++) {
        u64 e = slot_value(p, level);

        assert_int_equal(!!(e & PTE_A), !is_pdpte(p, level));
        assert_int_equal(!!(e & PTE_D), level == p->leaf && p->access == ACCESS_WRITE);
        assert_int_equal(e & ~(u64)(PTE_A | PTE_D), planned(p, level));
    }
}

static void check(const struct plan *p)
{
    struct guest_paging g = paging_of(p);
    u32 want = expected(p), error = 0;
    gpa_t gpa = GPA(0);
    int rc;

    build(p);
    rc = guest_walk(&cpu, &g, p->gva, p->access, &gpa, &error);
    if (rc == 0) { /* again, where all bits are set by now: the short way */
        gpa = GPA(0);
        rc = guest_walk(&cpu, &g, p->gva, p->access, &gpa, &error);
    }
    if (rc == 0) {
        assert_int_equal(want, 0);
        assert_int_equal(gpa.v, p->base | (p->gva & ((1ull << shift_of(p, p->leaf)) - 1)));
        check_marks(p);
    } else {
        assert_int_equal(rc, -EFAULT);
        assert_int_equal(error | 1u << 31, want);
        assert_false(slot_value(p, p->leaf) & PTE_D);
    }
}

static bool one_in(unsigned n)
{
    return random_below(n) == 0;
}

static struct plan random_plan(void)
{
    static const u32 accesses[] = {ACCESS_READ, ACCESS_WRITE, ACCESS_EXEC};
    struct plan p = {.kind = (enum kind)random_below(3), .access = accesses[random_below(3)]};

    p.leaf = 1 + (unsigned)random_below(p.kind == LONG ? 3 : 2);
    p.pse = p.kind != TWO_LEVELS || p.leaf == 2;
    p.nxe = !one_in(4);
    p.wp = one_in(2);
    p.smep = one_in(2);
    p.smap = one_in(2);
    p.ac = one_in(2);
    p.user = one_in(2);
    p.gva = random_u64() & (p.kind == LONG ? 0xffffffffffffull : 0xffffffffu);
    p.base = (u64)random_below(1ull << (p.kind == TWO_LEVELS ? 32 : PHYS)) &
             ~((1ull << shift_of(&p, p.leaf)) - 1);
    for (unsigned i = 1; i <= 4; i++)
        p.level[i] = (struct level){
            .present = !one_in(12),
            .write = !one_in(4),
            .user = !one_in(3),
            .nx = one_in(8),
            .reserved = one_in(16),
        };
    return p;
}

/* ---- Tests ---- */

static void test_random_walks(void **state)
{
    (void)state;
    random_init();
    for (unsigned i = 0; i < 300000; i++) {
        struct plan p = random_plan();

        check(&p);
    }
}

static struct plan plain(enum kind kind)
{
    struct plan p = {.kind = kind,
                     .leaf = 1,
                     .nxe = true,
                     .access = ACCESS_READ,
                     .gva = 0x401234,
                     .base = 0x5000};

    for (unsigned i = 1; i <= 4; i++)
        p.level[i] = (struct level){.present = true, .write = true, .user = true};
    return p;
}

/* A 4 MiB page's bits 20:13 are bits 39:32 of its address; without CR4.PSE bit 7 means nothing. */
static void test_pse36(void **state)
{
    struct plan p = plain(TWO_LEVELS);
    struct guest_paging g = paging_of(&p);
    u32 e = 0xc00000u | 0x5au << 13 | 0x87, error;
    gpa_t gpa;

    (void)state;
    build(&p);
    memcpy(slot_at(&p, 2), &e, 4);
    g.cr4 |= CR4_PSE;
    assert_int_equal(guest_walk(&cpu, &g, p.gva, ACCESS_READ, &gpa, &error), 0);
    assert_int_equal(gpa.v, 0x5a00000000ull | 0xc00000 | (p.gva & 0x3fffff));
    e = table_page(&p, 1) * PAGE_SIZE | 0x87;
    memcpy(slot_at(&p, 2), &e, 4);
    g.cr4 &= ~(u64)CR4_PSE;
    assert_int_equal(guest_walk(&cpu, &g, p.gva, ACCESS_READ, &gpa, &error), 0);
    assert_int_equal(gpa.v, 0x5234);
}

static void test_no_paging(void **state)
{
    struct guest_paging g = {.cr0 = CR0_PE, .phys_bits = PHYS};
    gpa_t gpa;
    u32 error;

    (void)state;
    assert_int_equal(guest_walk(&cpu, &g, 0x1fedcba98ull, ACCESS_WRITE, &gpa, &error), 0);
    assert_int_equal(gpa.v, 0xfedcba98);
}

/* Tables where there is no memory, or beyond all of it. */
static void test_tables_in_nowhere(void **state)
{
    static const u64 places[] = {HOLE * PAGE_SIZE, 0xfffff000, 0xfffffff000};

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(places); i++) {
        struct plan p = plain(LONG);
        struct guest_paging g = paging_of(&p);
        u64 e = places[i] | 7;
        gpa_t gpa;
        u32 error;

        build(&p);
        memcpy(slot_at(&p, 2), &e, 8);
        assert_int_equal(guest_walk(&cpu, &g, p.gva, ACCESS_READ, &gpa, &error), -EFAULT);
        g.cr3 = places[i];
        assert_int_equal(guest_walk(&cpu, &g, p.gva, ACCESS_READ, &gpa, &error), -EFAULT);
    }
}

/* Tables in a frame that is another domain's, mapped read-only: walked, but not a bit is written
 * there. */
static void test_tables_of_others(void **state)
{
    struct plan p = plain(LONG);
    struct guest_paging g = paging_of(&p);
    u64 e = RO_PAGE * PAGE_SIZE | 7, leaf = p.base | 7;
    u8 before[PAGE_SIZE], *table = ram + RO_PAGE * PAGE_SIZE;
    gpa_t gpa;
    u32 error;

    (void)state;
    build(&p);
    memcpy(slot_at(&p, 2), &e, 8);
    memcpy(table + (p.gva >> 12 & 511) * 8, &leaf, 8);
    memcpy(before, table, PAGE_SIZE);
    assert_int_equal(guest_walk(&cpu, &g, p.gva, ACCESS_WRITE, &gpa, &error), 0);
    assert_int_equal(gpa.v, 0x5234);
    assert_memory_equal(table, before, PAGE_SIZE);
    assert_true(slot_value(&p, 2) & PTE_A); /* this one is the guest's own */
}

/* ---- Copies ---- */

/* Linear 0x401000 and the page after it, at pages 5 and 7. */
static void two_pages(void)
{
    struct plan p = plain(LONG), q;

    p.gva = 0x401000;
    build(&p);
    q = p;
    q.gva += PAGE_SIZE;
    q.base = 0x7000;
    memcpy(slot_at(&q, 1), &(u64){planned(&q, 1)}, 8);
    regs.cr0 = CR0_PE | CR0_PG | CR0_WP;
    regs.cr3 = TABLES * PAGE_SIZE;
    regs.cr4 = CR4_PAE;
    regs.efer = EFER_LMA | EFER_LME;
}

static void test_copies_across_pages(void **state)
{
    u8 buf[64], back[64];

    (void)state;
    two_pages();
    for (unsigned i = 0; i < sizeof(buf); i++)
        buf[i] = (u8)(i + 1);
    assert_int_equal(guest_write(&cpu, 0x402000 - 24, buf, sizeof(buf)), 0);
    assert_memory_equal(ram + 0x6000 - 24, buf, 24);
    assert_memory_equal(ram + 0x7000, buf + 24, 40);
    assert_int_equal(ram[0x6000], 0); /* physically next */
    assert_int_equal(guest_read(&cpu, back, 0x402000 - 24, sizeof(back)), 0);
    assert_memory_equal(back, buf, sizeof(buf));
    assert_int_equal(guest_read(&cpu, back, 0x403000 - 8, 16), -EFAULT);
    assert_int_equal(guest_write(&cpu, 0x403000 - 8, buf, 16), -EFAULT);
    assert_int_equal(guest_read(&cpu, back, 0x400fff, 1), -EFAULT);
    assert_int_equal(guest_read(&cpu, back, 0x400fff, 0), 0);
}

static void test_copies_at_privilege(void **state)
{
    struct plan p = plain(LONG);
    u64 e = 0x5000 | 3; /* supervisor's */
    u8 b;

    (void)state;
    two_pages();
    p.gva = 0x401000;
    memcpy(slot_at(&p, 1), &e, 8);
    assert_int_equal(guest_read(&cpu, &b, 0x401000, 1), 0);
    regs.seg[SEG_SS].attr = 3 << 5;
    assert_int_equal(guest_read(&cpu, &b, 0x401000, 1), -EFAULT);
    assert_int_equal(guest_read(&cpu, &b, 0x402000, 1), 0);
}

/* What a copy has found is forgotten when the p2m changes under it. */
static void test_copies_see_changes(void **state)
{
    const u32 attr = PTAB_RWX | PTAB_MEMTYPE(MEMTYPE_WB);
    mfn_t other = virt_mfn(ram + 0x9000);
    u8 b = 1;

    (void)state;
    two_pages();
    ram[0x5000] = 50;
    ram[0x9000] = 90;
    assert_int_equal(guest_write(&cpu, 0x401008, &b, 1), 0);
    assert_int_equal(guest_read(&cpu, &b, 0x401000, 1), 0);
    assert_int_equal(b, 50);
    assert_int_equal(p2m_remove(&dom, GFN(5), 1), 0);
    assert_int_equal(guest_read(&cpu, &b, 0x401000, 1), -EFAULT);
    assert_int_equal(p2m_add(&dom, GFN(5), other, 1, P2M_RAM, attr), 0);
    assert_int_equal(guest_read(&cpu, &b, 0x401000, 1), 0);
    assert_int_equal(b, 90);
    assert_int_equal(p2m_add(&dom, GFN(5), other, 1, P2M_RAM_RO, attr & ~(u32)PTAB_W), 0);
    assert_int_equal(guest_read(&cpu, &b, 0x401000, 1), 0);
    assert_int_equal(guest_write(&cpu, 0x401000, &b, 1), -EFAULT);
}

static void test_physical_copies(void **state)
{
    u8 buf[2 * PAGE_SIZE] = {1, 2, 3};

    (void)state;
    assert_int_equal(guest_write_phys(&dom, GPA(0x4ffe), buf, 3), 0);
    assert_memory_equal(ram + 0x4ffe, buf, 3);
    assert_int_equal(guest_read_phys(&dom, buf, GPA((PAGES - 1) * PAGE_SIZE), PAGE_SIZE), 0);
    assert_int_equal(guest_read_phys(&dom, buf, GPA((PAGES - 1) * PAGE_SIZE), PAGE_SIZE + 1),
                     -EFAULT);
    assert_int_equal(guest_read_phys(&dom, buf, GPA(RO_PAGE * PAGE_SIZE), 8), 0);
    assert_int_equal(guest_write_phys(&dom, GPA(RO_PAGE * PAGE_SIZE), buf, 1), -EFAULT);
    assert_int_equal(guest_read_phys(&dom, buf, GPA(~0ull), 1), -EFAULT);
    assert_int_equal(guest_read_phys(&dom, buf, GPA(1ull << 52), 1), -EFAULT);
}

static bool is_dirty(u64 gpa)
{
    struct ptab_leaf leaf;

    assert_int_equal(ptab_lookup(&dom.p2m.pt, gpa, &leaf), 0);
    return leaf.attr & PTAB_D;
}

/* What root mode writes shows in the nested tables as what a CPU writes; what it reads does not. */
static void test_writes_are_marked(void **state)
{
    u8 buf[2 * PAGE_SIZE] = {0};

    (void)state;
    assert_int_equal(guest_read(&cpu, buf, 0x5000, sizeof(buf)), 0);
    assert_false(is_dirty(0x5000) || is_dirty(0x6000));
    assert_int_equal(guest_write(&cpu, 0x5fff, buf, 2), 0);
    assert_true(is_dirty(0x5000) && is_dirty(0x6000));
    assert_false(is_dirty(0x7000));
    assert_int_equal(guest_write_phys(&dom, GPA(0x7000), buf, 1), 0);
    assert_true(is_dirty(0x7000));
    assert_int_equal(ptab_protect(&dom.p2m.pt, 0, PAGES * PAGE_SIZE, PTAB_D, 0), 0);
    assert_int_equal(guest_write_phys(&dom, GPA(0x7000), buf, 1), 0);
    assert_true(is_dirty(0x7000));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_random_walks, setup, teardown),
        cmocka_unit_test_setup_teardown(test_pse36, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_paging, setup, teardown),
        cmocka_unit_test_setup_teardown(test_tables_in_nowhere, setup, teardown),
        cmocka_unit_test_setup_teardown(test_tables_of_others, setup, teardown),
        cmocka_unit_test_setup_teardown(test_copies_across_pages, setup, teardown),
        cmocka_unit_test_setup_teardown(test_copies_at_privilege, setup, teardown),
        cmocka_unit_test_setup_teardown(test_copies_see_changes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_physical_copies, setup, teardown),
        cmocka_unit_test_setup_teardown(test_writes_are_marked, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
