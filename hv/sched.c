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

static void enqueue(struct run_queue *rq, struct sched_entity *e)
{
    struct sched_entity **at = &rq->head[e->class];

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

/* Accounts for the time since e was picked. */
static void charge(struct run_queue *rq, struct sched_entity *e, u64 now)
{
    u64 ran = now > e->started ? now - e->started : 0;

    e->runtime += ran;
    rq->busy += ran;
    e->vruntime += ran * SCHED_WEIGHT_DEFAULT / e->weight;
    e->started = now;
    if (e->class == SCHED_NORMAL && e->vruntime > rq->min_vruntime &&
        (!rq->head[SCHED_NORMAL] || rq->head[SCHED_NORMAL]->vruntime > rq->min_vruntime))
        rq->min_vruntime = rq->head[SCHED_NORMAL]
                               ? MIN(e->vruntime, rq->head[SCHED_NORMAL]->vruntime)
                               : e->vruntime;
}

/* Takes what runs off the CPU, back into the queue if it can go on. */
static void put_current(struct run_queue *rq, u64 now)
{
    struct sched_entity *e = rq->current;

    if (!e)
        return;
    charge(rq, e, now);
    e->running = false;
    rq->current = NULL;
    if (!e->blocked)
        enqueue(rq, e);
}

static void set_current(struct run_queue *rq, struct sched_entity *e, u64 now)
{
    dequeue(rq, e);
    e->running = true;
    e->started = now;
    rq->current = e;
}

static struct sched_entity *first(const struct run_queue *rq)
{
    for (int c = SCHED_CLASSES - 1; c >= 0; c--)
        if (rq->head[c])
            return rq->head[c];
    return NULL;
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
    if (e->class != c->class)
        return e->class > c->class;
    if (rq->open_ended)
        return true;
    return e->vruntime + SCHED_SLICE_NS <= c->vruntime;
}

int sched_unblock(struct sched_entity *e, u32 reasons)
{
    struct run_queue *rq = lock_queue(e);
    bool was_blocked = e->blocked;
    int cpu = -1;

    e->blocked &= ~reasons;
    if (was_blocked && !e->blocked && !e->queued && !e->running) {
        enqueue(rq, e);
        if (outranks_current(rq, e))
            cpu = (int)rq->cpu;
    }
    spin_unlock(&rq->lock);
    return cpu;
}

/* Alone at its rank: nothing to share with, so no end of the slice is needed. */
static u64 slice_for(const struct run_queue *rq, const struct sched_entity *e)
{
    return rq->head[e->class] ? SCHED_SLICE_NS : 0;
}

struct sched_entity *sched_pick(struct run_queue *rq, u64 now, u64 *slice)
{
    struct sched_entity *e;

    spin_lock(&rq->lock);
    put_current(rq, now);
    e = first(rq);
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

bool sched_switch_to(struct run_queue *rq, struct sched_entity *to, u64 now)
{
    bool ok;

    spin_lock(&rq->lock);
    ok = to->cpu == rq->cpu && to->queued;
    if (ok) {
        put_current(rq, now);
        set_current(rq, to, now);
    }
    spin_unlock(&rq->lock);
    return ok;
}

int sched_set_class(struct sched_entity *e, enum sched_class class)
{
    struct run_queue *rq = lock_queue(e);
    bool queued = e->queued;
    int cpu = -1;

    if (queued)
        dequeue(rq, e);
    e->class = (u8) class;
    if (queued) {
        enqueue(rq, e);
        if (outranks_current(rq, e))
            cpu = (int)rq->cpu;
    }
    spin_unlock(&rq->lock);
    return cpu;
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
        e->vruntime = e->vruntime - rq->min_vruntime + queues[cpu]->min_vruntime;
        WRITE_ONCE(e->cpu, cpu);
        rc = 0;
    }
    spin_unlock(&rq->lock);
    return rc;
}
