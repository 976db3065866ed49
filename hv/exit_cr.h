/* SPDX-License-Identifier: BSD-2-Clause */
/* A guest's accesses to control and debug registers, as far as they exit. */
#ifndef HV_EXIT_CR_H
#define HV_EXIT_CR_H

#include "hv/types.h"

struct cpu_state;
struct vcpu;

void exit_cr(struct vcpu *v);
void exit_dr(struct vcpu *v);

/* What MOV to CR0, CR3 and CR4 do; injects #GP(0) and returns false where they would (SDM 2B
 * MOV-CR). */
bool cr0_write(struct vcpu *v, u64 value);
bool cr3_write(struct vcpu *v, u64 value);
bool cr4_write(struct vcpu *v, u64 value);
/* What the CPU does with CR3 when PAE paging goes on (SDM 3A 4.4.1); nothing in other modes. s has
 * STATE_CR, as it is or will be. false: the table is no such, or cannot be read. */
bool cr_load_pdptes(struct vcpu *v, struct cpu_state *s) __must_check;
/* IA32_EFER; false: #GP, which is the caller's to inject. */
bool efer_write(struct vcpu *v, u64 value);

#endif
