/* SPDX-License-Identifier: BSD-2-Clause */
/* Two vcpus that wake, interrupt and NMI each other as fast as they can: nothing may be lost,
 * nobody may sleep through. A message is a counter that the other must answer, sent in turn by IPI
 * to a halted CPU, IPI to a running one, and NMI. */
#include "lapic.h"

#define PING 0x91
#define PONG 0x92

static volatile u32 pings, pongs, nmis, stop, ready, other_id, own_id;

static void on_ping(struct frame *f)
{
    (void)f;
    pings++;
    lapic_eoi();
    lapic_ipi(own_id, ICR_FIXED | PONG);
}

static void on_pong(struct frame *f)
{
    (void)f;
    pongs++;
    lapic_eoi();
}

/* Only the other CPU is sent NMIs. */
static void on_nmi(struct frame *f)
{
    (void)f;
    nmis++;
}

static void other(void)
{
    lapic_write(APIC_SVR, 0x1ff);
    other_id = lapic_id();
    ready = 1;
    while (!stop)
        asm volatile("sti; hlt; cli" ::: "memory");
}

static bool ping_halted(u32 n)
{
    lapic_ipi(other_id, ICR_FIXED | PING);
    while (pongs != n) {
        sti_hlt_cli();
    }
    return pings == n;
}

static bool ping_spinning(u32 n)
{
    lapic_ipi(other_id, ICR_FIXED | PING);
    sti();
    (void)WAIT_FOR(pongs == n, LONG_WAIT);
    cli();
    return pings == n && pongs == n;
}

void guest(void)
{
    u32 rounds = is_bochs() ? 1500 : 1000, failed = 0, lost_nmis = 0;

    lapic_enable(false);
    own_id = lapic_id();
    set_handler(PING, on_ping);
    set_handler(PONG, on_pong);
    set_handler(V_NMI, on_nmi);
    ap_start(other);
    check("both-run", WAIT_FOR(ready, LONG_WAIT), 1);
    for (u32 n = 1; n <= rounds && !failed; n++) {
        u32 before = nmis;

        failed += n & 1 ? !ping_spinning(n) : !ping_halted(n);
        lapic_ipi(other_id, ICR_NMI);
        lost_nmis += !WAIT_FOR(nmis == before + 1, LONG_WAIT);
    }
    check("rounds-failed", failed, 0);
    check("pings", pings, rounds);
    check("pongs", pongs, rounds);
    check("nmis-lost", lost_nmis, 0);
    stop = 1;
    lapic_ipi(other_id, ICR_FIXED | PING);
    check("other-ends", WAIT_FOR(ap_done, LONG_WAIT), 1);
}
