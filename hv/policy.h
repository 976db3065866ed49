/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What CPUID and MSRs show a domain, computed once when it is made: the host's features under a
 * mask of what root mode can keep its promise for. A guest never sees a leaf of the host's as it
 * is.
 */
#ifndef HV_POLICY_H
#define HV_POLICY_H

#include "hv/compiler.h"
#include "hv/cpu.h"
#include "hv/types.h"

struct vcpu;

#define POLICY_BASIC    0x17 /* leaves 0 to 16h */
#define POLICY_EXTENDED 0x22 /* 80000000h to 80000021h */
#define POLICY_XEN      6    /* 40000000h to 40000005h */
#define POLICY_XSAVE    20   /* subleaves of 0dh */

struct policy {
    struct cpuid_regs basic[POLICY_BASIC];
    struct cpuid_regs extended[POLICY_EXTENDED];
    struct cpuid_regs xen[POLICY_XEN];
    struct cpuid_regs xsave[POLICY_XSAVE]; /* subleaf 0: EBX is computed when asked */
    struct cpuid_regs cache[4];            /* leaf 4 */
    struct cpuid_regs topology[2];         /* leaf 0bh; EDX is the vcpu's */
    u32 signature;                         /* leaf 1 EAX: also DX at reset */
    u64 cr4_mask;                          /* bits a guest may set */
    u64 efer_mask;                         /* the same */
    u64 xcr0_mask;
    u8 phys_bits;
    const u32 *apic_ids; /* one per vcpu, or NULL: 2 * vcpu */
};

struct policy_config {
    unsigned vcpus;
    const u32 *apic_ids; /* outlives the policy */
    bool x2apic, tsc_deadline;
    bool privileged;
    u32 xen_version; /* major << 16 | minor */
};

/* p is zeroed. Any CPU; all CPUs are alike. */
void policy_compute(struct policy *p, const struct policy_config *c);

/* CPUID for v as it stands: with OSXSAVE, APIC id and enable, XSAVE size of the moment. v's CPU. */
struct cpuid_regs policy_cpuid(struct vcpu *v, u32 leaf, u32 subleaf);

u32 policy_apic_id(const struct policy *p, unsigned vcpu);
/* VLAPIC_* that this policy promises. */
u32 policy_vlapic_features(const struct policy *p);

#endif
