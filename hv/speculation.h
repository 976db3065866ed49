/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the CPU lets be read through its predictors and buffers, and what it offers against that. By
 * CPUID and IA32_ARCH_CAPABILITIES; what a CPU does not offer is not done. Threads of one core
 * share more than this can part: against those, SMT has to be off.
 */
#ifndef HV_SPECULATION_H
#define HV_SPECULATION_H

#include "hv/compiler.h"
#include "hv/types.h"

struct domain;

/* Boot CPU: the option spec-ctrl=no leaves all of it out. Then on every CPU: the predictor knows
 * root mode from guests (IBRS). */
void speculation_init(void);
void speculation_cpu_init(void);

/* This CPU turns to a vcpu of d: what other domains have taught its branch predictor is forgotten.
 */
void speculation_switch(const struct domain *d);

/* Before each entry: nothing of root mode's or of others' is left in the first-level cache (L1TF)
 * or in the CPU's buffers (MDS). */
void speculation_clear_buffers(void);
extern bool speculation_clears_buffers; /* constant once CPUs run vcpus */

static inline void speculation_before_entry(void)
{
    if (unlikely(speculation_clears_buffers))
        speculation_clear_buffers();
}

#endif
