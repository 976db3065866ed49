/* SPDX-License-Identifier: BSD-2-Clause */
/* The physical local APIC of the calling CPU, in xAPIC or x2APIC mode (SDM 3A 10). */
#ifndef HV_LAPIC_H
#define HV_LAPIC_H

#include "hv/compiler.h"
#include "hv/types.h"

/* ICR delivery modes (SDM 3A 10.6.1) */
#define ICR_FIXED   (0u << 8)
#define ICR_NMI     (4u << 8)
#define ICR_INIT    (5u << 8)
#define ICR_STARTUP (6u << 8)
#define ICR_ASSERT  (1u << 14)

/* Boot CPU, once: finds the mode and maps the registers. Then lapic_cpu_init() on every CPU. */
int __must_check lapic_init(void);
void lapic_cpu_init(void);

u32 lapic_id(void);
void lapic_eoi(void);
u32 lapic_error(void);
/* The TMR bit: the vector in service came in level-triggered. */
bool lapic_is_level(u8 vector);

/* Any interrupt is pending that has not been taken (SDM 3A 10.8.4, IRR). */
bool lapic_any_pending(void);

/* icr: vector, delivery mode and level as in the low half of ICR. */
void lapic_send_ipi(u32 apic_id, u32 icr);

/* Timer: one interrupt of VECTOR_TIMER after ticks of the APIC timer (divided by 1), 0: off. */
void lapic_timer_set(u32 ticks);
u32 lapic_timer_read(void);
/* true: the timer counts down from its maximum with no interrupt, to be measured by; false: as
 * before. */
void lapic_timer_calibrate(bool on);
/* The same at a TSC value, where the CPU has TSC-deadline mode; 0: off. */
bool lapic_has_deadline(void);
void lapic_timer_deadline(u64 tsc);

#endif
