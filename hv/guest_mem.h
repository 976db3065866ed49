/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The only way root mode touches a guest's memory: walks of the guest's page tables and copies
 * through its p2m, page by page. A guest pointer is a number here.
 */
#ifndef HV_GUEST_MEM_H
#define HV_GUEST_MEM_H

#include "hv/compiler.h"
#include "hv/types.h"
#include "hv/vm_exit.h"

struct vcpu;
struct domain;

/* What a walk needs of a vcpu's registers; fetched once, used for several walks. */
struct guest_paging {
    u64 cr0, cr3, cr4, efer;
    u64 rflags;
    u8 cpl;
    u8 phys_bits;
    bool wide; /* 64-bit code */
};

void guest_paging_get(struct vcpu *v, struct guest_paging *g);

/* Linear to guest-physical, for ACCESS_* at the privilege in g; sets accessed and dirty bits. 0, or
 * -EFAULT with *error the page fault's error code (SDM 3A 4.7). v's CPU. */
int __must_check guest_walk(struct vcpu *v, const struct guest_paging *g, u64 gva, u32 access,
                            gpa_t *gpa, u32 *error);

/* Physical copies; -EFAULT where there is no RAM. Any CPU. */
int __must_check guest_read_phys(struct domain *d, void *to, gpa_t from, size_t len);
int __must_check guest_write_phys(struct domain *d, gpa_t to, const void *from, size_t len);

/* Linear copies at the vcpu's privilege, as a hypercall's arguments are; -EFAULT and nothing is
 * injected. What came before the fault may have been copied. v's CPU. */
int __must_check guest_read(struct vcpu *v, void *to, u64 from, size_t len);
int __must_check guest_write(struct vcpu *v, u64 to, const void *from, size_t len);

#endif
