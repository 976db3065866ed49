/* SPDX-License-Identifier: BSD-2-Clause */
/* A vcpu's state saved and loaded into another one: nothing is lost, and what XRSTOR or WRMSR would
 * fault on is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "hv/cpu.h"

/* A CPU with AVX and AVX-512, whose areas are where Intel has them. */
static struct cpuid_regs feature(u32 leaf, u32 subleaf)
{
    static const struct cpuid_regs areas[] = {
        [2] = {256, 576}, [3] = {8, 960},    [4] = {16, 1024, 2},
        [5] = {64, 1088}, [6] = {512, 1152}, [7] = {1024, 1664}};

    assert_int_equal(leaf, 0xd);
    assert_in_range(subleaf, 2, 7);
    return areas[subleaf];
}
#define cpuid_count(leaf, subleaf) feature(leaf, subleaf)
#include "hv/xstate.c"
#include "hv/hvm_context.c"

#define AVX_SIZE  832u
#define FULL_SIZE 2688u
#define FEATURES  (XCR0_X87 | XCR0_SSE | XCR0_AVX)
#define TSC_AUX   0x1234

static struct policy policy = {.cr4_mask = ~0ull, .efer_mask = ~0ull, .phys_bits = 40};
static struct domain dom = {.policy = &policy, .vcpus = 1};
static struct vcpu cpu;
static struct cpu_state regs; /* as the vendor keeps them */
static unsigned flushes;
static bool no_pdptes;
static u8 area[4096] __aligned(64), buf[16384];

/* ---- The rooms below and beside ---- */

static void state_get(struct vcpu *v, u32 mask, struct cpu_state *s)
{
    (void)v, (void)mask;
    *s = regs;
}

static int state_set(struct vcpu *v, u32 mask, const struct cpu_state *s)
{
    (void)v, (void)mask;
    assert_int_equal(s->tsc_aux >> 32, 0); /* or WRMSR would fault */
    regs = *s;
    return 0;
}

static int tsc_set(struct vcpu *v, u64 offset, u64 ratio)
{
    (void)v, (void)offset, (void)ratio;
    return 0;
}

static void tlb_flush(struct vcpu *v, enum flush_scope what)
{
    (void)v;
    assert_int_equal(what, FLUSH_GUEST);
    flushes++;
}

static const struct vendor_ops ops = {
    .state_get = state_get, .state_set = state_set, .tsc_set = tsc_set, .tlb_flush = tlb_flush};
const struct vendor_ops *vendor = &ops;

bool cr_load_pdptes(struct vcpu *v, struct cpu_state *s)
{
    assert_int_equal(s->cr3, regs.cr3);
    (void)v;
    return !no_pdptes;
}

mfn_t frames_alloc(unsigned order, unsigned flags)
{
    (void)order, (void)flags;
    return MFN_NONE;
}

void frames_free(mfn_t m, unsigned order)
{
    (void)m, (void)order;
}

u64 time_tsc_hz(void)
{
    return 1000000000;
}

u32 pm_timer_get(const struct domain *d)
{
    (void)d;
    return 0;
}

void pm_timer_set(struct domain *d, u32 value)
{
    (void)d, (void)value;
}

void vlapic_save(struct vlapic *v, struct hvm_hw_lapic *hw, struct hvm_hw_lapic_regs *r)
{
    (void)v, (void)hw, (void)r;
}

int vlapic_load(struct vlapic *v, const struct hvm_hw_lapic *hw, const struct hvm_hw_lapic_regs *r)
{
    (void)v, (void)hw, (void)r;
    return 0;
}

void vpic_save(struct vpic *pic, struct hvm_hw_vpic chip[2])
{
    (void)pic;
    memset(chip, 0, 2 * sizeof(*chip));
}

int vpic_load(struct vpic *pic, const struct hvm_hw_vpic chip[2], u16 lines)
{
    (void)pic, (void)chip, (void)lines;
    return 0;
}

void vioapic_save(struct vioapic *io, struct hvm_hw_vioapic *hw)
{
    (void)io;
    memset(hw, 0, sizeof(*hw));
}

int vioapic_load(struct vioapic *io, const struct hvm_hw_vioapic *hw, u64 lines)
{
    (void)io, (void)hw, (void)lines;
    return 0;
}

void vcpu_info_update_time(struct vcpu *v)
{
    (void)v;
}

static bool awaits_model;

bool vcpu_awaits_model(const struct vcpu *v)
{
    (void)v;
    return awaits_model;
}

void vcpu_request(struct vcpu *v, u32 requests)
{
    (void)v, (void)requests;
}

/* ---- A vcpu ---- */

static void fresh(void)
{
    memset(&cpu, 0, sizeof(cpu));
    memset(&regs, 0, sizeof(regs));
    memset(area, 0xee, sizeof(area));
    cpu.domain = &dom;
    cpu.xstate = (struct xstate *)area;
    cpu.xcr0 = supported ? XCR0_X87 : 0;
    xstate_reset(&cpu);
}

static int setup(void **state)
{
    (void)state;
    supported = FEATURES | XCR0_AVX512;
    full_size = FULL_SIZE;
    mxcsr_mask = 0x2ffff;
    policy.xcr0_mask = FEATURES;
    policy.xsave[0].ecx = AVX_SIZE;
    dom.vcpu[0] = &cpu;
    fresh();
    return 0;
}

static void put_u32(u8 *at, u32 value)
{
    memcpy(at, &value, sizeof(value));
}

static void put_u64(u8 *at, u64 value)
{
    memcpy(at, &value, sizeof(value));
}

/* As after XSAVE of one that computes with AVX. */
static void busy(void)
{
    for (unsigned i = XMM_OFFSET; i < AVX_SIZE; i++)
        area[i] = (u8)(i * 7 + (i >> 8));
    memset(area + XSTATE_BV, 0, HEADER_SIZE);
    put_u64(area + XSTATE_BV, XCR0_SSE | XCR0_AVX);
    put_u32(area + MXCSR_OFFSET, 0x21f80); /* AMD's misaligned mode */
    cpu.xcr0 = FEATURES;
    cpu.tsc_aux = regs.tsc_aux = TSC_AUX;
}

static size_t save(void)
{
    size_t size = hvm_context_save(&dom, buf);

    assert_true(size <= hvm_context_size(&dom));
    return size;
}

/* The record of this type, and its length. */
static u8 *find(u16 wanted, u32 *length)
{
    u16 type, instance;
    const void *record;
    size_t at = 0;

    while ((record = hvm_context_next(buf, &at, &type, &instance, length)))
        if (type == wanted)
            return buf + ((const u8 *)record - buf);
    return NULL;
}

/* ---- Tests ---- */

static void test_round_trip(void **state)
{
    u8 before[sizeof(area)];
    size_t size;
    u32 length;

    (void)state;
    busy();
    memcpy(before, area, sizeof(area));
    size = save();
    assert_non_null(find(CPU_XSAVE_CODE, &length));
    assert_int_equal(length, offsetof(struct hvm_hw_cpu_xsave, save_area) + AVX_SIZE);
    fresh();
    assert_int_equal(hvm_context_load(&dom, buf, size), 0);
    assert_memory_equal(area, before, AVX_SIZE);
    for (unsigned i = AVX_SIZE; i < FULL_SIZE; i++)
        assert_int_equal(area[i], 0);
    assert_int_equal(cpu.xcr0, FEATURES);
    assert_int_equal(cpu.tsc_aux, TSC_AUX);
    assert_int_equal(regs.tsc_aux, TSC_AUX);
}

/* Tools make a CPU record and nothing else: SSE as it says, the rest as at power-up. */
static void test_legacy_only(void **state)
{
    struct hvm_hw_cpu hw = {.flags = XEN_X86_FPU_INITIALISED, .msr_tsc_aux = 0xf00000001ull};

    (void)state;
    memset(hw.fpu_regs, 0xff, sizeof(hw.fpu_regs));
    assert_int_equal(load_cpu(&cpu, &hw), 0);
    assert_int_equal(*(u64 *)(area + XSTATE_BV), XCR0_X87 | XCR0_SSE);
    assert_int_equal(*(u32 *)(area + MXCSR_OFFSET), mxcsr_mask);
    assert_int_equal(cpu.xcr0, XCR0_X87);
    assert_int_equal(cpu.tsc_aux, 1);
    hw.flags = 0;
    awaits_model = true;
    assert_int_equal(load_cpu(&cpu, &hw), -EBUSY);
    awaits_model = false;
    no_pdptes = true; /* CR3 of PAE paging that leads nowhere */
    assert_int_equal(load_cpu(&cpu, &hw), -EINVAL);
    no_pdptes = false;
    flushes = 0;
    assert_int_equal(load_cpu(&cpu, &hw), 0);
    assert_int_equal(flushes, 1); /* of what the vcpu's paging was before */
    assert_int_equal(*(u64 *)(area + XSTATE_BV), 0);
    assert_int_equal(*(u32 *)(area + MXCSR_OFFSET), MXCSR_RESET);
}

/* Loads what was saved with one value in the XSAVE record changed. */
static int load_with(size_t field, unsigned bytes, u64 value)
{
    u8 before[sizeof(area)];
    size_t size;
    u32 length;
    int rc;

    fresh();
    busy();
    size = save();
    memcpy(find(CPU_XSAVE_CODE, &length) + field, &value, bytes);
    fresh();
    memcpy(before, area, sizeof(area));
    rc = hvm_context_load(&dom, buf, size);
    if (rc) {
        assert_int_equal(cpu.xcr0, XCR0_X87);
        assert_int_equal(*(u64 *)(area + XSTATE_BV) & ~(XCR0_X87 | XCR0_SSE), 0);
    }
    return rc;
}

#define XCR0       offsetof(struct hvm_hw_cpu_xsave, xcr0)
#define ACCUM      offsetof(struct hvm_hw_cpu_xsave, xcr0_accum)
#define IN_AREA(x) (offsetof(struct hvm_hw_cpu_xsave, save_area) + (x))

static void test_refused(void **state)
{
    (void)state;
    assert_int_equal(load_with(XCR0, 8, FEATURES), 0);
    assert_int_equal(load_with(XCR0, 8, XCR0_X87), 0);
    assert_int_equal(load_with(XCR0, 8, XCR0_SSE), -EINVAL);
    assert_int_equal(load_with(XCR0, 8, XCR0_X87 | XCR0_AVX), -EINVAL);
    assert_int_equal(load_with(XCR0, 8, FEATURES | XCR0_AVX512), -EINVAL);
    assert_int_equal(load_with(XCR0, 8, FEATURES | BIT(62)), -EINVAL);
    assert_int_equal(load_with(ACCUM, 8, FEATURES | XCR0_AVX512), -EINVAL); /* not the guest's */
    assert_int_equal(load_with(ACCUM, 8, XCR0_X87 | XCR0_SSE), -EINVAL);
    assert_int_equal(load_with(IN_AREA(XSTATE_BV), 8, FEATURES), 0);
    assert_int_equal(load_with(IN_AREA(XSTATE_BV), 8, FEATURES | XCR0_PKRU), -EINVAL);
    for (unsigned i = 8; i < HEADER_SIZE; i++)
        assert_int_equal(load_with(IN_AREA(XSTATE_BV + i), 1, 0x80), -EINVAL);
    assert_int_equal(load_with(IN_AREA(MXCSR_OFFSET), 4, 0xffff), 0);
    assert_int_equal(load_with(IN_AREA(MXCSR_OFFSET), 4, 0x11f80), -EINVAL);
    assert_int_equal(load_with(IN_AREA(MXCSR_OFFSET), 4, 0x80001f80), -EINVAL);
}

/* Not as long as its features take: what is missing would be read from behind it. */
static void test_length(void **state)
{
    u8 record[4096] = {0};

    (void)state;
    put_u64(record + XCR0, XCR0_X87);
    put_u64(record + ACCUM, FEATURES);
    for (u32 length = sizeof(struct hvm_hw_cpu_xsave); length < 1100; length++)
        assert_int_equal(load_xsave(&cpu, record, length),
                         length == IN_AREA(AVX_SIZE) ? 0 : -EINVAL);
    put_u64(record + ACCUM, XCR0_X87 | XCR0_SSE);
    assert_int_equal(load_xsave(&cpu, record, IN_AREA(AREA_MIN)), 0);
    assert_int_equal(load_xsave(&cpu, record, IN_AREA(AVX_SIZE)), -EINVAL);
}

/* Aligned components begin at the next multiple of 64, and only in the compacted form. */
static void test_sizes(void **state)
{
    (void)state;
    assert_int_equal(xstate_size(FEATURES), AVX_SIZE);
    assert_int_equal(xstate_size_compacted(XCR0_X87), AREA_MIN);
    assert_int_equal(xstate_size_compacted(FEATURES), AVX_SIZE);
    assert_int_equal(xstate_size_compacted(FEATURES | XCR0_AVX512), 832 + 64 + 512 + 1024);
    assert_int_equal(xstate_size_compacted(XCR0_X87 | XCR0_BNDREGS), AREA_MIN + 8);
    assert_int_equal(xstate_size_compacted(XCR0_X87 | XCR0_MPX), AREA_MIN + 64 + 16);
}

/* A CPU without XSAVE has no such record, and takes none. */
static void test_no_xsave(void **state)
{
    size_t size;
    u32 length;

    (void)state;
    busy();
    size = save();
    supported = policy.xcr0_mask = 0;
    full_size = AREA_MIN;
    policy.xsave[0].ecx = 0;
    fresh();
    assert_int_equal(hvm_context_load(&dom, buf, size), -EINVAL);
    fresh();
    size = save();
    assert_null(find(CPU_XSAVE_CODE, &length));
    assert_int_equal(hvm_context_load(&dom, buf, size), 0);
    assert_int_equal(cpu.xcr0, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_round_trip, setup),
        cmocka_unit_test_setup(test_legacy_only, setup),
        cmocka_unit_test_setup(test_refused, setup),
        cmocka_unit_test_setup(test_length, setup),
        cmocka_unit_test_setup(test_sizes, setup),
        cmocka_unit_test_setup(test_no_xsave, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
