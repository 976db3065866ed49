/* SPDX-License-Identifier: BSD-2-Clause */
/* What a domain's vcpus share: permission maps for ports and MSRs (APM 2 15.10.1, 15.11). A set bit
 * makes an exit. */
#include "hv/domain.h"
#include "hv/errno.h"
#include "hv/frames.h"
#include "hv/msr.h"
#include "hv/string.h"
#include "hv/vmem.h"
#include "svm/svm.h"

#define VM_ORDER    3
#define IOPM_PAGES  3 /* 64 Ki bits, and a few beyond for an access that starts at the last port */
#define MSRPM_PAGES 2

#define MSRPM_MSRS  0x2000 /* in each range, two bits each: read, write */

_Static_assert(sizeof(struct vm_vendor) <= ((1 << VM_ORDER) - IOPM_PAGES - MSRPM_PAGES) * PAGE_SIZE,
               "VM_ORDER");

int svm_vm_init(struct domain *d)
{
    mfn_t m = frames_alloc(VM_ORDER, FRAMES_ZERO);
    u8 *page;

    if (mfn_is_none(m))
        return -ENOMEM;
    page = mfn_virt(m);
    memset(page, 0xff, (IOPM_PAGES + MSRPM_PAGES) * PAGE_SIZE);
    d->vendor = (struct vm_vendor *)(page + (IOPM_PAGES + MSRPM_PAGES) * PAGE_SIZE);
    d->vendor->iopm = page;
    d->vendor->msrpm = page + IOPM_PAGES * PAGE_SIZE;
    return 0;
}

void svm_vm_fini(struct domain *d)
{
    if (!d->vendor)
        return;
    frames_free(virt_mfn(d->vendor->iopm), VM_ORDER);
    d->vendor = NULL;
}

static void set_bit(u8 *map, u32 bit, bool on)
{
    u8 mask = (u8)(1u << (bit & 7));

    map[bit / 8] = on ? map[bit / 8] | mask : map[bit / 8] & (u8)~mask;
}

/* MSRs whose register in the CPU is root mode's, or shows what AMD-V adds to the guest's. */
static bool never_passes(u32 msr)
{
    switch (msr) {
    case MSR_EFER:     /* SVME */
    case MSR_IA32_PAT: /* G_PAT on real CPUs; QEMU 7.2 gives the guest its host's */
    case MSR_IA32_APIC_BASE:
    case MSR_IA32_XSS:
    case MSR_TSC_RATIO:
    case MSR_VM_CR:
    case MSR_VM_HSAVE_PA:
    case MSR_SVM_KEY:
        return true;
    case MSR_IA32_SPEC_CTRL:
        return !svm_config.spec_ctrl;
    case MSR_IA32_DEBUGCTL:
        return !svm_config.lbrv;
    default:
        return msr >= MSR_IA32_X2APIC_BASE && msr <= MSR_IA32_X2APIC_BASE + 0xff;
    }
}

/* Where the map has the MSR's read bit; -1: outside, such an MSR always exits. */
static int msr_bit(u32 msr)
{
    static const u32 ranges[] = {0, 0xc0000000, 0xc0010000};

    for (u32 i = 0; i < ARRAY_SIZE(ranges); i++)
        if (msr - ranges[i] < MSRPM_MSRS)
            return (int)((i * MSRPM_MSRS + msr - ranges[i]) * 2);
    return -1;
}

/* TSC: reads are the guest's with offset and ratio, a write would be the machine's. */
void svm_msr_access(struct domain *d, u32 msr, bool read, bool write)
{
    int bit = msr_bit(msr);

    if (bit < 0 || never_passes(msr))
        return;
    set_bit(d->vendor->msrpm, (u32)bit, !read);
    set_bit(d->vendor->msrpm, (u32)bit + 1, !write || msr == MSR_IA32_TSC);
}

void svm_pio_access(struct domain *d, u16 first, u16 last, bool allow)
{
    for (u32 port = first; port <= last; port++)
        set_bit(d->vendor->iopm, port, !allow);
}
