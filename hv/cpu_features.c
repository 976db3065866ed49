/* SPDX-License-Identifier: BSD-2-Clause */
#include "hv/cpu.h"
#include "hv/cpu_features.h"
#include "hv/msr.h"
#include "hv/ptab_pat.h"
#include "hv/x86.h"

/* Root mode has no user pages at all: SMEP and SMAP turn any stray access below into a fault. */
static u64 cr4_protections(void)
{
    struct cpuid_regs r = {0};
    u64 cr4 = 0;

    if (cpuid(0).eax >= 7)
        r = cpuid_count(7, 0);
    if (r.ebx & CPUID_7_EBX_SMEP)
        cr4 |= CR4_SMEP;
    if (r.ebx & CPUID_7_EBX_SMAP)
        cr4 |= CR4_SMAP;
    if (r.ecx & CPUID_7_ECX_UMIP)
        cr4 |= CR4_UMIP;
    return cr4;
}

void cpu_features_enable(void)
{
    wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_NXE);
    write_cr0((read_cr0() | CR0_WP | CR0_NE) & ~(CR0_CD | CR0_NW | CR0_AM));
    write_cr4(read_cr4() | CR4_PGE | CR4_MCE | cr4_protections());
    wrmsr(MSR_IA32_PAT, PAT_ROOT_MODE);
}

/* What -fstack-protector-strong puts on stacks and compares. */
u64 __stack_chk_guard;

static u64 random(void)
{
    u64 r = 0;

    if (cpuid(1).ecx & CPUID_1_ECX_RDRAND)
        __asm__ volatile("rdrand %0" : "+r"(r)::"cc");
    return r ^ rdtsc() * 0x9e3779b97f4a7c15ull;
}

/* The lowest byte is 0, so that no string function copies past it. */
void stack_guard_init(void)
{
    __stack_chk_guard = random() << 8;
}
