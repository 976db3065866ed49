/* SPDX-License-Identifier: BSD-2-Clause */
/* RDMSR and WRMSR that exit: a table from MSR to what it does. What is not in it raises #GP. */
#ifndef HV_EXIT_MSR_H
#define HV_EXIT_MSR_H

struct vcpu;
struct domain;

void exit_msr(struct vcpu *v);

/* Lets through, without exits, the MSRs that hold nothing but the guest's own state. */
void msr_open(struct domain *d);

#endif
