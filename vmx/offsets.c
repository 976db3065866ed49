/* SPDX-License-Identifier: BSD-2-Clause */
/* What entry.asm needs to know of C structures: never linked, only read. */
#include "hv/offsets.h"
#include "vmx/vmx.h"

void vmx_offsets(void);

void vmx_offsets(void)
{
    OFFSET(VMX_HOST_RSP, struct vcpu_vendor, host_rsp);
    OFFSET(VMX_LAUNCHED, struct vcpu_vendor, launched);
}
