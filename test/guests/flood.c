/* SPDX-License-Identifier: BSD-2-Clause */
/* Exits as fast as they come, under a storm of timer interrupts and of interrupts to itself. */
#include "lapic.h"

#define TIMER 0x61
#define SELF  0x62

void guest(void)
{
    u64 rounds = is_bochs() ? 20000 : 5000, wrong = 0;
    u32 sent = 0;

    lapic_enable(false);
    count_interrupts(TIMER);
    count_interrupts(SELF);
    lapic_write(APIC_DIVIDE, 0xb);
    lapic_write(APIC_LVT_TIMER, TIMER | LVT_PERIODIC);
    lapic_write(APIC_INIT, 2000);
    sti();
    for (u64 i = 0; i < rounds; i++) {
        wrong += cpuid(0, 0).a == 0;
        wrong += in8(0xe9) != 0xe9;
        wrong += (lapic_read(APIC_LVT_TIMER) & 0xff) != TIMER;
        wrong += !(rdmsr(MSR_APIC_BASE) & BIT(11));
        if (i % 16 == 0) {
            lapic_ipi(0, ICR_SELF | ICR_FIXED | SELF);
            sent++;
            if (!WAIT_FOR(interrupts[SELF] == sent, LONG_WAIT))
                break;
        }
    }
    lapic_write(APIC_INIT, 0);
    lapic_write(APIC_LVT_TIMER, LVT_MASKED);
    cli();
    check("answers", wrong, 0);
    check("self-interrupts", interrupts[SELF], sent);
    check_within("timer-interrupts", interrupts[TIMER], 1, ~0u);
}
