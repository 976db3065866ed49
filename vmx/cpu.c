/* SPDX-License-Identifier: BSD-2-Clause */
/* VMX operation of each CPU, and which VMCS is its current one (SDM 3C 24.7, 25.1). */
#include "hv/cpu.h"
#include "hv/errno.h"
#include "hv/frames.h"
#include "hv/log.h"
#include "hv/msr.h"
#include "hv/panic.h"
#include "hv/percpu.h"
#include "hv/vmem.h"
#include "vmx/vmcs.h"
#include "vmx/vmx.h"

static struct percpu_vendor cpus[MAX_CPUS];

void vmcs_access_failed(u64 field)
{
    panic("VMCS field %04lx cannot be accessed", field);
}

/* The three instructions that take the physical address of a region; true: it failed. */
#define VMX_REGION_INSN(name)                                                            \
    static bool name(const void *region)                                                 \
    {                                                                                    \
        hpa_t pa = virt_hpa(region);                                                     \
        bool failed;                                                                     \
        __asm__ volatile(#name " %[pa]" : "=@ccna"(failed) : [pa] "m"(pa.v) : "memory"); \
        return failed;                                                                   \
    }
VMX_REGION_INSN(vmxon)
VMX_REGION_INSN(vmptrld)
VMX_REGION_INSN(vmclear)
#undef VMX_REGION_INSN

/* Firmware should have done it; where it left the MSR open, we do, as it is the same on every CPU.
 */
static int unlock_feature(void)
{
    u64 feature = rdmsr(MSR_IA32_FEATURE_CONTROL);

    if (!(feature & FEATURE_CONTROL_LOCK)) {
        feature |= FEATURE_CONTROL_VMX | FEATURE_CONTROL_LOCK;
        wrmsr(MSR_IA32_FEATURE_CONTROL, feature);
    }
    return feature & FEATURE_CONTROL_VMX ? 0 : -ENODEV;
}

/* While nobody is loaded the CPU holds what msr[] says. */
static void read_switched_msrs(struct percpu_vendor *c)
{
    for (unsigned i = 0; i < SWITCHED_MSRS; i++)
        if (i != SWITCHED_TSC_AUX || vmx_config.tsc_aux)
            c->msr[i] = rdmsr(vmx_switched_msr[i]);
}

static int alloc_vmxon(struct percpu_vendor *c)
{
    mfn_t m = frames_alloc(0, FRAMES_ZERO);

    if (mfn_is_none(m))
        return -ENOMEM;
    c->vmxon = mfn_virt(m);
    *(u32 *)c->vmxon = vmx_config.revision;
    return 0;
}

int vmx_cpu_on(void)
{
    struct percpu *cpu = this_cpu();
    struct percpu_vendor *c = &cpus[cpu->id];
    int rc = unlock_feature();

    if (rc) {
        log_err("CPU %u: the firmware has locked VT-x off on this CPU", cpu->id);
        return rc;
    }
    rc = alloc_vmxon(c);
    if (rc)
        return rc;
    write_cr0(read_cr0() | vmx_config.cr0_fixed0);
    write_cr4(read_cr4() | vmx_config.cr4_fixed0);
    if (vmxon(c->vmxon)) {
        log_err("CPU %u: VMXON refused", cpu->id);
        return -ENODEV;
    }
    read_switched_msrs(c);
    if (vmx_config.proc2 & PROC2_XSAVES)
        wrmsr(MSR_IA32_XSS, 0);
    c->loaded = NULL;
    cpu->vendor = c;
    return 0;
}

bool vmcs_is_loaded(const struct vcpu *v)
{
    return this_cpu()->vendor->loaded == v;
}

void vmcs_load(struct vcpu *v)
{
    struct percpu_vendor *c = this_cpu()->vendor;

    ASSERT(!c->loaded);
    if (vmptrld(v->vendor->vmcs))
        panic("VMPTRLD refused");
    c->loaded = v;
}

/* Everything back in memory, so that any CPU can load it. */
void vmcs_unload(struct vcpu *v)
{
    ASSERT(vmcs_is_loaded(v));
    if (vmclear(v->vendor->vmcs))
        panic("VMCLEAR refused");
    v->vendor->launched = false;
    this_cpu()->vendor->loaded = NULL;
}

/* A new VMCS region must be cleared before its first load (SDM 3C 25.11.3). */
void vmcs_init(struct vcpu *v)
{
    if (vmclear(v->vendor->vmcs))
        panic("VMCLEAR refused");
}

void vmcs_enter(struct vcpu *v)
{
    if (!vmcs_is_loaded(v) && vmptrld(v->vendor->vmcs))
        panic("VMPTRLD refused");
}

void vmcs_leave(struct vcpu *v)
{
    struct vcpu *loaded = this_cpu()->vendor->loaded;

    if (loaded == v)
        return;
    if (vmclear(v->vendor->vmcs))
        panic("VMCLEAR refused");
    v->vendor->launched = false;
    if (loaded && vmptrld(loaded->vendor->vmcs))
        panic("VMPTRLD refused");
}
