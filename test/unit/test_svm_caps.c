/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What AMD-V makes of a CPU's CPUID and MSRs: the one sentence for each thing that is missing, and
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
#include "svm/caps.c"

static struct vendor_caps caps;

static void refuses(int rc, const char *sentence)
{
    const char *why = NULL;

    assert_int_equal(svm_probe(&caps, &why), rc);
    assert_non_null(strstr(why, sentence));
}

static int amd(void **state)
{
    (void)state;
    cpu_name(0x68747541, 0x69746e65, 0x444d4163); /* AuthenticAMD */
    leaf(0x80000001)->ecx = BIT(2);
    *leaf(0x8000000a) = (struct cpuid_regs){.ebx = 16, .edx = BIT(0)};
    *msr(MSR_VM_CR) = 0;
    return 0;
}

static void test_amd_missing(void **state)
{
    (void)state;
    leaf(0x80000001)->edx &= ~(u32)BIT(29);
    refuses(-ENODEV, "no long mode");
    amd(NULL);
    *msr(MSR_VM_CR) = BIT(4) | BIT(3); /* SVMDIS, and the lock on it */
    refuses(-ENODEV, "locked by the firmware: enable");
    amd(NULL);
    leaf(0x8000000a)->edx = 0;
    refuses(-ENODEV, "no nested paging");
    amd(NULL);
    leaf(0x8000000a)->ebx = 1;
    refuses(-ENODEV, "no address space identifier");
    amd(NULL);
    leaf(0x80000001)->ecx = 0;
    refuses(-ENODEV, "no AMD-V");
    leaf(0x80000000)->eax = 0x80000000;
    refuses(-ENODEV, "no AMD-V");
    leaf(0)->ebx = 0x756e6547; /* not AMD's to complain about */
    refuses(-ENOENT, "no AMD-V");
}

/* Switched off but not locked: that is for cpu_on() to change. */
static void test_amd_plain(void **state)
{
    const char *why;

    (void)state;
    *msr(MSR_VM_CR) = BIT(4);
    assert_int_equal(svm_probe(&caps, &why), 0);
    assert_null(why);
    assert_int_equal(caps.max_asid, 15);
    assert_int_equal(caps.max_leaf_shift, 30);
    assert_false(caps.next_rip || caps.decode_assists || caps.tsc_scaling);
    assert_int_equal(svm_config.clean, 0);
    assert_false(svm_config.flush_by_asid || svm_config.vnmi || svm_config.lbrv);
    leaf(0x80000001)->edx &= ~(u32)BIT(26);
    assert_int_equal(svm_probe(&caps, &why), 0);
    assert_int_equal(caps.max_leaf_shift, 21);
}

/* APM 3 E.4.9, bit by bit. */
static void test_amd_options(void **state)
{
    static const struct {
        u8 bit;
        bool *flag;
    } options[] = {
        {1, &svm_config.lbrv},
        {3, &svm_config.nrips},
        {4, &svm_config.tsc_ratio},
        {6, &svm_config.flush_by_asid},
        {7, &svm_config.decode_assists},
        {10, &svm_config.pause_filter},
        {12, &svm_config.pause_threshold},
        {20, &svm_config.spec_ctrl},
        {25, &svm_config.vnmi},
    };
    const char *why;

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(options); i++) {
        leaf(0x8000000a)->edx = BIT(0) | BIT(options[i].bit);
        assert_int_equal(svm_probe(&caps, &why), 0);
        for (unsigned j = 0; j < ARRAY_SIZE(options); j++)
            assert_int_equal(*options[j].flag, i == j);
        assert_int_equal(svm_config.clean, 0);
    }
    leaf(0x8000000a)->edx = BIT(0) | BIT(5);
    assert_int_equal(svm_probe(&caps, &why), 0);
    assert_int_equal(svm_config.clean, 0x7ff);
    leaf(0x80000008)->ebx = BIT(4) | BIT(3) | BIT(8);
    assert_int_equal(svm_probe(&caps, &why), 0);
    assert_true(svm_config.rdpru && svm_config.invlpgb && svm_config.mcommit);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_amd_missing, amd),
        cmocka_unit_test_setup(test_amd_plain, amd),
        cmocka_unit_test_setup(test_amd_options, amd),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
