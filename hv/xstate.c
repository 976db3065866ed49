/* SPDX-License-Identifier: BSD-2-Clause */
#include "hv/cpu.h"
#include "hv/cpu_features.h"
#include "hv/errno.h"
#include "hv/frames.h"
#include "hv/panic.h"
#include "hv/string.h"
#include "hv/vcpu.h"
#include "hv/vmem.h"
#include "hv/x86.h"
#include "hv/xstate.h"

/* The legacy region and the XSAVE header, SDM 1 13.4. */
#define XMM_OFFSET         160
#define XSTATE_BV          512
#define AREA_MIN           576
#define HEADER_SIZE        64
#define MXCSR_OFFSET       24
#define MASK_OFFSET        28 /* MXCSR_MASK */
#define FCW_OFFSET         0
#define FCW_RESET          0x37f
#define MXCSR_RESET        0x1f80
#define MXCSR_KNOWN        0xffbf /* where MXCSR_MASK is 0 */

#define LEAF_XSAVE         0xd
#define LEAF_XSAVE_ALIGNED BIT(1) /* ECX of a component's subleaf */

/* Bits that come and go together (SDM 1 13.3), or that need the first to be there. */
static const u64 groups[] = {XCR0_MPX, XCR0_AVX512};

static u64 supported;              /* of XCR0; 0: FXSAVE only */
static u32 full_size;              /* of the area for all of supported */
static bool keeps_pointers;        /* FXRSTOR and XRSTOR may leave FIP and FDP alone */
static u32 mxcsr_mask;             /* of what MXCSR may hold: XRSTOR of another bit is #GP */
static u32 ymm_offset, zmm_offset; /* of the upper halves of registers 0 to 15 */

void xstate_init(void)
{
    struct cpuid_regs r;

    keeps_pointers = !(cpuid_ext8_ebx() & CPUID_EXT8_EBX_RSTR_FP_ERR_PTRS);
    full_size = AREA_MIN;
    if (!(cpuid(1).ecx & CPUID_1_ECX_XSAVE))
        return;
    r = cpuid_count(LEAF_XSAVE, 0);
    supported = ((u64)r.edx << 32 | r.eax) &
                (XCR0_X87 | XCR0_SSE | XCR0_AVX | XCR0_MPX | XCR0_AVX512 | XCR0_PKRU);
    full_size = xstate_size(supported);
    ymm_offset = cpuid_count(LEAF_XSAVE, 2).ebx;
    zmm_offset = cpuid_count(LEAF_XSAVE, 6).ebx;
}

/* SDM 1 11.6.6. */
static u32 find_mxcsr_mask(void)
{
    u8 image[XSTATE_BV] __aligned(16);
    u32 mask;

    __asm__ volatile("fxsave64 %0" : "=m"(image));
    memcpy(&mask, image + MASK_OFFSET, sizeof(mask));
    return mask ?: MXCSR_KNOWN;
}

void xstate_cpu_init(void)
{
    write_cr0((read_cr0() & ~(CR0_EM | CR0_TS)) | CR0_MP);
    write_cr4(read_cr4() | CR4_OSFXSR | CR4_OSXMMEXCPT | (supported ? CR4_OSXSAVE : 0));
    if (supported)
        xsetbv(0, supported);
    mxcsr_mask = find_mxcsr_mask(); /* the same on all */
}

u64 xstate_supported(void)
{
    return supported;
}

/* Where an area of size bytes ends once it holds the component that r, its subleaf, describes. */
static u32 with_component(u32 size, struct cpuid_regs r, bool compacted)
{
    if (!compacted)
        return MAX(size, r.eax + r.ebx);
    return (r.ecx & LEAF_XSAVE_ALIGNED ? ALIGN_UP(size, 64u) : size) + r.eax;
}

static u32 area_size(u64 xcr0, bool compacted)
{
    u32 size = AREA_MIN;

    for (unsigned i = 2; i < 63; i++)
        if (xcr0 & BIT(i))
            size = with_component(size, cpuid_count(LEAF_XSAVE, i), compacted);
    return size;
}

u32 xstate_size(u64 xcr0)
{
    return area_size(xcr0, false);
}

/* SDM 1 13.4.3: one behind the other, some of them from the next multiple of 64 on. */
u32 xstate_size_compacted(u64 xcr0)
{
    return area_size(xcr0, true);
}

static unsigned area_order(void)
{
    unsigned order = 0;

    while ((PAGE_SIZE << order) < full_size)
        order++;
    return order;
}

int xstate_alloc(struct vcpu *v)
{
    mfn_t m = frames_alloc(area_order(), FRAMES_ZERO);

    if (mfn_is_none(m))
        return -ENOMEM;
    v->xstate = mfn_virt(m);
    v->xcr0 = supported ? XCR0_X87 : 0;
    xstate_reset(v);
    return 0;
}

void xstate_reset(struct vcpu *v)
{
    u8 *area = (u8 *)v->xstate;

    memset(area, 0, full_size);
    *(u16 *)(area + FCW_OFFSET) = FCW_RESET;
    *(u32 *)(area + MXCSR_OFFSET) = MXCSR_RESET;
}

void xstate_free(struct vcpu *v)
{
    if (v->xstate)
        frames_free(virt_mfn(v->xstate), area_order());
    v->xstate = NULL;
}

/* AMD's CPUs before Zen leave the x87 instruction and data pointers as they are, unless an
 * exception is pending: so they are root mode's before (APM 2 11.4.3, APM 3 CPUID 8000_0008h
 * EBX[2]). */
static void clear_pointers(void)
{
    static const u32 zero = 0;

    __asm__ volatile("fnclex; emms; fildl %0" ::"m"(zero));
}

/* All that the CPU knows is switched, whatever the guest enabled: what it enabled once and disabled
 * again is still there (SDM 1 13.3). So XCR0 is full around XSAVE and XRSTOR, and the guest's in
 * between. */
void xstate_restore(struct vcpu *v)
{
    if (keeps_pointers)
        clear_pointers();
    if (!supported) {
        __asm__ volatile("fxrstor64 (%0)" ::"r"(v->xstate) : "memory");
        return;
    }
    __asm__ volatile("xrstor64 (%0)" ::"r"(v->xstate), "a"(~0u), "d"(~0u) : "memory");
    if (v->xcr0 != supported)
        xsetbv(0, v->xcr0);
}

void xstate_save(struct vcpu *v)
{
    if (!supported) {
        __asm__ volatile("fxsave64 (%0)" ::"r"(v->xstate) : "memory");
        return;
    }
    if (v->xcr0 != supported)
        xsetbv(0, supported);
    __asm__ volatile("xsave64 (%0)" ::"r"(v->xstate), "a"(~0u), "d"(~0u) : "memory");
}

/* SDM 2C XSETBV: what raises #GP. */
static bool xcr0_valid(u64 value)
{
    if (!(value & XCR0_X87) || (value & ~supported))
        return false;
    if ((value & XCR0_AVX) && !(value & XCR0_SSE))
        return false;
    if ((value & XCR0_AVX512) && !(value & XCR0_AVX))
        return false;
    for (unsigned i = 0; i < ARRAY_SIZE(groups); i++)
        if ((value & groups[i]) && (value & groups[i]) != groups[i])
            return false;
    return true;
}

void xstate_set_legacy(struct vcpu *v, const void *image)
{
    u8 *area = (u8 *)v->xstate;

    xstate_reset(v);
    memcpy(area, image, XSTATE_BV);
    *(u32 *)(area + MXCSR_OFFSET) &= mxcsr_mask;
    if (supported)
        *(u64 *)(area + XSTATE_BV) = XCR0_X87 | XCR0_SSE;
}

/* What XRSTOR takes without #GP (SDM 1 13.8.1): the standard form, whose header says nothing but
 * which of the features are not in their INIT state. */
static bool area_valid(const u8 *area, u64 features)
{
    u64 header[HEADER_SIZE / sizeof(u64)];
    u32 mxcsr;

    memcpy(header, area + XSTATE_BV, sizeof(header));
    memcpy(&mxcsr, area + MXCSR_OFFSET, sizeof(mxcsr));
    for (unsigned i = 1; i < ARRAY_SIZE(header); i++)
        if (header[i])
            return false;
    return !(header[0] & ~features) && !(mxcsr & ~mxcsr_mask);
}

int xstate_set(struct vcpu *v, u64 xcr0, u64 accum, const u8 *area, u32 size)
{
    if (!xcr0_valid(xcr0) || !xcr0_valid(accum) || (xcr0 & ~accum))
        return -EINVAL;
    if (size != xstate_size(accum) || !area_valid(area, accum))
        return -EINVAL;
    xstate_reset(v);
    memcpy(v->xstate, area, size);
    v->xcr0 = xcr0;
    return 0;
}

int xstate_set_xcr0(struct vcpu *v, u64 value)
{
    if (!xcr0_valid(value))
        return -EINVAL;
    v->xcr0 = value;
    xsetbv(0, value);
    return 0;
}

/* Registers of the loaded vcpu are in the CPU: they go through its area, which is where they would
 * be saved anyway. */
void xstate_get_ymm(struct vcpu *v, unsigned n, u8 value[32])
{
    const u8 *area = (const u8 *)v->xstate;

    xstate_save(v);
    memcpy(value, area + XMM_OFFSET + n * 16, 16);
    if (supported & XCR0_AVX)
        memcpy(value + 16, area + ymm_offset + n * 16, 16);
    else
        memset(value + 16, 0, 16);
    xstate_restore(v);
}

void xstate_set_ymm(struct vcpu *v, unsigned n, const u8 value[32], bool zero_upper)
{
    u8 *area = (u8 *)v->xstate;

    xstate_save(v);
    memcpy(area + XMM_OFFSET + n * 16, value, 16);
    if (supported)
        *(u64 *)(area + XSTATE_BV) |= XCR0_SSE;
    if (supported & XCR0_AVX) {
        memcpy(area + ymm_offset + n * 16, value + 16, 16);
        *(u64 *)(area + XSTATE_BV) |= XCR0_AVX;
    }
    if (zero_upper && (supported & XCR0_ZMM_HI256))
        memset(area + zmm_offset + n * 32, 0, 32);
    xstate_restore(v);
}
