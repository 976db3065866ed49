/* SPDX-License-Identifier: BSD-2-Clause */
/* A domain's interrupt controllers, wired to its vcpus as in a PC. */
#ifndef HV_PLATFORM_H
#define HV_PLATFORM_H

#include "hv/compiler.h"
#include "hv/evtchn.h"
#include "hv/types.h"
#include "hv/vcpu.h"

struct domain;

/* Domain under construction, before its vcpus: buses, vIOAPIC, vPIC, and
 * where they answer. The privileged domain has no vIOAPIC and no vPIC: the machine's are its own.
 * -ENOSPC. */
int __must_check platform_init(struct domain *d);
/* v's vLAPIC on the domain's bus; page is its register page, zeroed. */
void platform_init_vlapic(struct vcpu *v, void *page);

/* ISA IRQ 0 to 15 / global system interrupt 0 up: the line's level. Any CPU. */
void platform_set_isa_irq(struct domain *d, unsigned irq, bool level);
void platform_set_gsi(struct domain *d, unsigned gsi, bool level);

/* The same lines as device models raise them (hv/intx.h). -EINVAL. Any CPU. */
int __must_check platform_set_pci_intx(struct domain *d, unsigned device, unsigned line,
                                       bool level);
int __must_check platform_set_dm_isa(struct domain *d, unsigned irq, bool level);
int __must_check platform_set_pci_link(struct domain *d, unsigned link, unsigned irq);

/* Is there an interrupt of v's LAPIC or PIC that its processor priority lets through? v's CPU. */
static inline bool platform_controller_pending(struct vcpu *v)
{
    return vlapic_pending(&v->vlapic) || unlikely(vlapic_extint_pending(&v->vlapic));
}
/* One of those, or the event channels' callback? v's CPU. */
static inline bool platform_interrupt_pending(struct vcpu *v)
{
    return platform_controller_pending(v) || evtchn_callback_vector(v);
}
/* The one to inject now, acknowledged; 0: it went away. */
u8 platform_take_interrupt(struct vcpu *v);

#endif
