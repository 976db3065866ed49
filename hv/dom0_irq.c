/* SPDX-License-Identifier: BSD-2-Clause */
#include "hv/dom0_irq.h"
#include "hv/domain.h"
#include "hv/irq.h"
#include "hv/lapic.h"
#include "hv/layout.h"
#include "hv/percpu.h"
#include "hv/vcpu.h"

static struct domain *dom0;

/* Level-triggered vectors in service at this CPU's LAPIC until the guest's EOI, a bit each. While
 * one is, the LAPIC holds back what ranks lower, just as it would have without us. */
static u32 in_service[MAX_CPUS][8];

static void set_in_service(unsigned cpu, u8 vector)
{
    in_service[cpu][vector / 32] |= 1u << vector % 32;
}

static bool clear_in_service(unsigned cpu, u8 vector)
{
    u32 bit = 1u << vector % 32;
    bool was = in_service[cpu][vector / 32] & bit;

    in_service[cpu][vector / 32] &= ~bit;
    return was;
}

static void forward(u8 vector, bool level)
{
    unsigned cpu = this_cpu()->id;
    struct vcpu *v = dom0->vcpu[cpu];

    /* A vector the guest's LAPIC does not take will never see its EOI. */
    if (vlapic_post(&v->vlapic, vector, level) < 0 || !level)
        lapic_eoi();
    else
        set_in_service(cpu, vector);
}

static void guest_eoi(struct vcpu *v, u8 vector)
{
    if (clear_in_service(v->id, vector))
        lapic_eoi();
}

/* After INIT nothing is in service any more, nor may it be at the machine's LAPIC. */
static void guest_reset(struct vcpu *v)
{
    for (unsigned i = 0; i < 256; i++)
        guest_eoi(v, (u8)i);
}

static void nmi(void)
{
    struct percpu *c = this_cpu();

    __atomic_fetch_or(&dom0->vcpu[c->id]->requests, REQ_NMI, __ATOMIC_SEQ_CST);
}

void dom0_irq_init(struct domain *d)
{
    dom0 = d;
    d->eoi_hook = guest_eoi;
    d->reset_hook = guest_reset;
    irq_set_forward(forward);
    irq_set_nmi_forward(nmi);
}
