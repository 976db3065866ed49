/* SPDX-License-Identifier: BSD-2-Clause */
/* Protections the CPU offers root mode: NX, write protection, SMEP, SMAP, UMIP. */
#ifndef HV_CPU_FEATURES_H
#define HV_CPU_FEATURES_H

/* On every CPU, once. */
void cpu_features_enable(void);

/* Draws the stack protector's canary. Boot CPU, first of all, from a function that never returns.
 */
void stack_guard_init(void);

#endif
