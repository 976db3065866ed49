/* SPDX-License-Identifier: BSD-2-Clause */
/* A CPU made of CPUID leaves and MSRs, for what asks a CPU what it can do. Include it before that:
 * cpuid() and rdmsr() are its own from here on. */
#ifndef UNIT_FAKE_CPU_H
#define UNIT_FAKE_CPU_H

#include "hv/compiler.h"
#include "hv/cpu.h"
#include "hv/msr.h"

static struct {
    u32 leaf;
    struct cpuid_regs regs;
} leaves[8];
static struct {
    u32 msr;
    u64 value;
} msrs[24];
static unsigned leaf_count, msr_count;

static struct cpuid_regs *leaf(u32 number)
{
    for (unsigned i = 0; i < leaf_count; i++)
        if (leaves[i].leaf == number)
            return &leaves[i].regs;
    assert_in_range(leaf_count, 0, ARRAY_SIZE(leaves) - 1);
    leaves[leaf_count].leaf = number;
    leaves[leaf_count].regs = (struct cpuid_regs){0};
    return &leaves[leaf_count++].regs;
}

static u64 *msr(u32 number)
{
    for (unsigned i = 0; i < msr_count; i++)
        if (msrs[i].msr == number)
            return &msrs[i].value;
    assert_in_range(msr_count, 0, ARRAY_SIZE(msrs) - 1);
    msrs[msr_count].msr = number;
    msrs[msr_count].value = 0;
    return &msrs[msr_count++].value;
}

/* Root mode asks for what exists only. */
static u64 known_msr(u32 number)
{
    for (unsigned i = 0; i < msr_count; i++)
        if (msrs[i].msr == number)
            return msrs[i].value;
    fail_msg("RDMSR of %x, which this CPU does not have", number);
    return 0;
}

static void cpu_name(u32 ebx, u32 edx, u32 ecx)
{
    leaf_count = msr_count = 0;
    *leaf(0) = (struct cpuid_regs){.eax = 7, .ebx = ebx, .edx = edx, .ecx = ecx};
    leaf(0x80000000)->eax = 0x8000000a;
    leaf(0x80000001)->edx = BIT(29) | BIT(26) | BIT(27); /* long mode, 1 GiB pages, RDTSCP */
}

#define cpuid(number) (*leaf(number))
#define rdmsr(number) known_msr(number)

#endif
