/* SPDX-License-Identifier: BSD-2-Clause */
#include "hv/irq.h"
#include "hv/lapic.h"
#include "hv/log.h"
#include "hv/percpu.h"

static irq_forward_fn forward;
static nmi_forward_fn nmi_forward;

void irq_set_forward(irq_forward_fn fn)
{
    forward = fn;
}

void irq_set_nmi_forward(nmi_forward_fn fn)
{
    nmi_forward = fn;
}

/* Anything may have been interrupted, so no lock is taken and nobody woken here. */
void irq_nmi(void)
{
    if (nmi_forward)
        __atomic_fetch_or(&this_cpu()->work, WORK_NMI, __ATOMIC_SEQ_CST);
}

void irq_forward_nmi(void)
{
    nmi_forward();
}

/* A device that firmware left running, before anyone owns it. */
static void unexpected(u8 vector)
{
    log_debug("interrupt %02x on CPU %u has no owner", vector, this_cpu()->id);
    lapic_eoi();
}

void irq_dispatch(u8 vector)
{
    this_cpu()->intrs++;
    switch (vector) {
    case VECTOR_TIMER:
        __atomic_fetch_or(&this_cpu()->work, WORK_TIMER, __ATOMIC_RELAXED);
        lapic_eoi();
        return;
    case VECTOR_KICK: /* whoever sent it left a request behind */
        lapic_eoi();
        return;
    case VECTOR_ERROR:
        log_warn("LAPIC error %x on CPU %u", lapic_error(), this_cpu()->id);
        lapic_eoi();
        return;
    case VECTOR_SPURIOUS: /* not in service: no EOI (SDM 3A 10.9) */
        return;
    default:
        if (forward)
            forward(vector, lapic_is_level(vector));
        else
            unexpected(vector);
    }
}

void irq_window(void)
{
    __asm__ volatile("sti; nop; cli" ::: "memory");
}
