/* SPDX-License-Identifier: BSD-2-Clause */
/* Virtual time. Every model is told the time, in nanoseconds of the privileged domain's monotonic
 * clock, and never asks for it: the same calls give the same results. That clock goes on while the
 * guest is paused, as its TSC does, so that a guest which compares the two finds no difference. */
#ifndef DEVMODEL_CLOCK_H
#define DEVMODEL_CLOCK_H

#include <stdint.h>

#define CLOCK_NEVER  UINT64_MAX
#define CLOCK_SECOND 1000000000ull

/* Whole ticks of a clock of hz that fit into ns. */
static inline uint64_t clock_ticks(uint64_t ns, uint32_t hz)
{
    return (uint64_t)((unsigned __int128)ns * hz / CLOCK_SECOND);
}

/* The first nanosecond at which that many ticks have gone by: clock_ticks() of it is ticks, of the
 * one before ticks - 1. */
static inline uint64_t clock_ns(uint64_t ticks, uint32_t hz)
{
    return (uint64_t)(((unsigned __int128)ticks * CLOCK_SECOND + hz - 1) / hz);
}

#endif
