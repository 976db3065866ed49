/* SPDX-License-Identifier: BSD-2-Clause */
/* What the CPU says of itself, and the protections it offers root mode: NX, write protection, SMEP,
 * SMAP, UMIP. */
#ifndef HV_CPU_FEATURES_H
#define HV_CPU_FEATURES_H

#include "hv/cpu.h"
#include "hv/msr.h"
#include "hv/types.h"
#include "hv/x86.h"

/* IA32_ARCH_CAPABILITIES; 0 where a CPU has none (SDM 4 table 2-2). */
static inline u64 arch_capabilities(void)
{
    bool has = cpuid(0).eax >= 7 && cpuid(7).edx & CPUID_7_EDX_ARCH_CAPABILITIES;

    return has ? rdmsr(MSR_IA32_ARCH_CAPABILITIES) : 0;
}

/* EBX of CPUID leaf 80000008h; 0 where a CPU has no such leaf. */
static inline u32 cpuid_ext8_ebx(void)
{
    return cpuid(0x80000000).eax >= 0x80000008 ? cpuid(0x80000008).ebx : 0;
}

/* On every CPU, once. */
void cpu_features_enable(void);

/* Draws the stack protector's canary. Boot CPU, first of all, from a function that never returns.
 */
void stack_guard_init(void);

#endif
