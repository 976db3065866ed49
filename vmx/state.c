/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The guest's architectural state: between struct cpu_state and the VMCS, or the CPU where the VMCS
 * has no field for it. One function for each group and direction, found in a table.
 *
 * The control registers a guest sees differ from the ones it runs with:
 *
 *   CR0   NE is what VMX demands; CD and NW are never really set, for an entry does not load them,
 * and root mode would run uncached. The guest reads its own from the shadow. CR4   VMXE is always
 * on, and MCE is root mode's, or a machine check would stop the machine. Both are shadowed, as is
 * every bit that the vcpu may not set at all.
 *
 * Writes that change one of these bits exit; all others the guest makes by itself, PG, PE and PAE
 * included: the CPU keeps EFER.LMA, the entry control that mirrors it and the PDPTEs right.
 */
#include "hv/cpu.h"
#include "hv/errno.h"
#include "hv/msr.h"
#include "vmx/vmcs.h"
#include "vmx/vmx.h"

#define CR0_OWNED (CR0_NE | CR0_CD | CR0_NW)
#define CR4_OWNED (CR4_VMXE | CR4_MCE)

const u32 vmx_switched_msr[SWITCHED_MSRS] = {
    [SWITCHED_STAR] = MSR_STAR,       [SWITCHED_LSTAR] = MSR_LSTAR,
    [SWITCHED_CSTAR] = MSR_CSTAR,     [SWITCHED_SFMASK] = MSR_SFMASK,
    [SWITCHED_TSC_AUX] = MSR_TSC_AUX, [SWITCHED_KERNEL_GS_BASE] = MSR_KERNEL_GS_BASE,
};

/* Segments. A null SS keeps its DPL, which is the CPL (SDM 3C 25.4.1). */

static void get_segment(struct segment *s, unsigned seg)
{
    u32 rights = (u32)vmread(GUEST_RIGHTS(seg));

    s->selector = (u16)vmread(GUEST_SELECTOR(seg));
    s->limit = (u32)vmread(GUEST_LIMIT(seg));
    s->base = vmread(GUEST_BASE(seg));
    s->attr = (u16)((rights & 0xff) | (rights >> 4 & 0xf00));
    if (rights & RIGHTS_UNUSABLE)
        s->attr &= (u16)~SEG_P;
}

/* VM entry wants the accessed bit set in what is loaded, and TR busy (SDM 3C 27.3.1.2). */
static void set_segment(const struct segment *s, unsigned seg)
{
    u32 rights = (s->attr & 0xffu) | (s->attr & 0xf00u) << 4;

    if (!(s->attr & SEG_P))
        rights |= RIGHTS_UNUSABLE;
    else if (s->attr & SEG_S)
        rights |= 1;
    else if (seg == SEG_TR)
        rights |= 2;
    vmwrite(GUEST_SELECTOR(seg), s->selector);
    vmwrite(GUEST_LIMIT(seg), s->limit);
    vmwrite(GUEST_BASE(seg), s->base);
    vmwrite(GUEST_RIGHTS(seg), rights);
}

static void get_segs(struct vcpu *v, struct cpu_state *s)
{
    (void)v;
    for (unsigned i = 0; i < SEG_COUNT; i++)
        get_segment(&s->seg[i], i);
}

static int set_segs(struct vcpu *v, const struct cpu_state *s)
{
    (void)v;
    for (unsigned i = 0; i < SEG_COUNT; i++)
        set_segment(&s->seg[i], i);
    return 0;
}

static void get_cs_ss(struct vcpu *v, struct cpu_state *s)
{
    (void)v;
    get_segment(&s->seg[SEG_CS], SEG_CS);
    get_segment(&s->seg[SEG_SS], SEG_SS);
}

static int set_cs_ss(struct vcpu *v, const struct cpu_state *s)
{
    (void)v;
    set_segment(&s->seg[SEG_CS], SEG_CS);
    set_segment(&s->seg[SEG_SS], SEG_SS);
    return 0;
}

static void get_dt(struct vcpu *v, struct cpu_state *s)
{
    (void)v;
    s->gdtr = (struct dtable){vmread(GUEST_GDTR_BASE), (u16)vmread(GUEST_GDTR_LIMIT)};
    s->idtr = (struct dtable){vmread(GUEST_IDTR_BASE), (u16)vmread(GUEST_IDTR_LIMIT)};
}

static int set_dt(struct vcpu *v, const struct cpu_state *s)
{
    (void)v;
    vmwrite(GUEST_GDTR_BASE, s->gdtr.base);
    vmwrite(GUEST_GDTR_LIMIT, s->gdtr.limit);
    vmwrite(GUEST_IDTR_BASE, s->idtr.base);
    vmwrite(GUEST_IDTR_LIMIT, s->idtr.limit);
    return 0;
}

/* Control registers and EFER. */

static void get_cr(struct vcpu *v, struct cpu_state *s)
{
    u64 cr4_mask = vmread(CR4_MASK);

    s->cr0 = (vmread(GUEST_CR0) & ~CR0_OWNED) | (vmread(CR0_SHADOW) & CR0_OWNED);
    s->cr2 = vmcs_is_loaded(v) ? read_cr2() : v->vendor->cr2;
    s->cr3 = vmread(GUEST_CR3);
    s->cr4 = (vmread(GUEST_CR4) & ~cr4_mask) | (vmread(CR4_SHADOW) & cr4_mask);
    s->efer = vmread(GUEST_EFER);
}

static void write_efer(const struct cpu_state *s)
{
    bool lma = s->efer & EFER_LME && s->cr0 & CR0_PG;
    u32 entry = (u32)vmread(ENTRY_CONTROLS) & ~(u32)ENTRYC_IA32E;

    vmwrite(GUEST_EFER, (s->efer & ~EFER_LMA) | (lma ? EFER_LMA : 0));
    vmwrite(ENTRY_CONTROLS, entry | (lma ? ENTRYC_IA32E : 0));
}

static void write_cr4_fields(struct vcpu *v, u64 cr4)
{
    u64 mask = ~v->cr_guest_mask | CR4_OWNED | vmx_config.cr4_fixed0;
    u64 forced = (read_cr4() & CR4_MCE) | vmx_config.cr4_fixed0;

    vmwrite(CR4_MASK, mask);
    vmwrite(CR4_SHADOW, cr4);
    vmwrite(GUEST_CR4, (cr4 & ~CR4_OWNED) | forced);
}

static int set_cr(struct vcpu *v, const struct cpu_state *s)
{
    if (s->cr4 & ~(vmx_config.cr4_fixed1 & ~CR4_VMXE))
        return -EINVAL;
    vmwrite(CR0_MASK, CR0_OWNED);
    vmwrite(CR0_SHADOW, s->cr0);
    vmwrite(GUEST_CR0, (s->cr0 & ~CR0_OWNED) | CR0_NE | CR0_ET);
    vmwrite(GUEST_CR3, s->cr3);
    write_cr4_fields(v, s->cr4);
    write_efer(s);
    v->vendor->cr2 = s->cr2;
    if (vmcs_is_loaded(v))
        write_cr2(s->cr2);
    return 0;
}

static void get_pdpte(struct vcpu *v, struct cpu_state *s)
{
    (void)v;
    for (unsigned i = 0; i < 4; i++)
        s->pdpte[i] = vmread(GUEST_PDPTE0 + 2 * i);
}

static int set_pdpte(struct vcpu *v, const struct cpu_state *s)
{
    (void)v;
    for (unsigned i = 0; i < 4; i++)
        vmwrite(GUEST_PDPTE0 + 2 * i, s->pdpte[i]);
    return 0;
}

/* MSRs. */

static u64 *switched_value(struct cpu_state *s, unsigned i)
{
    switch (i) {
    case SWITCHED_STAR:
        return &s->star;
    case SWITCHED_LSTAR:
        return &s->lstar;
    case SWITCHED_CSTAR:
        return &s->cstar;
    case SWITCHED_SFMASK:
        return &s->sfmask;
    case SWITCHED_KERNEL_GS_BASE:
        return &s->kernel_gs_base;
    default:
        return &s->tsc_aux;
    }
}

static bool in_cpu(struct vcpu *v, unsigned i)
{
    return vmcs_is_loaded(v) && (i != SWITCHED_TSC_AUX || vmx_config.tsc_aux);
}

static void get_msrs(struct vcpu *v, struct cpu_state *s)
{
    for (unsigned i = 0; i < SWITCHED_MSRS; i++)
        *switched_value(s, i) = in_cpu(v, i) ? rdmsr(vmx_switched_msr[i]) : v->vendor->msr[i];
    s->pat = vmread(GUEST_PAT);
    s->sysenter_cs = vmread(GUEST_SYSENTER_CS);
    s->sysenter_esp = vmread(GUEST_SYSENTER_ESP);
    s->sysenter_eip = vmread(GUEST_SYSENTER_EIP);
}

/* Non-canonical addresses would fault here, or fail the entry. */
static bool canonical(u64 address)
{
    return (u64)((s64)(address << 16) >> 16) == address;
}

static bool msrs_valid(const struct cpu_state *s)
{
    return canonical(s->lstar) && canonical(s->cstar) && canonical(s->kernel_gs_base) &&
           canonical(s->sysenter_esp) && canonical(s->sysenter_eip) && !(s->sfmask >> 32) &&
           !(s->tsc_aux >> 32) && !(s->sysenter_cs >> 32);
}

static int set_msrs(struct vcpu *v, const struct cpu_state *s)
{
    struct cpu_state copy = *s;

    if (!msrs_valid(s))
        return -EINVAL;
    for (unsigned i = 0; i < SWITCHED_MSRS; i++) {
        v->vendor->msr[i] = *switched_value(&copy, i);
        if (in_cpu(v, i))
            wrmsr(vmx_switched_msr[i], v->vendor->msr[i]);
    }
    vmwrite(GUEST_PAT, s->pat);
    vmwrite(GUEST_SYSENTER_CS, s->sysenter_cs);
    vmwrite(GUEST_SYSENTER_ESP, s->sysenter_esp);
    vmwrite(GUEST_SYSENTER_EIP, s->sysenter_eip);
    return 0;
}

static void get_dr(struct vcpu *v, struct cpu_state *s)
{
    vmx_dr_get(v, s);
}

static int set_dr(struct vcpu *v, const struct cpu_state *s)
{
    vmx_dr_set(v, s);
    return 0;
}

/* Interruptibility. HLT is not the VMCS's to keep: a vcpu that waits does not run. */

static void get_intr(struct vcpu *v, struct cpu_state *s)
{
    u32 activity = (u32)vmread(GUEST_ACTIVITY);

    s->nmi_blocked = v->vendor->interruptibility & INTERRUPTIBILITY_NMI;
    s->pending_dbg = vmread(GUEST_PENDING_DBG);
    s->debugctl = vmread(GUEST_DEBUGCTL);
    s->activity = activity == VMCS_SHUTDOWN ? ACTIVITY_SHUTDOWN : ACTIVITY_RUN;
}

static int set_intr(struct vcpu *v, const struct cpu_state *s)
{
    struct vcpu_vendor *vv = v->vendor;
    bool shutdown = s->activity == ACTIVITY_SHUTDOWN;

    vv->interruptibility &= ~(u32)INTERRUPTIBILITY_NMI;
    if (s->nmi_blocked)
        vv->interruptibility |= INTERRUPTIBILITY_NMI;
    vmwrite(GUEST_PENDING_DBG, s->pending_dbg);
    vmwrite(GUEST_DEBUGCTL, s->debugctl);
    vmwrite(GUEST_ACTIVITY, shutdown ? VMCS_SHUTDOWN : VMCS_ACTIVE);
    return 0;
}

/* Indexed by the bit number of the group. */
static const struct group {
    void (*get)(struct vcpu *v, struct cpu_state *s);
    int (*set)(struct vcpu *v, const struct cpu_state *s);
} groups[] = {
    {get_segs, set_segs}, {get_dt, set_dt},     {get_cr, set_cr},       {get_msrs, set_msrs},
    {get_dr, set_dr},     {get_intr, set_intr}, {get_pdpte, set_pdpte}, {get_cs_ss, set_cs_ss},
};
_Static_assert(STATE_SEGS == 1 << 0 && STATE_DT == 1 << 1 && STATE_CR == 1 << 2 &&
                   STATE_MSRS == 1 << 3 && STATE_DR == 1 << 4 && STATE_INTR == 1 << 5 &&
                   STATE_PDPTE == 1 << 6 && STATE_CS_SS == 1 << 7,
               "groups[]");

void vmx_state_get(struct vcpu *v, u32 mask, struct cpu_state *s)
{
    vmcs_enter(v);
    for (; mask; mask &= mask - 1)
        groups[__builtin_ctz(mask)].get(v, s);
    vmcs_leave(v);
}

int vmx_state_set(struct vcpu *v, u32 mask, const struct cpu_state *s)
{
    int rc = 0;

    vmcs_enter(v);
    for (; mask && !rc; mask &= mask - 1)
        rc = groups[__builtin_ctz(mask)].set(v, s);
    vmcs_leave(v);
    return rc;
}
