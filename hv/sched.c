/* SPDX-License-Identifier: BSD-2-Clause */
#include "hv/errno.h"
#include "hv/panic.h"
#include "hv/sched.h"

static struct run_queue *queues[MAX_CPUS];

void sched_queue_init(struct run_queue *rq, unsigned cpu)
{
    *rq = (struct run_queue){.cpu = cpu};
    queues[cpu] = rq;
}

void sched_entity_init(struct sched_entity *e, unsigned cpu, u32 blocked)
{
    *e = (struct sched_entity){
        .weight = SCHED_WEIGHT_DEFAULT,
        .class = SCHED_NORMAL,
        .cpu = cpu,
        .pinned = SCHED_ANY_CPU,
        .blocked = blocked,
    };
}

static struct run_queue *lock_queue(struct sched_entity *e)
{
    for (;;) {
        struct run_queue *rq = queues[READ_ONCE(e->cpu)];

        spin_lock(&rq->lock);
        if (rq->cpu == e->cpu)
            return rq;
        spin_unlock(&rq->lock); /* it moved meanwhile */
    }
}

void sched_entity_fini(struct sched_entity *e)
{
    struct run_queue *rq = lock_queue(e);

    if (rq->debtor == e)
        rq->debtor = NULL;
    spin_unlock(&rq->lock);
}

/* What an entity ran while it was URGENT is not held against it for longer than a slice, or it
 * would wait until everybody else has run as much. */
static void enqueue(struct run_queue *rq, struct sched_entity *e)
{
    struct sched_entity **at = &rq->head[e->class];

    if (e->boostable && e->vruntime > rq->min_vruntime + SCHED_SLICE_NS)
        e->vruntime = rq->min_vruntime + SCHED_SLICE_NS;
    /* A sleeper keeps at most one slice of credit, or it would shut the others out for as long as
     * it had slept. */
    if (e->vruntime + SCHED_SLICE_NS < rq->min_vruntime)
        e->vruntime = rq->min_vruntime - SCHED_SLICE_NS;
    while (*at && (*at)->vruntime <= e->vruntime)
        at = &(*at)->next;
    e->next = *at;
    *at = e;
    e->queued = true;
    rq->runnable++;
}

static void dequeue(struct run_queue *rq, struct sched_entity *e)
{
    struct sched_entity **at = &rq->head[e->class];

    while (*at != e)
        at = &(*at)->next;
    *at = e->next;
    e->queued = false;
    rq->runnable--;
}

static u64 weighted(const struct sched_entity *e, u64 ran)
{
    return ran * SCHED_WEIGHT_DEFAULT / e->weight;
}

static void bill(struct run_queue *rq, u64 ran)
{
    struct sched_entity *e = rq->debtor;
    bool queued = e->queued;

    if (queued)
        dequeue(rq, e);
    e->vruntime += weighted(e, ran);
    if (queued)
        enqueue(rq, e);
}

/* Accounts for the time since e was picked. */
static void charge(struct run_queue *rq, struct sched_entity *e, u64 now)
{
    u64 ran = now > e->started ? now - e->started : 0;

    e->runtime += ran;
    e->boosted += ran;
    rq->busy += ran;
    e->vruntime += weighted(e, ran);
    e->started = now;
    if (e->boostable && rq->debtor)
        bill(rq, ran);
    if (e->class == SCHED_NORMAL && e->vruntime > rq->min_vruntime &&
        (!rq->head[SCHED_NORMAL] || rq->head[SCHED_NORMAL]->vruntime > rq->min_vruntime))
        rq->min_vruntime = rq->head[SCHED_NORMAL]
                               ? MIN(e->vruntime, rq->head[SCHED_NORMAL]->vruntime)
                               : e->vruntime;
}

/* Takes what runs off the CPU, back into the queue if it can go on. */
static void put_current(struct run_queue *rq, bool gives_turn, u64 now)
{
    struct sched_entity *e = rq->current;

    if (!e)
        return;
    charge(rq, e, now);
    e->running = false;
    e->stopped = now;
    rq->current = NULL;
    if (e->class == SCHED_URGENT && (gives_turn || e->boosted >= SCHED_SLICE_NS))
        e->class = SCHED_NORMAL;
    if (!e->blocked)
        enqueue(rq, e);
}

static void set_current(struct run_queue *rq, struct sched_entity *e, u64 now)
{
    dequeue(rq, e);
    e->running = true;
    e->started = now;
    rq->current = e;
    if (!e->boostable)
        rq->debtor = NULL;
}

static struct sched_entity *first(const struct run_queue *rq)
{
    for (int c = SCHED_CLASSES - 1; c >= 0; c--)
        if (rq->head[c])
            return rq->head[c];
    return NULL;
}

void sched_block(struct sched_entity *e, u32 reasons)
{
    struct run_queue *rq = lock_queue(e);

    e->blocked |= reasons;
    if (e->queued)
        dequeue(rq, e);
    spin_unlock(&rq->lock);
}

/* Would e, just queued, run now if the CPU picked again? */
static bool outranks_current(const struct run_queue *rq, const struct sched_entity *e)
{
    const struct sched_entity *c = rq->current;

    if (!c)
        return true;
    if (rq->open_ended)
        return true;
    if (e->class != c->class)
        return e->class > c->class;
    return e->vruntime + SCHED_SLICE_NS <= c->vruntime;
}

/* The CPU that must be told to pick again, or -1. */
static int enqueue_and_compare(struct run_queue *rq, struct sched_entity *e)
{
    enqueue(rq, e);
    return outranks_current(rq, e) ? (int)rq->cpu : -1;
}

static void make_urgent(struct sched_entity *e)
{
    if (e->boostable && e->class != SCHED_URGENT) {
        e->class = SCHED_URGENT;
        e->boosted = 0;
    }
}

int sched_unblock(struct sched_entity *e, u32 reasons)
{
    struct run_queue *rq = lock_queue(e);
    bool was_blocked = e->blocked;
    int cpu = -1;

    e->blocked &= ~reasons;
    if (was_blocked && !e->blocked && !e->queued && !e->running) {
        make_urgent(e);
        cpu = enqueue_and_compare(rq, e);
    }
    spin_unlock(&rq->lock);
    return cpu;
}

void sched_owe(struct sched_entity *e)
{
    struct run_queue *rq = lock_queue(e);

    if (e == rq->current)
        rq->debtor = e;
    spin_unlock(&rq->lock);
}

int sched_boost(struct sched_entity *e)
{
    struct run_queue *rq = lock_queue(e);
    bool queued = e->queued && e->boostable && e->class != SCHED_URGENT;
    int cpu = -1;

    if (queued)
        dequeue(rq, e);
    make_urgent(e);
    if (queued) {
        cpu = enqueue_and_compare(rq, e);
    }
    spin_unlock(&rq->lock);
    return cpu;
}

/* Nobody there to share with: no end of the slice is needed. */
static u64 slice_for(const struct run_queue *rq, const struct sched_entity *e)
{
    u64 left = e->class == SCHED_URGENT && e->boosted < SCHED_SLICE_NS ? SCHED_SLICE_NS - e->boosted
                                                                       : SCHED_SLICE_NS;

    return rq->runnable ? left : 0;
}

/* No further ahead of the others than a slice. */
static bool may_be_given(const struct run_queue *rq, const struct sched_entity *e)
{
    const struct sched_entity *head = rq->head[SCHED_NORMAL];

    return e->cpu == rq->cpu && e->queued && !rq->head[SCHED_URGENT] &&
           e->vruntime <= head->vruntime + SCHED_SLICE_NS;
}

struct sched_entity *sched_pick(struct run_queue *rq, struct sched_entity *next, u64 now,
                                u64 *slice)
{
    struct sched_entity *e;
    bool given;

    spin_lock(&rq->lock);
    given = next && may_be_given(rq, next);
    put_current(rq, given, now);
    e = given ? next : first(rq);
    if (e) {
        set_current(rq, e, now);
        *slice = slice_for(rq, e);
        rq->open_ended = *slice == 0;
    }
    spin_unlock(&rq->lock);
    return e;
}

u64 sched_busy(struct run_queue *rq, u64 now)
{
    u64 busy;

    spin_lock(&rq->lock);
    busy = rq->busy;
    if (rq->current && now > rq->current->started)
        busy += now - rq->current->started;
    spin_unlock(&rq->lock);
    return busy;
}

int sched_set_weight(struct sched_entity *e, unsigned weight)
{
    if (weight == 0 || weight > SCHED_WEIGHT_MAX)
        return -EINVAL;
    WRITE_ONCE(e->weight, (u16)weight);
    return 0;
}

int sched_migrate(struct sched_entity *e, unsigned cpu)
{
    struct run_queue *rq = lock_queue(e);
    int rc = -EBUSY;

    if (e->pinned != SCHED_ANY_CPU && e->pinned != cpu) {
        rc = -EINVAL;
    } else if (!e->queued && !e->running) {
        if (rq->debtor == e)
            rq->debtor = NULL; /* what is run here is no longer for it to pay */
        e->vruntime = e->vruntime - rq->min_vruntime + queues[cpu]->min_vruntime;
        WRITE_ONCE(e->cpu, cpu);
        rc = 0;
    }
    spin_unlock(&rq->lock);
    return rc;
}
