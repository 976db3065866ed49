/* SPDX-License-Identifier: BSD-2-Clause */
/* A vcpu's state, group by group, between struct cpu_state and the VMCB. */
#include "hv/cpu.h"
#include "hv/errno.h"
#include "hv/msr.h"
#include "hv/string.h"
#include "svm/svm.h"

static const u8 vmcb_index[SEG_COUNT] = {
    [SEG_ES] = VMCB_ES, [SEG_CS] = VMCB_CS, [SEG_SS] = VMCB_SS,     [SEG_DS] = VMCB_DS,
    [SEG_FS] = VMCB_FS, [SEG_GS] = VMCB_GS, [SEG_LDTR] = VMCB_LDTR, [SEG_TR] = VMCB_TR,
};

static void get_seg(const struct vmcb *b, struct cpu_state *s, unsigned i)
{
    const struct vmcb_seg *x = vmcb_seg(b, vmcb_index[i]);

    s->seg[i] = (struct segment){x->selector, x->attr, x->limit, x->base};
}

static void set_seg(struct vmcb *b, const struct cpu_state *s, unsigned i)
{
    const struct segment *x = &s->seg[i];

    vmcb_set_seg(b, vmcb_index[i],
                 (struct vmcb_seg){x->selector, x->attr & 0xfff, x->limit, x->base});
}

/* The CPU keeps the privilege level apart, and SS.DPL need not agree with it (APM 2 15.5.1). */
static void show_cpl(const struct vmcb *b, struct cpu_state *s)
{
    u16 *attr = &s->seg[SEG_SS].attr;

    *attr = (u16)((*attr & ~(3u << 5)) | (u32)vmcb_cpl(b) << 5);
}

static void get_cs_ss(const struct vmcb *b, struct cpu_state *s)
{
    get_seg(b, s, SEG_CS);
    get_seg(b, s, SEG_SS);
    show_cpl(b, s);
}

static void set_cs_ss(struct vmcb *b, const struct cpu_state *s)
{
    set_seg(b, s, SEG_CS);
    set_seg(b, s, SEG_SS);
    vmcb_set_cpl(b, SEG_DPL(s->seg[SEG_SS].attr));
}

/* The six that instructions name are in both in the same order and form. */
_Static_assert(sizeof(struct segment) == sizeof(struct vmcb_seg) &&
                   offsetof(struct segment, base) == offsetof(struct vmcb_seg, base) &&
                   (int)SEG_GS == (int)VMCB_GS,
               "get_segs() copies them as they are");

static void get_segs(const struct vmcb *b, struct cpu_state *s)
{
    memcpy(&s->seg[SEG_ES], vmcb_seg(b, VMCB_ES), 6 * sizeof(struct segment));
    get_seg(b, s, SEG_LDTR);
    get_seg(b, s, SEG_TR);
    show_cpl(b, s);
}

static void set_segs(struct vmcb *b, const struct cpu_state *s)
{
    for (unsigned i = 0; i < SEG_COUNT; i++)
        set_seg(b, s, i);
    set_cs_ss(b, s);
}

static struct dtable get_dtable(const struct vmcb_seg *x)
{
    return (struct dtable){x->base, (u16)x->limit};
}

static void set_dtables(struct vmcb *b, const struct cpu_state *s)
{
    vmcb_set_seg(b, VMCB_GDTR, (struct vmcb_seg){.limit = s->gdtr.limit, .base = s->gdtr.base});
    vmcb_set_seg(b, VMCB_IDTR, (struct vmcb_seg){.limit = s->idtr.limit, .base = s->idtr.base});
}

/*
 * The guest's CR0 is the CPU's, but for CD and NW: real ones would make the guest's memory
 * uncached, from power-up to wherever its firmware or kernel clears them, for nobody's good. They
 * are kept here. While one is set every access to CR0 exits, for the CPU does not know it; else
 * only writes that change more than TS and MP do.
 */
static void keep_cache_bits(struct vcpu_vendor *vv, u64 bits)
{
    struct vmcb *b = vv->vmcb;

    vv->cr0_cache = bits;
    if (vmcb_intercepts(b, VMEXIT_CR_READ(0)) == !!bits)
        return;
    vmcb_intercept(b, VMEXIT_CR_READ(0), bits);
    vmcb_intercept(b, VMEXIT_CR_WRITE(0), bits);
}

/* MCE is root mode's, as on VT-x: while it is clear a machine check stops the machine instead of
 * exiting (APM 2 9.3.1, 15.12.10). The guest's own is kept here; while it is clear reads of CR4
 * exit. Writes always do. */
static void keep_mce(struct vcpu_vendor *vv, u64 cr4)
{
    vv->cr4_mce = cr4 & CR4_MCE;
    vmcb_set_cr4(vv->vmcb, cr4 | (svm_config.cr4 & CR4_MCE));
    vmcb_intercept(vv->vmcb, VMEXIT_CR_READ(4), svm_config.cr4 & CR4_MCE && !vv->cr4_mce);
}

static void get_crs(const struct vcpu_vendor *vv, struct cpu_state *s)
{
    const struct vmcb *b = vv->vmcb;

    s->cr0 = vmcb_cr0(b) | vv->cr0_cache;
    s->cr2 = vmcb_cr2(b);
    s->cr3 = vmcb_cr3(b);
    s->cr4 = (vmcb_cr4(b) & ~CR4_MCE) | vv->cr4_mce;
    s->efer = vmcb_efer(b) & ~EFER_SVME;
}

/* What VMRUN refuses (APM 2 15.5.1), as far as CPUs differ from what has been checked already. */
static bool crs_are_sound(const struct cpu_state *s)
{
    bool paging = s->cr0 & CR0_PG;

    if (paging && !(s->cr0 & CR0_PE))
        return false;
    if (paging && s->efer & EFER_LME && !(s->cr4 & CR4_PAE))
        return false;
    return !(s->cr0 >> 32);
}

static int set_crs(struct vcpu_vendor *vv, const struct cpu_state *s)
{
    struct vmcb *b = vv->vmcb;

    if (!crs_are_sound(s))
        return -EINVAL;
    keep_cache_bits(vv, s->cr0 & (CR0_CD | CR0_NW));
    vmcb_set_cr0(b, (s->cr0 & ~(CR0_CD | CR0_NW)) | CR0_ET);
    vmcb_set_cr2(b, s->cr2);
    vmcb_set_cr3(b, s->cr3);
    keep_mce(vv, s->cr4);
    vmcb_set_efer(b, s->efer | EFER_SVME);
    return 0;
}

static void get_msrs(const struct vcpu_vendor *vv, struct cpu_state *s)
{
    const struct vmcb *b = vv->vmcb;

    s->pat = vmcb_g_pat(b);
    s->star = b->star;
    s->lstar = b->lstar;
    s->cstar = b->cstar;
    s->sfmask = b->sfmask;
    s->kernel_gs_base = b->kernel_gs_base;
    s->sysenter_cs = b->sysenter_cs;
    s->sysenter_esp = b->sysenter_esp;
    s->sysenter_eip = b->sysenter_eip;
    s->tsc_aux = vv->loaded && svm_config.tsc_aux ? rdmsr(MSR_TSC_AUX) : vv->tsc_aux;
}

static void set_msrs(struct vcpu_vendor *vv, const struct cpu_state *s)
{
    struct vmcb *b = vv->vmcb;

    vmcb_set_g_pat(b, s->pat);
    b->star = s->star;
    b->lstar = s->lstar;
    b->cstar = s->cstar;
    b->sfmask = s->sfmask;
    b->kernel_gs_base = s->kernel_gs_base;
    b->sysenter_cs = s->sysenter_cs;
    b->sysenter_esp = s->sysenter_esp;
    b->sysenter_eip = s->sysenter_eip;
    vv->tsc_aux = s->tsc_aux;
    if (vv->loaded && svm_config.tsc_aux)
        wrmsr(MSR_TSC_AUX, s->tsc_aux);
}

/* Branch records are switched only for guests that use them. */
static void set_debugctl(struct vcpu_vendor *vv, u64 value)
{
    vv->debugctl = value;
    if (!svm_config.lbrv)
        return;
    vmcb_set_dbgctl(vv->vmcb, value);
    vmcb_set_virt_ext(vv->vmcb, value ? LBR_ENABLE : 0);
}

static u64 get_debugctl(const struct vcpu_vendor *vv)
{
    return vmcb_virt_ext(vv->vmcb) & LBR_ENABLE ? vmcb_dbgctl(vv->vmcb) : vv->debugctl;
}

static void get_intr(const struct vcpu *v, struct cpu_state *s)
{
    const struct vcpu_vendor *vv = v->vendor;

    s->nmi_blocked = svm_nmi_blocked(v);
    s->activity = v->exit.reason == EXIT_TRIPLE_FAULT ? ACTIVITY_SHUTDOWN : ACTIVITY_RUN;
    s->pending_dbg = vv->pending_dbg;
    s->debugctl = get_debugctl(vv);
}

static void set_intr(struct vcpu *v, const struct cpu_state *s)
{
    struct vcpu_vendor *vv = v->vendor;

    svm_block_nmi(v, s->nmi_blocked);
    vv->pending_dbg = s->pending_dbg;
    vv->todo = s->pending_dbg ? vv->todo | TODO_PENDING_DB : vv->todo & ~TODO_PENDING_DB;
    set_debugctl(vv, s->debugctl);
}

/* PDPTEs: nested paging reads them from memory where VT-x keeps copies (APM 2 15.25.10). */
void svm_state_get(struct vcpu *v, u32 mask, struct cpu_state *s)
{
    struct vmcb *b = v->vendor->vmcb;

    if (mask & STATE_CS_SS)
        get_cs_ss(b, s);
    if (mask & STATE_SEGS)
        get_segs(b, s);
    if (mask & STATE_CR)
        get_crs(v->vendor, s);
    if (mask & STATE_DT) {
        s->gdtr = get_dtable(vmcb_seg(b, VMCB_GDTR));
        s->idtr = get_dtable(vmcb_seg(b, VMCB_IDTR));
    }
    if (mask & STATE_MSRS)
        get_msrs(v->vendor, s);
    if (mask & STATE_DR)
        svm_dr_get(v, s);
    if (mask & STATE_INTR)
        get_intr(v, s);
    if (mask & STATE_PDPTE)
        for (unsigned i = 0; i < 4; i++)
            s->pdpte[i] = 0;
}

int svm_state_set(struct vcpu *v, u32 mask, const struct cpu_state *s)
{
    struct vmcb *b = v->vendor->vmcb;

    if (mask & STATE_DR && (s->dr6 | s->dr7) >> 32)
        return -EINVAL;
    if (mask & STATE_CR && set_crs(v->vendor, s))
        return -EINVAL;
    if (mask & STATE_CS_SS)
        set_cs_ss(b, s);
    if (mask & STATE_SEGS)
        set_segs(b, s);
    if (mask & STATE_DT)
        set_dtables(b, s);
    if (mask & STATE_MSRS)
        set_msrs(v->vendor, s);
    if (mask & STATE_DR)
        svm_dr_set(v, s);
    if (mask & STATE_INTR)
        set_intr(v, s);
    return 0;
}
