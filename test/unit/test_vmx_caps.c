/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What VT-x makes of a CPU's CPUID and MSRs: the one sentence for each thing that is missing, and
 * what is taken of the optional things. The CPU is made of the manuals' numbers.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "fake_cpu.h"
#include "hv/errno.h"
#include "vmx/caps.c"

static struct vendor_caps caps;

static void refuses(int rc, const char *sentence)
{
    const char *why = NULL;

    assert_int_equal(vmx_probe(&caps, &why), rc);
    assert_non_null(strstr(why, sentence));
}

#define ALL_ALLOWED (~0ull << 32)

static int intel(void **state)
{
    (void)state;
    cpu_name(0x756e6547, 0x49656e69, 0x6c65746e); /* GenuineIntel */
    leaf(1)->ecx = BIT(5);
    *msr(0x3a) = BIT(0) | BIT(2); /* locked, VMX outside SMX */
    *msr(0x480) =
        0x12ull | 6ull << 50 | BIT(54) | BIT(55); /* write-back, INS/OUTS, TRUE controls */
    for (u32 number = 0x48b; number <= 0x490; number++)
        *msr(number) = ALL_ALLOWED;
    *msr(0x485) = 5; /* the preemption timer counts TSC >> 5 */
    *msr(0x486) = 0x80000021;
    *msr(0x488) = 0x2000;
    *msr(0x489) = 0x3727ff;
    *msr(0x48c) = 0x0f0106334141ull; /* EPT: 4 levels, UC, WB, 2M, 1G, A/D, INVEPT; INVVPID: all */
    return 0;
}

static void test_intel_missing(void **state)
{
    (void)state;
    leaf(1)->ecx = 0;
    refuses(-ENODEV, "no VT-x");
    leaf(0)->ecx = 0;
    refuses(-ENOENT, "no VT-x");
    intel(NULL);
    *msr(0x3a) = BIT(0);
    refuses(-ENODEV, "switched VT-x off and locked it: enable");
    intel(NULL);
    *msr(0x3a) = BIT(0) | BIT(1); /* inside SMX only */
    refuses(-ENODEV, "locked it");
    intel(NULL);
    *msr(0x48b) &= ~BIT(32 + 1);
    refuses(-ENODEV, "no nested paging (EPT)");
    intel(NULL);
    *msr(0x48b) &= ~BIT(32 + 7);
    refuses(-ENODEV, "no unrestricted guest mode");
    intel(NULL);
    *msr(0x48e) &= ~BIT(32 + 31);
    refuses(-ENODEV, "no secondary controls");
    intel(NULL);
    *msr(0x48e) |= BIT(15) | BIT(16); /* exits on CR3 cannot be done without */
    refuses(-ENODEV, "without exits on CR3");
    intel(NULL);
    *msr(0x48c) &= ~BIT(6);
    refuses(-ENODEV, "EPT with four levels");
    intel(NULL);
    *msr(0x48c) &= ~(BIT(25) | BIT(26));
    refuses(-ENODEV, "INVEPT");
    intel(NULL);
    *msr(0x480) &= ~(15ull << 50);
    refuses(-ENODEV, "write-back memory");
}

/* Firmware that has not locked the register leaves it to cpu_on(). */
static void test_intel_unlocked(void **state)
{
    const char *why;

    (void)state;
    *msr(0x3a) = 0;
    assert_int_equal(vmx_probe(&caps, &why), 0);
    assert_null(why);
}

static void test_intel_options(void **state)
{
    const char *why;

    (void)state;
    assert_int_equal(vmx_probe(&caps, &why), 0);
    assert_true(caps.tsc_scaling && caps.dirty_bits);
    assert_int_equal(caps.max_asid, 0xffff);
    assert_int_equal(caps.max_leaf_shift, 30);
    assert_int_equal(vmx_config.timer_shift, 5);
    assert_true(vmx_config.ins_outs_info);
    *msr(0x48b) &= ~(BIT(32 + 25) | BIT(32 + 10) | BIT(32 + 5)); /* TSC scaling, PLE, VPID */
    *msr(0x48c) &= ~(BIT(21) | BIT(17));                         /* A/D bits, 1 GiB */
    *msr(0x480) &= ~BIT(54);
    assert_int_equal(vmx_probe(&caps, &why), 0);
    assert_false(caps.tsc_scaling || caps.dirty_bits);
    assert_int_equal(caps.max_asid, 0);
    assert_int_equal(caps.max_leaf_shift, 21);
    assert_false(vmx_config.ins_outs_info);
}

/* Large pages of code are for CPUs that say they stand it. */
static void test_intel_large_code(void **state)
{
    const char *why;

    (void)state;
    leaf(7)->edx = 0;
    assert_int_equal(vmx_probe(&caps, &why), 0);
    assert_ptr_equal(caps.guest_p2m_format, &ptab_ept_small_code);
    leaf(7)->edx = BIT(29);
    *msr(0x10a) = ~BIT(6);
    assert_int_equal(vmx_probe(&caps, &why), 0);
    assert_ptr_equal(caps.guest_p2m_format, &ptab_ept_small_code);
    *msr(0x10a) = BIT(6);
    assert_int_equal(vmx_probe(&caps, &why), 0);
    assert_ptr_equal(caps.guest_p2m_format, &ptab_ept);
}

/* A VPID that nothing can forget singly is not used. */
static void test_intel_vpid_needs_invvpid(void **state)
{
    const char *why;

    (void)state;
    *msr(0x48c) &= ~BIT(32);
    assert_int_equal(vmx_probe(&caps, &why), 0);
    assert_int_equal(caps.max_asid, 0);
    assert_false(vmx_config.proc2 & BIT(5));
}

/* Without TRUE controls the old MSRs say what is forced; a forced bit stays. */
static void test_intel_old_controls(void **state)
{
    const char *why;

    (void)state;
    *msr(0x480) &= ~BIT(55);
    *msr(0x481) = ALL_ALLOWED | 0x16;
    *msr(0x482) = ALL_ALLOWED | 0x0401e172;
    refuses(-ENODEV, "without exits on CR3"); /* the old ones force CR3 exits */
    *msr(0x482) = ALL_ALLOWED | 0x04006172;
    *msr(0x483) = ALL_ALLOWED | 0x36dff;
    *msr(0x484) = ALL_ALLOWED | 0x11ff;
    assert_int_equal(vmx_probe(&caps, &why), 0);
    assert_int_equal(vmx_config.pin & 0x16, 0x16);
    assert_int_equal(vmx_config.exit & 0x36dff, 0x36dff);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_intel_missing, intel),
        cmocka_unit_test_setup(test_intel_unlocked, intel),
        cmocka_unit_test_setup(test_intel_options, intel),
        cmocka_unit_test_setup(test_intel_large_code, intel),
        cmocka_unit_test_setup(test_intel_vpid_needs_invvpid, intel),
        cmocka_unit_test_setup(test_intel_old_controls, intel),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
