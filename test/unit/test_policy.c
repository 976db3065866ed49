/* SPDX-License-Identifier: BSD-2-Clause */
/* What a guest's CPUID shows, computed on this very host: nothing root mode cannot keep its promise
 * for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "hv/domain.h"
#include "hv/policy.h"
#include "hv/vendor.h"
#include "hv/x86.h"
#include "hv/xstate.h"
#include "random.h"

#define TSC_HZ 2500000000ull

/* The rooms below, as far as policy.c asks them. */
static struct cpu_state state;

static void state_get(struct vcpu *v, u32 mask, struct cpu_state *s)
{
    (void)v;
    (void)mask;
    *s = state;
}

static const struct vendor_ops ops = {.state_get = state_get};
const struct vendor_ops *vendor = &ops;

u64 xstate_supported(void)
{
    return XCR0_X87 | XCR0_SSE | XCR0_AVX;
}

u32 xstate_size(u64 xcr0)
{
    return xcr0 & XCR0_AVX ? 832 : 576;
}

u32 xstate_size_compacted(u64 xcr0)
{
    return xcr0 & XCR0_AVX ? 840 : 576;
}

u64 time_tsc_hz(void)
{
    return TSC_HZ;
}

static struct policy p;
static struct domain d;
static struct vcpu v;
static u32 lapic_page[1024];

static void make(struct policy_config c)
{
    memset(&p, 0, sizeof(p));
    memset(&d, 0, sizeof(d));
    memset(&v, 0, sizeof(v));
    memset(&state, 0, sizeof(state));
    policy_compute(&p, &c);
    d.policy = &p;
    d.id = 7;
    v.domain = &d;
    v.id = 3;
    v.xcr0 = XCR0_X87;
    v.vlapic.regs = lapic_page;
    v.vlapic.id = policy_apic_id(&p, v.id);
    v.vlapic.base = APIC_BASE_ENABLE;
}

static int setup(void **unused)
{
    (void)unused;
    make((struct policy_config){
        .vcpus = 4, .x2apic = true, .tsc_deadline = true, .xen_version = 4 << 16 | 17});
    return 0;
}

static struct cpuid_regs ask(u32 leaf, u32 subleaf)
{
    return policy_cpuid(&v, leaf, subleaf);
}

static void no_virtualization_inside(void **unused)
{
    (void)unused;
    assert_false(ask(1, 0).ecx & (CPUID_1_ECX_VMX | CPUID_1_ECX_SMX | CPUID_1_ECX_MONITOR));
    assert_false(ask(0x80000001, 0).ecx & (CPUID_EXT1_ECX_SVM | CPUID_EXT1_ECX_SKINIT));
    assert_int_equal(ask(0x8000000a, 0).edx, 0);
}

static void features_are_the_hosts_or_ours(void **unused)
{
    struct cpuid_regs host = cpuid(1), guest = ask(1, 0);
    u32 ours = CPUID_1_ECX_HYPERVISOR | CPUID_1_ECX_X2APIC | CPUID_1_ECX_TSC_DEADLINE |
               CPUID_1_ECX_OSXSAVE;

    (void)unused;
    assert_int_equal(guest.ecx & ~host.ecx & ~ours, 0);
    assert_int_equal(guest.edx & ~host.edx & ~(u32)CPUID_1_EDX_HTT, 0);
    assert_int_equal(ask(7, 0).ebx & ~cpuid_count(7, 0).ebx, 0);
    assert_true(guest.ecx & CPUID_1_ECX_HYPERVISOR);
    assert_true(guest.ecx & CPUID_1_ECX_X2APIC);
}

static void promises_can_be_withheld(void **unused)
{
    (void)unused;
    make((struct policy_config){.vcpus = 1});
    assert_false(ask(1, 0).ecx & (CPUID_1_ECX_X2APIC | CPUID_1_ECX_TSC_DEADLINE));
    assert_false(ask(1, 0).edx & CPUID_1_EDX_HTT);
    assert_int_equal(policy_vlapic_features(&p), 0);
}

static void leaves_that_follow_the_moment(void **unused)
{
    (void)unused;
    assert_int_equal(ask(1, 0).ebx >> 24, 6);
    assert_int_equal(ask(0xb, 0).edx, 6);
    assert_int_equal(ask(0xb, 1).edx, 6);
    assert_false(ask(1, 0).ecx & CPUID_1_ECX_OSXSAVE);
    state.cr4 = CR4_OSXSAVE;
    if (ask(1, 0).ecx & CPUID_1_ECX_XSAVE)
        assert_true(ask(1, 0).ecx & CPUID_1_ECX_OSXSAVE);
    assert_true(ask(1, 0).edx & CPUID_1_EDX_APIC);
    v.vlapic.base = 0;
    assert_false(ask(1, 0).edx & CPUID_1_EDX_APIC);
}

static void xsave_size_follows_xcr0(void **unused)
{
    (void)unused;
    if (!(ask(1, 0).ecx & CPUID_1_ECX_AVX))
        skip();
    assert_int_equal(ask(0xd, 0).ebx, 576);
    v.xcr0 = XCR0_X87 | XCR0_SSE | XCR0_AVX;
    assert_int_equal(ask(0xd, 0).ebx, 832);
    assert_int_equal(ask(0xd, 0).ecx, 832);
    assert_int_equal(ask(0xd, 0).eax, p.xcr0_mask);
    assert_int_equal(ask(0xd, 1).eax & ~cpuid_count(0xd, 1).eax, 0);
    assert_false(ask(0xd, 1).eax & CPUID_D1_EAX_XSAVES);
    /* Linux from 5.19 on takes its size from here, and does without XSAVE if it is 0. */
    p.xsave[1].eax |= CPUID_D1_EAX_XSAVEC;
    assert_int_equal(ask(0xd, 1).ebx, 840);
    v.xcr0 = XCR0_X87;
    assert_int_equal(ask(0xd, 1).ebx, 576);
    p.xsave[1].eax &= ~CPUID_D1_EAX_XSAVEC;
    assert_int_equal(ask(0xd, 1).ebx, 0);
    assert_int_equal(ask(0xd, 9).eax, 0); /* PKRU: not offered */
}

/* Whoever sees a feature may set its control bit, and nobody else. */
static void control_bits_follow_features(void **unused)
{
    struct cpuid_regs one = ask(1, 0), seven = ask(7, 0);

    (void)unused;
    assert_int_equal(!!(p.cr4_mask & CR4_OSXSAVE), !!(one.ecx & CPUID_1_ECX_XSAVE));
    assert_int_equal(!!(p.cr4_mask & CR4_PCIDE), !!(one.ecx & CPUID_1_ECX_PCID));
    assert_int_equal(!!(p.cr4_mask & CR4_SMEP), !!(seven.ebx & CPUID_7_EBX_SMEP));
    assert_int_equal(!!(p.cr4_mask & CR4_SMAP), !!(seven.ebx & CPUID_7_EBX_SMAP));
    assert_int_equal(!!(p.cr4_mask & CR4_FSGSBASE), !!(seven.ebx & CPUID_7_EBX_FSGSBASE));
    assert_int_equal(!!(p.efer_mask & EFER_NXE), !!(ask(0x80000001, 0).edx & CPUID_EXT1_EDX_NX));
    assert_int_equal(p.cr4_mask & (CR4_VMXE | CR4_SMXE | CR4_LA57 | CR4_PKE | CR4_CET | CR4_PKS),
                     0);
    assert_int_equal(p.efer_mask & (EFER_SVME | EFER_LMSLE), 0);
}

static void xen_says_hello(void **unused)
{
    struct cpuid_regs r = ask(0x40000000, 0);

    (void)unused;
    assert_memory_equal(&r.ebx, "XenVMMXenVMM", 12);
    assert_int_equal(ask(0x40000001, 0).eax, 4 << 16 | 17);
    assert_int_equal(ask(0x40000002, 0).eax, 1);
    assert_int_equal(ask(0x40000003, 0).ecx, TSC_HZ / 1000);
    assert_int_equal(ask(0x40000004, 0).ebx, 3);
    assert_int_equal(ask(0x40000004, 0).ecx, 7);
}

static bool is_zero(struct cpuid_regs r)
{
    return !(r.eax | r.ebx | r.ecx | r.edx);
}

/* Any leaf at all: zeros outside the three ranges, and never a fault. */
static void any_leaf_may_be_asked(void **unused)
{
    u32 basic = ask(0, 0).eax, extended = ask(0x80000000, 0).eax;

    (void)unused;
    random_init();
    assert_true(basic <= 0xd && extended <= 0x80000008);
    for (unsigned i = 0; i < 200000; i++) {
        u32 base[] = {0, 0x40000000, 0x80000000, (u32)random_u64()};
        u32 leaf = base[random_below(4)] + (u32)random_below(64), subleaf = (u32)random_below(80);
        bool known =
            leaf <= basic || leaf - 0x40000000 <= 5 || leaf - 0x80000000 <= extended - 0x80000000;

        if (!known)
            assert_true(is_zero(ask(leaf, subleaf)));
        else
            (void)ask(leaf, i % 3 ? subleaf : (u32)random_u64());
    }
}

static void apic_ids_may_be_the_machines(void **unused)
{
    static const u32 ids[] = {0, 4, 9, 13};

    (void)unused;
    make((struct policy_config){.vcpus = 4, .apic_ids = ids});
    assert_int_equal(policy_apic_id(&p, 3), 13);
    assert_int_equal(ask(1, 0).ebx >> 24, 13);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(no_virtualization_inside, setup),
        cmocka_unit_test_setup(features_are_the_hosts_or_ours, setup),
        cmocka_unit_test_setup(promises_can_be_withheld, setup),
        cmocka_unit_test_setup(leaves_that_follow_the_moment, setup),
        cmocka_unit_test_setup(xsave_size_follows_xcr0, setup),
        cmocka_unit_test_setup(control_bits_follow_features, setup),
        cmocka_unit_test_setup(xen_says_hello, setup),
        cmocka_unit_test_setup(any_leaf_may_be_asked, setup),
        cmocka_unit_test_setup(apic_ids_may_be_the_machines, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
