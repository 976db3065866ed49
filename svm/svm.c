/* SPDX-License-Identifier: BSD-2-Clause */
/* The door: what the kernel sees of AMD-V. */
#include "svm/npt.h"
#include "svm/svm.h"

static const struct vendor_ops svm_ops = {
    .name = "AMD-V",
    .p2m_format = &ptab_npt,
    .hypercall = {0x0f, 0x01, 0xd9}, /* VMMCALL */
    .probe = svm_probe,
    .cpu_on = svm_cpu_on,
    .vm_init = svm_vm_init,
    .vm_fini = svm_vm_fini,
    .vcpu_init = svm_vcpu_init,
    .vcpu_fini = svm_vcpu_fini,
    .vcpu_load = svm_vcpu_load,
    .vcpu_put = svm_vcpu_put,
    .run = svm_run,
    .state_get = svm_state_get,
    .state_set = svm_state_set,
    .inject = svm_inject,
    .want_window = svm_want_window,
    .intercept = svm_intercept,
    .msr_access = svm_msr_access,
    .pio_access = svm_pio_access,
    .tsc_set = svm_tsc_set,
    .tlb_flush = svm_tlb_flush,
    .dump = svm_dump,
};

VENDOR_REGISTER(svm_ops);
