/* SPDX-License-Identifier: BSD-2-Clause */
/* Periodic ticks for a line nobody acknowledges to us (IRQ 0): those that fell due while the daemon
 * was late follow at twice the pace, so that a guest that counts them catches up and is not
 * flooded; more than a second of them are dropped, and counted. */
#ifndef DEVMODEL_TICKS_H
#define DEVMODEL_TICKS_H

#include <stdbool.h>
#include <stdint.h>

struct ticks {
    uint64_t owed;
    uint64_t last; /* when one was given last, in ns */
    uint64_t dropped;
};

/* That many fell due, period ns apart (0: a single one). */
void ticks_add(struct ticks *t, uint64_t count, uint64_t period);
/* Is one to be given now? Then it is counted as given. */
bool ticks_take(struct ticks *t, uint64_t period, uint64_t now);
/* When ticks_take() says yes next; CLOCK_NEVER: none is owed. */
uint64_t ticks_deadline(const struct ticks *t, uint64_t period);

#endif
