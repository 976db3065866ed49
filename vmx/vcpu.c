/* SPDX-License-Identifier: BSD-2-Clause */
/* A vcpu's life: its VMCS made, loaded on a CPU, put away, and what of it may be asked to exit. */
#include "hv/cpu.h"
#include "hv/domain.h"
#include "hv/errno.h"
#include "hv/frames.h"
#include "hv/msr.h"
#include "hv/percpu.h"
#include "hv/string.h"
#include "hv/timer.h"
#include "hv/vmem.h"
#include "vmx/vmcs.h"
#include "vmx/vmx.h"

#define VCPU_ORDER 1 /* VMCS, struct vcpu_vendor */

_Static_assert(sizeof(struct vcpu_vendor) <= PAGE_SIZE, "one page");

/* Spinning on PAUSE: this many cycles between two of one loop, and in all, as Linux has them. */
#define PLE_GAP_CYCLES    128
#define PLE_WINDOW_CYCLES 4096

/* A guest comes out at least this often. Real CPUs do not need it, for every interrupt is an exit;
 * but Bochs 3.0 holds interrupts back from a guest that was entered with RFLAGS.IF clear, until it
 * sets IF. The CPU loads the timer from the VMCS at each entry and does not save it, so all this
 * costs is the exits. */
#define LONGEST_RUN_MS 2

/* #DB and #AC can raise themselves without end while they are delivered, and no interrupt gets in:
 * so they exit. A machine check is the machine's, not the guest's. */
#define EXCEPTIONS (BIT(TRAP_DB) | BIT(TRAP_AC) | BIT(TRAP_MC))

/* Instructions that raise #UD unless a control enables them: off where CPUID does not offer them.
 */
static u32 not_offered(const struct policy *p)
{
    u32 bits = 0;

    if (!(p->extended[1].edx & CPUID_EXT1_EDX_RDTSCP))
        bits |= PROC2_RDTSCP;
    if (!(p->basic[7].ebx & CPUID_7_EBX_INVPCID))
        bits |= PROC2_INVPCID;
    if (!(p->xsave[1].eax & CPUID_D1_EAX_XSAVES))
        bits |= PROC2_XSAVES;
    return bits;
}

static u32 longest_run(void)
{
    return (u32)(time_tsc_hz() / 1000 * LONGEST_RUN_MS >> vmx_config.timer_shift) + 1;
}

static void init_controls(struct vcpu *v)
{
    struct vcpu_vendor *vv = v->vendor;
    u32 proc2 = vmx_config.proc2 & ~not_offered(v->domain->policy);

    if (vv->vpid == VPID_NONE)
        proc2 &= ~(u32)PROC2_VPID;
    else
        vmwrite(VPID, vv->vpid);
    vv->proc = vv->proc_written = vmx_config.proc;
    vmwrite(PIN_CONTROLS, vmx_config.pin);
    vmwrite(PROC_CONTROLS, vmx_config.proc);
    vmwrite(PROC_CONTROLS2, proc2);
    vmwrite(EXIT_CONTROLS, vmx_config.exit);
    vmwrite(ENTRY_CONTROLS, vmx_config.entry);
    vmwrite(EXCEPTION_BITMAP, EXCEPTIONS);
    vmwrite(EPT_POINTER, vmx_eptp(v));
    if (proc2 & PROC2_PAUSE_LOOP) {
        vmwrite(PLE_GAP, PLE_GAP_CYCLES);
        vmwrite(PLE_WINDOW, PLE_WINDOW_CYCLES);
    }
    if (vmx_config.pin & PIN_TIMER)
        vmwrite(PREEMPTION_TIMER, longest_run());
    if (proc2 & PROC2_XSAVES)
        vmwrite(XSS_EXITING_BITMAP, ~0ull); /* IA32_XSS is 0 (cpu.c), a guest's stays so */
    if (proc2 & PROC2_ENCLS)
        vmwrite(ENCLS_EXITING_BITMAP, ~0ull); /* no enclaves: #UD */
    if (proc2 & PROC2_TSC_SCALING)
        vmwrite(TSC_MULTIPLIER, BIT(48));
}

static void init_domain_fields(const struct vm_vendor *d)
{
    u64 io = virt_hpa(d->io_bitmap).v;

    vmwrite(MSR_BITMAP, virt_hpa(d->msr_bitmap).v);
    vmwrite(IO_BITMAP_A, io);
    vmwrite(IO_BITMAP_B, io + PAGE_SIZE);
}

/* VMCLEAR does not promise zeros. Whatever this CPU has no use for is 0. */
static void init_unused(void)
{
    static const u16 zero[] = {
        PF_ERROR_MASK,          PF_ERROR_MATCH,    CR3_TARGET_COUNT,     EXIT_MSR_STORE_COUNT,
        EXIT_MSR_LOAD_COUNT,    ENTRY_INTR_INFO,   ENTRY_MSR_LOAD_COUNT, TSC_OFFSET,
        HOST_SYSENTER_CS,       HOST_SYSENTER_ESP, HOST_SYSENTER_EIP,    HOST_FS_BASE,
        HOST_ES_SELECTOR,       HOST_DS_SELECTOR,  HOST_FS_SELECTOR,     HOST_GS_SELECTOR,
        GUEST_INTERRUPTIBILITY,
    };

    for (unsigned i = 0; i < ARRAY_SIZE(zero); i++)
        vmwrite(zero[i], 0);
    vmwrite(VMCS_LINK_POINTER, ~0ull);
}

/* What root mode is to find at an exit and is the same on every CPU. HOST_RSP is entry.asm's. */
static void init_host(void)
{
    vmwrite(HOST_RIP, (u64)vmx_exit);
    vmwrite(HOST_CS_SELECTOR, SEL_CODE);
    vmwrite(HOST_SS_SELECTOR, SEL_DATA);
    vmwrite(HOST_TR_SELECTOR, SEL_TSS);
}

/* And what is not. */
static void load_host(const struct percpu *c)
{
    vmwrite(HOST_CR0, read_cr0());
    vmwrite(HOST_CR3, read_cr3());
    vmwrite(HOST_CR4, read_cr4());
    vmwrite(HOST_EFER, rdmsr(MSR_EFER));
    vmwrite(HOST_PAT, rdmsr(MSR_IA32_PAT));
    vmwrite(HOST_GS_BASE, (u64)c);
    vmwrite(HOST_TR_BASE, (u64)&c->tables.tss);
    vmwrite(HOST_GDTR_BASE, sgdt().base);
    vmwrite(HOST_IDTR_BASE, sidt().base);
}

static int init_vmcs(struct vcpu *v)
{
    const struct cpu_state power_up = cpu_state_power_up();
    int rc;

    vmcs_init(v);
    vmcs_enter(v);
    init_unused();
    init_controls(v);
    init_domain_fields(v->domain->vendor);
    init_host();
    rc = vmx_state_set(v, STATE_ALL, &power_up);
    vmcs_leave(v);
    return rc;
}

static int alloc_vendor(struct vcpu *v)
{
    mfn_t m = frames_alloc(VCPU_ORDER, FRAMES_ZERO);
    u8 *page;

    if (mfn_is_none(m))
        return -ENOMEM;
    page = mfn_virt(m);
    *(u32 *)page = vmx_config.revision;
    v->vendor = (struct vcpu_vendor *)(page + PAGE_SIZE);
    v->vendor->vmcs = page;
    v->vendor->last_cpu = CPU_NONE;
    v->vendor->vpid = vmx_vpid_alloc();
    /* No register has this value: the first entry writes them all. */
    v->vendor->rip = v->vendor->rsp = v->vendor->rflags = 1ull << 63 | 1;
    return 0;
}

int vmx_vcpu_init(struct vcpu *v)
{
    int rc = alloc_vendor(v);

    if (rc)
        return rc;
    rc = init_vmcs(v);
    if (rc) {
        vmx_vcpu_fini(v);
        return rc;
    }
    memset(v->gpr, 0, sizeof(v->gpr));
    v->rip = 0xfff0;
    v->rflags = RFLAGS_RESERVED;
    v->intr_shadow = 0;
    return 0;
}

void vmx_vcpu_fini(struct vcpu *v)
{
    if (!v->vendor)
        return;
    vmx_vpid_free(v->vendor->vpid);
    frames_free(virt_mfn(v->vendor->vmcs), VCPU_ORDER);
    v->vendor = NULL;
}

static bool switches(unsigned i)
{
    return i != SWITCHED_TSC_AUX || vmx_config.tsc_aux;
}

/* Most of a kernel's values are those of the guest that ran before, or never change: compare first.
 */
static void load_msrs(struct vcpu_vendor *vv, const u64 *in_cpu)
{
    for (unsigned i = 0; i < SWITCHED_MSRS; i++)
        if (vv->msr[i] != in_cpu[i] && switches(i))
            wrmsr(vmx_switched_msr[i], vv->msr[i]);
}

static void put_msrs(struct vcpu_vendor *vv, u64 *in_cpu)
{
    for (unsigned i = 0; i < SWITCHED_MSRS; i++)
        if (switches(i))
            vv->msr[i] = in_cpu[i] = rdmsr(vmx_switched_msr[i]);
}

void vmx_vcpu_load(struct vcpu *v)
{
    struct percpu *c = this_cpu();
    struct vcpu_vendor *vv = v->vendor;

    vmcs_load(v);
    if (vv->last_cpu != c->id) {
        load_host(c);
        vmx_tlb_flush(v, FLUSH_NESTED);
        vmx_tlb_flush(v, FLUSH_GUEST);
        vv->last_cpu = c->id;
    }
    load_msrs(vv, c->vendor->msr);
    write_cr2(vv->cr2);
    vmx_dr_load(v);
}

void vmx_vcpu_put(struct vcpu *v)
{
    struct vcpu_vendor *vv = v->vendor;

    vmx_dr_put(v);
    vv->cr2 = read_cr2();
    put_msrs(vv, this_cpu()->vendor->msr);
    vmcs_unload(v);
}

static void set_proc(struct vcpu_vendor *vv, u32 bits, bool on)
{
    vv->proc = on ? vv->proc | bits : vv->proc & ~bits;
}

/* Written by the next entry. CR8 is always intercepted: without a TPR shadow the guest would reach
 * the machine's own TPR. */
void vmx_intercept(struct vcpu *v, enum intercept what, bool on)
{
    static const u32 bits[] = {
        [INTERCEPT_HLT] = PROC_HLT,
        [INTERCEPT_PAUSE] = PROC_PAUSE,
        [INTERCEPT_RDTSC] = PROC_RDTSC,
        [INTERCEPT_CR3] = PROC_CR3_LOAD,
    };

    if (what == INTERCEPT_DR)
        vmx_dr_intercept(v, on);
    else
        set_proc(v->vendor, bits[what], on);
}

int vmx_tsc_set(struct vcpu *v, u64 offset, u64 ratio)
{
    bool scaling = vmx_config.proc2 & PROC2_TSC_SCALING;

    if (ratio && ratio != BIT(48) && !scaling)
        return -ENODEV;
    vmcs_enter(v);
    vmwrite(TSC_OFFSET, offset);
    if (scaling)
        vmwrite(TSC_MULTIPLIER, ratio ? ratio : BIT(48));
    vmcs_leave(v);
    return 0;
}
