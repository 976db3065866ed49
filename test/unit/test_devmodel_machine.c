/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "devmodel/clock.h"
#include "devmodel/machine.h"

#define S  CLOCK_SECOND
#define T0 (3 * S)

static struct machine m;

static int start(void **state)
{
    static const struct machine_config c = {
        .seconds = 1709251190, .ram = 0xf0000000, .high_ram = 3ull << 30, .vcpus = 5};

    (void)state;
    machine_init(&m, &c, T0);
    return 0;
}

static uint8_t cmos(uint8_t reg)
{
    machine_write(&m, 0x70, 1, reg, T0);
    return (uint8_t)machine_read(&m, 0x71, 1, T0);
}

static void test_cmos(void **state)
{
    struct machine_config small = {.seconds = 0, .ram = 8 << 20, .vcpus = 1};

    (void)state;
    assert_int_equal(cmos(0x15) | cmos(0x16) << 8, 640);
    assert_int_equal(cmos(0x17) | cmos(0x18) << 8, 0xffff);
    assert_int_equal(cmos(0x30) | cmos(0x31) << 8, 0xffff);
    assert_int_equal(cmos(0x34) | cmos(0x35) << 8, (0xf0000000u - (16u << 20)) >> 16);
    assert_int_equal(cmos(0x5b) | cmos(0x5c) << 8 | cmos(0x5d) << 16, (3ull << 30) >> 16);
    assert_int_equal(cmos(0x5f), 4);
    assert_int_equal(cmos(0x00), 0x50);
    machine_init(&m, &small, T0);
    assert_int_equal(cmos(0x17) | cmos(0x18) << 8, 7 << 10);
    assert_int_equal(cmos(0x34) | cmos(0x35) << 8, 0);
}

/* Every port that is claimed answers, and only the last of the PM timer's neighbours is nobody's.
 */
static void test_ports(void **state)
{
    bool pit = false, port61 = false, rtc = false, event = false, timer = false;

    (void)state;
    for (size_t i = 0; i < machine_port_ranges; i++) {
        const struct machine_ports *p = &machine_ports[i];

        pit |= p->first == 0x40 && p->last == 0x43;
        port61 |= p->first == 0x61 && p->last == 0x61;
        rtc |= p->first == 0x70 && p->last == 0x71;
        event |= p->first == 0xb000 && p->last == 0xb003;
        timer |= p->first == 0xb008 && p->last == 0xb00b;
    }
    assert_true(pit && port61 && rtc && event && timer);
    assert_int_equal(machine_port_ranges, 5);
    assert_int_equal(machine_read(&m, 0xb008, 4, T0 + S), 3579545);
    machine_write(&m, 0xb008, 4, 0, T0 + S);
    assert_int_equal(machine_read(&m, 0xb008, 4, T0 + S), 3579545);
    machine_write(&m, 0xb002, 2, 0x120, T0);
    assert_int_equal(machine_read(&m, 0xb000, 4, T0), 0x01200000);
    machine_write(&m, 0x61, 1, 3, T0);
    assert_int_equal(machine_read(&m, 0x61, 1, T0) & 3, 3);
    assert_int_equal(machine_read(&m, 0x44, 1, T0), 0xff);
    assert_int_equal(machine_read(&m, 0x43, 2, T0), 0xffff);
    /* two ports at once: index and data */
    machine_write(&m, 0x70, 2, 0x5540, T0);
    assert_int_equal(cmos(0x40), 0x55);
}

static void periodic(uint16_t count, uint64_t now)
{
    machine_write(&m, 0x43, 1, 0x34, now);
    machine_write(&m, 0x40, 1, count & 0xff, now);
    machine_write(&m, 0x40, 1, count >> 8, now);
}

/* Served at each deadline, a thousand ticks a second are a thousand ticks a second. */
static void test_ticks_on_time(void **state)
{
    uint64_t now = T0;
    unsigned n = 0;

    (void)state;
    periodic(1193, T0);
    while (n < 5000) {
        uint64_t next = machine_deadline(&m, now);

        assert_true(next > now);
        now = next;
        n += machine_run(&m, now);
    }
    assert_int_equal(now, T0 + clock_ns(1193ull * 5000, PIT_HZ));
    assert_int_equal(m.ticks.dropped, 0);
}

/* After 100 ms in which nobody looked, the guest is given all of the ticks, at twice the pace at
 * most. */
static void test_ticks_late(void **state)
{
    uint64_t period = clock_ns(1193, PIT_HZ), now = T0 + S / 10, last = 0;
    unsigned n = 0;

    (void)state;
    periodic(1193, T0);
    for (; now < T0 + S; now = machine_deadline(&m, now)) {
        if (!machine_run(&m, now))
            continue;
        assert_true(last == 0 || now - last >= period / 2);
        last = now;
        n++;
    }
    assert_in_range(n, 999, 1001);
    assert_int_equal(m.ticks.dropped, 0);
}

static void test_ticks_very_late(void **state)
{
    (void)state;
    periodic(1193, T0);
    machine_run(&m, T0 + 10 * S);
    assert_in_range(m.ticks.owed, 999, 1001); /* one was given */
    assert_in_range(m.ticks.dropped, 8990, 9010);
}

/* Ticks that fell due before the counter was set anew are not lost by that. */
static void test_reprogrammed(void **state)
{
    unsigned n = 0;

    (void)state;
    periodic(11932, T0);
    periodic(0, T0 + S / 10 + S / 1000);
    for (uint64_t now = T0 + S / 10 + S / 1000; n < 10; now = machine_deadline(&m, now)) {
        assert_true(now < T0 + S);
        n += machine_run(&m, now);
    }
}

static void test_single_shot(void **state)
{
    uint64_t at = T0 + clock_ns(1000, PIT_HZ);

    (void)state;
    machine_write(&m, 0x43, 1, 0x30, T0);
    machine_write(&m, 0x40, 1, 1000 & 0xff, T0);
    machine_write(&m, 0x40, 1, 1000 >> 8, T0);
    assert_int_equal(machine_deadline(&m, T0), at);
    assert_false(machine_run(&m, at - 1));
    assert_true(machine_run(&m, at));
    assert_false(machine_run(&m, at + S));
    assert_int_equal(machine_deadline(&m, at), CLOCK_NEVER);
}

static void test_all_deadlines(void **state)
{
    (void)state;
    assert_int_equal(machine_deadline(&m, T0), CLOCK_NEVER);
    machine_write(&m, 0xb002, 2, 1, T0);
    assert_int_equal(machine_deadline(&m, T0), T0 + clock_ns(1ull << 31, PM_HZ));
    machine_write(&m, 0x70, 2, 0x120b, T0); /* an interrupt for each second */
    assert_int_equal(machine_deadline(&m, T0), T0 + S);
    machine_run(&m, T0 + S);
    assert_true(rtc_irq(&m.rtc));
    machine_run(&m, T0 + clock_ns(1ull << 31, PM_HZ));
    assert_true(pm_sci(&m.pm));
}

#define TEST(fn) cmocka_unit_test_setup(fn, start)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_cmos),        TEST(test_ports),           TEST(test_ticks_on_time),
        TEST(test_ticks_late),  TEST(test_ticks_very_late), TEST(test_reprogrammed),
        TEST(test_single_shot), TEST(test_all_deadlines),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
