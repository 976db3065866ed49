/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Events on their way into the guest, and the moments at which it can take one.
 *
 * An external interrupt is made pending as the virtual interrupt (V_IRQ, highest priority); the
 * guest can take it, so the CPU delivers it before the first instruction (APM 2 15.21.4), unless it
 * exits before that: then V_IRQ still stands and the interrupt is reported as one whose delivery
 * was cut short. EVENTINJ would do, but QEMU 7.2 now and then delivers such an interrupt twice, the
 * second time whatever IF says: its emulation leaves it behind as a pending exception. Where V_IRQ
 * is needed for something else EVENTINJ it is, with an interrupt of our own to exit right behind
 * the delivery.
 *
 * Interrupt window: the virtual interrupt is made pending and intercepted; the CPU exits where it
 * would have delivered it.
 *
 * NMI window: AMD-V without vNMI knows no NMI blocking, so it is kept here. An injected NMI blocks
 * the next one until the guest executes IRET. IRET's intercept exits before it:
 *
 *   NMI injected      IRET about to run           IRET has run
 *   ----------------> --------------------------> -------------->
 *     blocked,          blocked, TODO_IRET,         not blocked: found by RIP at the next exit,
 *     IRET exits        IRET does not exit          which TODO_STEP makes come at once when asked
 * for
 *
 * A step runs one instruction under RFLAGS.TF, the guest's own TF put back behind it. Nothing else
 * may see that TF: while it is set every exception exits before its frame is pushed, and so do the
 * instructions that read or write flags. Where one of the latter stands in an interrupt shadow, the
 * shadow is given up for the NMI's sake (only MOV SS and STI make one, and the flags are rarely
 * what follows).
 */
#include "hv/irq.h"
#include "hv/lapic.h"
#include "hv/percpu.h"
#include "svm/svm.h"

#define DR6_EVENTS (DR6_B(0) | DR6_B(1) | DR6_B(2) | DR6_B(3) | DR6_BD | DR6_BS | DR6_BT)

static const u8 flag_insns[] = {VMEXIT_PUSHF, VMEXIT_POPF, VMEXIT_SWINT};

bool svm_nmi_blocked(const struct vcpu *v)
{
    const struct vcpu_vendor *vv = v->vendor;

    return svm_config.vnmi ? vmcb_int_ctl(vv->vmcb) & V_NMI_MASK : vv->nmi_blocked;
}

void svm_block_nmi(struct vcpu *v, bool blocked)
{
    struct vcpu_vendor *vv = v->vendor;
    struct vmcb *b = vv->vmcb;

    vv->todo &= ~TODO_IRET;
    if (svm_config.vnmi) {
        vmcb_set_int_ctl(b, blocked ? vmcb_int_ctl(b) | V_NMI_MASK : vmcb_int_ctl(b) & ~V_NMI_MASK);
    } else {
        vv->nmi_blocked = blocked;
        vmcb_intercept(b, VMEXIT_IRET, blocked);
    }
}

static bool is_software(u8 type)
{
    return type == EVENT_SOFT_INT || type == EVENT_SOFT_EXC || type == EVENT_PRIV_EXC;
}

/* The guest returns from a software event behind its instruction: RIP is moved there. Where the CPU
 * has nRIP it takes that instead, which then says the same (APM 2 15.20). */
static void pass_instruction(struct vcpu *v, u8 len)
{
    struct vcpu_vendor *vv = v->vendor;

    v->rip += len;
    vv->vmcb->nrip = v->rip;
    vv->soft_len = len;
    vv->todo |= TODO_SOFT;
}

#define V_INTR(vector) (V_IRQ | V_IGN_TPR | V_INTR_PRIO(15) | V_INTR_VECTOR(vector))
#define V_INTR_FIELDS  V_INTR(0xff)

static void set_virtual_interrupt(struct vmcb *b, u8 vector)
{
    vmcb_set_int_ctl(b, (vmcb_int_ctl(b) & ~V_INTR_FIELDS) | V_INTR(vector));
}

static void clear_virtual_interrupt(struct vmcb *b)
{
    vmcb_set_int_ctl(b, vmcb_int_ctl(b) & ~V_INTR_FIELDS);
}

void svm_inject(struct vcpu *v, const struct event *e)
{
    struct vmcb *b = v->vendor->vmcb;
    u64 type = e->type;

    if (e->type == EVENT_INTR) {
        v->vendor->todo |= TODO_INTR;
        set_virtual_interrupt(b, e->vector);
        return;
    }
    if (is_software(e->type)) {
        type = e->type == EVENT_SOFT_INT ? EVENT_TYPE_SOFT : EVENT_EXC;
        pass_instruction(v, e->insn_len);
    }
    if (e->type == EVENT_NMI)
        svm_block_nmi(v, true);
    if (e->type == EVENT_EXC && e->vector == TRAP_DB)
        vmcb_set_dr7(b, vmcb_dr7(b) & ~DR7_GD);
    if (e->set_cr2)
        vmcb_set_cr2(b, e->cr2);
    b->event_inj = e->vector | type << 8 | EVENT_V;
    if (e->has_error && vmcb_cr0(b) & CR0_PE) /* real mode pushes none */
        b->event_inj |= EVENT_EV | (u64)e->error << 32;
}

/* The next entry delivers an event, whatever else is asked of it. */
static bool delivers(const struct vcpu_vendor *vv)
{
    return vv->vmcb->event_inj & EVENT_V || vv->todo & TODO_INTR;
}

/* The exit comes right behind that delivery: by an interrupt of our own, pending by then. */
static void exit_behind_delivery(struct vcpu_vendor *vv)
{
    struct vmcb *b = vv->vmcb;

    if (vv->todo & TODO_INTR) {
        b->event_inj = V_INTR_VECTOR_OF(vmcb_int_ctl(b)) | EVENT_INTR << 8 | EVENT_V;
        clear_virtual_interrupt(b);
        vv->todo &= ~TODO_INTR;
    }
    lapic_send_ipi(this_cpu()->apic_id, ICR_FIXED | VECTOR_KICK);
}

void svm_want_window(struct vcpu *v, enum window w)
{
    struct vcpu_vendor *vv = v->vendor;
    struct vmcb *b = vv->vmcb;

    if (w == WINDOW_INTR && vv->todo & TODO_INTR) {
        exit_behind_delivery(vv);
    } else if (w == WINDOW_INTR) {
        vv->todo |= TODO_WINDOW;
        vmcb_intercept(b, VMEXIT_VINTR, true);
        set_virtual_interrupt(b, 0);
    } else if (svm_nmi_blocked(v) && !(vv->todo & TODO_IRET)) {
        vmcb_intercept(b, VMEXIT_IRET, true);
    } else {
        vv->todo |= TODO_STEP;
    }
}

static void close_window(struct vcpu_vendor *vv)
{
    struct vmcb *b = vv->vmcb;

    vv->todo &= ~TODO_WINDOW;
    vmcb_intercept(b, VMEXIT_VINTR, false);
    clear_virtual_interrupt(b);
}

/* V_IRQ still there, and no exit on the way to its handler: the guest has not begun to take it. */
static void end_interrupt(struct vcpu *v)
{
    struct vcpu_vendor *vv = v->vendor;
    struct vmcb *b = vv->vmcb;
    u64 ctl = vmcb_int_ctl(b);

    vv->todo &= ~TODO_INTR;
    clear_virtual_interrupt(b);
    if (ctl & V_IRQ && !(b->exit_int_info & EVENT_V))
        v->exit.vectoring =
            (struct event){.valid = true, .type = EVENT_INTR, .vector = (u8)V_INTR_VECTOR_OF(ctl)};
}

static void intercept_step(struct vcpu_vendor *vv, bool on)
{
    struct vmcb *b = vv->vmcb;

    vmcb_intercept_word(b, VMEXIT_EXCEPTION(0), on ? ~(u32)BIT(TRAP_NMI) : svm_exceptions);
    for (unsigned i = 0; i < ARRAY_SIZE(flag_insns); i++)
        vmcb_intercept(b, flag_insns[i], on);
    if (!(vv->todo & TODO_IRET))
        vmcb_intercept(b, VMEXIT_IRET, on || vv->nmi_blocked);
}

/* An event that is delivered first takes the guest to its handler; TF would be in the frame. */
static void begin_step(struct vcpu *v)
{
    struct vcpu_vendor *vv = v->vendor;

    if (delivers(vv)) {
        vv->todo &= ~TODO_STEP;
        exit_behind_delivery(vv);
        return;
    }
    vv->step_rip = v->rip;
    vv->step_tf = v->rflags & RFLAGS_TF;
    vv->step_dr6 = vmcb_dr6(vv->vmcb);
    v->rflags |= RFLAGS_TF;
    intercept_step(vv, true);
}

/* A #DB under the step. Without a reason of the guest's own it is the window. (Bochs 3.0 exits
 * before it updates DR6: no reason at all is the step's, too.) */
static void settle_debug_trap(struct vcpu *v)
{
    struct vcpu_vendor *vv = v->vendor;
    u64 dr6 = vmcb_dr6(vv->vmcb), hit = dr6 & ~vv->step_dr6 & DR6_EVENTS;

    if (vv->step_tf || (hit && !(dr6 & DR6_BS)))
        return;
    dr6 = (dr6 & ~DR6_BS) | (vv->step_dr6 & DR6_BS);
    vmcb_set_dr6(vv->vmcb, dr6);
    v->exit.exc.info = dr6 & DR6_EVENTS;
    if (!(hit & ~DR6_BS))
        v->exit.reason = EXIT_NMI_WINDOW;
}

static void end_step(struct vcpu *v)
{
    struct vcpu_vendor *vv = v->vendor;
    bool iret = vv->todo & TODO_IRET;

    intercept_step(vv, false);
    vv->todo &= ~TODO_STEP;
    if (!vv->step_tf && (!iret || v->rip == vv->step_rip))
        v->rflags &= ~RFLAGS_TF; /* else IRET has loaded the guest's */
    if (v->exit.reason == EXIT_EXCEPTION && v->exit.exc.vector == TRAP_DB)
        settle_debug_trap(v);
}

static void deliver_pending_db(struct vcpu *v)
{
    struct vcpu_vendor *vv = v->vendor;
    struct vmcb *b = vv->vmcb;

    if (delivers(vv) || v->intr_shadow)
        return;
    vmcb_set_dr6(b, vmcb_dr6(b) | vv->pending_dbg);
    vv->pending_dbg = 0;
    vv->todo &= ~TODO_PENDING_DB;
    svm_inject(v, &(struct event){.type = EVENT_EXC, .vector = TRAP_DB});
}

void svm_event_entry(struct vcpu *v)
{
    struct vcpu_vendor *vv = v->vendor;

    if (vv->todo & TODO_PENDING_DB)
        deliver_pending_db(v);
    if (vv->todo & TODO_STEP)
        begin_step(v);
}

void svm_event_exit(struct vcpu *v)
{
    struct vcpu_vendor *vv = v->vendor;

    vv->todo &= ~TODO_SOFT;
    if (vv->todo & TODO_WINDOW)
        close_window(vv);
    if (vv->todo & TODO_INTR)
        end_interrupt(v);
    if (vv->todo & TODO_STEP)
        end_step(v);
    if (vv->todo & TODO_IRET && v->rip != vv->iret_rip) {
        vv->todo &= ~TODO_IRET;
        vv->nmi_blocked = false;
    }
}

/* IRET, PUSHF, POPF or INT exits only in a step, or at the end of an NMI handler. */
void svm_at_flag_insn(struct vcpu *v)
{
    struct vcpu_vendor *vv = v->vendor;

    if (vv->todo & TODO_STEP) {
        v->exit.reason = EXIT_NMI_WINDOW;
        v->intr_shadow = 0;
        return;
    }
    vmcb_intercept(vv->vmcb, VMEXIT_IRET, false);
    vv->todo |= TODO_IRET;
    vv->iret_rip = v->rip;
}

/* INT3, INTO and INT n are executed anew rather than injected: RIP is at the instruction, or goes
 * back there, and its length need not be known. But a task switch they cause goes on in root mode.
 */
static bool executes_anew(struct vcpu *v, u8 type, u8 vector)
{
    struct vcpu_vendor *vv = v->vendor;
    bool ours = vv->todo & TODO_SOFT;

    if (!ours && type != EVENT_TYPE_SOFT && vector != TRAP_BP && vector != TRAP_OF)
        return false;
    if (ours)
        v->rip -= vv->soft_len;
    return v->exit.reason != EXIT_TASK_SWITCH;
}

static u8 vectoring_type(u8 type, u8 vector)
{
    if (type == EVENT_EXC && vector >= 32)
        return EVENT_INTR; /* QEMU 7.2: what V_IRQ or the LAPIC delivered */
    if (type == EVENT_EXC && (vector == TRAP_BP || vector == TRAP_OF))
        return EVENT_SOFT_EXC;
    return type;
}

void svm_vectoring(struct vcpu *v)
{
    u64 info = v->vendor->vmcb->exit_int_info;
    u8 type = EVENT_TYPE(info), vector = (u8)info;

    if ((type == EVENT_TYPE_SOFT || type == EVENT_EXC) && executes_anew(v, type, vector))
        return;
    v->exit.vectoring = (struct event){.valid = true,
                                       .type = vectoring_type(type, vector),
                                       .vector = vector,
                                       .has_error = info & EVENT_EV,
                                       .error = info & EVENT_EV ? EVENT_ERROR(info) : 0};
}
