/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * When may memory that lock-free readers could still hold an address of be used again? When every
 * CPU has been outside root mode once since it was unlinked: in a guest, or asleep. Root mode keeps
 * no such address across a guest's run.
 *
 *   unlink; drop all locks; quiesce_wait(); free
 */
#ifndef HV_QUIESCE_H
#define HV_QUIESCE_H

#include "hv/percpu.h"

/* percpu.outside counts both ways: odd while the CPU is outside. */

/* The calling CPU leaves root mode's work, or is back. After the first it looks once more for
 * requests, by an atomic operation; the second is a full barrier itself. Not nested. */
static inline void quiesce_outside(void)
{
    struct percpu *c = this_cpu();

    WRITE_ONCE(c->outside, c->outside + 1);
}

/* Nothing that follows is read before others can see that we are back. */
static inline void quiesce_inside(void)
{
    struct percpu *c = this_cpu();

    (void)__atomic_exchange_n(&c->outside, c->outside + 1, __ATOMIC_SEQ_CST);
}

/* Returns when every other CPU has been outside. No lock held; the caller holds no such address
 * itself. */
void quiesce_wait(void);

#endif
