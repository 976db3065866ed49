/* SPDX-License-Identifier: BSD-2-Clause */
/* Lists of extents, however long: done piece by piece, so that no list keeps a CPU from its
 * interrupts, and counted right in the end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "hv/hc_memory_guest.c"

#define MOST_FLUSHES 128u /* in one piece */

static struct guest control;
static struct domain dom = {.id = 3, .guest = &control};
static struct vcpu cpu = {.domain = &dom};
static u64 pages, extents_done, invalidations;
static u64 bad_gfn;

/* ---- The rooms below ---- */

static int do_extent(struct domain *d, gfn_t gfn, unsigned order)
{
    assert_ptr_equal(d, &dom);
    if (gfn.v == bad_gfn)
        return -EINVAL;
    pages += 1ull << order;
    extents_done++;
    return 0;
}

int guest_ram_add(struct domain *d, gfn_t gfn, unsigned order)
{
    return do_extent(d, gfn, order);
}

int guest_ram_remove(struct domain *d, gfn_t gfn, unsigned order)
{
    return do_extent(d, gfn, order);
}

int guest_ram_move(struct domain *d, gfn_t from, gfn_t to, u64 count)
{
    (void)d, (void)from, (void)to, (void)count;
    fail();
    return 0;
}

void ioreq_invalidate(struct domain *d)
{
    (void)d;
    invalidations++;
}

void frames_stats(struct frames_stats *s)
{
    *s = (struct frames_stats){0};
}

struct domain *hypercall_domain(struct vcpu *v, u16 domid, s64 *rc)
{
    if (domid == DOMID_SELF)
        return v->domain;
    *rc = -EPERM;
    return NULL;
}

int guest_read(struct vcpu *v, void *to, u64 from, size_t len)
{
    (void)v;
    memcpy(to, (const void *)from, len);
    return 0;
}

int guest_get(struct vcpu *v, void *to, u64 at, const char *layout)
{
    assert_string_equal(layout, LAYOUT);
    return guest_read(v, to, at, sizeof(struct xen_memory_reservation));
}

int guest_get_long(struct vcpu *v, u64 *to, u64 array, u64 i)
{
    (void)v, (void)array;
    *to = i;
    return 0;
}

/* ---- Tests ---- */

/* Until it is done; what each piece does is looked at. */
static s64 run(s64 (*fn)(struct vcpu *v, u64 at, u64 *start), u64 extents, unsigned order)
{
    struct xen_memory_reservation r = {
        .nr_extents = extents, .extent_order = order, .domid = DOMID_SELF};
    u64 start = 0, before = 0;
    s64 rc;

    pages = extents_done = 0;
    do {
        u64 pages_before = pages;

        rc = fn(&cpu, (u64)&r, &start);
        assert_true(extents_done - before <= MOST_FLUSHES);
        assert_true(pages - pages_before < PAGES_MAX + (1ull << order));
        assert_true(extents_done > before || rc != HYPERCALL_AGAIN);
        before = extents_done;
    } while (rc == HYPERCALL_AGAIN);
    return rc;
}

static void test_lists(void **state)
{
    (void)state;
    bad_gfn = ~0ull;
    dom.ioreq = (struct ioreq_domain *)&control;
    assert_int_equal(run(guest_populate, 0, 0), 0);
    assert_int_equal(run(guest_populate, 1, 9), 1);
    assert_int_equal(run(guest_populate, 5000, 0), 5000);
    assert_int_equal(pages, 5000);
    assert_int_equal(run(guest_populate, 40, 9), 40);
    assert_int_equal(pages, 40 * 512);
    assert_int_equal(invalidations, 0);
    assert_int_equal(run(guest_decrease, 3000, 0), 3000);
    assert_true(invalidations > 0);
    bad_gfn = 777;
    assert_int_equal(run(guest_decrease, 3000, 0), 777);
    assert_int_equal(extents_done, 777);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_lists)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
