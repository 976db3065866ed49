/* SPDX-License-Identifier: BSD-2-Clause */
/* Interrupts that arrive at the physical LAPIC: root mode's own vectors, and everybody else's. */
#ifndef HV_IRQ_H
#define HV_IRQ_H

#include "hv/types.h"

/* Root mode's own, above what the privileged domain's devices get. */
#define VECTOR_TIMER    0xfa
#define VECTOR_KICK     0xfb
#define VECTOR_ERROR    0xfe
#define VECTOR_SPURIOUS 0xff

/* One interrupt was taken off this CPU's LAPIC: by the gate, or by a VM exit that acknowledged it.
 */
void irq_dispatch(u8 vector);

/* Opens the interrupt window for a moment, so that pending interrupts come in through their gates.
 */
void irq_window(void);

/* Who gets a device's vector; called on the CPU it arrived at, interrupts off. level: the LAPIC's
 * TMR bit is set. The handler is responsible for the EOI. */
typedef void (*irq_forward_fn)(u8 vector, bool level);
void irq_set_forward(irq_forward_fn fn);

/* Who gets an NMI that is not root mode's own; called on the CPU it hit, interrupts off. */
typedef void (*nmi_forward_fn)(void);
void irq_set_nmi_forward(nmi_forward_fn fn);
/* In the NMI handler, and behind it: WORK_NMI. */
void irq_nmi(void);
void irq_forward_nmi(void);

#endif
