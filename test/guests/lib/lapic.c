/* SPDX-License-Identifier: BSD-2-Clause */
#include "lapic.h"

#define BASE 0xfee00000u

bool x2apic;
volatile u32 interrupts[256];

bool has_x2apic(void)
{
    return cpuid(1, 0).c & BIT(21);
}

bool has_deadline(void)
{
    return cpuid(1, 0).c & BIT(24);
}

/* Vector ffh: the interrupt was gone when the CPU asked for it. No EOI (SDM 3A 11.9). */
static void spurious(struct frame *f)
{
    (void)f;
}

void lapic_enable(bool as_x2apic)
{
    set_handler(0xff, spurious);
    x2apic = as_x2apic;
    if (as_x2apic)
        wrmsr(MSR_APIC_BASE, rdmsr(MSR_APIC_BASE) | BIT(10));
    lapic_write(APIC_SVR, 0x1ff);
    lapic_write(APIC_TPR, 0);
}

u32 lapic_read(u32 reg)
{
    return x2apic ? (u32)rdmsr(0x800 + reg / 16) : *(volatile u32 *)(ulong)(BASE + reg);
}

void lapic_write(u32 reg, u32 value)
{
    if (x2apic)
        wrmsr(0x800 + reg / 16, value);
    else
        *(volatile u32 *)(ulong)(BASE + reg) = value;
}

void lapic_eoi(void)
{
    lapic_write(APIC_EOI, 0);
}

void lapic_ipi(u32 dest, u32 low)
{
    if (x2apic) {
        wrmsr(0x830, (u64)dest << 32 | low);
        return;
    }
    lapic_write(APIC_ICR2, dest << 24);
    lapic_write(APIC_ICR, low);
}

u32 lapic_id(void)
{
    return x2apic ? lapic_read(APIC_ID) : lapic_read(APIC_ID) >> 24;
}

bool lapic_bit(u32 reg, unsigned vector)
{
    return lapic_read(reg + vector / 32 * 16) >> vector % 32 & 1;
}

static void count(struct frame *f)
{
    interrupts[f->vector]++;
    lapic_eoi();
}

void count_interrupts(unsigned vector)
{
    interrupts[vector] = 0;
    set_handler(vector, count);
}
