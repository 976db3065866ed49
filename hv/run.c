/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One stack per CPU and no thread behind a vcpu: a handler that must wait leaves the vcpu blocked
 * and returns, and what it waited for is looked at before the vcpu's next entry. So switching to
 * another vcpu, or straight to the one that serves this one, is no more than loading its registers.
 */
#include "hv/cpu.h"
#include "hv/exit.h"
#include "hv/inject.h"
#include "hv/irq.h"
#include "hv/lapic.h"
#include "hv/percpu.h"
#include "hv/quiesce.h"
#include "hv/run.h"
#include "hv/runstate.h"
#include "hv/speculation.h"
#include "hv/vcpu.h"
#include "hv/vendor.h"

static struct vcpu *vcpu_of(struct sched_entity *e)
{
    return e ? container_of(e, struct vcpu, sched) : NULL;
}

static void slice_over(struct timer *t)
{
    (void)t;
    percpu_work(this_cpu(), WORK_RESCHED);
}

static struct vcpu *pick(struct percpu *c)
{
    u64 slice = 0, now = time_ns();
    struct vcpu *v = vcpu_of(sched_pick(&c->rq, c->next ? &c->next->sched : NULL, now, &slice));

    c->next = NULL;
    if (v && slice)
        timer_set(&c->slice, now + slice);
    else
        timer_stop(&c->slice);
    return v;
}

/* Does and clears what is asked of the CPU. Returns true if it must pick again. */
static bool do_work(struct percpu *c)
{
    u32 work = __atomic_exchange_n(&c->work, 0, __ATOMIC_SEQ_CST);

    if (work & WORK_TIMER || unlikely(timer_overdue(&c->timers)))
        timer_run();
    if (unlikely(work & WORK_NMI))
        irq_forward_nmi();
    if (work & WORK_UNLOAD)
        vcpu_put_idle();
    return work & WORK_RESCHED || c->work & WORK_RESCHED;
}

/* Until something else has to be done on this CPU, or v has to wait. */
static void run_vcpu(struct percpu *c, struct vcpu *v)
{
    for (;;) {
        /* A request that comes after this store finds in_guest set and sends an IPI; one that came
         * before it is seen below. */
        quiesce_outside();
        (void)__atomic_exchange_n(&v->in_guest, true, __ATOMIC_SEQ_CST);
        if (unlikely(v->requests | c->work | v->sched.blocked | timer_overdue(&c->timers))) {
            v->in_guest = false;
            quiesce_inside();
            if (do_work(c))
                return;
            if (v->requests & REQ_IOREQ)
                exit_resume(v);
            vcpu_do_requests(v);
            if (v->sched.blocked)
                return;
            continue;
        }
        inject_prepare(v);
        speculation_before_entry();
        vendor->run(v);
        v->in_guest = false;
        quiesce_inside();
        exit_handle(v);
        if (unlikely(c->next)) /* found in this exit: it may be freed once this CPU is outside */
            return;
    }
}

/* STI's shadow covers HLT, so an interrupt that came after the look at work still ends it; one of
 * our own makes an emulator that has lost its note of it look again (timer_overdue()). */
static void idle(struct percpu *c)
{
    quiesce_outside();
    mfence();
    if (!READ_ONCE(c->work)) {
        if (unlikely(lapic_any_pending()))
            lapic_send_ipi(c->apic_id, ICR_FIXED | VECTOR_KICK);
        hlt_interruptible();
    }
    quiesce_inside();
}

void run_cpu(void)
{
    struct percpu *c = this_cpu();

    timer_init(&c->slice, slice_over);
    for (;;) {
        struct vcpu *v;

        do_work(c);
        v = pick(c);
        if (!v) {
            idle(c);
            continue;
        }
        vcpu_switch_to(v);
        runstate_enter(v);
        run_vcpu(c, v);
    }
}
