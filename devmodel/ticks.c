/* SPDX-License-Identifier: BSD-2-Clause */
#include "devmodel/ticks.h"
#include "devmodel/clock.h"

#define LEAST_PERIOD (CLOCK_SECOND / TICKS_PER_SECOND)

static uint64_t larger(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

void ticks_add(struct ticks *t, uint64_t count, uint64_t period)
{
    uint64_t most = period ? CLOCK_SECOND / larger(period, LEAST_PERIOD) + 1 : 1;

    t->owed += count;
    if (t->owed > most) {
        t->dropped += t->owed - most;
        t->owed = most;
    }
}

/* The earliest time for the next one. */
static uint64_t free_at(const struct ticks *t, uint64_t period)
{
    return period ? t->last + larger(period, LEAST_PERIOD) / 2 : t->last;
}

uint64_t ticks_deadline(const struct ticks *t, uint64_t period, uint64_t due)
{
    return t->owed ? free_at(t, period) : larger(due, free_at(t, period));
}

bool ticks_take(struct ticks *t, uint64_t period, uint64_t now)
{
    if (!t->owed || now < free_at(t, period))
        return false;
    t->owed--;
    t->last = now;
    return true;
}
