/* SPDX-License-Identifier: BSD-2-Clause */
/* What is done against speculation on which CPU, and when. CPUs are made of the manuals' numbers.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "fake_cpu.h"
#include "hv/percpu.h"

static struct percpu this;
static struct {
    u32 msr;
    u64 value;
} written[4];
static unsigned writes;

static void note_wrmsr(u32 number, u64 value)
{
    assert_in_range(writes, 0, ARRAY_SIZE(written) - 1);
    written[writes].msr = number;
    written[writes++].value = value;
}

#define wrmsr(number, value) note_wrmsr(number, value)
#define this_cpu()           (&this)
#include "hv/speculation.c"

static bool wanted;
static struct domain dom0 = {.id = 0}, guest = {.id = 7};

bool cmdline_bool(const char *name, bool otherwise)
{
    assert_string_equal(name, "spec-ctrl");
    assert_true(otherwise);
    return wanted;
}

void log_print(enum log_level level, const char *fmt, ...)
{
    (void)level, (void)fmt;
}

static void start(void)
{
    memset(&has, 0, sizeof(has));
    memset(&this, 0, sizeof(this));
    speculation_clears_buffers = false;
    writes = 0;
    speculation_init();
    speculation_cpu_init();
}

static int intel(void **state)
{
    (void)state;
    cpu_name(0x756e6547, 0x49656e69, 0x6c65746e); /* GenuineIntel */
    leaf(0x80000000)->eax = 0x80000008;
    leaf(0x80000008)->ebx = 0;
    leaf(7)->edx = 0;
    wanted = true;
    return 0;
}

static void test_nothing_offered(void **state)
{
    (void)state;
    start();
    speculation_switch(&guest);
    assert_int_equal(writes, 0);
    assert_false(speculation_clears_buffers);
    leaf(0)->eax = 6; /* leaf 7 does not exist */
    leaf(7)->edx = ~0u;
    start();
    assert_int_equal(writes, 0);
}

/* IBPB when another domain's vcpu comes, and no more often. */
static void test_switches(void **state)
{
    (void)state;
    leaf(7)->edx = BIT(26);
    start();
    speculation_switch(&dom0);
    assert_int_equal(writes, 0);
    speculation_switch(&guest);
    speculation_switch(&guest);
    assert_int_equal(writes, 1);
    assert_int_equal(written[0].msr, 0x49);
    assert_int_equal(written[0].value, 1);
    speculation_switch(&dom0);
    assert_int_equal(writes, 2);
}

static void test_enhanced_ibrs(void **state)
{
    (void)state;
    leaf(7)->edx = BIT(26) | BIT(29);
    *msr(0x10a) = BIT(0) | BIT(1) | BIT(5);
    start();
    assert_int_equal(writes, 1);
    assert_int_equal(written[0].msr, 0x48);
    assert_int_equal(written[0].value, 1);
    assert_false(speculation_clears_buffers);
}

static void test_l1tf(void **state)
{
    (void)state;
    leaf(7)->edx = BIT(10) | BIT(26) | BIT(28);
    start();
    assert_true(speculation_clears_buffers);
    speculation_before_entry();
    assert_int_equal(writes, 1);
    assert_int_equal(written[0].msr, 0x10b);
    leaf(7)->edx |= BIT(29);
    *msr(0x10a) = BIT(3) | BIT(5); /* a hypervisor below flushes */
    start();
    assert_false(speculation_clears_buffers);
}

static void test_mds(void **state)
{
    (void)state;
    leaf(7)->edx = BIT(10) | BIT(28) | BIT(29);
    *msr(0x10a) = BIT(0);
    start();
    assert_true(speculation_clears_buffers);
    assert_true(has.verw);
    assert_false(has.flush_l1d);
    *msr(0x10a) = BIT(0) | BIT(5);
    start();
    assert_false(speculation_clears_buffers);
}

static void test_amd(void **state)
{
    (void)state;
    leaf(0x80000000)->eax = 0x80000021;
    leaf(0x80000008)->ebx = BIT(12);
    leaf(0x80000021)->eax = BIT(8);
    *msr(0xc0000080) = 0x500;
    start();
    assert_int_equal(writes, 1);
    assert_int_equal(written[0].msr, 0xc0000080);
    assert_int_equal(written[0].value, 0x500 | BIT(21));
    speculation_switch(&guest);
    assert_int_equal(writes, 2);
}

static void test_left_out(void **state)
{
    (void)state;
    leaf(7)->edx = BIT(10) | BIT(26) | BIT(28);
    wanted = false;
    start();
    speculation_switch(&guest);
    assert_int_equal(writes, 0);
    assert_false(speculation_clears_buffers);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_nothing_offered, intel),
        cmocka_unit_test_setup(test_switches, intel),
        cmocka_unit_test_setup(test_enhanced_ibrs, intel),
        cmocka_unit_test_setup(test_l1tf, intel),
        cmocka_unit_test_setup(test_mds, intel),
        cmocka_unit_test_setup(test_amd, intel),
        cmocka_unit_test_setup(test_left_out, intel),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
