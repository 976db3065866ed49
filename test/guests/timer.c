/* SPDX-License-Identifier: BSD-2-Clause */
/* The local APIC's timer in its three modes, seen through the xAPIC page and through x2APIC MSRs.
 */
#include "lapic.h"

#define VECTOR 0x61

static char name_buffer[64];

static const char *named(const char *what)
{
    char *to = name_buffer;

    for (const char *p = x2apic ? "x2apic-" : "xapic-"; *p;)
        *to++ = *p++;
    while (*what)
        *to++ = *what++;
    *to = 0;
    return name_buffer;
}

static void arm(u32 mode, u32 count)
{
    lapic_write(APIC_DIVIDE, 0xb); /* by 1 */
    lapic_write(APIC_LVT_TIMER, VECTOR | mode);
    lapic_write(APIC_INIT, count);
}

static void check_one_shot(void)
{
    count_interrupts(VECTOR);
    arm(0, 1000000);
    check(named("current-runs"), lapic_read(APIC_CURRENT) <= 1000000, 1);
    sti();
    check(named("one-shot"), WAIT_FOR(interrupts[VECTOR], LONG_WAIT), 1);
    check(named("one-shot-current"), lapic_read(APIC_CURRENT), 0);
    delay(5000000);
    cli();
    check(named("one-shot-once"), interrupts[VECTOR], 1);
}

static void check_stop(void)
{
    count_interrupts(VECTOR);
    arm(0, 30000000);
    lapic_write(APIC_INIT, 0);
    sti();
    delay(100000);
    check(named("stopped-current"), lapic_read(APIC_CURRENT), 0);
    arm(LVT_MASKED, 100000);
    check(named("masked-counts-down"), WAIT_FOR(lapic_read(APIC_CURRENT) == 0, LONG_WAIT), 1);
    delay(1000000);
    cli();
    check(named("stopped-or-masked-silent"), interrupts[VECTOR], 0);
}

/* TSC ticks that a one-shot of `count` takes, without an interrupt. */
static u64 duration(u32 divide, u32 count)
{
    u64 start;

    lapic_write(APIC_LVT_TIMER, VECTOR | LVT_MASKED);
    lapic_write(APIC_DIVIDE, divide);
    start = rdtsc();
    lapic_write(APIC_INIT, count);
    (void)WAIT_FOR(lapic_read(APIC_CURRENT) == 0, LONG_WAIT);
    return rdtsc() - start;
}

/* Wall time of a shared machine: generous limits, but a divider that is not obeyed is a factor
 * of 16. */
static void check_divider(void)
{
    u64 by_1 = duration(0xb, 3000000), by_16 = duration(0x3, 3000000);

    check_within(named("divide-by-16"), by_16 * 16 / (by_1 + 1), 16 * 5, 16 * 50);
}

/* One that was due before its timer was stopped is still to come. */
static void drain(void)
{
    lapic_write(APIC_INIT, 0);
    sti();
    delay(200000);
    cli();
}

static void check_periodic(void)
{
    u64 start;

    count_interrupts(VECTOR);
    start = rdtsc();
    arm(LVT_PERIODIC, 500000);
    sti();
    check(named("periodic"), WAIT_FOR(interrupts[VECTOR] >= 10, LONG_WAIT), 1);
    cli();
    check_within(named("periodic-not-too-fast"), rdtsc() - start, 10 * 400000, LONG_WAIT);
    drain();
}

static void check_deadline(void)
{
    u64 deadline, at;

    if (!has_deadline())
        return;
    count_interrupts(VECTOR);
    lapic_write(APIC_LVT_TIMER, VECTOR | LVT_DEADLINE);
    asm volatile("mfence");
    deadline = rdtsc() + 30000000;
    wrmsr(MSR_DEADLINE, deadline);
    check(named("deadline-reads-back"), rdmsr(MSR_DEADLINE), deadline);
    sti();
    check(named("deadline"), WAIT_FOR(interrupts[VECTOR], LONG_WAIT), 1);
    at = rdtsc();
    check(named("deadline-not-early"), at >= deadline, 1);
    if (under_helium()) /* Bochs leaves the old value */
        check(named("deadline-cleared"), rdmsr(MSR_DEADLINE), 0);
    wrmsr(MSR_DEADLINE, 1); /* long past */
    check(named("deadline-past"), WAIT_FOR(interrupts[VECTOR] == 2, LONG_WAIT), 1);
    wrmsr(MSR_DEADLINE, rdtsc() + 50000000);
    wrmsr(MSR_DEADLINE, 0);
    delay(1000000);
    cli();
    check(named("deadline-disarmed"), interrupts[VECTOR], 2);
    lapic_write(APIC_INIT, 1000000);
    check(named("deadline-ignores-count"), lapic_read(APIC_CURRENT), 0);
    lapic_write(APIC_LVT_TIMER, VECTOR | LVT_MASKED);
}

/* HLT sleeps until the timer, and goes on behind itself. */
static void check_hlt(void)
{
    count_interrupts(VECTOR);
    for (unsigned i = 0; i < 5; i++) {
        arm(0, 300000);
        sti_hlt_cli();
    }
    check(named("hlt-wakes"), interrupts[VECTOR], 5);
}

static void all(void)
{
    check_one_shot();
    check_stop();
    check_divider();
    check_periodic();
    check_deadline();
    check_hlt();
}

void guest(void)
{
    lapic_enable(false);
    all();
    if (!has_x2apic())
        return;
    lapic_enable(true);
    all();
}
