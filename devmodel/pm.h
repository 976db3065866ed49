/* SPDX-License-Identifier: BSD-2-Clause */
/* ACPI's fixed hardware (ACPI 6.4, 4.8) where hvmloader's tables of Xen 4.17 say that it is:
 *
 *   afe0h GPE0      status and enable, 16 bits each
 *   b000h PM1a_EVT  status and enable, 16 bits each
 *   b004h PM1a_CNT  16 bits
 *   b008h PM_TMR    32 bits
 *
 * The timer is a pure function of time: pm_timer(origin, now). Whoever else answers it (root mode
 * does) needs origin and nothing more; in a guest's saved state that is PMTIMER's tmr_val, the
 * value at the moment of saving, by which both agree (devmodel/phase.h). */
#ifndef DEVMODEL_PM_H
#define DEVMODEL_PM_H

#include "devmodel/clock.h"
#include <stdbool.h>
#include <stdint.h>

#define PM_HZ          3579545u
#define PM_EVENT       0xb000
#define PM_EVENT_LEN   4
#define PM_CONTROL     0xb004
#define PM_CONTROL_LEN 2
#define PM_TIMER       0xb008
#define PM_TIMER_LEN   4
#define PM_GPE0        0xafe0
#define PM_GPE0_LEN    4
#define PM_GPE_PCI     1 /* hvmloader's _E01: PCI hotplug by ports ae00h ff. */
#define PM_GPE_CPU     2 /* _E02: CPU hotplug by ports af00h ff. */

/* What the guest asked for with SLP_EN, or at the reset port. */
enum pm_wish { PM_NOTHING, PM_POWER_OFF, PM_RESET };

/* A status and its enables. */
struct pm_block {
    uint16_t status, enable;
};

struct pm {
    struct pm_block event, gpe;
    uint16_t control;
    enum pm_wish wish; /* until the daemon takes it */
    uint64_t origin;   /* when the timer was 0, in ns */
    uint64_t seen;     /* its carries up to then are in status */
};

static inline uint32_t pm_timer(uint64_t origin, uint64_t now)
{
    return (uint32_t)clock_ticks(now - origin, PM_HZ);
}

/* The timer is 0 at origin, which is not after now. */
void pm_init(struct pm *p, uint64_t origin, uint64_t now);

/* One byte of each register block, at offset. */
uint8_t pm_read_event(struct pm *p, unsigned offset, uint64_t now);
void pm_write_event(struct pm *p, unsigned offset, uint8_t value, uint64_t now);
uint8_t pm_read_gpe(const struct pm *p, unsigned offset);
void pm_write_gpe(struct pm *p, unsigned offset, uint8_t value);
uint8_t pm_read_control(const struct pm *p, unsigned offset);
void pm_write_control(struct pm *p, unsigned offset, uint8_t value);

void pm_power_button(struct pm *p);
void pm_sleep_button(struct pm *p);
/* An event of the general purpose block, 0 to 15. */
void pm_general(struct pm *p, unsigned event);

void pm_run(struct pm *p, uint64_t now);
/* SCI's level. */
bool pm_sci(const struct pm *p);
/* When pm_run() would raise SCI next; CLOCK_NEVER: not as things are. */
uint64_t pm_deadline(const struct pm *p, uint64_t now);

#endif
