/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Spinlocks. Root mode runs with interrupts off, so taking one never saves flags; an NMI handler
 * takes none. A ticket lock: whoever came first goes first.
 *
 * Order, outermost first; a file that takes two says nothing else:
 *
 *   domain -> ioreq -> grant table -> event channels -> p2m -> intx -> vpic -> vioapic
 *     -> run queue -> timer queue -> frame pool -> domain list -> log
 */
#ifndef HV_SPINLOCK_H
#define HV_SPINLOCK_H

#include "hv/compiler.h"
#include "hv/types.h"

typedef struct {
    u16 next;  /* the ticket the next comer draws */
    u16 owner; /* the ticket that holds the lock */
} spinlock_t;

#define SPINLOCK_INIT \
    {                 \
        0, 0          \
    }

static inline void spin_lock(spinlock_t *l)
{
    u16 mine = __atomic_fetch_add(&l->next, 1, __ATOMIC_RELAXED);

    while (__atomic_load_n(&l->owner, __ATOMIC_ACQUIRE) != mine)
        __builtin_ia32_pause();
}

/* Returns true if the lock was free and is now held. */
static inline bool spin_trylock(spinlock_t *l)
{
    u16 owner = __atomic_load_n(&l->owner, __ATOMIC_ACQUIRE);
    u16 expect = owner;

    return __atomic_compare_exchange_n(&l->next, &expect, (u16)(owner + 1), false, __ATOMIC_ACQUIRE,
                                       __ATOMIC_RELAXED);
}

static inline void spin_unlock(spinlock_t *l)
{
    __atomic_store_n(&l->owner, (u16)(l->owner + 1), __ATOMIC_RELEASE);
}

static inline bool spin_is_locked(const spinlock_t *l)
{
    return __atomic_load_n(&l->next, __ATOMIC_RELAXED) !=
           __atomic_load_n(&l->owner, __ATOMIC_RELAXED);
}

#endif
