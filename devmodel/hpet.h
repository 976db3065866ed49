/* SPDX-License-Identifier: BSD-2-Clause */
/* The High Precision Event Timers (IA-PC HPET specification 1.0a) as Xen offers them to a guest:
 * three timers of 64 bits, all of them periodic at will, legacy replacement, pins 20 to 23 of the
 * I/O APIC, no messages.
 *
 * The main counter is a pure function of time while it runs: offset + now / HPET_NS. */
#ifndef DEVMODEL_HPET_H
#define DEVMODEL_HPET_H

#include "devmodel/ticks.h"
#include <stdbool.h>
#include <stdint.h>

#define HPET_BASE      0xfed00000u
#define HPET_LENGTH    0x400u
#define HPET_TIMERS    3
#define HPET_NS        16 /* in one tick of the main counter */
#define HPET_FIRST_PIN 20

struct hpet_timer {
    uint64_t config;     /* the bits that can be written */
    uint64_t comparator; /* as written, or where the next period ends */
    uint64_t period;     /* in ticks of the counter */
    uint64_t due;        /* what the counter shows when it matches next, in 64 bits */
    bool armed;
    struct ticks ticks;
};

struct hpet {
    uint64_t config;
    uint64_t status;  /* of level-triggered timers */
    uint64_t counter; /* while it is halted */
    uint64_t offset;  /* while it runs */
    struct hpet_timer timer[HPET_TIMERS];
};

void hpet_init(struct hpet *h);

/* at: within the registers; size 1, 2, 4 or 8. What crosses a register is not there. */
uint64_t hpet_read(struct hpet *h, unsigned at, unsigned size, uint64_t now);
void hpet_write(struct hpet *h, unsigned at, unsigned size, uint64_t value, uint64_t now);

/* Timers 0 and 1 stand for IRQ 0 and 8, whose own devices raise nothing then. */
bool hpet_is_legacy(const struct hpet *h);
/* The line of a timer: an ISA interrupt if it is legacy, else a pin of the I/O APIC. */
unsigned hpet_line(const struct hpet *h, unsigned timer);
/* Lets happen what falls due up to now. A bit for each timer whose line pulses. */
unsigned hpet_run(struct hpet *h, uint64_t now);
/* A bit for each timer that holds its line up. */
unsigned hpet_levels(const struct hpet *h);
/* When hpet_run() has something to do next; CLOCK_NEVER: not as things are. */
uint64_t hpet_deadline(const struct hpet *h);

#endif
