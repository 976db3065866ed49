/* SPDX-License-Identifier: BSD-2-Clause */
/* What a domain's vcpus share: MSR and I/O bitmaps (SDM 3C 25.6.4, 25.6.9). A set bit makes an
 * exit. */
#include "hv/domain.h"
#include "hv/errno.h"
#include "hv/frames.h"
#include "hv/string.h"
#include "hv/vmem.h"
#include "vmx/vmx.h"

#define VM_ORDER      2 /* bitmaps 3 pages, struct vm_vendor the fourth */
#define BITMAP_PAGES  3
#define MSR_LOW_LAST  0x1fffu
#define MSR_HIGH      0xc0000000u
#define MSR_HIGH_LAST 0xc0001fffu

/* The MSR bitmap's four parts, in bytes. */
#define PART_HIGH  1024
#define PART_WRITE 2048

int vmx_vm_init(struct domain *d)
{
    mfn_t m = frames_alloc(VM_ORDER, FRAMES_ZERO);
    u8 *page;

    if (mfn_is_none(m))
        return -ENOMEM;
    page = mfn_virt(m);
    memset(page, 0xff, BITMAP_PAGES * PAGE_SIZE);
    d->vendor = (struct vm_vendor *)(page + BITMAP_PAGES * PAGE_SIZE);
    d->vendor->msr_bitmap = page;
    d->vendor->io_bitmap = page + PAGE_SIZE;
    return 0;
}

void vmx_vm_fini(struct domain *d)
{
    if (!d->vendor)
        return;
    frames_free(virt_mfn(d->vendor->msr_bitmap), VM_ORDER);
    d->vendor = NULL;
}

static void set_bit(u8 *bitmap, u32 bit, bool on)
{
    u8 mask = (u8)(1u << (bit & 7));

    bitmap[bit / 8] = on ? bitmap[bit / 8] | mask : bitmap[bit / 8] & (u8)~mask;
}

void vmx_msr_access(struct domain *d, u32 msr, bool read, bool write)
{
    u8 *bitmap = d->vendor->msr_bitmap;

    if (msr >= MSR_HIGH && msr <= MSR_HIGH_LAST)
        bitmap += PART_HIGH;
    else if (msr > MSR_LOW_LAST)
        return;
    set_bit(bitmap, msr & MSR_LOW_LAST, !read);
    set_bit(bitmap + PART_WRITE, msr & MSR_LOW_LAST, !write);
}

/* Bitmap A is followed by bitmap B, so port numbers simply run on. */
void vmx_pio_access(struct domain *d, u16 first, u16 last, bool allow)
{
    for (u32 port = first; port <= last; port++)
        set_bit(d->vendor->io_bitmap, port, !allow);
}
