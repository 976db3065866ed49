/* SPDX-License-Identifier: BSD-2-Clause */
/* Periodic ticks of a line. Those that fell due while nobody could give them (the daemon was late,
 * the guest was paused) follow at twice the pace, so that a guest that counts them catches up and
 * is not flooded; more than a second of them are dropped, and counted. A guest that asks for more
 * than TICKS_PER_SECOND gets no more than that, so that it keeps only itself busy. */
#ifndef DEVMODEL_TICKS_H
#define DEVMODEL_TICKS_H

#include <stdbool.h>
#include <stdint.h>

#define TICKS_PER_SECOND 10000u

struct ticks {
    uint64_t owed;
    uint64_t last; /* when one was given last, in ns */
    uint64_t dropped;
};

/* That many fell due, period ns apart (0: a single one). */
void ticks_add(struct ticks *t, uint64_t count, uint64_t period);
/* Is one to be given now? Then it is counted as given. */
bool ticks_take(struct ticks *t, uint64_t period, uint64_t now);
/* When ticks_take() says yes next, if the next one falls due at `due` (CLOCK_NEVER: never). */
uint64_t ticks_deadline(const struct ticks *t, uint64_t period, uint64_t due);

#endif
