/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "devmodel/clock.h"
#include "devmodel/pit.h"

#define CONTROL(counter, access, mode) ((uint8_t)((counter) << 6 | (access) << 4 | (mode) << 1))
#define LATCH(counter)                 ((uint8_t)((counter) << 6))
#define T0                             123456789u /* when the tests begin: nothing may hang on 0 */

static struct pit pit;

static int start(void **state)
{
    (void)state;
    pit_reset(&pit);
    return 0;
}

/* The first nanosecond of a tick after T0. */
static uint64_t at(uint64_t tick)
{
    return T0 + clock_ns(tick, PIT_HZ);
}

static void program(unsigned counter, unsigned mode, uint16_t count, uint64_t now)
{
    pit_write(&pit, 3, CONTROL(counter, 3, mode), now);
    pit_write(&pit, counter, (uint8_t)count, now);
    pit_write(&pit, counter, (uint8_t)(count >> 8), now);
}

static uint16_t latched(unsigned counter, uint64_t now)
{
    uint8_t low;

    pit_write(&pit, 3, LATCH(counter), now);
    low = pit_read(&pit, counter, now + CLOCK_SECOND); /* however late it is read */
    return (uint16_t)(low | pit_read(&pit, counter, now + CLOCK_SECOND) << 8);
}

static void test_clock(void **state)
{
    (void)state;
    for (uint64_t t = 0; t < 5000; t++) {
        assert_int_equal(clock_ticks(clock_ns(t, PIT_HZ), PIT_HZ), t);
        if (t)
            assert_int_equal(clock_ticks(clock_ns(t, PIT_HZ) - 1, PIT_HZ), t - 1);
    }
    /* ten years on, still to the tick */
    assert_int_equal(clock_ticks(315360000ull * CLOCK_SECOND, PIT_HZ), 315360000ull * PIT_HZ);
}

static void test_mode0(void **state)
{
    (void)state;
    program(0, 0, 1000, T0);
    assert_false(pit_output(&pit, 0, T0));
    assert_int_equal(latched(0, at(1)), 999);
    assert_int_equal(pit_next_rise(&pit, T0), at(1000));
    assert_int_equal(pit_next_rise(&pit, at(999)), at(1000));
    assert_false(pit_output(&pit, 0, at(1000) - 1));
    assert_true(pit_output(&pit, 0, at(1000)));
    assert_true(pit_output(&pit, 0, at(70000)));
    assert_int_equal(pit_next_rise(&pit, at(1000)), CLOCK_NEVER);
    assert_int_equal(latched(0, at(1001)), 0xffff); /* it goes on counting */
    assert_int_equal(pit_period(&pit), 0);
}

/* In mode 0 the low byte stops the count, the high one starts it anew. */
static void test_mode0_rewritten(void **state)
{
    (void)state;
    program(0, 0, 1000, T0);
    pit_write(&pit, 0, 50, at(10));
    assert_int_equal(pit_next_rise(&pit, at(20)), CLOCK_NEVER);
    pit_write(&pit, 0, 0, at(20));
    assert_in_range(pit_next_rise(&pit, at(20)), at(70), at(70) + 1);
}

static void test_mode2(void **state)
{
    uint64_t now = T0;

    (void)state;
    program(0, 2, 11932, T0);
    assert_int_equal(pit_period(&pit), clock_ns(11932, PIT_HZ));
    for (unsigned i = 1; i <= 1000; i++) { /* no error adds up */
        now = pit_next_rise(&pit, now);
        assert_int_equal(now, at(11932ull * i));
        assert_false(pit_output(&pit, 0, now - 1));
        assert_true(pit_output(&pit, 0, now));
    }
    assert_int_equal(latched(0, at(11932 * 3)), 11932);
    assert_int_equal(latched(0, at(11932 * 3 + 11931)), 1);
    assert_true(pit_output(&pit, 0, at(11930)));
    assert_false(pit_output(&pit, 0, at(11931)));
}

static void test_mode3(void **state)
{
    (void)state;
    program(0, 3, 0, T0); /* 65536: what firmware leaves behind, 18.2 Hz */
    assert_int_equal(pit_next_rise(&pit, T0), at(65536));
    assert_true(pit_output(&pit, 0, at(32767)));
    assert_false(pit_output(&pit, 0, at(32768)));
    assert_true(pit_output(&pit, 0, at(65536)));
    assert_int_equal(latched(0, at(1)), 65534);
    assert_int_equal(latched(0, at(32768)), 0);
    program(0, 7, 5, T0); /* 7 is 3; an odd count is high longer */
    assert_true(pit_output(&pit, 0, at(2)));
    assert_false(pit_output(&pit, 0, at(3)));
    assert_false(pit_output(&pit, 0, at(4)));
    assert_true(pit_output(&pit, 0, at(5)));
}

static void test_mode4(void **state)
{
    (void)state;
    program(0, 4, 100, T0);
    assert_true(pit_output(&pit, 0, at(99)));
    assert_false(pit_output(&pit, 0, at(100)));
    assert_true(pit_output(&pit, 0, at(101)));
    assert_int_equal(pit_next_rise(&pit, T0), at(101));
    assert_int_equal(pit_next_rise(&pit, at(101)), CLOCK_NEVER);
}

/* Nothing counts between control word and count, and its status says so. */
static void test_status(void **state)
{
    (void)state;
    pit_write(&pit, 3, CONTROL(0, 3, 2), T0);
    assert_int_equal(pit_next_rise(&pit, T0), CLOCK_NEVER);
    pit_write(&pit, 3, 0xe2, T0); /* read back: status of counter 0 */
    assert_int_equal(pit_read(&pit, 0, T0), 0x80 | 0x40 | 0x34);
    pit_write(&pit, 0, 0x34, T0);
    pit_write(&pit, 0, 0x12, T0);
    pit_write(&pit, 3, 0xc2, T0); /* status and count */
    assert_int_equal(pit_read(&pit, 0, at(5)), 0x80 | 0x34);
    assert_int_equal(pit_read(&pit, 0, at(5)), 0x34);
    assert_int_equal(pit_read(&pit, 0, at(5)), 0x12);
    assert_int_equal(pit_read(&pit, 0, at(0x34)), 0x00); /* not latched any more */
    assert_int_equal(pit_read(&pit, 3, T0), 0xff);
}

static void test_latch_once(void **state)
{
    (void)state;
    program(0, 2, 1000, T0);
    pit_write(&pit, 3, LATCH(0), at(1));
    pit_write(&pit, 3, LATCH(0), at(500)); /* the first one counts */
    assert_int_equal(pit_read(&pit, 0, at(500)), 999 & 0xff);
    assert_int_equal(pit_read(&pit, 0, at(500)), 999 >> 8);
}

static void test_single_bytes(void **state)
{
    (void)state;
    pit_write(&pit, 3, CONTROL(0, 1, 2), T0);
    pit_write(&pit, 0, 100, T0);
    assert_int_equal(pit_next_rise(&pit, T0), at(100));
    assert_int_equal(pit_read(&pit, 0, at(1)), 99);
    pit_write(&pit, 3, CONTROL(0, 2, 2), T0);
    pit_write(&pit, 0, 2, T0);
    assert_int_equal(pit_next_rise(&pit, T0), at(512));
    assert_int_equal(pit_read(&pit, 0, T0), 2);
    assert_int_equal(pit_read(&pit, 0, at(1)), 1);
}

static void test_bcd(void **state)
{
    (void)state;
    pit_write(&pit, 3, CONTROL(0, 3, 2) | 1, T0);
    pit_write(&pit, 0, 0x34, T0);
    pit_write(&pit, 0, 0x12, T0);
    assert_int_equal(pit_next_rise(&pit, T0), at(1234));
    assert_int_equal(latched(0, at(1)), 0x1233);
    pit_write(&pit, 0, 0, T0);
    pit_write(&pit, 0, 0, T0);
    assert_int_equal(pit_next_rise(&pit, T0), at(10000));
}

/* How firmware and Linux measure the TSC: counter 2 in mode 0, its output at port 61h. */
static void test_port_61(void **state)
{
    (void)state;
    pit_write_61(&pit, 0x01, T0);
    program(2, 0, 11932, T0);
    assert_int_equal(pit_read_61(&pit, T0) & 0x23, 0x01);
    assert_int_equal(pit_read_61(&pit, at(11932) - 1) & 0x20, 0);
    assert_int_equal(pit_read_61(&pit, at(11932)) & 0x20, 0x20);
    pit_write_61(&pit, 0x03, T0);
    assert_int_equal(pit_read_61(&pit, T0) & 0x03, 0x03);
}

static void test_gate_stops(void **state)
{
    (void)state;
    pit_write_61(&pit, 1, T0);
    program(2, 0, 1000, T0);
    pit_write_61(&pit, 0, at(400));
    assert_int_equal(latched(2, at(5000)), 600);
    pit_write_61(&pit, 1, at(5000));
    assert_int_equal(latched(2, at(5100)), 500);
    assert_false(pit_output(&pit, 2, at(5599)));
    assert_true(pit_output(&pit, 2, at(5601))); /* to the tick */
}

static void test_gate_starts(void **state)
{
    (void)state;
    program(2, 1, 100, T0); /* one shot: waits for the gate */
    assert_true(pit_output(&pit, 2, at(50)));
    pit_write_61(&pit, 1, at(1000));
    assert_false(pit_output(&pit, 2, at(1000)));
    assert_false(pit_output(&pit, 2, at(1099)));
    assert_true(pit_output(&pit, 2, at(1101)));
    pit_write_61(&pit, 0, at(1200));
    pit_write_61(&pit, 1, at(1300)); /* and again */
    assert_false(pit_output(&pit, 2, at(1399)));
    assert_true(pit_output(&pit, 2, at(1401)));
    program(2, 2, 100, T0);
    pit_write_61(&pit, 0, at(50));
    assert_true(pit_output(&pit, 2, at(99))); /* high while it is stopped */
    pit_write_61(&pit, 1, at(1000));
    assert_int_equal(latched(2, at(1001) + 1), 99);
}

/* The refresh bit changes every 15 microseconds. */
static void test_refresh(void **state)
{
    unsigned changes = 0;

    (void)state;
    for (uint64_t t = 1; t <= 10000; t++) /* ten milliseconds */
        changes += (pit_read_61(&pit, t * 1000) ^ pit_read_61(&pit, (t - 1) * 1000)) >> 4 & 1;
    assert_in_range(changes, 661, 664);
}

#define TEST(fn) cmocka_unit_test_setup(fn, start)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_clock),       TEST(test_mode0),      TEST(test_mode0_rewritten),
        TEST(test_mode2),       TEST(test_mode3),      TEST(test_mode4),
        TEST(test_status),      TEST(test_latch_once), TEST(test_single_bytes),
        TEST(test_bcd),         TEST(test_port_61),    TEST(test_gate_stops),
        TEST(test_gate_starts), TEST(test_refresh),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
