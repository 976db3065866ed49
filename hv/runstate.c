/* SPDX-License-Identifier: BSD-2-Clause */
#include "hv/domain.h"
#include "hv/errno.h"
#include "hv/guest_args.h"
#include "hv/guest_mem.h"
#include "hv/runstate.h"
#include "hv/string.h"
#include "hv/timer.h"
#include "hv/vmem.h"

#define NARROW_SIZE 44

/* ---- the figures ---- */

/* Since when it can run and does not. */
static u64 waits_since(const struct vcpu *v)
{
    return MAX(v->runstate.woken, v->sched.stopped);
}

static u64 since(u64 now, u64 then)
{
    return now > then ? now - then : 0;
}

static void fill(struct vcpu *v, struct vcpu_runstate_info *info, u64 now)
{
    const struct sched_entity *e = &v->sched;
    u64 ran = e->runtime, waited = v->runstate.waited;

    memset(info, 0, sizeof(*info));
    if (e->running) {
        info->state = RUNSTATE_running;
        info->state_entry_time = e->started;
        ran += since(now, e->started);
    } else if (e->blocked) {
        info->state = RUNSTATE_blocked;
        info->state_entry_time = e->stopped;
    } else {
        info->state = RUNSTATE_runnable;
        info->state_entry_time = waits_since(v);
        waited += since(now, waits_since(v));
    }
    info->time[RUNSTATE_running] = ran;
    info->time[RUNSTATE_runnable] = waited;
    info->time[RUNSTATE_blocked] = since(now, ran + waited);
}

void runstate_get(struct vcpu *v, struct vcpu_runstate_info *info)
{
    fill(v, info, time_ns());
}

void runstate_wake(struct vcpu *v)
{
    if (v->runstate.place.piece[0] && v->sched.blocked)
        v->runstate.woken = time_ns();
}

/* ---- the guest's copy ---- */

static size_t size_of(const struct runstate_place *p)
{
    return p->narrow ? NARROW_SIZE : sizeof(struct vcpu_runstate_info);
}

static void put(const struct runstate_place *p, const struct vcpu_runstate_info *info)
{
    u8 bytes[sizeof(*info)];

    if (p->narrow)
        guest_args_narrow(bytes, info, RUNSTATE_LAYOUT);
    else
        memcpy(bytes, info, sizeof(*info));
    memcpy(p->piece[0], bytes, p->first);
    if (p->piece[1])
        memcpy(p->piece[1], bytes + p->first, size_of(p) - p->first);
}

/* The guest's other vcpus may read it meanwhile, and have then asked to be told
 * (VMASST_TYPE_runstate_update_flag). */
static void update(struct vcpu *v, u64 now)
{
    struct vcpu_runstate_info info;

    fill(v, &info, now);
    if (v->domain->runstate_update_flag) {
        info.state_entry_time |= XEN_RUNSTATE_UPDATE;
        put(&v->runstate.place, &info);
        barrier();
        info.state_entry_time &= ~XEN_RUNSTATE_UPDATE;
    }
    put(&v->runstate.place, &info);
}

void runstate_enter(struct vcpu *v)
{
    struct runstate *r = &v->runstate;

    if (!READ_ONCE(r->place.piece[0]))
        return;
    r->waited += since(v->sched.started, waits_since(v));
    spin_lock(&r->lock);
    update(v, v->sched.started);
    spin_unlock(&r->lock);
}

/* ---- its place ---- */

static void let_go(struct runstate_place *p)
{
    for (unsigned i = 0; i < ARRAY_SIZE(p->piece); i++) {
        if (p->piece[i])
            p2m_let_go(virt_mfn((void *)ALIGN_DOWN((uintptr_t)p->piece[i], PAGE_SIZE)));
        p->piece[i] = NULL;
    }
}

/* What is at va, held: the frame stays what it is for as long as it is written to. */
static int hold(struct vcpu *caller, u64 va, void **piece)
{
    struct guest_paging g;
    u32 error;
    gpa_t gpa;
    mfn_t m;

    guest_paging_get(caller, &g);
    if (guest_walk(caller, &g, va, ACCESS_WRITE, &gpa, &error) ||
        p2m_hold(caller->domain, gpa_gfn(gpa), true, &m))
        return -EFAULT;
    *piece = (u8 *)mfn_virt(m) + (gpa.v & (PAGE_SIZE - 1));
    return 0;
}

static int hold_all(struct vcpu *caller, struct runstate_place *p, u64 va)
{
    size_t size = size_of(p);
    int rc;

    p->first = (u16)MIN(size, PAGE_SIZE - va % PAGE_SIZE);
    rc = hold(caller, va, &p->piece[0]);
    if (rc == 0 && p->first < size)
        rc = hold(caller, va + p->first, &p->piece[1]);
    if (rc)
        let_go(p);
    return rc;
}

s64 runstate_register(struct vcpu *caller, struct vcpu *v, u64 va)
{
    struct runstate_place new = {.narrow = !guest_is_wide(caller)}, old;
    struct runstate *r = &v->runstate;
    int rc;

    if (v != caller && v->activity != ACTIVITY_WAIT_SIPI)
        return -EINVAL;
    rc = hold_all(caller, &new, va);
    if (rc)
        return rc;
    spin_lock(&r->lock);
    old = r->place;
    r->place = new;
    if (!old.piece[0])
        r->woken = time_ns(); /* nobody has kept that so far */
    update(v, time_ns());
    spin_unlock(&r->lock);
    let_go(&old);
    return 0;
}

void runstate_forget(struct vcpu *v)
{
    let_go(&v->runstate.place);
}
