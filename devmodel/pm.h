/* SPDX-License-Identifier: BSD-2-Clause */
/* ACPI's fixed power management registers (ACPI 6.4, 4.8): the PM1a event block and the PM timer.
 * The PM1a control register is QEMU's, which ends or suspends the machine by it. */
#ifndef DEVMODEL_PM_H
#define DEVMODEL_PM_H

#include <stdbool.h>
#include <stdint.h>

#define PM_HZ        3579545u
#define PM_EVENT     0xb000 /* status and enable, two bytes each (hvmloader's tables say so) */
#define PM_EVENT_LEN 4
#define PM_TIMER     0xb008
#define PM_TIMER_LEN 4

struct pm {
    uint16_t status;
    uint16_t enable;
    uint64_t origin; /* when the timer was 0, in ns */
    uint64_t seen;   /* its carries up to then are in status */
};

void pm_init(struct pm *p, uint64_t now);
/* offset and size: 1, 2 or 4 bytes within the event block. */
uint32_t pm_read_event(struct pm *p, unsigned offset, unsigned size, uint64_t now);
void pm_write_event(struct pm *p, unsigned offset, unsigned size, uint32_t value, uint64_t now);
/* 32 bits wide, or any of their bytes. */
uint32_t pm_read_timer(const struct pm *p, unsigned offset, unsigned size, uint64_t now);

void pm_power_button(struct pm *p);
void pm_sleep_button(struct pm *p);
/* As the guest comes back from S3. */
void pm_wake(struct pm *p);

void pm_run(struct pm *p, uint64_t now);
/* SCI's level. */
bool pm_sci(const struct pm *p);
/* When pm_run() would raise SCI next; CLOCK_NEVER: not as things are. */
uint64_t pm_deadline(const struct pm *p, uint64_t now);

#endif
