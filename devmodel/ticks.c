/* SPDX-License-Identifier: BSD-2-Clause */
#include "devmodel/ticks.h"
#include "devmodel/clock.h"

void ticks_add(struct ticks *t, uint64_t count, uint64_t period)
{
    uint64_t most = period ? CLOCK_SECOND / period + 1 : 1;

    t->owed += count;
    if (t->owed > most) {
        t->dropped += t->owed - most;
        t->owed = most;
    }
}

uint64_t ticks_deadline(const struct ticks *t, uint64_t period)
{
    return t->owed ? t->last + period / 2 : CLOCK_NEVER;
}

bool ticks_take(struct ticks *t, uint64_t period, uint64_t now)
{
    if (now < ticks_deadline(t, period) || !t->owed)
        return false;
    t->owed--;
    t->last = now;
    return true;
}
