/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Time and timers. Time is nanoseconds since boot, from the TSC. A timer belongs to the CPU it was
 * set on; its callback runs there, in the CPU's loop, between a guest's exit and the next entry, no
 * lock held.
 */
#ifndef HV_TIMER_H
#define HV_TIMER_H

#include "hv/cpu.h"
#include "hv/spinlock.h"
#include "hv/types.h"

struct acpi_info;

struct timer {
    struct timer *next;
    u64 expires; /* ns */
    void (*fn)(struct timer *);
    unsigned cpu; /* whose queue holds it, or held it last */
    bool armed;
};

struct timer_queue {
    spinlock_t lock;
    struct timer *head; /* sorted by expiry */
    struct timer *firing;
    u64 programmed; /* what the LAPIC timer is set for; ~0: off */
    u64 overdue;    /* TSC at which that interrupt is long due */
};

/* Boot CPU: finds the TSC's and the LAPIC timer's rate. Panics if no reference clock works. */
void time_init(const struct acpi_info *acpi);
/* Nanoseconds since time_init(), from 1. Any CPU. */
u64 time_ns(void);
/* The TSC value at which time_ns() reaches ns. */
u64 time_to_tsc(u64 ns);
/* And back; the past is 1, beyond 2^64 ns is the end of time. */
u64 time_from_tsc(u64 tsc);
/* The LAPIC timer's ticks in ns. */
u64 time_ns_to_apic(u64 ns);
/* TSC ticks per second, measured. */
u64 time_tsc_hz(void);

/* ns = (ticks << shift) * mul >> 32, as xen/xen.h's vcpu_time_info has it. Root mode's own clock is
 * computed so, and a guest that does likewise stays with it for ever. */
struct time_scale {
    u32 mul;
    s8 shift;
};
struct time_scale time_tsc_scale(void);

/* An empty queue for the calling CPU. */
void timer_queue_init(struct timer_queue *q);

void timer_init(struct timer *t, void (*fn)(struct timer *));
/* Sets or moves t to fire at expires, on the calling CPU. */
void timer_set(struct timer *t, u64 expires);
/* t does not fire after this returns, and its callback does not run on another CPU any more. No
 * lock held that the callback takes. */
void timer_stop(struct timer *t);
/* The timer interrupt of the calling CPU should have come a while ago, and has not: QEMU's TCG
 * loses its note of an interrupt that its I/O thread raises in the middle of a VM entry or exit,
 * and looks again only when the next one is raised. Who sees it calls timer_run() as the interrupt
 * would. */
static inline bool timer_overdue(const struct timer_queue *q)
{
    return rdtsc() > q->overdue;
}
/* Runs what has expired on this CPU and programs the hardware for the next. */
void timer_run(void);

#endif
