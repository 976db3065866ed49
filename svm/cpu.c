/* SPDX-License-Identifier: BSD-2-Clause */
/* AMD-V of each CPU, and the two pages it needs (APM 2 15.4, 15.30). */
#include "hv/cpu.h"
#include "hv/errno.h"
#include "hv/frames.h"
#include "hv/log.h"
#include "hv/msr.h"
#include "hv/percpu.h"
#include "hv/vmem.h"
#include "svm/svm.h"

#define TSC_RATIO_1 BIT(32) /* APM 2 15.30.5: 8 bits, point, 32 bits */
#define CPU_ORDER   1       /* host save area, VMCB of root mode */

static struct percpu_vendor cpus[MAX_CPUS];

static int alloc_pages(struct percpu_vendor *c)
{
    mfn_t m = frames_alloc(CPU_ORDER, FRAMES_ZERO);

    if (mfn_is_none(m))
        return -ENOMEM;
    c->hsave = m;
    c->host = mfn_hpa(MFN(m.v + 1));
    return 0;
}

/* An INIT that hits while GIF is clear would reset the CPU at STGI: as #SX it is a panic that
 * speaks. */
static int enable(void)
{
    u64 vm_cr = rdmsr(MSR_VM_CR);

    if (vm_cr & VM_CR_SVMDIS && vm_cr & VM_CR_LOCK)
        return -ENODEV;
    wrmsr(MSR_VM_CR, (vm_cr & ~VM_CR_SVMDIS) | VM_CR_R_INIT);
    wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_SVME);
    return 0;
}

/* No vcpu is of generation 0. Nothing is known about the TLB: the first ASID comes with a flush. */
int svm_cpu_on(void)
{
    struct percpu *cpu = this_cpu();
    struct percpu_vendor *c = &cpus[cpu->id];
    int rc = alloc_pages(c);

    if (rc)
        return rc;
    rc = enable();
    if (rc) {
        log_err("CPU %u: the firmware has locked AMD-V off on this CPU", cpu->id);
        return rc;
    }
    wrmsr(MSR_VM_HSAVE_PA, mfn_hpa(c->hsave).v);
    __asm__ volatile("vmsave %0" ::"a"(c->host.v) : "memory");
    c->generation++;
    c->next_asid = svm_config.asids;
    c->tsc_ratio = TSC_RATIO_1;
    if (svm_config.tsc_ratio)
        wrmsr(MSR_TSC_RATIO, c->tsc_ratio);
    cpu->vendor = c;
    return 0;
}
