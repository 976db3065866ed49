/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "devmodel/clock.h"
#include "devmodel/pm.h"

#define T0 99999ull

static struct pm pm;

static int start(void **state)
{
    (void)state;
    pm_init(&pm, T0, T0);
    return 0;
}

static uint64_t at(uint64_t tick)
{
    return T0 + clock_ns(tick, PM_HZ);
}

/* Accesses of several bytes, as the machine takes them apart. */
static uint32_t read_event(unsigned offset, unsigned size, uint64_t now)
{
    uint32_t v = 0;

    for (unsigned i = 0; i < size; i++)
        v |= (uint32_t)pm_read_event(&pm, offset + i, now) << i * 8;
    return v;
}

static void write_event(unsigned offset, unsigned size, uint32_t value, uint64_t now)
{
    for (unsigned i = 0; i < size; i++)
        pm_write_event(&pm, offset + i, (uint8_t)(value >> i * 8), now);
}

static void test_timer(void **state)
{
    (void)state;
    assert_int_equal(pm.origin, T0);
    assert_int_equal(pm_timer(T0, T0), 0);
    assert_int_equal(pm_timer(T0, T0 + CLOCK_SECOND), PM_HZ);
    assert_int_equal(pm_timer(T0, at(0x12345678)), 0x12345678);
    assert_int_equal(pm_timer(T0, at(0x12345678) - 1), 0x12345677);
    assert_int_equal(pm_timer(T0, at(0x100000005)), 5); /* it wraps around */
}

static void test_carry(void **state)
{
    uint64_t carry = at(1ull << 31);

    (void)state;
    assert_int_equal(pm_deadline(&pm, T0), CLOCK_NEVER);
    write_event(2, 2, 1, T0);
    assert_int_equal(pm_deadline(&pm, T0), carry);
    pm_run(&pm, carry - 1);
    assert_false(pm_sci(&pm));
    pm_run(&pm, carry);
    assert_true(pm_sci(&pm));
    assert_int_equal(pm_deadline(&pm, carry), CLOCK_NEVER);
    assert_int_equal(read_event(0, 2, carry), 1);
    write_event(0, 2, 1, carry);
    assert_false(pm_sci(&pm));
    assert_int_equal(pm_deadline(&pm, carry), at(1ull << 32));
    assert_int_equal(read_event(0, 2, at(1ull << 32)), 1);
}

/* It may have begun long before: what has changed until now is no news. */
static void test_origin(void **state)
{
    (void)state;
    pm_init(&pm, T0, at(0x80000010));
    pm_run(&pm, at(0x80000011));
    assert_int_equal(read_event(0, 2, at(0x80000011)), 0);
    write_event(2, 2, 1, at(0x80000011));
    assert_int_equal(pm_deadline(&pm, at(0x80000011)), at(0x100000000));
}

static void test_buttons(void **state)
{
    (void)state;
    pm_power_button(&pm);
    assert_false(pm_sci(&pm)); /* the guest does not want to know yet */
    assert_int_equal(read_event(0, 4, T0), 0x0100);
    write_event(2, 2, 0x0320, T0);
    assert_true(pm_sci(&pm));
    write_event(0, 2, 0x0020, T0); /* another bit */
    assert_true(pm_sci(&pm));
    write_event(0, 2, 0x0100, T0);
    assert_false(pm_sci(&pm));
    pm_sleep_button(&pm);
    assert_true(pm_sci(&pm));
    assert_int_equal(read_event(0, 4, T0), 0x03200200);
}

static void test_widths(void **state)
{
    (void)state;
    pm_power_button(&pm);
    pm_sleep_button(&pm);
    write_event(0, 4, 0x01200000, T0); /* no ones in the status half: nothing is cleared */
    assert_int_equal(read_event(0, 4, T0), 0x01200300);
    write_event(1, 1, 0x02, T0);
    assert_int_equal(read_event(0, 4, T0), 0x01200100);
    write_event(3, 1, 0x02, T0);
    assert_int_equal(read_event(0, 4, T0), 0x02200100);
    assert_int_equal(read_event(1, 1, T0), 0x01);
    assert_int_equal(read_event(2, 1, T0), 0x20);
    write_event(2, 2, 0xffff, T0); /* only what there is */
    assert_int_equal(read_event(2, 2, T0), 0x0721);
    assert_true(pm_sci(&pm));
    write_event(0, 4, 0x00000100, T0);
    assert_int_equal(read_event(0, 4, T0), 0);
}

static void test_general(void **state)
{
    (void)state;
    pm_general(&pm, PM_GPE_PCI);
    assert_false(pm_sci(&pm));
    pm_write_gpe(&pm, 2, 0x06);
    assert_true(pm_sci(&pm));
    assert_int_equal(pm_read_gpe(&pm, 0), 0x02);
    assert_int_equal(pm_read_gpe(&pm, 2), 0x06);
    pm_general(&pm, 9);
    pm_write_gpe(&pm, 0, 0x04);
    assert_true(pm_sci(&pm));
    pm_write_gpe(&pm, 0, 0x02);
    assert_false(pm_sci(&pm));
    pm_write_gpe(&pm, 3, 0x02);
    assert_true(pm_sci(&pm));
    assert_int_equal(pm_read_gpe(&pm, 1), 0x02);
    pm_write_gpe(&pm, 1, 0xff);
    assert_false(pm_sci(&pm));
    pm_power_button(&pm); /* SCI is both blocks' */
    write_event(2, 2, 0x0100, T0);
    assert_true(pm_sci(&pm));
}

/* ACPI is on from the start and cannot be switched off. */
static void test_control(void **state)
{
    (void)state;
    assert_int_equal(pm_read_control(&pm, 0), 0x01);
    pm_write_control(&pm, 0, 0x06); /* bus master reload; a release of the lock */
    assert_int_equal(pm_read_control(&pm, 0), 0x03);
    pm_write_control(&pm, 1, 0x1c); /* a type alone does nothing */
    assert_int_equal(pm_read_control(&pm, 1), 0x1c);
    assert_int_equal(pm.wish, PM_NOTHING);
    assert_int_equal(read_event(0, 2, T0), 0);
}

/* S5 and S4 are type 0 in hvmloader's tables, S3 is type 1. */
static void test_sleep(void **state)
{
    (void)state;
    pm_write_control(&pm, 1, 0x24);
    assert_int_equal(pm.wish, PM_NOTHING);
    assert_int_equal(read_event(0, 2, T0), 0x8000); /* awake again */
    write_event(0, 2, 0x8000, T0);
    assert_int_equal(read_event(0, 2, T0), 0);
    assert_int_equal(pm_read_control(&pm, 1), 0x04);
    pm_write_control(&pm, 1, 0x20);
    assert_int_equal(pm.wish, PM_POWER_OFF);
    assert_int_equal(pm_read_control(&pm, 1), 0x00);
}

#define TEST(fn) cmocka_unit_test_setup(fn, start)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_timer),  TEST(test_carry),   TEST(test_origin),  TEST(test_buttons),
        TEST(test_widths), TEST(test_general), TEST(test_control), TEST(test_sleep),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
