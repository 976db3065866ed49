/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "devmodel/clock.h"
#include "devmodel/rtc.h"

#define S  CLOCK_SECOND
#define T0 (7 * S + 123) /* when the clock was set up */

static struct rtc rtc;

/* 2024-02-29 23:59:50 UTC, a Thursday */
static int start(void **state)
{
    (void)state;
    rtc_init(&rtc, 1709251190, T0);
    return 0;
}

static uint8_t get(uint8_t reg, uint64_t now)
{
    rtc_write(&rtc, 0, reg, now);
    return rtc_read(&rtc, 1, now);
}

static void set(uint8_t reg, uint8_t value, uint64_t now)
{
    rtc_write(&rtc, 0, reg | 0x80, now); /* with NMIs masked, as guests do it */
    rtc_write(&rtc, 1, value, now);
}

static void shows(uint64_t now, const uint8_t want[8])
{
    static const uint8_t regs[] = {RTC_CENTURY, RTC_YEAR,   RTC_MONTH,  RTC_DAY,
                                   RTC_HOUR,    RTC_MINUTE, RTC_SECOND, RTC_WEEKDAY};

    for (unsigned i = 0; i < 8; i++)
        assert_int_equal(get(regs[i], now), want[i]);
}

static void test_time(void **state)
{
    (void)state;
    shows(T0, (uint8_t[]){0x20, 0x24, 0x02, 0x29, 0x23, 0x59, 0x50, 5});
    shows(T0 + S - 1, (uint8_t[]){0x20, 0x24, 0x02, 0x29, 0x23, 0x59, 0x50, 5});
    shows(T0 + S, (uint8_t[]){0x20, 0x24, 0x02, 0x29, 0x23, 0x59, 0x51, 5});
    shows(T0 + 10 * S, (uint8_t[]){0x20, 0x24, 0x03, 0x01, 0x00, 0x00, 0x00, 6});
    shows(T0 + 86400ull * 366 * S, (uint8_t[]){0x20, 0x25, 0x03, 0x01, 0x23, 0x59, 0x50, 7});
    assert_int_equal(get(RTC_D, T0), 0x80);
}

static void test_formats(void **state)
{
    (void)state;
    set(RTC_B, 0x06, T0); /* binary, 24 hours */
    shows(T0, (uint8_t[]){20, 24, 2, 29, 23, 59, 50, 5});
    set(RTC_B, 0x00, T0);                               /* BCD, 12 hours */
    assert_int_equal(get(RTC_HOUR, T0), 0x91);          /* 11 pm */
    assert_int_equal(get(RTC_HOUR, T0 + 10 * S), 0x12); /* 12 am */
    assert_int_equal(get(RTC_HOUR, T0 + 10 * S + 12 * 3600 * S), 0x92);
    set(RTC_B, 0x04, T0);
    assert_int_equal(get(RTC_HOUR, T0), 0x80 | 11);
}

/* By SET, as Linux does it: the time stands, and goes on in step with the second that was under
 * way. */
static void test_set(void **state)
{
    uint64_t t = T0 + 3 * S + S / 4;

    (void)state;
    set(RTC_B, 0x82, t);
    shows(t + 5 * S, (uint8_t[]){0x20, 0x24, 0x02, 0x29, 0x23, 0x59, 0x53, 5});
    set(RTC_CENTURY, 0x19, t);
    set(RTC_YEAR, 0x99, t);
    set(RTC_MONTH, 0x12, t);
    set(RTC_DAY, 0x31, t);
    set(RTC_SECOND, 0x59, t);
    t += 2 * S;
    set(RTC_B, 0x02, t);
    shows(t, (uint8_t[]){0x19, 0x99, 0x12, 0x31, 0x23, 0x59, 0x59, 6});
    shows(t + 3 * S / 4 - 1, (uint8_t[]){0x19, 0x99, 0x12, 0x31, 0x23, 0x59, 0x59, 6});
    shows(t + 3 * S / 4, (uint8_t[]){0x20, 0x00, 0x01, 0x01, 0x00, 0x00, 0x00, 7});
}

static void test_ahead(void **state)
{
    struct timespec wall = {1709251190, 500000000};

    (void)state;
    rtc_init(&rtc, 1709251190, T0);
    assert_int_equal(rtc_ahead(&rtc, T0 + S / 2, &wall), 0);
    assert_int_equal(rtc_ahead(&rtc, T0 + 4 * S / 10, &wall), 0);
    assert_int_equal(rtc_ahead(&rtc, T0 + S + 6 * S / 10, &wall), 1);
    wall = (struct timespec){1709251191, 900000000};
    assert_int_equal(rtc_ahead(&rtc, T0 + 3 * S, &wall), 1);
    assert_int_equal(rtc_ahead(&rtc, T0 + S / 10, &wall), -2);
    wall.tv_sec += 86400;
    assert_int_equal(rtc_ahead(&rtc, T0 + S + 9 * S / 10, &wall), -86400);
    set(RTC_B, 0x82, T0 + 5 * S); /* being set: it stands */
    assert_int_equal(rtc_ahead(&rtc, T0 + 9 * S, &(struct timespec){1709251190, 0}), 5);
}

static void test_set_one_while_running(void **state)
{
    (void)state;
    set(RTC_MINUTE, 0x30, T0 + S / 2);
    shows(T0 + S - 1, (uint8_t[]){0x20, 0x24, 0x02, 0x29, 0x23, 0x30, 0x50, 5});
    shows(T0 + S, (uint8_t[]){0x20, 0x24, 0x02, 0x29, 0x23, 0x30, 0x51, 5});
}

/* Out of the divider's reset the first update comes half a second later. */
static void test_divider_reset(void **state)
{
    uint64_t t = T0 + 10 * S;

    (void)state;
    set(RTC_A, 0x76, T0);
    shows(t, (uint8_t[]){0x20, 0x24, 0x02, 0x29, 0x23, 0x59, 0x50, 5});
    set(RTC_A, 0x26, t);
    shows(t + S / 2 - 1, (uint8_t[]){0x20, 0x24, 0x02, 0x29, 0x23, 0x59, 0x50, 5});
    shows(t + S / 2, (uint8_t[]){0x20, 0x24, 0x02, 0x29, 0x23, 0x59, 0x51, 5});
    shows(t + 3 * S / 2, (uint8_t[]){0x20, 0x24, 0x02, 0x29, 0x23, 0x59, 0x52, 5});
}

static void test_update_in_progress(void **state)
{
    (void)state;
    assert_int_equal(get(RTC_A, T0), 0x26);
    assert_int_equal(get(RTC_A, T0 + S - 244001), 0x26);
    assert_int_equal(get(RTC_A, T0 + S - 244000), 0xa6);
    assert_int_equal(get(RTC_A, T0 + S - 1), 0xa6);
    assert_int_equal(get(RTC_A, T0 + S), 0x26);
    set(RTC_B, 0x82, T0 + S);
    assert_int_equal(get(RTC_A, T0 + 2 * S - 1), 0x26); /* nothing is updated while it is set */
}

static void test_update_interrupt(void **state)
{
    (void)state;
    assert_int_equal(rtc_deadline(&rtc, T0), CLOCK_NEVER);
    set(RTC_B, 0x12, T0 + 5);
    assert_int_equal(rtc_deadline(&rtc, T0 + 5), T0 + S);
    rtc_run(&rtc, T0 + S - 1);
    assert_false(rtc_irq(&rtc));
    rtc_run(&rtc, T0 + S);
    assert_true(rtc_irq(&rtc));
    assert_int_equal(rtc_deadline(&rtc, T0 + S), T0 + 2 * S);
    assert_int_equal(get(RTC_C, T0 + S) & 0x90, 0x90);
    assert_false(rtc_irq(&rtc));
    assert_int_equal(get(RTC_C, T0 + S), 0);
    assert_int_equal(rtc_deadline(&rtc, T0 + S), T0 + 2 * S);
}

/* Flags are set without their enables, but no interrupt is. */
static void test_polled(void **state)
{
    (void)state;
    assert_int_equal(get(RTC_C, T0 + S / 2), 0x40);
    assert_int_equal(get(RTC_C, T0 + S), 0x50);
    assert_false(rtc_irq(&rtc));
}

static void test_alarm(void **state)
{
    uint64_t midnight = T0 + 10 * S;

    (void)state;
    set(RTC_HOUR_ALARM, 0x00, T0);
    set(RTC_MINUTE_ALARM, 0x01, T0);
    set(RTC_SECOND_ALARM, 0x30, T0);
    set(RTC_B, 0x22, T0);
    assert_int_equal(rtc_deadline(&rtc, T0), midnight + 90 * S);
    rtc_run(&rtc, midnight + 90 * S - 1);
    assert_false(rtc_irq(&rtc));
    rtc_run(&rtc, midnight + 90 * S);
    assert_true(rtc_irq(&rtc));
    assert_int_equal(get(RTC_C, midnight + 90 * S) & 0xa0, 0xa0);
    assert_int_equal(rtc_deadline(&rtc, midnight + 90 * S), midnight + 90 * S + 86400 * S);
    set(RTC_HOUR_ALARM, 0xff, T0); /* every hour, every minute */
    set(RTC_MINUTE_ALARM, 0xc0, T0);
    assert_int_equal(rtc_deadline(&rtc, midnight + 90 * S), midnight + 150 * S);
    set(RTC_SECOND_ALARM, 0x77, T0); /* never */
    assert_int_equal(rtc_deadline(&rtc, midnight + 90 * S), CLOCK_NEVER);
}

/* An alarm that went by while nobody looked is not lost. */
static void test_alarm_late(void **state)
{
    (void)state;
    set(RTC_SECOND_ALARM, 0x05, T0);
    set(RTC_HOUR_ALARM, 0xc0, T0);
    set(RTC_MINUTE_ALARM, 0xc0, T0);
    set(RTC_B, 0x22, T0);
    rtc_run(&rtc, T0 + 10000 * S);
    assert_true(rtc_irq(&rtc));
}

static void test_periodic(void **state)
{
    uint64_t now = T0;

    (void)state;
    set(RTC_B, 0x42, T0);
    for (unsigned i = 1; i <= 2048; i++) {
        now = rtc_deadline(&rtc, now);
        assert_int_equal(now, T0 + clock_ns(32ull * i, 32768));
        rtc_run(&rtc, now - 1);
        assert_false(rtc_irq(&rtc));
        rtc_run(&rtc, now);
        assert_true(rtc_irq(&rtc));
        assert_int_equal(get(RTC_C, now) & 0xc0, 0xc0);
    }
    assert_int_equal(now, T0 + 2 * S);
    set(RTC_A, 0x20, now);
    assert_int_equal(rtc_deadline(&rtc, now), CLOCK_NEVER);
    set(RTC_A, 0x21, now); /* 256 Hz, as rate 8 */
    assert_int_equal(rtc_deadline(&rtc, now), now + S / 256);
    set(RTC_A, 0x2f, now);
    assert_int_equal(rtc_deadline(&rtc, now), now + S / 2);
}

/* A guest that acknowledges at once whatever comes until end, served from now on: how many ticks it
 * counts. No two come closer to each other than at twice the pace. */
static unsigned counted(uint64_t now, uint64_t end)
{
    uint64_t last = 0;
    unsigned n = 0;

    for (; now <= end; now = rtc_deadline(&rtc, now)) {
        assert_false(rtc_run(&rtc, now)); /* the line was down: it rises by itself */
        if (!rtc_irq(&rtc))
            continue;
        assert_true(now - last >= S / 2048);
        last = now;
        n++;
        assert_int_equal(get(RTC_C, now) & 0xc0, 0xc0);
    }
    return n;
}

static void test_owed_ticks(void **state)
{
    (void)state;
    set(RTC_B, 0x42, T0);
    /* half a second late: all of them come */
    assert_in_range(counted(T0 + S / 2, T0 + 2 * S), 2047, 2048);
    assert_int_equal(rtc.ticks.dropped, 0);
    /* five seconds late: one second of them comes, and what was left out is known */
    assert_in_range(counted(T0 + 7 * S, T0 + 9 * S), 1024 + 2048 - 2, 1024 + 2048 + 2);
    assert_in_range(rtc.ticks.dropped, 4 * 1024 - 2, 4 * 1024 + 2);
}

/* Who switches them off wants none any more. */
static void test_owed_forgotten(void **state)
{
    (void)state;
    set(RTC_B, 0x42, T0);
    rtc_run(&rtc, T0 + S);
    get(RTC_C, T0 + S);
    set(RTC_B, 0x02, T0 + S);
    set(RTC_B, 0x42, T0 + S);
    assert_int_equal(rtc_deadline(&rtc, T0 + S), T0 + clock_ns(1025 * 32, 32768));
}

/* While it has not acknowledged, a guest that does so gets no second interrupt, but afterwards it
 * gets what it missed. */
static void test_slow_guest(void **state)
{
    (void)state;
    set(RTC_B, 0x42, T0);
    assert_int_equal(counted(T0, T0 + S / 8), 128);
    for (uint64_t t = T0 + S / 8; t < T0 + S / 4; t += S / 4096)
        assert_false(rtc_run(&rtc, t));
    assert_true(rtc_irq(&rtc));
    get(RTC_C, T0 + S / 4);
    assert_in_range(counted(T0 + S / 4, T0 + S / 2), 3 * 128 - 2, 3 * 128);
}

/* Windows, told by hvmloader's tables that it may, never acknowledges: every tick is an edge. */
static void test_no_acknowledgement(void **state)
{
    unsigned n = 0;

    (void)state;
    set(RTC_B, 0x42, T0);
    for (uint64_t now = T0; now <= T0 + 3 * S; now = rtc_deadline(&rtc, now))
        n += rtc_run(&rtc, now);
    assert_int_equal(n, 3 * 1024 - 1); /* the first one raised the line */
    assert_int_equal(rtc.ticks.dropped, 0);
    set(RTC_B, 0x12, T0 + 3 * S); /* the same for updates */
    n = 0;
    for (uint64_t now = T0 + 3 * S; now <= T0 + 10 * S; now = rtc_deadline(&rtc, now))
        n += rtc_run(&rtc, now);
    assert_int_equal(n, 7);
}

/* The firmware acknowledged, the system that follows does not: after a second that is noticed. */
static void test_acknowledges_no_more(void **state)
{
    unsigned n = 0;

    (void)state;
    set(RTC_B, 0x42, T0);
    assert_int_equal(counted(T0, T0 + S), 1024);
    for (uint64_t now = T0 + S; now <= T0 + 4 * S; now = rtc_deadline(&rtc, now))
        n += rtc_run(&rtc, now);
    assert_in_range(n, 2 * 1024 + 1024 - 3, 2 * 1024 + 1024 + 1);
}

static void test_memory(void **state)
{
    (void)state;
    for (unsigned i = 0x0e; i < RTC_SIZE; i++)
        if (i != RTC_CENTURY)
            set((uint8_t)i, (uint8_t)(i ^ 0x5a), T0);
    for (unsigned i = 0x0e; i < RTC_SIZE; i++)
        if (i != RTC_CENTURY)
            assert_int_equal(get((uint8_t)i, T0), i ^ 0x5a);
    set(RTC_C, 0xff, T0);
    set(RTC_D, 0, T0);
    assert_int_equal(get(RTC_C, T0), 0);
    assert_int_equal(get(RTC_D, T0), 0x80);
    assert_int_equal(rtc_read(&rtc, 0, T0), 0xff);
}

#define TEST(fn) cmocka_unit_test_setup(fn, start)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_time),
        TEST(test_formats),
        TEST(test_set),
        TEST(test_ahead),
        TEST(test_set_one_while_running),
        TEST(test_divider_reset),
        TEST(test_update_in_progress),
        TEST(test_update_interrupt),
        TEST(test_polled),
        TEST(test_alarm),
        TEST(test_alarm_late),
        TEST(test_periodic),
        TEST(test_owed_ticks),
        TEST(test_owed_forgotten),
        TEST(test_slow_guest),
        TEST(test_no_acknowledgement),
        TEST(test_acknowledges_no_more),
        TEST(test_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
