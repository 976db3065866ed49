/* SPDX-License-Identifier: BSD-2-Clause */
/* What hv/'s and the vendors' assembly need to know of C structures: never linked, only read. */
#include "hv/offsets.h"
#include "hv/errno.h"
#include "hv/layout.h"
#include "hv/smp.h"
#include "hv/vcpu.h"

void offsets(void);

void offsets(void)
{
    OFFSET(VCPU_GPR, struct vcpu, gpr);
    OFFSET(VCPU_RIP, struct vcpu, rip);
    OFFSET(VCPU_RFLAGS, struct vcpu, rflags);
    OFFSET(VCPU_VENDOR, struct vcpu, vendor);
    DEFINE(TRAP_EFAULT, EFAULT);
    OFFSET(AP_GDTR, struct ap_block, gdt_limit);
    OFFSET(AP_FAR32, struct ap_block, far32);
    OFFSET(AP_FAR64, struct ap_block, far64);
    OFFSET(AP_CR3, struct ap_block, cr3);
    OFFSET(AP_STACK, struct ap_block, stack);
    OFFSET(AP_PERCPU, struct ap_block, percpu);
    OFFSET(AP_MAIN, struct ap_block, main);
    DEFINE(AP_BLOCK_SIZE, sizeof(struct ap_block));
}
