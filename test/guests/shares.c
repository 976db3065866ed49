/* SPDX-License-Identifier: BSD-2-Clause */
/* Two vcpus share one CPU, the first with twice the weight (shares.args): it gets twice the time,
 * and neither waits long. The machine below may take the CPU away for a moment, so that one wait in
 * ten may be longer. */
#include "lapic.h"

static volatile u64 counter[2], waits[2], long_waits[2];
static u64 wait, long_wait; /* in TSC ticks: 1 ms and 200 ms */
static volatile u32 ready, stop;

/* Counts; a gap between two looks at the clock is time the other had. */
static void spin(unsigned cpu)
{
    u64 last = rdtsc(), now;

    while (!stop) {
        now = rdtsc();
        waits[cpu] += now - last >= wait;
        long_waits[cpu] += now - last > long_wait;
        last = now;
        counter[cpu]++;
    }
}

static void other(void)
{
    ready = 1;
    spin(1);
}

static u64 tsc_hz(void)
{
    u64 khz = under_helium() ? cpuid(0x40000003, 0).c : 0;

    return khz ? khz * 1000 : 100000000;
}

static u64 end;

static void on_timer(struct frame *f)
{
    (void)f;
    if (rdtsc() >= end)
        stop = 1;
    lapic_eoi();
}

void guest(void)
{
    u64 hz = tsc_hz();

    wait = hz / 1000;
    long_wait = hz / 5;
    lapic_enable(false);
    ap_start(other);
    check("both-run", WAIT_FOR(ready, LONG_WAIT), 1);
    set_handler(0x61, on_timer);
    counter[1] = waits[1] = long_waits[1] = 0;
    end = rdtsc() + hz * 2;
    lapic_write(APIC_DIVIDE, 0xb);
    lapic_write(APIC_LVT_TIMER, 0x61 | LVT_PERIODIC);
    lapic_write(APIC_INIT, 1000000);
    sti();
    spin(0);
    cli();
    lapic_write(APIC_INIT, 0);
    check("both-counted", counter[0] && counter[1], 1);
    if (!under_helium())
        return;
    check_within("twice-the-share", counter[0] * 100 / counter[1], 140, 280);
    check("first-waits-short", waits[0] && long_waits[0] * 10 <= waits[0], 1);
    check("second-waits-short", waits[1] && long_waits[1] * 10 <= waits[1], 1);
}
