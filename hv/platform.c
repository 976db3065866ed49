/* SPDX-License-Identifier: BSD-2-Clause */
#include "hv/domain.h"
#include "hv/irq.h"
#include "hv/platform.h"
#include "hv/timer.h"
#include "hv/vcpu.h"

#define IOAPIC_VERSION 0x11 /* 82093AA */
#define IOAPIC_ID      0
#define CASCADE_IRQ    2
#define ISA_IRQS       16

static u64 lapic_now(struct vlapic *l)
{
    (void)l;
    return time_ns();
}

static u64 lapic_tsc_to_ns(struct vlapic *l, u64 guest_tsc)
{
    return time_from_tsc(guest_tsc - vcpu_of_vlapic(l)->tsc_offset);
}

static void lapic_set_timer(struct vlapic *l, u64 deadline)
{
    struct vcpu *v = vcpu_of_vlapic(l);

    if (deadline == VLAPIC_NEVER)
        timer_stop(&v->apic_timer);
    else
        timer_set(&v->apic_timer, deadline);
}

static void lapic_kick(struct vlapic *l)
{
    vcpu_request(vcpu_of_vlapic(l), REQ_EVENT);
}

static void lapic_nmi(struct vlapic *l)
{
    vcpu_request(vcpu_of_vlapic(l), REQ_NMI);
}

static void lapic_init_signal(struct vlapic *l)
{
    vcpu_request(vcpu_of_vlapic(l), REQ_INIT);
}

static void lapic_startup(struct vlapic *l, u8 page)
{
    struct vcpu *v = vcpu_of_vlapic(l);

    WRITE_ONCE(v->sipi_vector, page);
    vcpu_request(v, REQ_SIPI);
}

static void lapic_eoi_done(struct vlapic *l, u8 vector, bool broadcast)
{
    struct domain *d = vcpu_of_vlapic(l)->domain;

    if (d->eoi_hook)
        d->eoi_hook(vcpu_of_vlapic(l), vector);
    if (broadcast && !d->privileged)
        vioapic_eoi(&d->vioapic, vector);
}

static const struct vlapic_ops lapic_ops = {
    .now = lapic_now,
    .tsc_to_ns = lapic_tsc_to_ns,
    .set_timer = lapic_set_timer,
    .kick = lapic_kick,
    .nmi = lapic_nmi,
    .init = lapic_init_signal,
    .startup = lapic_startup,
    .eoi = lapic_eoi_done,
};

/* The master 8259's INTR output: to LINT0 of every local APIC, and to the vIOAPIC's first pin. */
static void pic_intr(struct vpic *pic, bool level)
{
    struct domain *d = container_of(pic, struct domain, vpic);

    for (unsigned i = 0; i < d->vcpus; i++)
        vlapic_set_lint(&d->vcpu[i]->vlapic, 0, level);
    vioapic_set_line(&d->vioapic, 0, level);
}

static u64 ioapic_read(struct vcpu *v, u64 offset, unsigned size)
{
    (void)size;
    return vioapic_mmio_read(&v->domain->vioapic, (u32)offset);
}

static void ioapic_write(struct vcpu *v, u64 offset, unsigned size, u64 value)
{
    (void)size;
    vioapic_mmio_write(&v->domain->vioapic, (u32)offset, (u32)value);
}

static u32 pic_read(struct vcpu *v, u16 port, unsigned size)
{
    (void)size;
    return vpic_read(&v->domain->vpic, port);
}

static void pic_write(struct vcpu *v, u16 port, unsigned size, u32 value)
{
    (void)size;
    vpic_write(&v->domain->vpic, port, (u8)value);
}

static const struct mmio_range ioapic_page = {VIOAPIC_DEFAULT_BASE, PAGE_SIZE, ioapic_read,
                                              ioapic_write};
static const struct pio_range pic_ports[] = {
    {0x20, 0x21, pic_read, pic_write},
    {0xa0, 0xa1, pic_read, pic_write},
    {0x4d0, 0x4d1, pic_read, pic_write},
};

int platform_init(struct domain *d)
{
    int rc;

    apic_bus_init(&d->apic_bus, d->apic_slots);
    if (d->privileged)
        return 0;
    vioapic_init(&d->vioapic, IOAPIC_ID, VIOAPIC_MAX_PINS, IOAPIC_VERSION, &d->apic_bus);
    vpic_init(&d->vpic, pic_intr);
    rc = mmio_register(d, &ioapic_page);
    for (unsigned i = 0; i < ARRAY_SIZE(pic_ports) && rc == 0; i++)
        rc = pio_register(d, &pic_ports[i]);
    return rc;
}

void platform_init_vlapic(struct vcpu *v, void *page)
{
    struct domain *d = v->domain;
    struct vlapic_config config = {
        .id = policy_apic_id(d->policy, v->id),
        .features = policy_vlapic_features(d->policy) | (v->id == 0 ? VLAPIC_BSP : 0),
        .phys_bits = d->policy->phys_bits,
        .bus = &d->apic_bus,
        .ops = &lapic_ops,
    };

    vlapic_init(&v->vlapic, page, &config);
}

/* ACPI's usual override: ISA IRQ 0 is wired to pin 2; IRQ 2 is the cascade and wired to nothing. */
static unsigned isa_pin(unsigned irq)
{
    return irq == 0 ? 2 : irq;
}

void platform_set_isa_irq(struct domain *d, unsigned irq, bool level)
{
    if (irq >= ISA_IRQS || irq == CASCADE_IRQ)
        return;
    vioapic_set_line(&d->vioapic, isa_pin(irq), level);
    vpic_set_line(&d->vpic, irq, level);
}

void platform_set_gsi(struct domain *d, unsigned gsi, bool level)
{
    if (gsi < ISA_IRQS)
        platform_set_isa_irq(d, gsi, level);
    else
        vioapic_set_line(&d->vioapic, gsi, level);
}

static void dm_isa(void *ctx, unsigned irq, bool level)
{
    platform_set_isa_irq(ctx, irq, level);
}

static void dm_pin(void *ctx, unsigned pin, bool level)
{
    platform_set_gsi(ctx, pin, level);
}

static const struct intx_ops lines = {dm_isa, dm_pin};

int platform_set_pci_intx(struct domain *d, unsigned device, unsigned line, bool level)
{
    return intx_set_pci(&d->intx, &lines, d, device, line, level);
}

int platform_set_dm_isa(struct domain *d, unsigned irq, bool level)
{
    return intx_set_isa(&d->intx, &lines, d, irq, level);
}

int platform_set_pci_link(struct domain *d, unsigned link, unsigned irq)
{
    return intx_set_route(&d->intx, &lines, d, link, irq);
}

u8 platform_take_interrupt(struct vcpu *v)
{
    u8 vector = evtchn_callback_vector(v);

    if (vector)
        return vector; /* no EOI follows: the guest clears the flag itself */
    if (vlapic_extint_pending(&v->vlapic)) {
        vlapic_extint_ack(&v->vlapic);
        return v->domain->privileged ? 0 : vpic_ack(&v->domain->vpic);
    }
    vector = vlapic_pending(&v->vlapic);
    if (vector)
        vlapic_ack(&v->vlapic, vector);
    return vector;
}
