/* SPDX-License-Identifier: BSD-2-Clause */
#include "hv/domain.h"
#include "hv/inject.h"
#include "hv/platform.h"
#include "hv/vcpu.h"
#include "hv/vendor.h"
#include "hv/x86.h"

/* SDM 3A table 6-4 */
enum fault_class { BENIGN, CONTRIBUTORY, PAGE_FAULT };

static enum fault_class classify(const struct event *e)
{
    if (e->type != EVENT_EXC)
        return BENIGN;
    switch (e->vector) {
    case TRAP_DE:
    case TRAP_TS:
    case TRAP_NP:
    case TRAP_SS:
    case TRAP_GP:
        return CONTRIBUTORY;
    case TRAP_PF:
        return PAGE_FAULT;
    default:
        return BENIGN;
    }
}

/* SDM 3A table 6-5: does the second fault, raised while the first was being delivered, make #DF? */
static bool makes_double_fault(const struct event *first, const struct event *second)
{
    enum fault_class a = classify(first), b = classify(second);

    return (a == CONTRIBUTORY && b == CONTRIBUTORY) || (a == PAGE_FAULT && b != BENIGN);
}

/* Interrupts and NMIs are benign: the exception comes first, they wait for their turn. */
static bool wait_behind(struct vcpu *v, const struct event *e)
{
    if (e->type == EVENT_NMI)
        v->nmi_pending = true;
    else if (e->type == EVENT_INTR)
        v->deferred = *e;
    return e->type == EVENT_NMI || e->type == EVENT_INTR;
}

void inject_event(struct vcpu *v, const struct event *e)
{
    static const struct event double_fault = {
        .valid = true, .type = EVENT_EXC, .vector = TRAP_DF, .has_error = true};
    struct event *pending = &v->event;

    if (!pending->valid || wait_behind(v, pending))
        *pending = *e;
    else if (pending->type == EVENT_EXC && pending->vector == TRAP_DF && classify(e) != BENIGN)
        domain_triple_fault(v);
    else
        *pending = makes_double_fault(pending, e) ? double_fault : *e;
}

void inject_exception(struct vcpu *v, u8 vector)
{
    inject_event(v, &(struct event){.valid = true, .type = EVENT_EXC, .vector = vector});
}

void inject_exception_error(struct vcpu *v, u8 vector, u32 error)
{
    inject_event(
        v,
        &(struct event){
            .valid = true, .type = EVENT_EXC, .vector = vector, .has_error = true, .error = error});
}

void inject_page_fault(struct vcpu *v, u64 address, u32 error)
{
    inject_event(v, &(struct event){.valid = true,
                                    .type = EVENT_EXC,
                                    .vector = TRAP_PF,
                                    .has_error = true,
                                    .error = error,
                                    .set_cr2 = true,
                                    .cr2 = address});
}

void inject_debug_trap(struct vcpu *v, u64 causes)
{
    struct cpu_state s;

    vendor->state_get(v, STATE_DR, &s);
    s.dr6 = (s.dr6 & ~(DR6_B(0) | DR6_B(1) | DR6_B(2) | DR6_B(3))) | causes;
    if (vendor->state_set(v, STATE_DR, &s) == 0)
        inject_exception(v, TRAP_DB);
}

static bool nmi_blocked(struct vcpu *v)
{
    struct cpu_state s;

    vendor->state_get(v, STATE_INTR, &s);
    return s.nmi_blocked;
}

static bool can_take_interrupt(const struct vcpu *v)
{
    return (v->rflags & RFLAGS_IF) && !v->intr_shadow;
}

static void deliver(struct vcpu *v, struct event *e)
{
    vendor->inject(v, e);
    e->valid = false;
}

/* Returns true if something was handed to the next entry. */
static bool deliver_nmi(struct vcpu *v)
{
    if (v->intr_shadow || nmi_blocked(v)) {
        vendor->want_window(v, WINDOW_NMI);
        return false;
    }
    v->nmi_pending = false;
    vendor->inject(v, &(struct event){.valid = true, .type = EVENT_NMI, .vector = TRAP_NMI});
    return true;
}

static void deliver_interrupt(struct vcpu *v)
{
    struct event e = {.valid = true, .type = EVENT_INTR};

    if (!can_take_interrupt(v)) {
        vendor->want_window(v, WINDOW_INTR);
        return;
    }
    e.vector = platform_take_interrupt(v);
    if (e.vector)
        vendor->inject(v, &e);
    /* The callback goes first, and stays pending until its handler has begun: that is no other. */
    if (platform_controller_pending(v))
        vendor->want_window(v, WINDOW_INTR);
}

/* An interrupt that was taken off the vLAPIC already, but had to let an exception go first. An NMI
 * does not wait for one that must wait. Returns true if something was handed to the next entry. */
static bool deliver_deferred(struct vcpu *v)
{
    if (can_take_interrupt(v)) {
        deliver(v, &v->deferred);
        return true;
    }
    vendor->want_window(v, WINDOW_INTR);
    return v->nmi_pending && deliver_nmi(v);
}

void inject_prepare(struct vcpu *v)
{
    bool busy = false;

    if (unlikely(v->event.valid)) {
        deliver(v, &v->event);
        busy = true;
    } else if (unlikely(v->deferred.valid)) {
        busy = deliver_deferred(v);
    } else if (unlikely(v->nmi_pending)) {
        busy = deliver_nmi(v);
    }
    if (unlikely(v->nmi_pending && busy))
        vendor->want_window(v, WINDOW_NMI);
    if (likely(!platform_interrupt_pending(v)))
        return;
    if (busy)
        vendor->want_window(v, WINDOW_INTR);
    else
        deliver_interrupt(v);
}

bool inject_would_wake(struct vcpu *v)
{
    if (v->nmi_pending || v->event.valid)
        return true;
    return (v->rflags & RFLAGS_IF) && (v->deferred.valid || platform_interrupt_pending(v));
}
