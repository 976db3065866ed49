/* SPDX-License-Identifier: BSD-2-Clause */
/* The local APIC by either of its faces; registers by xAPIC offset. */
#ifndef GUEST_LAPIC_H
#define GUEST_LAPIC_H

#include "guest.h"

#define APIC_ID        0x20
#define APIC_VERSION   0x30
#define APIC_TPR       0x80
#define APIC_PPR       0xa0
#define APIC_EOI       0xb0
#define APIC_LDR       0xd0
#define APIC_DFR       0xe0
#define APIC_SVR       0xf0
#define APIC_ISR       0x100
#define APIC_TMR       0x180
#define APIC_IRR       0x200
#define APIC_ESR       0x280
#define APIC_ICR       0x300
#define APIC_ICR2      0x310
#define APIC_LVT_TIMER 0x320
#define APIC_LVT_LINT0 0x350
#define APIC_LVT_LINT1 0x360
#define APIC_LVT_ERROR 0x370
#define APIC_INIT      0x380
#define APIC_CURRENT   0x390
#define APIC_DIVIDE    0x3e0

#define LVT_MASKED     0x10000u
#define LVT_PERIODIC   0x20000u
#define LVT_DEADLINE   0x40000u

#define ICR_FIXED      0x4000u /* asserted */
#define ICR_NMI        0x4400u
#define ICR_SELF       0x40000u
#define ICR_ALL        0x80000u
#define ICR_OTHERS     0xc0000u

extern bool x2apic;

void lapic_enable(bool as_x2apic);
u32 lapic_read(u32 reg);
void lapic_write(u32 reg, u32 value);
void lapic_eoi(void);
void lapic_ipi(u32 dest, u32 low);
u32 lapic_id(void);
bool lapic_bit(u32 reg, unsigned vector); /* of ISR, IRR, TMR */

bool has_x2apic(void);
bool has_deadline(void);

/* Counts of interrupts by vector, kept by count_interrupts(vector)'s handler, which sends an EOI.
 */
extern volatile u32 interrupts[256];
void count_interrupts(unsigned vector);

#endif
