/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The scheduler: a run queue per CPU, strict priority between classes, weighted fair shares inside
 * a class, pinning. Fairness is by virtual run time: who ran least for its weight runs next.
 *
 * A vcpu is runnable while nothing blocks it; its CPU is changed only while it is off every queue.
 * A function that makes somebody runnable returns the CPU that ought to pick again; telling it is
 * the caller's part (vcpu_wake() in hv/vcpu.c), so that the scheduler knows neither vcpus nor IPIs.
 */
#ifndef HV_SCHED_H
#define HV_SCHED_H

#include "hv/layout.h"
#include "hv/spinlock.h"
#include "hv/types.h"

/* Higher runs first. URGENT is a boost, for entities that may have it: from sched_boost() or from
 * waking up until the turn is given away or has lasted a slice. */
enum sched_class { SCHED_NORMAL, SCHED_URGENT, SCHED_CLASSES };

#define SCHED_WEIGHT_DEFAULT 256 /* Xen's credit default */
#define SCHED_WEIGHT_MAX     65535
#define SCHED_SLICE_NS       5000000
#define SCHED_ANY_CPU        (~0u)

struct sched_entity {
    struct sched_entity *next; /* in the run queue, sorted by vruntime */
    u64 vruntime;              /* ns * SCHED_WEIGHT_DEFAULT / weight */
    u64 runtime;               /* ns on a CPU, in all */
    u64 started;               /* ns, when it was last picked */
    u64 stopped;               /* ns, when its turn last ended */
    u16 weight;
    u8 class;       /* enum sched_class */
    bool boostable; /* the privileged domain's: what comes for it is urgent */
    u64 boosted;    /* ns that it has run since it became URGENT */
    bool queued;
    bool running;
    u32 cpu;     /* whose queue it belongs to */
    u32 pinned;  /* the only CPU it may run on, or SCHED_ANY_CPU */
    u32 blocked; /* reasons not to run, a bit each: BLOCK_* of the owner's making; 0: runnable */
};

struct run_queue {
    spinlock_t lock;
    unsigned cpu;
    struct sched_entity *head[SCHED_CLASSES];
    struct sched_entity *current;
    struct sched_entity *debtor; /* waits for what boostable ones do here: sched_owe() */
    u64 busy;                    /* ns that anybody ran here, but for current's turn */
    u64 min_vruntime;            /* where a newcomer or a sleeper starts, at the least */
    bool open_ended;             /* current was alone when it was picked: its turn has no end yet */
    unsigned runnable;
};

void sched_queue_init(struct run_queue *rq, unsigned cpu);

/* e is not used any more: blocked, and loaded nowhere. */
void sched_entity_fini(struct sched_entity *e);

/* A new entity, blocked by the given reasons, weight default, class NORMAL, on cpu. */
void sched_entity_init(struct sched_entity *e, unsigned cpu, u32 blocked);

/* Sets, or clears, reasons to be blocked. Any CPU. Clearing the last one makes e runnable and
 * returns the CPU that must be told to pick again, or -1 when none needs to. */
void sched_block(struct sched_entity *e, u32 reasons);
int sched_unblock(struct sched_entity *e, u32 reasons);

/* e, current and blocked just now, waits for a boostable entity's work: what such run on its CPU
 * until somebody else has a turn counts as e's in its share, so that who asks all the time pays for
 * it. */
void sched_owe(struct sched_entity *e);

/* Something has come for e, which is not blocked: URGENT from now on, if it may be. Returns the CPU
 * that must be told to pick again, or -1. Any CPU. */
int sched_boost(struct sched_entity *e);

/* This CPU's queue: charges what ran, and returns what runs next with *slice ns to run (0: until
 * something happens), or NULL: idle. The entity stays current until the next pick. next, if it is
 * not NULL and queued here, is given the turn of what ran, if its share allows: a direct switch. */
struct sched_entity *sched_pick(struct run_queue *rq, struct sched_entity *next, u64 now,
                                u64 *slice);

/* ns that anybody ran on this CPU until now. Any CPU. */
u64 sched_busy(struct run_queue *rq, u64 now);

/* weight 1 to SCHED_WEIGHT_MAX; -EINVAL otherwise. */
int sched_set_weight(struct sched_entity *e, unsigned weight);
/* Moves e to cpu; e must be blocked (not queued, not running), -EBUSY otherwise; -EINVAL: pinned.
 */
int sched_migrate(struct sched_entity *e, unsigned cpu);

#endif
