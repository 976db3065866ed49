/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "devmodel/clock.h"
#include "devmodel/hpet.h"

#define S        CLOCK_SECOND
#define T0       (5 * S) /* a multiple of the counter's tick */
#define CONFIG   0x10
#define STATUS   0x20
#define COUNTER  0xf0
#define TIMER(n) (0x100 + 0x20 * (n))
#define LEVEL    0x002
#define ENABLE   0x004
#define PERIODIC 0x008
#define SETVAL   0x040
#define BITS32   0x100
#define PIN(p)   ((uint64_t)(p) << 9)
#define PER_SEC  62500000ull

static struct hpet hpet;

static int start(void **state)
{
    (void)state;
    hpet_init(&hpet);
    return 0;
}

static uint64_t at(uint64_t tick)
{
    return T0 + tick * 16;
}

static uint64_t get(unsigned reg, uint64_t now)
{
    return hpet_read(&hpet, reg, 8, now);
}

static void set(unsigned reg, uint64_t value, uint64_t now)
{
    hpet_write(&hpet, reg, 8, value, now);
}

static void test_registers(void **state)
{
    (void)state;
    assert_int_equal(get(0, T0), 16000000ull << 32 | 0x8086a201);
    assert_int_equal(hpet_read(&hpet, 4, 4, T0), 16000000);
    assert_int_equal(hpet_read(&hpet, 2, 2, T0), 0x8086);
    set(0, 0, T0);
    assert_int_equal(hpet_read(&hpet, 0, 4, T0), 0x8086a201);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(get(TIMER(i), T0), 0x00f00000ull << 32 | 0x30);
        assert_int_equal(get(TIMER(i) + 8, T0), UINT64_MAX);
        set(TIMER(i), UINT64_MAX, T0);
        assert_int_equal(get(TIMER(i), T0), 0x00f00000ull << 32 | 0x3f7e);
    }
    assert_int_equal(get(TIMER(3), T0), 0);
    set(TIMER(3), UINT64_MAX, T0);
    set(CONFIG, UINT64_MAX, T0);
    assert_int_equal(get(CONFIG, T0), 3);
    assert_int_equal(hpet_read(&hpet, 2, 4, T0), UINT32_MAX); /* across registers */
    hpet_write(&hpet, 0xe, 4, 0, T0);
    assert_int_equal(get(CONFIG, T0), 3);
    assert_int_equal(hpet_read(&hpet, 0x3fc, 8, T0), UINT64_MAX);
}

static void test_counter(void **state)
{
    (void)state;
    assert_int_equal(get(COUNTER, T0 + S), 0); /* it is halted */
    set(COUNTER, 0x123456789, T0 + S);
    assert_int_equal(get(COUNTER, T0 + 2 * S), 0x123456789);
    hpet_write(&hpet, COUNTER + 4, 4, 0, T0 + S);
    hpet_write(&hpet, COUNTER, 4, 7, T0 + S);
    set(CONFIG, 1, T0);
    assert_int_equal(get(COUNTER, T0), 7);
    assert_int_equal(get(COUNTER, at(1) - 1), 7);
    assert_int_equal(get(COUNTER, at(1)), 8);
    assert_int_equal(get(COUNTER, T0 + 100 * S), 100 * PER_SEC + 7);
    assert_int_equal(hpet_read(&hpet, COUNTER + 4, 4, T0 + 100 * S), 100 * PER_SEC >> 32);
    set(CONFIG, 0, T0 + 100 * S);
    assert_int_equal(get(COUNTER, T0 + 200 * S), 100 * PER_SEC + 7);
    set(CONFIG, 1, T0 + 200 * S);
    assert_int_equal(get(COUNTER, T0 + 201 * S), 101 * PER_SEC + 7);
}

static void test_one_shot(void **state)
{
    (void)state;
    set(CONFIG, 1, T0);
    set(TIMER(0), ENABLE | PIN(21), T0);
    set(TIMER(0) + 8, 1000, T0);
    assert_int_equal(hpet_line(&hpet, 0), 21);
    assert_int_equal(hpet_deadline(&hpet), at(1000));
    assert_int_equal(hpet_run(&hpet, at(1000) - 1), 0);
    assert_int_equal(hpet_run(&hpet, at(1000)), 1);
    assert_int_equal(hpet_levels(&hpet), 0);
    assert_int_equal(hpet_deadline(&hpet), CLOCK_NEVER);
    assert_int_equal(hpet_run(&hpet, at(1000000)), 0);
    set(TIMER(0) + 8, get(COUNTER, at(1000000)) + 50, at(1000000));
    assert_int_equal(hpet_run(&hpet, at(1000050)), 1);
    set(TIMER(0), PIN(21), at(1000050)); /* disabled */
    set(TIMER(0) + 8, 2000000, at(1000050));
    assert_int_equal(hpet_deadline(&hpet), CLOCK_NEVER);
    assert_int_equal(hpet_run(&hpet, at(3000000)), 0);
}

/* What a guest reckoned a moment ago and the daemon sees too late: now, not in a minute. */
static void test_late_write(void **state)
{
    uint64_t now = T0 + 200 * S; /* 32 bits have wrapped around */
    uint64_t c;

    (void)state;
    set(CONFIG, 1, T0);
    set(TIMER(2), ENABLE | BITS32, T0);
    c = get(COUNTER, now);
    set(TIMER(2) + 8, c - 1000, now);
    assert_true(hpet_deadline(&hpet) <= now);
    assert_int_equal(hpet_run(&hpet, now), 4);
    set(TIMER(2) + 8, c + 0x7fffffff, now); /* far ahead is far ahead */
    assert_int_equal(hpet_run(&hpet, now), 0);
    assert_int_equal(hpet_deadline(&hpet), now + 0x7fffffffull * 16);
    set(TIMER(2), 0, now);
    set(TIMER(2) + 8, c + 100, now);
    hpet_run(&hpet, now + S / 10);
    set(TIMER(2), ENABLE | BITS32, now + S / 10); /* it passed before it was enabled */
    assert_int_equal(hpet_run(&hpet, now + S / 10), 4);
}

static void test_32_bits(void **state)
{
    (void)state;
    set(COUNTER, 0xfffffff0, T0);
    set(TIMER(1), ENABLE | BITS32, T0);
    set(TIMER(1) + 8, 0x1234500000010, T0);
    assert_int_equal(get(TIMER(1) + 8, T0), 0x10);
    set(CONFIG, 1, T0);
    assert_int_equal(hpet_deadline(&hpet), at(0x20)); /* behind the wrap */
    assert_int_equal(hpet_run(&hpet, at(0x20)), 2);
}

/* As Linux programs it. */
static void program(unsigned n, uint64_t config, uint32_t first, uint32_t period, uint64_t now)
{
    hpet_write(&hpet, TIMER(n), 4, config | ENABLE | PERIODIC | SETVAL | BITS32, now);
    hpet_write(&hpet, TIMER(n) + 8, 4, first, now);
    hpet_write(&hpet, TIMER(n) + 8, 4, period, now);
}

static void test_periodic(void **state)
{
    unsigned n = 0;

    (void)state;
    set(CONFIG, 1, T0);
    program(1, PIN(22), 1000, 62500, T0);
    assert_int_equal(get(TIMER(1), T0) & SETVAL, 0);
    assert_int_equal(get(TIMER(1) + 8, T0), 1000);
    while (n < 5000) {
        uint64_t now = hpet_deadline(&hpet);

        assert_int_equal(now, at(1000 + 62500ull * n));
        assert_int_equal(hpet_run(&hpet, now), 2);
        assert_int_equal(get(TIMER(1) + 8, now), 1000 + 62500ull * ++n);
    }
    assert_int_equal(hpet.timer[1].ticks.dropped, 0);
}

/* Ticks that fell due while nobody served follow at twice the pace; beyond a second's they are
 * dropped, and counted. */
static void test_periodic_late(void **state)
{
    unsigned n = 0;

    (void)state;
    set(CONFIG, 1, T0);
    program(0, 0, 62500, 62500, T0);
    for (uint64_t now = T0 + S / 2, last = 0; now <= T0 + 2 * S; now = hpet_deadline(&hpet)) {
        if (!hpet_run(&hpet, now))
            continue;
        assert_true(now - last >= S / 2000);
        last = now;
        n++;
    }
    assert_int_equal(n, 2000);
    hpet_run(&hpet, T0 + 12 * S);
    assert_in_range(hpet.timer[0].ticks.owed, 999, 1001);
    assert_in_range(hpet.timer[0].ticks.dropped, 8998, 9002);
}

static void test_flood(void **state)
{
    unsigned n = 0;

    (void)state;
    set(CONFIG, 1, T0);
    program(0, 0, 1, 1, T0);
    for (uint64_t now = hpet_deadline(&hpet); now < T0 + S; now = hpet_deadline(&hpet))
        n += hpet_run(&hpet, now);
    assert_in_range(n, TICKS_PER_SECOND, 2 * TICKS_PER_SECOND);
}

/* A 64-bit period in two halves. */
static void test_period_halves(void **state)
{
    (void)state;
    set(TIMER(0), ENABLE | PERIODIC | SETVAL, T0);
    set(TIMER(0) + 8, 0x500000000, T0);
    hpet_write(&hpet, TIMER(0) + 8, 4, 0x10, T0);
    assert_int_equal(hpet.timer[0].period, 0x10);
    hpet_write(&hpet, TIMER(0) + 12, 4, 0x1, T0);
    assert_int_equal(hpet.timer[0].period, 0x100000010);
    assert_int_equal(get(TIMER(0) + 8, T0), 0x500000000);
}

static void test_level(void **state)
{
    (void)state;
    set(CONFIG, 1, T0);
    program(2, LEVEL | PIN(23), 1000, 1000000, T0);
    assert_int_equal(hpet_run(&hpet, at(1000)), 0);
    assert_int_equal(hpet_levels(&hpet), 4);
    assert_int_equal(get(STATUS, at(1000)), 4);
    assert_int_equal(hpet_deadline(&hpet), CLOCK_NEVER); /* until it is acknowledged */
    assert_int_equal(hpet_run(&hpet, at(2001000)), 0);
    set(STATUS, 3, at(2001000));
    assert_int_equal(hpet_levels(&hpet), 4);
    set(STATUS, 4, at(2001000));
    assert_int_equal(hpet_levels(&hpet), 0);
    hpet_run(&hpet, at(2001000)); /* two more are owed */
    assert_int_equal(hpet_levels(&hpet), 4);
    set(STATUS, 4, at(2001000));
    assert_int_equal(hpet_deadline(&hpet), at(2501000));
    set(TIMER(2), ENABLE | PIN(23), at(2001000));
    assert_int_equal(get(STATUS, at(2001000)), 0);
}

static void test_lines(void **state)
{
    (void)state;
    set(TIMER(0), PIN(5), T0);
    assert_int_equal(hpet_line(&hpet, 0), 20); /* there is no such pin to choose */
    set(TIMER(0), PIN(23), T0);
    set(TIMER(1), PIN(22), T0);
    set(TIMER(2), PIN(21), T0);
    assert_int_equal(hpet_line(&hpet, 0), 23);
    assert_int_equal(hpet_line(&hpet, 1), 22);
    assert_false(hpet_is_legacy(&hpet));
    set(CONFIG, 2, T0);
    assert_true(hpet_is_legacy(&hpet));
    assert_int_equal(hpet_line(&hpet, 0), 0);
    assert_int_equal(hpet_line(&hpet, 1), 8);
    assert_int_equal(hpet_line(&hpet, 2), 21);
}

/* Halted, nothing happens; when it goes on, it goes on from there. */
static void test_halt(void **state)
{
    (void)state;
    set(CONFIG, 1, T0);
    set(TIMER(0), ENABLE, T0);
    set(TIMER(0) + 8, 1000, T0);
    set(CONFIG, 0, at(400));
    assert_int_equal(hpet_deadline(&hpet), CLOCK_NEVER);
    assert_int_equal(hpet_run(&hpet, at(5000)), 0);
    set(CONFIG, 1, at(5000));
    assert_int_equal(hpet_deadline(&hpet), at(5600));
    set(COUNTER, 900, at(5000)); /* and from where it is put */
    assert_int_equal(hpet_deadline(&hpet), at(5100));
    assert_int_equal(hpet_run(&hpet, at(5100)), 1);
}

#define TEST(fn) cmocka_unit_test_setup(fn, start)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_registers),     TEST(test_counter), TEST(test_one_shot),
        TEST(test_late_write),    TEST(test_32_bits), TEST(test_periodic),
        TEST(test_periodic_late), TEST(test_flood),   TEST(test_period_halves),
        TEST(test_level),         TEST(test_lines),   TEST(test_halt),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
