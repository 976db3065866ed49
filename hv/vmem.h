/* SPDX-License-Identifier: BSD-2-Clause */
/* Root mode's own address space: the direct map, device windows, stacks; W^X (hv/layout.h has the
 * map). */
#ifndef HV_VMEM_H
#define HV_VMEM_H

#include "hv/boot_info.h"
#include "hv/compiler.h"
#include "hv/layout.h"
#include "hv/types.h"

/* RAM only: a device has no address in the direct map. */
static inline void *hpa_virt(hpa_t a)
{
    return (void *)(a.v + DIRECT_BASE);
}
static inline void *mfn_virt(mfn_t m)
{
    return hpa_virt(mfn_hpa(m));
}
/* p points into the direct map. */
static inline hpa_t virt_hpa(const void *p)
{
    return HPA((u64)p - DIRECT_BASE);
}
static inline mfn_t virt_mfn(const void *p)
{
    return hpa_mfn(virt_hpa(p));
}

/* p points into the image (its data or bss). */
hpa_t image_hpa(const void *p);

/* Boot CPU, once, early: builds the final tables from what the loader left and switches to them.
 * Panics without memory. */
void vmem_init(const struct boot_info *bi);
/* Other CPUs: from the tables they started on to the final ones. */
void vmem_switch(void);

/* Tables below 4 GiB for CPUs that are still in real mode: the final ones, and the page at low_page
 * at its own address, executable. -ENOMEM. Boot CPU; given back by vmem_trampoline_free(). */
int __must_check vmem_trampoline_tables(hpa_t low_page, hpa_t *root);
void vmem_trampoline_free(hpa_t root);

/* Is all of the range in the direct map? */
bool vmem_is_direct(hpa_t base, u64 size);

/* Maps size bytes of device memory uncached; the address is valid for good. NULL: no memory. Boot
 * CPU, while the others are not up. */
void *__must_check vmem_map_device(hpa_t base, u64 size);

/* A stack with a guard page below it. Returns its top, 16-byte aligned, or NULL. Boot CPU. */
void *__must_check vmem_alloc_stack(void);
/* Is this an address in the guard of a stack? */
bool vmem_is_guard(u64 va);

/* Walks the live tables: panics if a page is writable and executable, if a frame of the image's
 * text is reachable through a writable page, or if a guard page is mapped. */
void vmem_assert_wx(void);

#endif
