/* SPDX-License-Identifier: BSD-2-Clause */
/* Machine checks: the machine is broken, and root mode says where. No guest is told. */
#ifndef HV_MCHECK_H
#define HV_MCHECK_H

/* All the CPU's banks on; what they still hold from before goes to the log. Each CPU, once. */
void mcheck_cpu_init(void);

/* For the panic: the banks that have something to say. */
void mcheck_report(void);

#endif
