/* SPDX-License-Identifier: BSD-2-Clause */
/* The same structures as a 32-bit compiler lays them out, written down here with explicit widths.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "hv/guest_args.h"
#include <xen/xen.h>
#include <xen/memory.h>
#include <xen/sched.h>

struct narrow_add {
    uint16_t domid, size;
    uint32_t space, idx, gpfn;
};

struct narrow_reservation {
    uint32_t start, count, order, flags;
    uint16_t domid;
};

struct narrow_poll {
    uint32_t ports, count;
    uint64_t timeout;
} __attribute__((packed, aligned(4)));

struct narrow_map {
    uint32_t count, buffer;
};

struct narrow_remove {
    uint16_t domid;
    uint32_t gpfn;
};

static void test_add(void **state)
{
    struct narrow_add n = {0x7ff0, 3, XENMAPSPACE_gmfn, 0x89abcdef, 0xfedc0123}, back;
    struct xen_add_to_physmap w;

    (void)state;
    memset(&w, 0xff, sizeof(w));
    assert_int_equal(guest_args_widen(&w, &n, "224LL"), sizeof(n));
    assert_int_equal(w.domid, 0x7ff0);
    assert_int_equal(w.size, 3);
    assert_int_equal(w.space, XENMAPSPACE_gmfn);
    assert_true(w.idx == 0x89abcdef && w.gpfn == 0xfedc0123);
    assert_int_equal(guest_args_narrow(&back, &w, "224LL"), sizeof(n));
    assert_memory_equal(&n, &back, sizeof(n));
}

static void test_reservation(void **state)
{
    struct narrow_reservation n = {0xc0000000, 7, 9, 0x1f, 5};
    struct xen_memory_reservation w;

    (void)state;
    memset(&w, 0xff, sizeof(w));
    assert_int_equal(guest_args_widen(&w, &n, "LL442"), sizeof(n));
    assert_true((uintptr_t)w.extent_start.p == 0xc0000000 && w.nr_extents == 7);
    assert_true(w.extent_order == 9 && w.mem_flags == 0x1f && w.domid == 5);
}

static void test_poll(void **state)
{
    struct narrow_poll n = {0xd0001000, 2, 0x1122334455667788};
    struct sched_poll w;

    (void)state;
    assert_int_equal(guest_args_widen(&w, &n, "L48"), sizeof(n));
    assert_true((uintptr_t)w.ports.p == 0xd0001000 && w.nr_ports == 2 &&
                w.timeout == 0x1122334455667788);
}

static void test_small(void **state)
{
    struct narrow_map n = {128, 0xe0000000}, back;
    struct narrow_remove r = {0x7ff0, 0xffffffff};
    struct xen_memory_map w;
    struct xen_remove_from_physmap x;

    (void)state;
    assert_int_equal(guest_args_widen(&w, &n, "4L"), sizeof(n));
    assert_true(w.nr_entries == 128 && (uintptr_t)w.buffer.p == 0xe0000000);
    w.nr_entries = 3;
    assert_int_equal(guest_args_narrow(&back, &w, "4L"), sizeof(n));
    assert_true(back.count == 3 && back.buffer == 0xe0000000);
    assert_int_equal(guest_args_widen(&x, &r, "2L"), sizeof(r));
    assert_true(x.domid == 0x7ff0 && x.gpfn == 0xffffffff);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_add),
        cmocka_unit_test(test_reservation),
        cmocka_unit_test(test_poll),
        cmocka_unit_test(test_small),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
