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
    static const struct machine_config c = {.seconds = 1709251190,
                                            .ram = 0xf0000000,
                                            .high_ram = 3ull << 30,
                                            .vcpus = 5,
                                            .hpet = true,
                                            .boot = "dnc"};

    (void)state;
    machine_init(&m, &c, T0);
    return 0;
}

static uint8_t cmos_at(uint8_t reg, uint64_t now)
{
    machine_write(&m, 0x70, 1, reg, now);
    return (uint8_t)machine_read(&m, 0x71, 1, now);
}

static uint8_t cmos(uint8_t reg)
{
    return cmos_at(reg, T0);
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
    assert_int_equal(cmos(0x3d), 0x43); /* CD, network, hard disk */
    assert_int_equal(cmos(0x38), 0x20);
    assert_int_equal(cmos(0x00), 0x50);
    machine_init(&m, &small, T0);
    assert_int_equal(cmos(0x17) | cmos(0x18) << 8, 7 << 10);
    assert_int_equal(cmos(0x34) | cmos(0x35) << 8, 0);
    assert_int_equal(cmos(0x3d), 0);
    assert_int_equal(cmos(0x38), 0);
}

/* Every port that is claimed answers as what it is. */
static void test_ports(void **state)
{
    static const struct machine_ports want[] = {{0x40, 0x43},   {0x61, 0x61},     {0x70, 0x71},
                                                {0xcf9, 0xcf9}, {0xafe0, 0xafe3}, {0xb000, 0xb00b}};

    (void)state;
    assert_int_equal(machine_port_ranges, sizeof(want) / sizeof(want[0]));
    assert_memory_equal(machine_ports, want, sizeof(want));
    assert_int_equal(machine_read(&m, 0xb008, 4, T0 + S), 3579545);
    assert_int_equal(machine_read(&m, 0xb009, 2, T0 + S), 3579545 >> 8 & 0xffff);
    machine_write(&m, 0xb008, 4, 0, T0 + S);
    assert_int_equal(machine_read(&m, 0xb008, 4, T0 + S), 3579545);
    machine_write(&m, 0xb002, 2, 0x120, T0);
    assert_int_equal(machine_read(&m, 0xb000, 4, T0), 0x01200000);
    machine_write(&m, 0xafe0, 4, 0x00020000, T0);
    assert_int_equal(machine_read(&m, 0xafe0, 4, T0), 0x00020000);
    assert_int_equal(machine_read(&m, 0xb004, 4, T0), 0xffff0001);
    machine_write(&m, 0x61, 1, 3, T0);
    assert_int_equal(machine_read(&m, 0x61, 1, T0) & 3, 3);
    assert_int_equal(machine_read(&m, 0x44, 1, T0), 0xff);
    assert_int_equal(machine_read(&m, 0x43, 2, T0), 0xffff);
}

/* Byte ports take larger accesses apart, from the lowest up. */
static void test_wide(void **state)
{
    (void)state;
    machine_write(&m, 0x70, 2, 0x5540, T0); /* index, then data */
    assert_int_equal(cmos(0x40), 0x55);
    machine_write(&m, 0x70, 1, 0x40, T0);
    assert_int_equal(machine_read(&m, 0x70, 2, T0), 0x55ff);
    machine_write(&m, 0x43, 1, 0x14, T0); /* counters 0 to 2: one byte, mode 2 */
    machine_write(&m, 0x43, 1, 0x54, T0);
    machine_write(&m, 0x43, 1, 0x94, T0);
    machine_write(&m, 0x40, 4, 0xe8807040, T0);              /* and read back their state */
    assert_int_equal(machine_read(&m, 0x42, 2, T0), 0xff94); /* the third is latched */
    assert_int_equal(machine_read(&m, 0x40, 2, T0), 0x7040);
}

static void test_wishes(void **state)
{
    (void)state;
    assert_int_equal(machine_wish(&m), PM_NOTHING);
    machine_write(&m, 0xb004, 2, 0x2001, T0);
    assert_int_equal(machine_wish(&m), PM_POWER_OFF);
    assert_int_equal(machine_wish(&m), PM_NOTHING);
    machine_write(&m, 0xcf9, 1, 0x02, T0); /* which kind, and then that it be done */
    assert_int_equal(machine_wish(&m), PM_NOTHING);
    machine_write(&m, 0xcf9, 1, 0x06, T0);
    assert_int_equal(machine_wish(&m), PM_RESET);
    assert_int_equal(machine_read(&m, 0xcf9, 1, T0), 0x06);
    machine_write(&m, 0xcf9, 1, 0x06, T0); /* it is 1 already */
    assert_int_equal(machine_wish(&m), PM_NOTHING);
}

static void periodic(uint16_t count, uint64_t now)
{
    machine_write(&m, 0x43, 1, 0x34, now);
    machine_write(&m, 0x40, 1, count & 0xff, now);
    machine_write(&m, 0x40, 1, count >> 8, now);
    machine_run(&m, now);
}

/* Serves the machine at now. How often that line rose. */
static unsigned rises(unsigned line, uint64_t now)
{
    static uint32_t was;
    uint32_t is, pulses;

    machine_run(&m, now);
    is = machine_lines(&m, &pulses);
    pulses |= is & ~was;
    was = is;
    return pulses >> line & 1;
}

/* Served at each deadline, a thousand ticks a second are a thousand ticks a second. */
static void test_ticks_on_time(void **state)
{
    uint64_t now = T0;
    unsigned n = 0;

    (void)state;
    periodic(1193, T0);
    while (n < 5000) {
        assert_true(m.deadline > now);
        now = m.deadline;
        n += rises(0, now);
    }
    assert_int_equal(now, T0 + clock_ns(1193ull * 5000, PIT_HZ));
    assert_int_equal(machine_dropped(&m), 0);
}

/* Not served, or paused, for a while: the guest is given all of the ticks, at twice the pace at
 * most. */
static void test_ticks_late(void **state)
{
    uint64_t period = clock_ns(1193, PIT_HZ), now = T0 + S / 10, last = 0;
    unsigned n = 0;

    (void)state;
    periodic(1193, T0);
    for (; now < T0 + S; now = m.deadline) {
        if (!rises(0, now))
            continue;
        assert_true(last == 0 || now - last >= period / 2);
        last = now;
        n++;
    }
    assert_in_range(n, 999, 1001);
    assert_int_equal(machine_dropped(&m), 0);
}

static void test_ticks_very_late(void **state)
{
    (void)state;
    periodic(1193, T0);
    machine_run(&m, T0 + 10 * S);
    assert_in_range(m.ticks.owed, 999, 1001); /* one was given */
    assert_in_range(machine_dropped(&m), 8990, 9010);
}

/* A guest that asks for a tick each microsecond does not keep the daemon that busy. */
static void test_ticks_flood(void **state)
{
    unsigned served = 0, n = 0;

    (void)state;
    periodic(2, T0);
    for (uint64_t now = m.deadline; now < T0 + S; now = m.deadline, served++)
        n += rises(0, now);
    assert_in_range(n, TICKS_PER_SECOND, 2 * TICKS_PER_SECOND);
    assert_int_equal(served, n);
}

/* Whenever the daemon comes to it: counters never go back, and neither does the clock. */
static void test_monotonic(void **state)
{
    uint64_t now = T0, hpet = 0;
    uint32_t timer = 0;

    (void)state;
    machine_write_memory(&m, HPET_BASE + 0x10, 4, 1, T0);
    for (unsigned i = 0; i < 10000; i++) {
        uint64_t h = machine_read_memory(&m, HPET_BASE + 0xf0, 8, now);
        uint32_t t = machine_read(&m, 0xb008, 4, now);

        assert_true(h >= hpet && t >= timer);
        assert_int_equal(h, (now - T0 / 16 * 16) / 16);
        hpet = h;
        timer = t;
        now += i % 100 ? i : i * 10000;
        machine_run(&m, now);
    }
}

/* Ticks that fell due before the counter was set anew are not lost by that. */
static void test_reprogrammed(void **state)
{
    unsigned n = 0;

    (void)state;
    periodic(11932, T0);
    periodic(0, T0 + S / 10 + S / 1000);
    for (uint64_t now = T0 + S / 10 + S / 1000; n < 10; now = m.deadline) {
        assert_true(now < T0 + S);
        n += rises(0, now);
    }
}

static void test_single_shot(void **state)
{
    uint64_t at = T0 + clock_ns(1000, PIT_HZ);

    (void)state;
    machine_write(&m, 0x43, 1, 0x30, T0);
    machine_write(&m, 0x40, 1, 1000 & 0xff, T0);
    machine_write(&m, 0x40, 1, 1000 >> 8, T0);
    machine_run(&m, T0);
    assert_int_equal(m.deadline, at);
    assert_int_equal(rises(0, at - 1), 0);
    assert_int_equal(rises(0, at), 1);
    assert_int_equal(rises(0, at + S), 0);
    assert_int_equal(m.deadline, CLOCK_NEVER);
}

static void test_all_deadlines(void **state)
{
    (void)state;
    machine_run(&m, T0);
    assert_int_equal(m.deadline, CLOCK_NEVER);
    machine_write(&m, 0xb002, 2, 1, T0);
    machine_run(&m, T0);
    assert_int_equal(m.deadline, T0 + clock_ns(1ull << 31, PM_HZ));
    machine_write(&m, 0x70, 2, 0x120b, T0); /* an interrupt for each second */
    machine_run(&m, T0);
    assert_int_equal(m.deadline, T0 + S);
    assert_int_equal(rises(8, T0 + S), 1);
    assert_int_equal(rises(9, T0 + clock_ns(1ull << 31, PM_HZ)), 1);
    machine_write_memory(&m, HPET_BASE + 0x10, 4, 1, T0 + 600 * S);
    machine_write_memory(&m, HPET_BASE + 0x140, 4, 0x2804, T0 + 600 * S); /* timer 2, pin 20 */
    machine_write_memory(&m, HPET_BASE + 0x148, 8, 1000, T0 + 600 * S);
    machine_run(&m, T0 + 600 * S);
    assert_int_equal(m.deadline, T0 / 16 * 16 + 600 * S + 16000);
    assert_int_equal(rises(20, m.deadline), 1);
}

/* Legacy replacement: IRQ 0 and 8 are the HPET's, and the PIT and the clock are silent. */
static void test_legacy(void **state)
{
    uint64_t now = T0;
    unsigned irq0 = 0, irq8 = 0;

    (void)state;
    periodic(1193, T0);
    machine_write(&m, 0x70, 2, 0x420b, T0);
    machine_write_memory(&m, HPET_BASE + 0x100, 4, 0x14c, T0); /* periodic, 32 bits */
    machine_write_memory(&m, HPET_BASE + 0x108, 4, 625000, T0);
    machine_write_memory(&m, HPET_BASE + 0x108, 4, 625000, T0); /* 100 a second */
    machine_write_memory(&m, HPET_BASE + 0x120, 4, 0x004, T0);
    machine_write_memory(&m, HPET_BASE + 0x128, 8, 31250000, T0); /* once */
    machine_write_memory(&m, HPET_BASE + 0x10, 4, 3, T0);
    machine_run(&m, T0);
    for (; now < T0 + S; now = m.deadline) {
        uint32_t pulses;

        machine_run(&m, now);
        machine_lines(&m, &pulses);
        irq0 += pulses & 1;
        irq8 += pulses >> 8 & 1;
    }
    assert_in_range(irq0, 99, 100);
    assert_int_equal(irq8, 1);
    machine_write_memory(&m, HPET_BASE + 0x10, 4, 1, now); /* and back */
    machine_run(&m, now);
    assert_in_range(m.deadline, now, now + S / 1000);
}

/* What changes nothing leaves the deadline alone, what may change it says so. */
static void test_deadline_stands(void **state)
{
    (void)state;
    machine_run(&m, T0);
    machine_read(&m, 0xb008, 4, T0 + 1);
    machine_read(&m, 0x61, 1, T0 + 1);
    machine_read(&m, 0x40, 1, T0 + 1);
    cmos_at(0x0a, T0 + 1);
    machine_read_memory(&m, HPET_BASE + 0xf0, 8, T0 + 1);
    assert_int_equal(m.deadline, CLOCK_NEVER);
    cmos_at(0x0c, T0 + 1);
    assert_int_equal(m.deadline, T0 + 1);
    machine_run(&m, T0 + 2);
    machine_write(&m, 0x43, 1, 0x34, T0 + 3);
    assert_int_equal(m.deadline, T0 + 3);
    machine_run(&m, T0 + 4);
    machine_write_memory(&m, HPET_BASE + 0x10, 4, 1, T0 + 5);
    assert_int_equal(m.deadline, T0 + 5);
}

static void test_pm_timer_phase(void **state)
{
    struct machine_config c = {.vcpus = 1, .pm_timer = 123456789};
    uint64_t now = 600 * S;

    (void)state;
    machine_init(&m, &c, now);
    assert_int_equal(machine_read(&m, 0xb008, 4, now), 123456789);
    assert_int_equal(machine_read(&m, 0xb008, 4, now + S), 123456789 + PM_HZ);
}

static void test_no_hpet(void **state)
{
    struct machine_config c = {.vcpus = 1};

    (void)state;
    assert_int_equal(machine_read_memory(&m, HPET_BASE, 4, T0), 0x8086a201);
    machine_init(&m, &c, T0);
    assert_int_equal(machine_read_memory(&m, HPET_BASE, 4, T0), 0xffffffff);
    assert_int_equal(machine_read_memory(&m, HPET_BASE, 8, T0), UINT64_MAX);
    machine_write_memory(&m, HPET_BASE + 0x10, 4, 1, T0);
    assert_int_equal(m.hpet.config, 0);
}

/* A guest that reads the flags, so that the line falls, and is owed a tick: the line is seen down
 * in between. */
static void test_rtc_edges(void **state)
{
    uint32_t pulses;

    (void)state;
    machine_write(&m, 0x70, 2, 0x420b, T0);
    machine_run(&m, T0 + S / 2);
    assert_int_equal(machine_lines(&m, &pulses), 1 << 8);
    assert_int_equal(pulses, 0);
    for (uint64_t now = T0 + S / 2; now < T0 + S / 2 + S / 100; now += S / 1000) {
        assert_int_equal(cmos_at(0x0c, now), 0xc0);
        assert_int_equal(machine_lines(&m, &pulses), 0);
        machine_run(&m, now + S / 1000);
        assert_int_equal(machine_lines(&m, &pulses), 1 << 8);
    }
}

/* Ticks that are owed are not given at once when the guest ends the periodic mode. */
static void test_owed_and_stopped(void **state)
{
    static const uint8_t stop[] = {0x30, 0, 0}; /* mode 0, 65536 counts: 55 ms */
    uint64_t now = T0 + 9 * S / 10;
    unsigned rises = 0;
    uint32_t pulses;

    (void)state;
    machine_write(&m, 0x43, 1, 0x34, T0);
    machine_write(&m, 0x40, 1, 1193 & 0xff, T0);
    machine_write(&m, 0x40, 1, 1193 >> 8, T0);
    machine_write(&m, 0x43, 1, stop[0], now);
    machine_write(&m, 0x40, 1, stop[1], now);
    machine_write(&m, 0x40, 1, stop[2], now);
    for (uint64_t end = now + S / 20; now < end; now += S / 100000) {
        machine_run(&m, now);
        machine_lines(&m, &pulses);
        rises += pulses & 1;
    }
    assert_true(rises <= 1);
    machine_run(&m, now + S / 100);
    machine_lines(&m, &pulses);
    assert_int_equal(pulses & 1, 1); /* the single one */
}

#define TEST(fn) cmocka_unit_test_setup(fn, start)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_cmos),
        TEST(test_ports),
        TEST(test_wide),
        TEST(test_wishes),
        TEST(test_ticks_on_time),
        TEST(test_ticks_late),
        TEST(test_ticks_very_late),
        TEST(test_ticks_flood),
        TEST(test_monotonic),
        TEST(test_reprogrammed),
        TEST(test_single_shot),
        TEST(test_owed_and_stopped),
        TEST(test_all_deadlines),
        TEST(test_legacy),
        TEST(test_no_hpet),
        TEST(test_pm_timer_phase),
        TEST(test_rtc_edges),
        TEST(test_deadline_stands),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
