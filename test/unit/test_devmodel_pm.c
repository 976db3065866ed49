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
    pm_init(&pm, T0);
    return 0;
}

static uint64_t at(uint64_t tick)
{
    return T0 + clock_ns(tick, PM_HZ);
}

static void test_timer(void **state)
{
    (void)state;
    assert_int_equal(pm_read_timer(&pm, 0, 4, T0), 0);
    assert_int_equal(pm_read_timer(&pm, 0, 4, T0 + CLOCK_SECOND), PM_HZ);
    assert_int_equal(pm_read_timer(&pm, 0, 4, at(0x12345678)), 0x12345678);
    assert_int_equal(pm_read_timer(&pm, 1, 1, at(0x12345678)), 0x56);
    assert_int_equal(pm_read_timer(&pm, 2, 2, at(0x12345678)), 0x1234);
    assert_int_equal(pm_read_timer(&pm, 0, 4, at(0x100000005)), 5); /* it wraps around */
}

static void test_carry(void **state)
{
    uint64_t carry = at(1ull << 31);

    (void)state;
    assert_int_equal(pm_deadline(&pm, T0), CLOCK_NEVER);
    pm_write_event(&pm, 2, 2, 1, T0);
    assert_int_equal(pm_deadline(&pm, T0), carry);
    pm_run(&pm, carry - 1);
    assert_false(pm_sci(&pm));
    pm_run(&pm, carry);
    assert_true(pm_sci(&pm));
    assert_int_equal(pm_deadline(&pm, carry), CLOCK_NEVER);
    assert_int_equal(pm_read_event(&pm, 0, 2, carry), 1);
    pm_write_event(&pm, 0, 2, 1, carry);
    assert_false(pm_sci(&pm));
    assert_int_equal(pm_deadline(&pm, carry), at(1ull << 32));
    assert_int_equal(pm_read_event(&pm, 0, 2, at(1ull << 32)), 1);
}

static void test_buttons(void **state)
{
    (void)state;
    pm_power_button(&pm);
    assert_false(pm_sci(&pm)); /* the guest does not want to know yet */
    assert_int_equal(pm_read_event(&pm, 0, 4, T0), 0x0100);
    pm_write_event(&pm, 2, 2, 0x0320, T0);
    assert_true(pm_sci(&pm));
    pm_write_event(&pm, 0, 2, 0x0020, T0); /* another bit */
    assert_true(pm_sci(&pm));
    pm_write_event(&pm, 0, 2, 0x0100, T0);
    assert_false(pm_sci(&pm));
    pm_sleep_button(&pm);
    assert_true(pm_sci(&pm));
    assert_int_equal(pm_read_event(&pm, 0, 4, T0), 0x03200200);
}

static void test_widths(void **state)
{
    (void)state;
    pm_power_button(&pm);
    pm_wake(&pm);
    pm_write_event(&pm, 0, 4, 0x01200000, T0); /* no ones in the status half: nothing is cleared */
    assert_int_equal(pm_read_event(&pm, 0, 4, T0), 0x01208100);
    pm_write_event(&pm, 1, 1, 0x80, T0);
    assert_int_equal(pm_read_event(&pm, 0, 4, T0), 0x01200100);
    pm_write_event(&pm, 3, 1, 0x02, T0);
    assert_int_equal(pm_read_event(&pm, 0, 4, T0), 0x02200100);
    assert_int_equal(pm_read_event(&pm, 1, 1, T0), 0x01);
    assert_int_equal(pm_read_event(&pm, 2, 1, T0), 0x20);
    pm_write_event(&pm, 2, 2, 0xffff, T0); /* only what there is */
    assert_int_equal(pm_read_event(&pm, 2, 2, T0), 0x0721);
    assert_true(pm_sci(&pm));
    pm_write_event(&pm, 0, 4, 0x00000100, T0);
    assert_int_equal(pm_read_event(&pm, 0, 4, T0), 0);
}

#define TEST(fn) cmocka_unit_test_setup(fn, start)

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(test_timer), TEST(test_carry), TEST(test_buttons),
                                       TEST(test_widths)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
