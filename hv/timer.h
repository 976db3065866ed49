/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Time and timers. Time is nanoseconds since boot, from the TSC. A timer belongs to the CPU it was set
 * on; its callback runs there, in the CPU's loop, between a guest's exit and the next entry, no lock
 * held.
 */
#ifndef HV_TIMER_H
#define HV_TIMER_H

#include "hv/spinlock.h"
#include "hv/types.h"

struct timer {
    struct timer *next;
    u64 expires; /* ns */
    void (*fn)(struct timer *);
    unsigned cpu; /* whose queue holds it */
    bool armed;
};

struct timer_queue {
    spinlock_t lock;
    struct timer *head; /* sorted by expiry */
    u64 programmed;     /* what the LAPIC timer is set for; ~0: off */
};

/* Boot CPU: finds the TSC's and the LAPIC timer's rate. Panics if no reference clock works. */
void time_init(void);
/* Nanoseconds since time_init(). Any CPU. */
u64 time_ns(void);
/* TSC ticks per second, measured. */
u64 time_tsc_hz(void);
u64 time_tsc_to_ns(u64 ticks);
u64 time_ns_to_tsc(u64 ns);

void timer_init(struct timer *t, void (*fn)(struct timer *));
/* Sets or moves t to fire at expires, on the calling CPU. */
void timer_set(struct timer *t, u64 expires);
/* t does not fire after this returns, unless its callback runs on another CPU right now. */
void timer_stop(struct timer *t);
/* Runs what has expired on this CPU and programs the hardware for the next. */
void timer_run(void);

#endif
