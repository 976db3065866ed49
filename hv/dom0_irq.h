/* SPDX-License-Identifier: BSD-2-Clause */
/* The machine's interrupts, on their way to the privileged domain by the vectors it programmed. */
#ifndef HV_DOM0_IRQ_H
#define HV_DOM0_IRQ_H

struct domain;

/* From here on d gets what arrives at each CPU's LAPIC, and the machine's NMIs. d's vcpu n is on
 * CPU n. */
void dom0_irq_init(struct domain *d);

#endif
