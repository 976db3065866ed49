/* SPDX-License-Identifier: BSD-2-Clause */
#include "hv/cpu.h"
#include "hv/domain.h"
#include "hv/errno.h"
#include "hv/evtchn.h"
#include "hv/frames.h"
#include "hv/inject.h"
#include "hv/irq.h"
#include "hv/lapic.h"
#include "hv/log.h"
#include "hv/panic.h"
#include "hv/percpu.h"
#include "hv/platform.h"
#include "hv/quiesce.h"
#include "hv/speculation.h"
#include "hv/string.h"
#include "hv/vcpu.h"
#include "hv/vendor.h"
#include "hv/vmem.h"
#include "hv/x86.h"
#include "hv/xstate.h"

#define VCPU_ORDER 1 /* two pages: the vcpu, and its vLAPIC's register page */

_Static_assert(sizeof(struct vcpu) <= PAGE_SIZE, "the second page is the vLAPIC's");

unsigned vcpu_domain_id(const struct vcpu *v)
{
    return v->domain ? v->domain->id : ~0u;
}

void percpu_work(struct percpu *c, u32 work)
{
    __atomic_fetch_or(&c->work, work, __ATOMIC_SEQ_CST);
    if (c != this_cpu())
        lapic_send_ipi(c->apic_id, ICR_FIXED | VECTOR_KICK);
}

/* Tells a CPU, as the scheduler's functions return it, to pick again. */
static void resched(int cpu)
{
    if (cpu >= 0)
        percpu_work(percpu[cpu], WORK_RESCHED);
}

/* A pending IPI ends guest mode at once, so that nothing is lost between setting in_guest and
 * entry. */
static void leave_guest(struct vcpu *v)
{
    u32 cpu = READ_ONCE(v->sched.cpu);

    if (cpu != this_cpu()->id && __atomic_load_n(&v->in_guest, __ATOMIC_SEQ_CST))
        lapic_send_ipi(percpu[cpu]->apic_id, ICR_FIXED | VECTOR_KICK);
}

void vcpu_request(struct vcpu *v, u32 requests)
{
    __atomic_fetch_or(&v->requests, requests, __ATOMIC_SEQ_CST);
    if (READ_ONCE(v->sched.blocked) & BLOCK_ASLEEP)
        vcpu_unblock(v, BLOCK_ASLEEP);
    else if (v->sched.boostable && READ_ONCE(v->sched.class) != SCHED_URGENT)
        resched(sched_boost(&v->sched));
    leave_guest(v);
}

void vcpu_run_next(struct vcpu *v)
{
    struct percpu *c = this_cpu();

    if (v->sched.cpu != c->id || !c->current || inject_would_wake(c->current))
        return;
    c->next = v;
    percpu_work(c, WORK_RESCHED);
}

void vcpu_block(struct vcpu *v, u32 reasons)
{
    sched_block(&v->sched, reasons);
    mfence(); /* with vcpu_unblock(): who sleeps looks once more afterwards */
    leave_guest(v);
}

void vcpu_unblock(struct vcpu *v, u32 reasons)
{
    runstate_wake(v);
    resched(sched_unblock(&v->sched, reasons));
}

static bool runs_elsewhere(struct vcpu *v)
{
    return READ_ONCE(v->sched.running) && v->sched.cpu != this_cpu()->id;
}

/* v may be on its way through a hypercall that waits for all CPUs to have been outside root mode.
 */
void vcpu_wait_stopped(struct vcpu *v)
{
    struct domain *d = v->domain;

    domain_wait_begin(d);
    quiesce_outside();
    while (runs_elsewhere(v))
        vcpu_serve_unload();
    quiesce_inside();
    domain_wait_end(d);
}

void vcpu_wait_left(struct vcpu *v)
{
    while (runs_elsewhere(v) && __atomic_load_n(&v->in_guest, __ATOMIC_SEQ_CST) &&
           (__atomic_load_n(&v->requests, __ATOMIC_SEQ_CST) & REQ_FLUSH_NESTED))
        vcpu_serve_unload();
}

void vcpu_pause(struct vcpu *v)
{
    spin_lock(&v->domain->lock);
    v->pauses++;
    spin_unlock(&v->domain->lock);
    vcpu_block(v, BLOCK_PAUSED);
    vcpu_wait_stopped(v);
}

void vcpu_unpause(struct vcpu *v)
{
    bool last;

    spin_lock(&v->domain->lock);
    last = --v->pauses == 0;
    spin_unlock(&v->domain->lock);
    if (last)
        vcpu_unblock(v, BLOCK_PAUSED);
}

void vcpu_switch_to(struct vcpu *v)
{
    struct percpu *c = this_cpu();

    if (c->current == v)
        return;
    if (c->current) {
        vendor->vcpu_put(c->current);
        xstate_save(c->current);
        __atomic_store_n(&c->current->loaded_on, VCPU_NOT_LOADED, __ATOMIC_RELEASE);
    }
    c->current = v;
    if (!v)
        return;
    vcpu_unload(v);
    v->loaded_on = c->id;
    xstate_restore(v);
    speculation_switch(v->domain);
    vendor->vcpu_load(v);
}

/* One that was moved may be running already: on another CPU, which waits for this one. */
void vcpu_put_idle(void)
{
    struct percpu *c = this_cpu();
    struct vcpu *v = c->current;

    if (v && (!READ_ONCE(v->sched.running) || READ_ONCE(v->sched.cpu) != c->id))
        vcpu_switch_to(NULL);
}

void vcpu_serve_unload(void)
{
    struct percpu *c = this_cpu();

    cpu_pause();
    if (!(READ_ONCE(c->work) & WORK_UNLOAD))
        return;
    __atomic_fetch_and(&c->work, ~WORK_UNLOAD, __ATOMIC_SEQ_CST);
    vcpu_put_idle();
}

void vcpu_unload(struct vcpu *v)
{
    u32 cpu = __atomic_load_n(&v->loaded_on, __ATOMIC_ACQUIRE);

    if (cpu == this_cpu()->id) {
        if (this_cpu()->current == v)
            vcpu_switch_to(NULL);
        return;
    }
    if (cpu == VCPU_NOT_LOADED)
        return;
    percpu_work(percpu[cpu], WORK_UNLOAD);
    while (__atomic_load_n(&v->loaded_on, __ATOMIC_ACQUIRE) == cpu)
        vcpu_serve_unload();
}

static void apic_timer_fired(struct timer *t)
{
    vcpu_request(container_of(t, struct vcpu, apic_timer), REQ_APIC_TIMER);
}

static void pv_timer_fired(struct timer *t)
{
    vcpu_request(container_of(t, struct vcpu, pv_timer), REQ_PV_TIMER);
}

static void poll_timer_fired(struct timer *t)
{
    vcpu_request(container_of(t, struct vcpu, poll_timer), REQ_POLL);
}

static int init_parts(struct vcpu *v)
{
    int rc = xstate_alloc(v);

    if (rc)
        return rc;
    rc = vendor->vcpu_init(v);
    if (rc)
        return rc;
    return vcpu_reset(v, false);
}

struct vcpu *vcpu_create(struct domain *d, unsigned id, int *rc)
{
    mfn_t m = frames_alloc(VCPU_ORDER, FRAMES_ZERO);
    struct vcpu *v;

    *rc = -ENOMEM;
    if (mfn_is_none(m))
        return NULL;
    v = mfn_virt(m);
    v->domain = d;
    v->id = id;
    v->loaded_on = VCPU_NOT_LOADED;
    v->cr_guest_mask = d->policy->cr4_mask;
    timer_init(&v->apic_timer, apic_timer_fired);
    timer_init(&v->pv_timer, pv_timer_fired);
    timer_init(&v->poll_timer, poll_timer_fired);
    sched_entity_init(&v->sched, id % cpus_online, BLOCK_DOWN);
    platform_init_vlapic(v, (u8 *)v + PAGE_SIZE);
    *rc = init_parts(v);
    if (*rc) {
        vcpu_destroy(v);
        return NULL;
    }
    return v;
}

void vcpu_destroy(struct vcpu *v)
{
    timer_stop(&v->apic_timer);
    timer_stop(&v->pv_timer);
    timer_stop(&v->poll_timer);
    sched_entity_fini(&v->sched);
    if (v->vendor)
        vendor->vcpu_fini(v);
    xstate_free(v);
    frames_free(virt_mfn(v), VCPU_ORDER);
}

/* What INIT keeps: MSRs (EFER is cleared), FPU, MTRRs. */
int vcpu_reset(struct vcpu *v, bool init)
{
    u32 mask = STATE_SEGS | STATE_DT | STATE_CR | STATE_DR | STATE_INTR;
    struct cpu_state s = {.pat = PAT_RESET};

    if (init)
        vendor->state_get(v, STATE_CR, &s);
    else
        mask |= STATE_MSRS;
    cpu_state_reset(&s, init ? s.cr0 & (CR0_CD | CR0_NW) : CR0_CD | CR0_NW);
    memset(v->gpr, 0, sizeof(v->gpr));
    v->gpr[RDX] = v->domain->policy->signature;
    v->rip = 0xfff0;
    v->rflags = RFLAGS_RESERVED;
    v->intr_shadow = 0;
    v->event.valid = v->deferred.valid = v->nmi_pending = v->polling = false;
    v->replay = (struct replay){0};
    v->activity = v->id == 0 ? ACTIVITY_RUN : ACTIVITY_WAIT_SIPI;
    __atomic_fetch_or(&v->requests, REQ_EVENT, __ATOMIC_SEQ_CST); /* to sleep, if it is to wait */
    vendor->tlb_flush(v, FLUSH_GUEST);                            /* SDM 3A table 9-1 */
    return vendor->state_set(v, mask, &s);
}

static void take_init(struct vcpu *v)
{
    vlapic_init_reset(&v->vlapic);
    if (v->domain->reset_hook)
        v->domain->reset_hook(v);
    ASSERT(vcpu_reset(v, true) == 0);
}

static void take_sipi(struct vcpu *v)
{
    struct cpu_state s;

    if (v->activity != ACTIVITY_WAIT_SIPI)
        return;
    vendor->state_get(v, STATE_SEGS, &s);
    s.seg[SEG_CS].selector = (u16)(v->sipi_vector << 8);
    s.seg[SEG_CS].base = (u64)v->sipi_vector << 12;
    ASSERT(vendor->state_set(v, STATE_SEGS, &s) == 0);
    v->rip = 0;
    v->activity = ACTIVITY_RUN;
}

static void wake(struct vcpu *v)
{
    v->activity = ACTIVITY_RUN;
    if (v->polling)
        timer_stop(&v->poll_timer);
    v->polling = false;
}

/* In this order: whoever answers makes the request before unblocking. */
bool vcpu_awaits_model(const struct vcpu *v)
{
    return (READ_ONCE(v->sched.blocked) & BLOCK_IOREQ) || (READ_ONCE(v->requests) & REQ_IOREQ);
}

/* What is not to be done yet. An answer is exit_resume()'s; and until that has carried out the
 * instruction that waits for it, nothing resets v, as INIT comes between instructions. */
static u32 not_yet(const struct vcpu *v)
{
    if (vcpu_awaits_model(v))
        return REQ_IOREQ | REQ_INIT | REQ_SIPI;
    return REQ_IOREQ;
}

void vcpu_do_requests(struct vcpu *v)
{
    u32 keep = not_yet(v), r = __atomic_fetch_and(&v->requests, keep, __ATOMIC_SEQ_CST) & ~keep;

    if (r & REQ_FLUSH_NESTED)
        vendor->tlb_flush(v, FLUSH_NESTED);
    if (r & REQ_INIT)
        take_init(v);
    if (r & REQ_SIPI)
        take_sipi(v);
    if (r & REQ_NMI)
        v->nmi_pending = true;
    if (r & REQ_APIC_TIMER)
        vlapic_timer_fire(&v->vlapic);
    if (r & REQ_PV_TIMER)
        evtchn_raise_virq(v, VIRQ_TIMER);
    if (v->activity == ACTIVITY_HLT && ((r & REQ_POLL) || inject_would_wake(v)))
        wake(v);
    if (v->activity != ACTIVITY_RUN)
        vcpu_sleep(v);
}

/* To sleep, unless a request came in meanwhile. */
void vcpu_sleep(struct vcpu *v)
{
    vcpu_block(v, BLOCK_ASLEEP);
    if (__atomic_load_n(&v->requests, __ATOMIC_SEQ_CST))
        vcpu_unblock(v, BLOCK_ASLEEP);
}

void vcpu_halt(struct vcpu *v)
{
    v->activity = ACTIVITY_HLT;
    vcpu_request(v, REQ_EVENT); /* decided where all events are looked at */
}

/* Outside 64-bit mode EIP is 32 bits wide, and VT-x refuses to enter with more. */
static void wrap_rip(struct vcpu *v)
{
    struct cpu_state s;

    vendor->state_get(v, STATE_CR | STATE_CS_SS, &s);
    if (!(s.efer & EFER_LMA) || !(s.seg[SEG_CS].attr & SEG_L))
        v->rip = (u32)v->rip;
}

/* SDM 3A 6.8.3, 17.3.1.1, 17.3.1.4: an instruction that was carried out ends the shadow, clears RF
 * and, with TF, traps. */
void vcpu_skip(struct vcpu *v, unsigned length)
{
    u64 from = v->rip;

    v->rip += length;
    if (unlikely((v->rip ^ from) >> 32))
        wrap_rip(v);
    v->rflags &= ~(u64)RFLAGS_RF;
    v->intr_shadow = 0;
    if (unlikely(v->rflags & RFLAGS_TF))
        inject_debug_trap(v, DR6_BS);
}
