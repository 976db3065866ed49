/* SPDX-License-Identifier: BSD-2-Clause */
#include "hv/policy.h"
#include "hv/string.h"
#include "hv/timer.h"
#include "hv/vcpu.h"
#include "hv/vendor.h"
#include "hv/vlapic.h"
#include "hv/x86.h"
#include "hv/xstate.h"
#include "hv/domain.h"
#include <xen/arch-x86/cpuid.h>

#define LEAF_EXTENDED 0x80000000u
#define LEAF_XEN      0x40000000u
#define XEN_LEAVES    5
#define MIN_PHYS_BITS 36
#define LINEAR_BITS   48 /* five-level paging (LA57) is not offered */

enum reg { EAX, EBX, ECX, EDX };

/* Features that pass through: those that need no help, or have it from root mode. What is not
 * listed a guest does not see. */
struct mask {
    u32 leaf, subleaf;
    u8 reg; /* enum reg */
    u32 keep;
};

static const struct mask masks[] = {
    {0x1, 0, ECX,
     CPUID_1_ECX_SSE3 | CPUID_1_ECX_PCLMULQDQ | CPUID_1_ECX_SSSE3 | CPUID_1_ECX_FMA |
         CPUID_1_ECX_CMPXCHG16B | CPUID_1_ECX_PCID | CPUID_1_ECX_SSE4_1 | CPUID_1_ECX_SSE4_2 |
         CPUID_1_ECX_MOVBE | CPUID_1_ECX_POPCNT | CPUID_1_ECX_AES | CPUID_1_ECX_XSAVE |
         CPUID_1_ECX_AVX | CPUID_1_ECX_F16C | CPUID_1_ECX_RDRAND},
    {0x1, 0, EDX,
     CPUID_1_EDX_FPU | CPUID_1_EDX_VME | CPUID_1_EDX_DE | CPUID_1_EDX_PSE | CPUID_1_EDX_TSC |
         CPUID_1_EDX_MSR | CPUID_1_EDX_PAE | CPUID_1_EDX_MCE | CPUID_1_EDX_CX8 | CPUID_1_EDX_APIC |
         CPUID_1_EDX_SEP | CPUID_1_EDX_MTRR | CPUID_1_EDX_PGE | CPUID_1_EDX_MCA | CPUID_1_EDX_CMOV |
         CPUID_1_EDX_PAT | CPUID_1_EDX_PSE36 | CPUID_1_EDX_CLFSH | CPUID_1_EDX_MMX |
         CPUID_1_EDX_FXSR | CPUID_1_EDX_SSE | CPUID_1_EDX_SSE2},
    {0x7, 0, EBX,
     CPUID_7_EBX_FSGSBASE | CPUID_7_EBX_BMI1 | CPUID_7_EBX_AVX2 | CPUID_7_EBX_FDP_EXCPTN |
         CPUID_7_EBX_SMEP | CPUID_7_EBX_BMI2 | CPUID_7_EBX_ERMS | CPUID_7_EBX_INVPCID |
         CPUID_7_EBX_ZERO_FCS_FDS | CPUID_7_EBX_AVX512F | CPUID_7_EBX_AVX512DQ |
         CPUID_7_EBX_RDSEED | CPUID_7_EBX_ADX | CPUID_7_EBX_SMAP | CPUID_7_EBX_AVX512_IFMA |
         CPUID_7_EBX_CLFLUSHOPT | CPUID_7_EBX_CLWB | CPUID_7_EBX_AVX512CD | CPUID_7_EBX_SHA |
         CPUID_7_EBX_AVX512BW | CPUID_7_EBX_AVX512VL},
    {0x7, 0, ECX,
     CPUID_7_ECX_PREFETCHWT1 | CPUID_7_ECX_AVX512_VBMI | CPUID_7_ECX_UMIP |
         CPUID_7_ECX_AVX512_VBMI2 | CPUID_7_ECX_GFNI | CPUID_7_ECX_VAES | CPUID_7_ECX_VPCLMULQDQ |
         CPUID_7_ECX_AVX512_VNNI | CPUID_7_ECX_AVX512_BITALG | CPUID_7_ECX_VPOPCNTDQ |
         CPUID_7_ECX_MOVDIRI | CPUID_7_ECX_MOVDIR64B},
    {0x7, 0, EDX, CPUID_7_EDX_FSRM | CPUID_7_EDX_MD_CLEAR | CPUID_7_EDX_SERIALIZE},
    {0xd, 1, EAX, CPUID_D1_EAX_XSAVEOPT | CPUID_D1_EAX_XSAVEC | CPUID_D1_EAX_XGETBV1},
    {0x80000001, 0, ECX,
     CPUID_EXT1_ECX_LAHF | CPUID_EXT1_ECX_CR8_LEGACY | CPUID_EXT1_ECX_ABM | CPUID_EXT1_ECX_SSE4A |
         CPUID_EXT1_ECX_MISALIGNSSE | CPUID_EXT1_ECX_3DNOWPREFETCH | CPUID_EXT1_ECX_FMA4 |
         CPUID_EXT1_ECX_TBM},
    {0x80000001, 0, EDX,
     CPUID_EXT1_EDX_SYSCALL | CPUID_EXT1_EDX_NX | CPUID_EXT1_EDX_MMXEXT | CPUID_EXT1_EDX_PAGE1GB |
         CPUID_EXT1_EDX_RDTSCP | CPUID_EXT1_EDX_LM},
    {0x80000007, 0, EDX, CPUID_EXT7_EDX_INVARIANT_TSC},
    {0x80000008, 0, EBX, CPUID_EXT8_EBX_CLZERO},
};

static u32 *reg_of(struct cpuid_regs *r, u8 reg)
{
    u32 *const regs[] = {&r->eax, &r->ebx, &r->ecx, &r->edx};

    return regs[reg];
}

static struct cpuid_regs *leaf_of(struct policy *p, u32 leaf, u32 subleaf)
{
    if (leaf == 0xd)
        return &p->xsave[subleaf];
    if (leaf >= LEAF_EXTENDED)
        return &p->extended[leaf - LEAF_EXTENDED];
    return &p->basic[leaf];
}

static bool host_has(u32 leaf)
{
    return leaf <= cpuid(leaf & LEAF_EXTENDED).eax;
}

static void apply_masks(struct policy *p)
{
    for (unsigned i = 0; i < ARRAY_SIZE(masks); i++) {
        const struct mask *m = &masks[i];
        struct cpuid_regs host = {0};

        if (host_has(m->leaf))
            host = cpuid_count(m->leaf, m->subleaf);
        *reg_of(leaf_of(p, m->leaf, m->subleaf), m->reg) = *reg_of(&host, m->reg) & m->keep;
    }
    /* Leaf 80000001h repeats the lower features of leaf 1 on AMD, and there only. */
    if (cpuid(LEAF_EXTENDED + 1).edx & CPUID_1_EDX_FPU)
        p->extended[1].edx |= p->basic[1].edx & 0x0183f3ff;
}

static void compute_basic(struct policy *p, const struct policy_config *c)
{
    struct cpuid_regs one = cpuid(1);

    p->basic[0] = cpuid(0);
    p->basic[0].eax = MIN(p->basic[0].eax, (u32)(xstate_supported() ? 0xd : 0xb));
    p->signature = p->basic[1].eax = one.eax;
    /* CLFLUSH line size stays; the APIC id is the vcpu's, the count of ids the domain's. */
    p->basic[1].ebx = (one.ebx & 0xff00) | (2 * c->vcpus & 0xff) << 16;
    p->basic[1].ecx |= CPUID_1_ECX_HYPERVISOR;
    if (c->x2apic)
        p->basic[1].ecx |= CPUID_1_ECX_X2APIC;
    if (c->tsc_deadline)
        p->basic[1].ecx |= CPUID_1_ECX_TSC_DEADLINE;
    if (c->vcpus > 1)
        p->basic[1].edx |= CPUID_1_EDX_HTT;
    p->basic[2] = host_has(2) ? cpuid(2) : (struct cpuid_regs){0};
}

static void compute_extended(struct policy *p)
{
    struct cpuid_regs sizes = cpuid(LEAF_EXTENDED + 8);

    p->extended[0] = cpuid(LEAF_EXTENDED);
    p->extended[0].eax = MIN(p->extended[0].eax, LEAF_EXTENDED + 8);
    p->extended[1].eax =
        p->basic[0].ebx == 0x68747541 ? p->signature : 0; /* "Auth": AMD repeats it */
    for (u32 i = 2; i <= 6; i++)                          /* brand string and caches: no promises */
        p->extended[i] = cpuid(LEAF_EXTENDED + i);
    p->phys_bits = host_has(LEAF_EXTENDED + 8) ? (u8)sizes.eax : MIN_PHYS_BITS;
    p->extended[8].eax = p->phys_bits | LINEAR_BITS << 8;
}

/* Leaf 4: sharing is by vcpu, there are no threads; leaf 0bh: one thread per core, all one package.
 */
static void compute_topology(struct policy *p, const struct policy_config *c)
{
    unsigned shift = 1;

    while (1u << shift < 2 * c->vcpus)
        shift++;
    p->topology[0] = (struct cpuid_regs){1, 1, 1 << 8, 0};
    p->topology[1] = (struct cpuid_regs){shift, c->vcpus, 2 << 8 | 1, 0};
    if (c->apic_ids) /* the machine's own numbering */
        for (unsigned i = 0; i < 2 && host_has(0xb); i++)
            p->topology[i] = cpuid_count(0xb, i);
    for (unsigned i = 0; i < ARRAY_SIZE(p->cache) && host_has(4); i++) {
        struct cpuid_regs r = cpuid_count(4, i);

        if ((r.eax & 0x1f) == 0)
            break;
        r.eax = (r.eax & 0x3fff) | ((c->vcpus - 1) & 0x3f) << 26;
        p->cache[i] = r;
    }
}

static void compute_xsave(struct policy *p)
{
    u64 mask = 0;

    if (!(p->basic[1].ecx & CPUID_1_ECX_XSAVE))
        return;
    mask = XCR0_X87 | XCR0_SSE;
    if (p->basic[1].ecx & CPUID_1_ECX_AVX)
        mask |= XCR0_AVX;
    if (p->basic[7].ebx & CPUID_7_EBX_AVX512F)
        mask |= XCR0_AVX512;
    mask &= xstate_supported();
    p->xcr0_mask = mask;
    p->xsave[0] = (struct cpuid_regs){(u32)mask, 0, xstate_size(mask), (u32)(mask >> 32)};
    for (unsigned i = 2; i < POLICY_XSAVE; i++)
        if (mask & BIT(i))
            p->xsave[i] = cpuid_count(0xd, i);
}

/* Features that only mean something together with a bit of CR4 or EFER. */
struct control_bit {
    u32 leaf;
    u8 reg;
    u32 feature;
    u64 bits;
};

static const struct control_bit cr4_bits[] = {
    {0x1, EDX, CPUID_1_EDX_VME, CR4_VME | CR4_PVI},
    {0x1, EDX, CPUID_1_EDX_TSC, CR4_TSD},
    {0x1, EDX, CPUID_1_EDX_DE, CR4_DE},
    {0x1, EDX, CPUID_1_EDX_PSE, CR4_PSE},
    {0x1, EDX, CPUID_1_EDX_PAE, CR4_PAE},
    {0x1, EDX, CPUID_1_EDX_MCE, CR4_MCE},
    {0x1, EDX, CPUID_1_EDX_PGE, CR4_PGE},
    {0x1, EDX, CPUID_1_EDX_FPU, CR4_PCE},
    {0x1, EDX, CPUID_1_EDX_FXSR, CR4_OSFXSR},
    {0x1, EDX, CPUID_1_EDX_SSE, CR4_OSXMMEXCPT},
    {0x1, ECX, CPUID_1_ECX_PCID, CR4_PCIDE},
    {0x1, ECX, CPUID_1_ECX_XSAVE, CR4_OSXSAVE},
    {0x7, EBX, CPUID_7_EBX_FSGSBASE, CR4_FSGSBASE},
    {0x7, EBX, CPUID_7_EBX_SMEP, CR4_SMEP},
    {0x7, EBX, CPUID_7_EBX_SMAP, CR4_SMAP},
    {0x7, ECX, CPUID_7_ECX_UMIP, CR4_UMIP},
};

static const struct control_bit efer_bits[] = {
    {0x80000001, EDX, CPUID_EXT1_EDX_SYSCALL, EFER_SCE},
    {0x80000001, EDX, CPUID_EXT1_EDX_LM, EFER_LME},
    {0x80000001, EDX, CPUID_EXT1_EDX_NX, EFER_NXE},
};

static u64 control_mask(struct policy *p, const struct control_bit *table, unsigned count)
{
    u64 mask = 0;

    for (unsigned i = 0; i < count; i++)
        if (*reg_of(leaf_of(p, table[i].leaf, 0), table[i].reg) & table[i].feature)
            mask |= table[i].bits;
    return mask;
}

/* xen/arch-x86/cpuid.h: signature, version, hypercall page, time, HVM features. */
static void compute_xen(struct policy *p, const struct policy_config *c)
{
    p->xen[0] = (struct cpuid_regs){LEAF_XEN + XEN_LEAVES, XEN_CPUID_SIGNATURE_EBX,
                                    XEN_CPUID_SIGNATURE_ECX, XEN_CPUID_SIGNATURE_EDX};
    p->xen[1].eax = c->xen_version;
    p->xen[2] = (struct cpuid_regs){1, LEAF_XEN, 0, 0}; /* one page, by MSR 40000000h */
    p->xen[3].ecx = (u32)(time_tsc_hz() / 1000);
    p->xen[4].eax = XEN_HVM_CPUID_VCPU_ID_PRESENT | XEN_HVM_CPUID_DOMID_PRESENT;
    p->xen[5].ebx = p->phys_bits;
}

void policy_compute(struct policy *p, const struct policy_config *c)
{
    apply_masks(p);
    compute_basic(p, c);
    compute_extended(p);
    compute_topology(p, c);
    compute_xsave(p);
    compute_xen(p, c);
    p->apic_ids = c->apic_ids;
    p->cr4_mask = control_mask(p, cr4_bits, ARRAY_SIZE(cr4_bits));
    p->efer_mask = control_mask(p, efer_bits, ARRAY_SIZE(efer_bits));
}

u32 policy_apic_id(const struct policy *p, unsigned vcpu)
{
    return p->apic_ids ? p->apic_ids[vcpu] : 2 * vcpu;
}

u32 policy_vlapic_features(const struct policy *p)
{
    u32 ecx = p->basic[1].ecx;

    return (ecx & CPUID_1_ECX_X2APIC ? VLAPIC_X2APIC : 0) |
           (ecx & CPUID_1_ECX_TSC_DEADLINE ? VLAPIC_DEADLINE : 0);
}

/* Leaves that differ by vcpu or by the moment. */
static struct cpuid_regs dynamic_leaf1(struct vcpu *v, struct cpuid_regs r)
{
    struct cpu_state s;

    r.ebx |= v->vlapic.id << 24;
    if (!vlapic_hw_enabled(&v->vlapic))
        r.edx &= ~CPUID_1_EDX_APIC;
    if (r.ecx & CPUID_1_ECX_XSAVE) {
        vendor->state_get(v, STATE_CR, &s);
        if (s.cr4 & CR4_OSXSAVE)
            r.ecx |= CPUID_1_ECX_OSXSAVE;
    }
    return r;
}

static struct cpuid_regs xsave_leaf(struct vcpu *v, u32 subleaf)
{
    struct cpuid_regs r = {0};

    if (subleaf >= POLICY_XSAVE)
        return r;
    r = v->domain->policy->xsave[subleaf];
    if (subleaf == 0 && r.eax)
        r.ebx = xstate_size(v->xcr0);
    if (subleaf == 1 && r.eax & CPUID_D1_EAX_XSAVEC)
        r.ebx = xstate_size_compacted(v->xcr0);
    return r;
}

static struct cpuid_regs topology_leaf(struct vcpu *v, u32 subleaf)
{
    struct cpuid_regs r = {0, 0, subleaf & 0xff, v->vlapic.id};

    if (subleaf >= ARRAY_SIZE(v->domain->policy->topology))
        return r;
    r = v->domain->policy->topology[subleaf];
    r.edx = v->vlapic.id;
    return r;
}

static struct cpuid_regs xen_leaf(struct vcpu *v, u32 leaf, u32 subleaf)
{
    struct cpuid_regs r = v->domain->policy->xen[leaf - LEAF_XEN];

    if (leaf == LEAF_XEN + 3 && subleaf)
        return (struct cpuid_regs){0};
    if (leaf == LEAF_XEN + 4) {
        r.ebx = v->id;
        r.ecx = v->domain->id;
    }
    return r;
}

static struct cpuid_regs basic_leaf(struct vcpu *v, u32 leaf, u32 subleaf)
{
    const struct policy *p = v->domain->policy;

    switch (leaf) {
    case 0x1:
        return dynamic_leaf1(v, p->basic[1]);
    case 0x4:
        return subleaf < ARRAY_SIZE(p->cache) ? p->cache[subleaf] : (struct cpuid_regs){0};
    case 0x7:
        return subleaf ? (struct cpuid_regs){0} : p->basic[7];
    case 0xb:
        return topology_leaf(v, subleaf);
    case 0xd:
        return xsave_leaf(v, subleaf);
    default:
        return p->basic[leaf];
    }
}

struct cpuid_regs policy_cpuid(struct vcpu *v, u32 leaf, u32 subleaf)
{
    const struct policy *p = v->domain->policy;

    if (leaf <= p->basic[0].eax)
        return basic_leaf(v, leaf, subleaf);
    if (leaf - LEAF_EXTENDED <= p->extended[0].eax - LEAF_EXTENDED)
        return p->extended[leaf - LEAF_EXTENDED];
    if (leaf - LEAF_XEN <= XEN_LEAVES)
        return xen_leaf(v, leaf, subleaf);
    /* SDM 2A CPUID: beyond the last leaf, Intel shows the last one and AMD zeros; so does every
     * hypervisor show zeros. */
    return (struct cpuid_regs){0};
}
