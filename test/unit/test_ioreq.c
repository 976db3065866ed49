/* SPDX-License-Identifier: BSD-2-Clause */
/* What an ioreq server answers for, against a bit per address; and the buffered ring, against a
 * queue. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "hv/errno.h"
#include "hv/ioreq_range.h"
#include "hv/ioreq_ring.h"

#define SPACE 512u

static u64 seed = 1;

static unsigned random_below(unsigned n)
{
    seed = seed * 6364136223846793005ull + 1442695040888963407ull;
    return (unsigned)(seed >> 33) % n;
}

/* ---- Ranges ---- */

static bool there[SPACE];

static bool all_are(unsigned first, unsigned last, bool what)
{
    for (unsigned i = first; i <= last; i++)
        if (there[i] != what)
            return false;
    return true;
}

static void test_ranges_random(void **state)
{
    static struct ioreq_ranges r;

    (void)state;
    for (unsigned n = 0; n < 200000; n++) {
        unsigned first = random_below(SPACE), last = first + random_below(MIN(12u, SPACE - first));
        bool add = random_below(2), can = all_are(first, last, !add);

        assert_int_equal(ioreq_range_holds(&r, first, last), all_are(first, last, true));
        assert_int_equal((add ? ioreq_range_add : ioreq_range_remove)(&r, first, last),
                         can   ? 0
                         : add ? -EEXIST
                               : -ENOENT);
        if (can)
            memset(there + first, add, last - first + 1);
    }
}

static void test_ranges_edges(void **state)
{
    static struct ioreq_ranges r;

    (void)state;
    assert_int_equal(ioreq_range_add(&r, 5, 4), -EINVAL);
    assert_int_equal(ioreq_range_add(&r, 0, ~0ull), 0);
    assert_true(ioreq_range_holds(&r, ~0ull, ~0ull));
    assert_int_equal(ioreq_range_remove(&r, 0, ~0ull), 0);
    for (unsigned i = 0; i < IOREQ_RANGES; i++)
        assert_int_equal(ioreq_range_add(&r, 2 * i, 2 * i), 0);
    assert_int_equal(ioreq_range_add(&r, 2 * IOREQ_RANGES, 2 * IOREQ_RANGES), -ENOSPC);
    assert_int_equal(ioreq_range_add(&r, 4, 4), -EEXIST);
    assert_false(ioreq_range_holds(&r, 4, 5));      /* half of it is not all of it */
    assert_int_equal(ioreq_range_add(&r, 5, 5), 0); /* fills a gap: one range less */
    assert_int_equal(ioreq_range_add(&r, 2 * IOREQ_RANGES, 2 * IOREQ_RANGES), 0);
    assert_int_equal(ioreq_range_remove(&r, 5, 5), -ENOSPC);
    assert_int_equal(ioreq_range_remove(&r, 5, 6), 0);
}

/* QEMU's PCI host bridge: CF8h in pieces around the reset port, and read as one. */
static void test_ranges_touch(void **state)
{
    static struct ioreq_ranges r;

    (void)state;
    assert_int_equal(ioreq_range_add(&r, 0xcf8, 0xcf8), 0);
    assert_int_equal(ioreq_range_add(&r, 0xcfa, 0xcfb), 0);
    assert_false(ioreq_range_holds(&r, 0xcf8, 0xcfb));
    assert_int_equal(ioreq_range_add(&r, 0xcf9, 0xcf9), 0);
    assert_true(ioreq_range_holds(&r, 0xcf8, 0xcfb));
    assert_int_equal(r.count, 1);
}

/* ---- The ring ---- */

static union {
    struct buffered_iopage page;
    u8 bytes[PAGE_SIZE];
} ring;

struct item {
    u8 type, size;
    u32 addr;
    u64 data;
};

/* As a device model takes one out. */
static struct item take(void)
{
    struct buffered_iopage *p = &ring.page;
    buf_ioreq_t b = p->buf_ioreq[p->read_pointer % IOREQ_BUFFER_SLOT_NUM];
    struct item it = {b.type, (u8)(1u << b.size), b.addr, b.data};

    if (it.size == 8)
        it.data |= (u64)p->buf_ioreq[(p->read_pointer + 1) % IOREQ_BUFFER_SLOT_NUM].data << 32;
    p->read_pointer += it.size == 8 ? 2 : 1;
    return it;
}

static void put_and_take(bool atomic, unsigned rounds)
{
    static struct item queue[4096];
    unsigned head = 0, tail = 0, slots = 0;

    memset(&ring, 0, sizeof(ring));
    for (unsigned n = 0; n < rounds; n++) {
        struct item it = {(u8)random_below(2), (u8)(1u << random_below(4)),
                          random_below(IOREQ_RING_REACH), random_below(1u << 31)};
        unsigned need = it.size == 8 ? 2 : 1;

        if (random_below(16) < 9) {
            bool first = false;
            bool ok =
                ioreq_ring_put(&ring.page, it.type, it.addr, it.size, it.data, atomic, &first);

            assert_int_equal(ok, slots + need <= IOREQ_BUFFER_SLOT_NUM);
            if (ok)
                assert_int_equal(first, slots == 0);
            if (ok)
                queue[head++ % 4096] = it, slots += need;
        } else if (head != tail) {
            struct item got = take(), want = queue[tail++ % 4096];

            slots -= got.size == 8 ? 2 : 1;
            assert_true(got.type == want.type && got.size == want.size && got.addr == want.addr);
            assert_true(got.data == want.data);
        }
        if (atomic)
            assert_true(ring.page.write_pointer < 3 * IOREQ_BUFFER_SLOT_NUM);
    }
}

static void test_ring(void **state)
{
    (void)state;
    put_and_take(true, 300000);
    put_and_take(false, 300000);
}

/* Whatever a device model writes into its page, nothing beyond the page changes and the call
 * returns. */
static void test_ring_hostile(void **state)
{
    static struct {
        u8 before[PAGE_SIZE];
        struct buffered_iopage page;
        u8 after[PAGE_SIZE];
    } m;

    bool first;

    (void)state;
    memset(&m, 0x5a, sizeof(m));
    for (unsigned n = 0; n < 100000; n++) {
        m.page.read_pointer = random_below(2) ? (u32)seed : random_below(2048);
        m.page.write_pointer =
            random_below(2) ? (u32)(seed >> 16) : m.page.read_pointer + random_below(600);
        (void)!ioreq_ring_put(&m.page, 1, 0xa0000, 1u << random_below(4), seed, random_below(2),
                              &first);
    }
    for (unsigned i = 0; i < PAGE_SIZE; i++) {
        assert_int_equal(m.before[i], 0x5a);
        assert_int_equal(m.after[i], 0x5a);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ranges_random), cmocka_unit_test(test_ranges_edges),
        cmocka_unit_test(test_ranges_touch),  cmocka_unit_test(test_ring),
        cmocka_unit_test(test_ring_hostile),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
