/* SPDX-License-Identifier: BSD-2-Clause */
#include "hv/dom0_irq.h"
#include "hv/domain.h"
#include "hv/irq.h"
#include "hv/lapic.h"
#include "hv/layout.h"
#include "hv/percpu.h"
#include "hv/vcpu.h"

static struct domain *dom0;

/* A bit for each vector. */
struct vectors {
    u32 word[8];
};

/* Level-triggered vectors in service at this CPU's LAPIC until the guest's EOI. While one is, the
 * LAPIC holds back what ranks lower, just as it would have without us. What ranks higher arrives,
 * and waits in the vLAPIC while the guest's handler of the first keeps interrupts off: so the guest
 * may end the lower one first. The LAPIC's EOI always ends its highest (SDM 3A 10.8.5): those that
 * the guest has ended wait for the higher ones'. */
static struct vectors in_service[MAX_CPUS], ended[MAX_CPUS];

static void add(struct vectors *s, u8 vector)
{
    s->word[vector / 32] |= 1u << vector % 32;
}

static void remove(struct vectors *s, u8 vector)
{
    s->word[vector / 32] &= ~(1u << vector % 32);
}

static bool has(const struct vectors *s, u8 vector)
{
    return s->word[vector / 32] >> vector % 32 & 1;
}

/* 0: none */
static u8 highest(const struct vectors *s)
{
    for (unsigned i = ARRAY_SIZE(s->word); i-- > 0;)
        if (s->word[i])
            return (u8)(32 * i + 31 - (unsigned)__builtin_clz(s->word[i]));
    return 0;
}

static void forward(u8 vector, bool level)
{
    unsigned cpu = this_cpu()->id;
    struct vcpu *v = dom0->vcpu[cpu];

    /* A vector the guest's LAPIC does not take will never see its EOI. */
    if (vlapic_post(&v->vlapic, vector, level) < 0 || !level)
        lapic_eoi();
    else
        add(&in_service[cpu], vector);
}

static void guest_eoi(struct vcpu *v, u8 vector)
{
    struct vectors *there = &in_service[v->id], *done = &ended[v->id];
    u8 top;

    if (has(there, vector))
        add(done, vector);
    while ((top = highest(there)) && has(done, top)) {
        remove(there, top);
        remove(done, top);
        lapic_eoi();
    }
}

/* After INIT nothing is in service any more, nor may it be at the machine's LAPIC. */
static void guest_reset(struct vcpu *v)
{
    for (unsigned i = 0; i < 256; i++)
        guest_eoi(v, (u8)i);
}

static void nmi(void)
{
    vcpu_request(dom0->vcpu[this_cpu()->id], REQ_NMI);
}

void dom0_irq_init(struct domain *d)
{
    dom0 = d;
    d->eoi_hook = guest_eoi;
    d->reset_hook = guest_reset;
    irq_set_forward(forward);
    irq_set_nmi_forward(nmi);
}
