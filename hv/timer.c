/* SPDX-License-Identifier: BSD-2-Clause */
#include "hv/cpu.h"
#include "hv/lapic.h"
#include "hv/percpu.h"
#include "hv/timer.h"

#define NEVER (~0ull)
/* Decades: what is set for later is looked at then, so that no conversion overflows and fires at
 * once. */
#define FAR     (1ull << 60)
#define LATE_NS 1000000u /* no interrupt takes that long to be taken */

void timer_queue_init(struct timer_queue *q)
{
    *q = (struct timer_queue){.programmed = NEVER, .overdue = NEVER};
}

void timer_init(struct timer *t, void (*fn)(struct timer *))
{
    *t = (struct timer){.fn = fn};
}

static void program(struct timer_queue *q, u64 expires)
{
    u64 now, ticks;

    if (q->programmed == expires)
        return;
    q->programmed = expires;
    q->overdue = expires == NEVER ? NEVER : time_to_tsc(MIN(expires, FAR) + LATE_NS);
    if (lapic_has_deadline()) {
        lapic_timer_deadline(expires == NEVER ? 0 : time_to_tsc(MIN(expires, FAR)));
        return;
    }
    if (expires == NEVER) {
        lapic_timer_set(0);
        return;
    }
    expires = MIN(expires, FAR);
    now = time_ns();
    ticks = expires > now ? time_ns_to_apic(expires - now) + 1 : 1;
    lapic_timer_set((u32)MIN(ticks, 0xffffffffull)); /* too far away: an early look, set anew */
}

static void insert(struct timer_queue *q, struct timer *t)
{
    struct timer **at = &q->head;

    while (*at && (*at)->expires <= t->expires)
        at = &(*at)->next;
    t->next = *at;
    *at = t;
    t->armed = true;
}

static void unlink(struct timer_queue *q, struct timer *t)
{
    struct timer **at = &q->head;

    while (*at != t)
        at = &(*at)->next;
    *at = t->next;
    t->armed = false;
}

void timer_stop(struct timer *t)
{
    struct timer_queue *q = &percpu[t->cpu]->timers;

    if (READ_ONCE(t->armed)) {
        spin_lock(&q->lock);
        if (t->armed)
            unlink(q, t);
        spin_unlock(&q->lock);
    }
    while (q != &this_cpu()->timers && __atomic_load_n(&q->firing, __ATOMIC_ACQUIRE) == t)
        cpu_pause();
}

void timer_set(struct timer *t, u64 expires)
{
    struct timer_queue *q = &this_cpu()->timers;

    timer_stop(t);
    spin_lock(&q->lock);
    t->expires = expires;
    t->cpu = this_cpu()->id;
    insert(q, t);
    if (q->head == t)
        program(q, expires);
    spin_unlock(&q->lock);
}

static struct timer *take_expired(struct timer_queue *q, u64 now)
{
    struct timer *t = q->head;

    if (!t || t->expires > now)
        return NULL;
    unlink(q, t);
    return t;
}

void timer_run(void)
{
    struct timer_queue *q = &this_cpu()->timers;
    struct timer *t;

    spin_lock(&q->lock);
    q->programmed = q->overdue = NEVER; /* what was programmed has fired */
    while ((t = take_expired(q, time_ns()))) {
        q->firing = t;
        spin_unlock(&q->lock);
        t->fn(t);
        __atomic_store_n(&q->firing, NULL, __ATOMIC_RELEASE);
        spin_lock(&q->lock);
    }
    program(q, q->head ? q->head->expires : NEVER);
    spin_unlock(&q->lock);
}
