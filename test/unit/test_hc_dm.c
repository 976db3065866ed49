/* SPDX-License-Identifier: BSD-2-Clause */
/* What a device model does to its guest's memory, over the real frame pool and the real p2m: pages
 * that move, by the hypercall as dom0 issues it until it is done. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <cmocka.h>
#include "random.h"

/* The direct map lies where a process may have memory. */
#define HV_LAYOUT_H
#define DIRECT_BASE 0x200000000000ull
#define MAX_CPUS    64
#include "hv/hc_dm.c"
#include "hv/guest_ram.c"
#include "hv/p2m.c"
#include "svm/npt.h"

#define RAM_END 16384u
#define VIDEO   200u /* pages, not a multiple of what is moved at once */
#define FIRST   512u /* where they are made */
#define MODEL   64u  /* gfns of the random run */

static const struct vendor_ops test_vendor = {.p2m_format = &ptab_npt};
const struct vendor_ops *vendor = &test_vendor;
struct vendor_caps vendor_caps = {.guest_p2m_format = &ptab_npt, .max_leaf_shift = 21};

static struct policy test_policy = {.phys_bits = 40};
static struct domain dom;
static struct vcpu cpu;
static unsigned waits; /* for every CPU, since the hypercall was issued */
static unsigned most_waits, passes;

/* ---- The rooms below and beside ---- */

void panic(const char *fmt, ...)
{
    fail_msg("panic: %s", fmt);
    abort();
}

void log_print(enum log_level level, const char *fmt, ...)
{
    (void)level;
    fail_msg("log: %s", fmt);
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
    assert_false(spin_is_locked(&dom.p2m.lock));
    waits++;
}

struct domain *guest_find(struct vcpu *v, u16 domid, s64 *rc)
{
    (void)v;
    *rc = -ESRCH;
    return domid == dom.id && !dom.dying ? &dom : NULL;
}

int guest_read(struct vcpu *v, void *to, u64 from, size_t len)
{
    (void)v;
    memcpy(to, (const void *)from, len);
    return 0;
}

int guest_write(struct vcpu *v, u64 to, const void *from, size_t len)
{
    (void)v;
    memcpy((void *)to, from, len);
    return 0;
}

#define NEVER(type, name, ...) \
    type name(__VA_ARGS__)     \
    {                          \
        fail();                \
        return (type){0};      \
    }
#pragma GCC diagnostic ignored "-Wunused-parameter"
NEVER(int, ioreq_server_create, struct domain *d, u16 emulator, u8 buffered, u16 *id)
NEVER(int, ioreq_server_destroy, struct domain *d, u16 id)
NEVER(int, ioreq_server_port, struct domain *d, u16 id, u32 *port)
NEVER(int, ioreq_server_enable, struct domain *d, u16 id, bool on)
NEVER(int, ioreq_server_map, struct domain *d, u16 id, enum ioreq_kind kind, u64 first, u64 last)
NEVER(int, ioreq_server_unmap, struct domain *d, u16 id, enum ioreq_kind kind, u64 first, u64 last)
NEVER(int, platform_set_pci_intx, struct domain *d, unsigned device, unsigned line, bool level)
NEVER(int, platform_set_dm_isa, struct domain *d, unsigned irq, bool level)
NEVER(int, platform_set_pci_link, struct domain *d, unsigned link, unsigned irq)
NEVER(int, apic_bus_send, struct apic_bus *bus, struct vlapic *src, const struct apic_msg *msg)
NEVER(struct apic_msg, apic_msg_from_msi, u64 address, u32 data)
void vcpu_pause(struct vcpu *v)
{
    fail();
}

void vcpu_unpause(struct vcpu *v)
{
    fail();
}

void domain_shutdown(struct domain *d, u8 reason)
{
    fail();
}

/* ---- The guest ---- */

static u32 *page(u64 gfn)
{
    return p2m_ram(&dom.p2m, gfn_gpa(GFN(gfn)), false);
}

/* Pages that are told apart, of frames in no order. */
static void add_pages(u64 gfn, u32 count, u32 tag)
{
    for (u32 i = 0; i < count; i++) {
        u64 at = gfn + (i ^ 1);

        assert_int_equal(guest_ram_add(&dom, GFN(at), 0), 0);
        *page(at) = tag + (i ^ 1);
    }
}

static void expect_pages(u64 gfn, u32 count, u32 tag)
{
    for (u32 i = 0; i < count; i++) {
        assert_non_null(page(gfn + i));
        assert_int_equal(*page(gfn + i), tag + i);
    }
}

static void expect_hole(u64 gfn, u32 count)
{
    for (u32 i = 0; i < count; i++)
        assert_null(page(gfn + i));
}

static u64 start_free;

static u64 free_frames(void)
{
    struct frames_stats s;

    frames_stats(&s);
    return s.free;
}

static int setup(void **state)
{
    static bool mapped;
    const struct frames_range pool = {4ull << 20, (RAM_END << PAGE_SHIFT) - (4ull << 20)};

    (void)state;
    if (!mapped)
        assert_ptr_equal(mmap((void *)DIRECT_BASE, (u64)RAM_END << PAGE_SHIFT,
                              PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0),
                         (void *)DIRECT_BASE);
    mapped = true;
    assert_int_equal(frames_init(&pool, 1, (u64)RAM_END << PAGE_SHIFT, DIRECT_BASE), 0);
    frames_free(frames_alloc(0, 0), 0);
    start_free = free_frames();
    dom = (struct domain){.id = 5, .policy = &test_policy, .max_pages = 4096, .vcpus = 1};
    cpu = (struct vcpu){.domain = &dom};
    dom.vcpu[0] = &cpu;
    assert_int_equal(p2m_init(&dom), 0);
    return 0;
}

static int teardown(void **state)
{
    u64 at = 0;

    (void)state;
    while (!guest_ram_release(&dom, &at, 16))
        ;
    p2m_destroy(&dom);
    assert_int_equal(dom.ram_pages, 0);
    assert_int_equal(free_frames(), start_free);
    return 0;
}

/* ---- Moving ---- */

static struct xen_dm_op op;
static struct xen_dm_op_buf buf = {.size = sizeof(op)};

static void prepare(u64 from, u64 to, u32 count)
{
    op = (struct xen_dm_op){.op = XEN_DMOP_relocate_memory,
                            .u.relocate_memory = {.size = count, .src_gfn = from, .dst_gfn = to}};
    buf.h.p = &op;
}

static s64 issue(void)
{
    const u64 arg[HYPERCALL_ARGS] = {dom.id, 1, (u64)&buf};
    s64 rc;

    waits = 0;
    rc = hc_dm_op(&cpu, arg);
    most_waits = MAX(most_waits, waits);
    passes++;
    return rc;
}

static s64 move(u64 from, u64 to, u32 count)
{
    s64 rc;

    prepare(from, to, count);
    most_waits = passes = 0;
    do
        rc = issue();
    while (rc == HYPERCALL_AGAIN);
    return rc;
}

/* One wait for all that is moved at once, and not too much of it. */
static void test_pieces(void **state)
{
    (void)state;
    add_pages(FIRST, VIDEO, 0);
    assert_int_equal(move(FIRST, 0x8000, VIDEO), 0);
    assert_int_equal(passes, (VIDEO + GUEST_RAM_MOVE_MAX - 1) / GUEST_RAM_MOVE_MAX);
    assert_int_equal(most_waits, 1);
    expect_pages(0x8000, VIDEO, 0);
    expect_hole(FIRST, VIDEO);
    assert_int_equal(dom.max_gfn, 0x8000 + VIDEO - 1);
    assert_int_equal(dom.ram_pages, VIDEO);
    assert_int_equal(move(FIRST, 0x8000, 0), 0);
    assert_int_equal(move(0x8000, 0x8000, VIDEO), 0);
    expect_pages(0x8000, VIDEO, 0);
}

/* No list of pages is too long to be interrupted: it ends where there are none. */
static void test_endless(void **state)
{
    (void)state;
    add_pages(FIRST, VIDEO, 0);
    assert_int_equal(move(FIRST, 0x8000, ~0u), -EINVAL);
    assert_true(passes >= VIDEO / GUEST_RAM_MOVE_MAX);
    expect_pages(0x8000, VIDEO, 0);
}

/* As stock QEMU moves its video memory: named by its first place, wherever it is. */
static void test_names(void **state)
{
    (void)state;
    add_pages(FIRST, VIDEO, 0);
    assert_int_equal(move(FIRST, 0x8000, VIDEO), 0);
    assert_int_equal(move(FIRST, 0x8800, VIDEO / 2), -EINVAL);
    assert_int_equal(move(FIRST + VIDEO / 2, 0x8800, VIDEO / 2), -EINVAL);
    assert_int_equal(move(FIRST, 0x9000, VIDEO), 0);
    expect_pages(0x9000, VIDEO, 0);
    assert_int_equal(move(0x8000, 0xa000, VIDEO), -EINVAL);
    assert_int_equal(move(FIRST, 0x8fe0, VIDEO), 0); /* down, over part of itself */
    expect_pages(0x8fe0, VIDEO, 0);
    assert_int_equal(move(0x8fe0, FIRST, VIDEO), 0);
    expect_pages(FIRST, VIDEO, 0);
    assert_int_equal(dom.ram_pages, VIDEO);
}

/* Between two pieces: another one's move, and the end of the guest. */
static void test_between(void **state)
{
    (void)state;
    add_pages(FIRST, VIDEO, 0);
    add_pages(0x2000, 4, 1000);
    prepare(FIRST, 0x8000, VIDEO);
    assert_int_equal(issue(), HYPERCALL_AGAIN);
    {
        struct xen_dm_op kept = op;

        assert_int_equal(kept.u.relocate_memory.size, VIDEO - GUEST_RAM_MOVE_MAX);
        assert_int_equal(move(0x2000, 0x3000, 4), 0);
        op = kept;
    }
    assert_int_equal(issue(), HYPERCALL_AGAIN);
    expect_pages(0x8000, 2 * GUEST_RAM_MOVE_MAX, 0);
    dom.dying = true;
    assert_int_equal(issue(), -ESRCH);
    dom.dying = false;
    while (issue() == HYPERCALL_AGAIN)
        ;
    expect_pages(0x8000, VIDEO, 0);
    expect_pages(0x3000, 4, 1000);
}

/* What is in the way: RAM is given back; a page that is not RAM stays, and what cannot go there is
 * where it was. */
static void test_in_the_way(void **state)
{
    mfn_t m = frames_alloc(0, FRAMES_ZERO);

    (void)state;
    add_pages(FIRST, 20, 0);
    add_pages(0x8000, 10, 500);
    assert_int_equal(move(FIRST, 0x8000, 20), 0);
    expect_pages(0x8000, 20, 0);
    assert_int_equal(dom.ram_pages, 20);
    assert_int_equal(p2m_enter(&dom, GFN(0x900a), m, P2M_SHARED, PTAB_RW), 0);
    assert_int_equal(move(0x8000, 0x9000, 20), -EINVAL);
    for (u64 i = 0; i < 20; i++) {
        assert_int_equal(*page(page(0x8000 + i) ? 0x8000 + i : 0x9000 + i), i);
        assert_true(i != 10 || page(0x8000 + i));
    }
    assert_int_equal(dom.ram_pages, 20);
    assert_int_equal(move(0x8000, 1ull << 28, 20), -EINVAL);
    assert_int_equal(p2m_remove(&dom, GFN(0x900a), 1), 0);
    frames_free(m, 0);
}

/* Any runs, out of a large page too, one over the other, against a model of what is where. */
static void test_random(void **state)
{
    u32 model[MODEL], moved[MODEL];

    (void)state;
    random_init();
    assert_int_equal(guest_ram_add(&dom, GFN(FIRST), 9), 0);
    for (u32 i = 0; i < MODEL; i++)
        *page(FIRST + i) = model[i] = i + 1;
    for (unsigned n = 0; n < 3000; n++) {
        u32 count = 1 + (u32)random_below(8), have = 0;
        u64 from = random_below(MODEL - count), to = random_below(MODEL - count);

        while (have < count && model[from + have])
            have++;
        assert_int_equal(guest_ram_move(&dom, GFN(FIRST + from), GFN(FIRST + to), count),
                         have == count || from == to ? 0 : -EINVAL);
        if (from != to) {
            memcpy(moved, model + from, sizeof(u32) * have);
            memset(model + from, 0, sizeof(u32) * have);
            memcpy(model + to, moved, sizeof(u32) * have);
        }
        for (u32 i = 0; i < MODEL; i++) {
            if (!model[i] && random_below(4) == 0) {
                assert_int_equal(guest_ram_add(&dom, GFN(FIRST + i), 0), 0);
                *page(FIRST + i) = model[i] = n * MODEL + i;
            }
            assert_int_equal(page(FIRST + i) ? *page(FIRST + i) : 0, model[i]);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_pieces, setup, teardown),
        cmocka_unit_test_setup_teardown(test_endless, setup, teardown),
        cmocka_unit_test_setup_teardown(test_names, setup, teardown),
        cmocka_unit_test_setup_teardown(test_between, setup, teardown),
        cmocka_unit_test_setup_teardown(test_in_the_way, setup, teardown),
        cmocka_unit_test_setup_teardown(test_random, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
