/* SPDX-License-Identifier: BSD-2-Clause */
/* The models together: which port is whose, which line is up, when something happens next. No Xen
 * here. */
#ifndef DEVMODEL_MACHINE_H
#define DEVMODEL_MACHINE_H

#include "devmodel/hpet.h"
#include "devmodel/pit.h"
#include "devmodel/pm.h"
#include "devmodel/reset.h"
#include "devmodel/rtc.h"
#include "devmodel/ticks.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Lines: ISA interrupts, and above them the I/O APIC's pins that a HPET may choose. */
#define MACHINE_IRQ_PIT 0
#define MACHINE_IRQ_RTC 8
#define MACHINE_IRQ_SCI 9
#define MACHINE_ISA     16
#define MACHINE_LINES   24

struct machine {
    struct pit pit;
    struct rtc rtc;
    struct pm pm;
    struct reset reset;
    struct hpet hpet;
    bool has_hpet;
    struct ticks ticks; /* of the PIT's IRQ 0 */
    uint64_t seen;      /* its rises up to then are in ticks */
    uint64_t deadline;  /* when machine_run() is due: an access may make that now */
    uint32_t pulses;    /* a bit for each line that has risen anew */
};

struct machine_ports {
    uint16_t first, last;
};
extern const struct machine_ports machine_ports[];
extern const size_t machine_port_ranges;

/* What the firmware reads from CMOS, and what there is. */
struct machine_config {
    int64_t seconds; /* since 1970, UTC */
    uint32_t ns;     /* and so much of the next one */
    uint64_t ram;    /* below 4 GiB, in bytes */
    uint64_t high_ram;
    unsigned vcpus;
    uint32_t pm_timer; /* what the guest's PM timer shows now */
    bool hpet;
    const char *boot; /* c hard disk, d CD, n network: the first three count; NULL: in no order */
};
void machine_init(struct machine *m, const struct machine_config *c, uint64_t now);

/* Size 1, 2 or 4: a port has one byte, and a larger access is several, from the lowest up. Bytes
 * that are nobody's read as ones. */
uint32_t machine_read(struct machine *m, uint16_t port, unsigned size, uint64_t now);
void machine_write(struct machine *m, uint16_t port, unsigned size, uint32_t value, uint64_t now);
/* HPET's memory; size 1, 2, 4 or 8. */
uint64_t machine_read_memory(struct machine *m, uint64_t addr, unsigned size, uint64_t now);
void machine_write_memory(struct machine *m, uint64_t addr, unsigned size, uint64_t value,
                          uint64_t now);

/* Lets happen what falls due up to now, and finds the next deadline. */
void machine_run(struct machine *m, uint64_t now);

/* How the lines are; a line of *pulses rises anew if it is up, and goes up and down if not. The
 * pulses are forgotten by that. */
uint32_t machine_lines(struct machine *m, uint32_t *pulses);
/* What the guest wants of the whole machine; forgotten by that. */
enum pm_wish machine_wish(struct machine *m);
/* Periodic interrupts that nobody had time for. */
uint64_t machine_dropped(const struct machine *m);

#endif
