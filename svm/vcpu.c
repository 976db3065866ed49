/* SPDX-License-Identifier: BSD-2-Clause */
/* A vcpu's life: its VMCB made, loaded on a CPU, put away, and what of it may be asked to exit. */
#include "hv/cpu.h"
#include "hv/domain.h"
#include "hv/errno.h"
#include "hv/frames.h"
#include "hv/msr.h"
#include "hv/percpu.h"
#include "hv/vmem.h"
#include "svm/svm.h"

#define VCPU_ORDER 1 /* VMCB, struct vcpu_vendor */

_Static_assert(sizeof(struct vcpu_vendor) <= PAGE_SIZE, "one page");

#define TSC_RATIO_1 BIT(32)

/* Spinning on PAUSE: exit after this many, less than this many cycles apart (APM 2 15.14.4). */
#define PAUSE_COUNT     3000
#define PAUSE_THRESHOLD 128

/* #DB and #AC can raise themselves without end while they are delivered, and no interrupt gets in:
 * so they exit. A machine check is the machine's, not the guest's. */
const u32 svm_exceptions = BIT(TRAP_DB) | BIT(TRAP_AC) | BIT(TRAP_MC);

/* What always exits, beside exceptions. Of CR0 only the writes that change what root mode must know
 * of (state.c); not CLTS, nor MOV that changes TS alone. Of CR4 all writes: MCE is root mode's, and
 * what the guest's CPUID hides it must not turn on. */
static const u8 always[] = {
    VMEXIT_INTR,        VMEXIT_NMI,         VMEXIT_INIT,    VMEXIT_CR0_SEL_WRITE, VMEXIT_RDPMC,
    VMEXIT_CPUID,       VMEXIT_INVD,        VMEXIT_HLT,     VMEXIT_INVLPGA,       VMEXIT_IOIO,
    VMEXIT_MSR,         VMEXIT_VMRUN,       VMEXIT_VMMCALL, VMEXIT_TASK_SWITCH,   VMEXIT_SHUTDOWN,
    VMEXIT_VMLOAD,      VMEXIT_VMSAVE,      VMEXIT_STGI,    VMEXIT_CLGI,          VMEXIT_SKINIT,
    VMEXIT_WBINVD,      VMEXIT_MONITOR,     VMEXIT_MWAIT,   VMEXIT_XSETBV,        VMEXIT_CR_READ(8),
    VMEXIT_CR_WRITE(4), VMEXIT_CR_WRITE(8),
};

/* Instructions that no guest is offered, and that no CR4 or EFER bit keeps from it. */
static void intercept_extensions(struct vmcb *b)
{
    vmcb_intercept(b, VMEXIT_RDPRU, svm_config.rdpru);
    vmcb_intercept(b, VMEXIT_MCOMMIT, svm_config.mcommit);
    vmcb_intercept(b, VMEXIT_INVLPGB, svm_config.invlpgb);
    vmcb_intercept(b, VMEXIT_TLBSYNC, svm_config.invlpgb);
}

static void init_intercepts(struct vmcb *b)
{
    for (unsigned i = 0; i < ARRAY_SIZE(always); i++)
        vmcb_intercept(b, always[i], true);
    vmcb_intercept_word(b, VMEXIT_DR_READ(0), ~0u);
    vmcb_intercept_word(b, VMEXIT_EXCEPTION(0), svm_exceptions);
    vmcb_intercept(b, VMEXIT_PAUSE, svm_config.pause_filter);
    if (svm_config.pause_filter)
        vmcb_set_pause_count(b, PAUSE_COUNT);
    if (svm_config.pause_threshold)
        vmcb_set_pause_threshold(b, PAUSE_THRESHOLD);
    intercept_extensions(b);
}

static void init_vmcb(struct vcpu *v, struct vmcb *b)
{
    const struct vm_vendor *d = v->domain->vendor;

    init_intercepts(b);
    vmcb_set_iopm_base(b, virt_hpa(d->iopm).v);
    vmcb_set_msrpm_base(b, virt_hpa(d->msrpm).v);
    vmcb_set_np_ctl(b, NP_ENABLE);
    vmcb_set_n_cr3(b, p2m_root(&v->domain->p2m).v);
    vmcb_set_int_ctl(b, V_INTR_MASKING | (svm_config.vnmi ? V_NMI_ENABLE : 0));
}

static int alloc_vendor(struct vcpu *v)
{
    mfn_t m = frames_alloc(VCPU_ORDER, FRAMES_ZERO);

    if (mfn_is_none(m))
        return -ENOMEM;
    v->vendor = mfn_virt(MFN(m.v + 1));
    v->vendor->vmcb = mfn_virt(m);
    v->vendor->vmcb_pa = mfn_hpa(m);
    v->vendor->last_cpu = CPU_NONE;
    v->vendor->tsc_ratio = TSC_RATIO_1;
    return 0;
}

int svm_vcpu_init(struct vcpu *v)
{
    const struct cpu_state power_up = cpu_state_power_up();
    int rc = alloc_vendor(v);

    if (rc)
        return rc;
    init_vmcb(v, v->vendor->vmcb);
    rc = svm_state_set(v, STATE_ALL, &power_up);
    if (rc) {
        svm_vcpu_fini(v);
        return rc;
    }
    for (unsigned i = 0; i < GPRS; i++)
        v->gpr[i] = 0;
    v->rip = 0xfff0;
    v->rflags = RFLAGS_RESERVED;
    v->intr_shadow = 0;
    return 0;
}

void svm_vcpu_fini(struct vcpu *v)
{
    if (!v->vendor)
        return;
    frames_free(hpa_mfn(v->vendor->vmcb_pa), VCPU_ORDER);
    v->vendor = NULL;
}

/* What the CPU remembers of this VMCB is of no use on another CPU, nor is the ASID. */
void svm_vcpu_load(struct vcpu *v)
{
    struct percpu *c = this_cpu();
    struct vcpu_vendor *vv = v->vendor;

    if (vv->last_cpu != c->id) {
        vv->last_cpu = c->id;
        vv->generation = 0;
        vv->vmcb->clean = 0;
    }
    if (vv->tsc_ratio != c->vendor->tsc_ratio) {
        wrmsr(MSR_TSC_RATIO, vv->tsc_ratio);
        c->vendor->tsc_ratio = vv->tsc_ratio;
    }
    if (svm_config.tsc_aux)
        wrmsr(MSR_TSC_AUX, vv->tsc_aux);
    vv->loaded = true;
    svm_dr_load(v);
}

/* XSETBV exits, and root mode writes XCR0 for the guest; but QEMU 7.2 lets it through. So before
 * anybody switches XSAVE state by what the guest's XCR0 is, it is looked up. */
void svm_note_xcr0(struct vcpu *v)
{
    if (read_cr4() & CR4_OSXSAVE)
        v->xcr0 = xgetbv(0);
}

void svm_vcpu_put(struct vcpu *v)
{
    struct vcpu_vendor *vv = v->vendor;

    svm_note_xcr0(v);
    svm_dr_put(v);
    if (svm_config.tsc_aux)
        vv->tsc_aux = rdmsr(MSR_TSC_AUX);
    vv->loaded = false;
}

/* CR8 is always intercepted: V_TPR would have to be kept like the vLAPIC's, and QEMU 7.2 dies of a
 * guest's CR8 write that meets V_IRQ. */
void svm_intercept(struct vcpu *v, enum intercept what, bool on)
{
    struct vmcb *b = v->vendor->vmcb;

    switch (what) {
    case INTERCEPT_HLT:
        vmcb_intercept(b, VMEXIT_HLT, on);
        break;
    case INTERCEPT_PAUSE:
        vmcb_intercept(b, VMEXIT_PAUSE, on);
        break;
    case INTERCEPT_RDTSC:
        vmcb_intercept(b, VMEXIT_RDTSC, on);
        vmcb_intercept(b, VMEXIT_RDTSCP, on);
        break;
    case INTERCEPT_CR3:
        vmcb_intercept(b, VMEXIT_CR_WRITE(3), on);
        break;
    case INTERCEPT_DR:
        svm_dr_intercept(v, on);
        break;
    }
}

int svm_tsc_set(struct vcpu *v, u64 offset, u64 ratio)
{
    struct vcpu_vendor *vv = v->vendor;

    if (!ratio)
        ratio = TSC_RATIO_1;
    if (ratio != TSC_RATIO_1 && !svm_config.tsc_ratio)
        return -ENODEV;
    vmcb_set_tsc_offset(vv->vmcb, offset);
    vv->tsc_ratio = ratio;
    if (vv->loaded && this_cpu()->vendor->tsc_ratio != ratio) {
        wrmsr(MSR_TSC_RATIO, ratio);
        this_cpu()->vendor->tsc_ratio = ratio;
    }
    return 0;
}
