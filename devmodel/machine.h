/* SPDX-License-Identifier: BSD-2-Clause */
/* The models together: which port is whose, which line is up, when something happens next. No Xen
 * here. */
#ifndef DEVMODEL_MACHINE_H
#define DEVMODEL_MACHINE_H

#include "devmodel/pit.h"
#include "devmodel/pm.h"
#include "devmodel/rtc.h"
#include "devmodel/ticks.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MACHINE_IRQ_PIT 0
#define MACHINE_IRQ_RTC 8
#define MACHINE_IRQ_SCI 9

struct machine {
    struct pit pit;
    struct rtc rtc;
    struct pm pm;
    struct ticks ticks; /* of IRQ 0 */
    uint64_t seen;      /* IRQ 0's rises up to then are in ticks */
};

struct machine_ports {
    uint16_t first, last;
};
extern const struct machine_ports machine_ports[];
extern const size_t machine_port_ranges;

/* What the firmware reads from CMOS. */
struct machine_config {
    int64_t seconds; /* since 1970, UTC */
    uint64_t ram;    /* below 4 GiB, in bytes */
    uint64_t high_ram;
    unsigned vcpus;
};
void machine_init(struct machine *m, const struct machine_config *c, uint64_t now);

/* size 1, 2 or 4. Bytes that are nobody's read as ones. */
uint32_t machine_read(struct machine *m, uint16_t port, unsigned size, uint64_t now);
void machine_write(struct machine *m, uint16_t port, unsigned size, uint32_t value, uint64_t now);

/* Lets happen what falls due up to now. True: IRQ 0 pulses once. */
bool machine_run(struct machine *m, uint64_t now);
uint64_t machine_deadline(const struct machine *m, uint64_t now);

#endif
