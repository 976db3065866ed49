/* SPDX-License-Identifier: BSD-2-Clause */
/* VT-x, as the kernel sees it. */
#include "vmx/ept.h"
#include "vmx/vmx.h"

static const struct vendor_ops vmx_ops = {
    .name = "VT-x",
    .p2m_format = &ptab_ept,
    .hypercall = {0x0f, 0x01, 0xc1}, /* VMCALL */
    .probe = vmx_probe,
    .cpu_on = vmx_cpu_on,
    .vm_init = vmx_vm_init,
    .vm_fini = vmx_vm_fini,
    .vcpu_init = vmx_vcpu_init,
    .vcpu_fini = vmx_vcpu_fini,
    .vcpu_load = vmx_vcpu_load,
    .vcpu_put = vmx_vcpu_put,
    .run = vmx_run,
    .state_get = vmx_state_get,
    .state_set = vmx_state_set,
    .inject = vmx_inject,
    .want_window = vmx_want_window,
    .intercept = vmx_intercept,
    .msr_access = vmx_msr_access,
    .pio_access = vmx_pio_access,
    .tsc_set = vmx_tsc_set,
    .tlb_flush = vmx_tlb_flush,
    .dump = vmx_dump,
};

VENDOR_REGISTER(vmx_ops);
