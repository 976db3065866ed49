/* SPDX-License-Identifier: BSD-2-Clause */
/* Root mode's clock: the same as a guest's by the public header's formula, and no deadline that is
 * found early when it fires. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "hv/types.h"

/* The TSC is the test's: hv/cpu.h is left out. */
#define HV_CPU_H
static u64 tsc;
static inline u64 rdtsc(void)
{
    return tsc;
}
static inline u64 rdtsc_ordered(void)
{
    return tsc;
}
static inline u8 in8(u16 port)
{
    (void)port;
    return 0;
}
static inline u32 in32(u16 port)
{
    (void)port;
    return 0;
}
static inline void out8(u16 port, u8 value)
{
    (void)port, (void)value;
}
#include "hv/time.c"

#define DAY  (86400 * NS_PER_SEC)
#define YEAR (365 * DAY)

static const u64 rates[] = {33333333,   999999937,  1000000000, 1000000007, 1999999999,
                            2000000000, 2000000001, 2399998123, 3417600000, 6000000000};
static const u64 ages[] = {1, 2, 999, NS_PER_SEC, DAY + 12345, YEAR + 7, 30 * YEAR + 1};

void panic(const char *fmt, ...)
{
    fail_msg("panic: %s", fmt);
    __builtin_unreachable();
}

void log_print(enum log_level level, const char *fmt, ...)
{
    (void)level, (void)fmt;
}

void *vmem_map_device(hpa_t pa, size_t len)
{
    (void)pa, (void)len;
    return NULL;
}

u32 lapic_timer_read(void)
{
    return 0;
}

void lapic_timer_calibrate(bool on)
{
    (void)on;
}

static void tick_at(u64 hz)
{
    tsc_hz = hz;
    tsc_start = 0x123456789;
    scale = scale_for(hz);
    assert_true(scale.mul >> 31);
}

static void test_deadlines(void **state)
{
    (void)state;
    for (unsigned r = 0; r < ARRAY_SIZE(rates); r++) {
        tick_at(rates[r]);
        for (unsigned a = 0; a < ARRAY_SIZE(ages); a++) {
            tsc = time_to_tsc(ages[a]);
            assert_true(time_ns() >= ages[a]);
            assert_true(time_ns() - ages[a] <= 3 * NS_PER_SEC / rates[r] + 2);
            assert_int_equal(time_from_tsc(tsc) + 1, time_ns());
        }
    }
}

/* xen/xen.h, struct vcpu_time_info, in 128 bits. */
static void test_guest_agrees(void **state)
{
    (void)state;
    for (unsigned r = 0; r < ARRAY_SIZE(rates); r++) {
        struct time_scale s;

        tick_at(rates[r]);
        s = time_tsc_scale();
        for (unsigned a = 0; a < ARRAY_SIZE(ages); a++) {
            unsigned __int128 delta = (unsigned __int128)ages[a] * rates[r] / NS_PER_SEC;
            u64 error = ages[a] / 1000000000 + NS_PER_SEC / rates[r] + 2;
            unsigned __int128 guest = s.shift < 0 ? delta >> -s.shift : delta << s.shift;

            tsc = tsc_start + (u64)delta;
            assert_true(time_from_tsc(tsc) == (u64)(guest * s.mul >> 32) || delta == 0);
            assert_in_range(time_from_tsc(tsc), ages[a] - MIN(ages[a], error),
                            ages[a] + error); /* of real time */
        }
    }
}

static void test_ends(void **state)
{
    (void)state;
    tick_at(2400000000);
    assert_int_equal(time_from_tsc(0), 1);
    assert_int_equal(time_from_tsc(tsc_start), 1);
    tick_at(33333333);
    assert_int_equal(time_from_tsc(tsc_start + ~0ull / 2), ~0ull - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_deadlines),
        cmocka_unit_test(test_guest_agrees),
        cmocka_unit_test(test_ends),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
