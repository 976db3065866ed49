/* SPDX-License-Identifier: BSD-2-Clause */
/* The 8254 interval timer of a PC and port 61h, which holds the gate of its third counter (Intel
 * 8254 data sheet, order number 231164). */
#ifndef DEVMODEL_PIT_H
#define DEVMODEL_PIT_H

#include <stdbool.h>
#include <stdint.h>

#define PIT_HZ      1193182u
#define PIT_PORT    0x40 /* four ports: three counters and the control word */
#define PIT_PORT_61 0x61

struct pit_counter {
    uint8_t mode;   /* 0 to 5 */
    uint8_t access; /* 1 low byte, 2 high byte, 3 low then high */
    bool bcd;
    bool gate;
    bool running;      /* a count is loaded (and, in modes 1 and 5, was triggered) */
    bool null_count;   /* control word written, count not yet */
    bool write_high;   /* the next byte written is the high one */
    bool read_high;    /* the next byte read is the high one */
    uint8_t write_low; /* the low byte, until the high one comes */
    uint8_t latched;   /* bytes of value that are still to be read */
    bool status_latched;
    uint8_t status;
    uint16_t value;
    uint32_t count;  /* 1 to 65536 (10000 in BCD) */
    uint64_t start;  /* when counting began, or went on, in ns */
    uint64_t before; /* ticks counted until then */
};

struct pit {
    struct pit_counter counter[3];
    bool speaker;
};

/* As a PC's firmware expects to find it: gates of counters 0 and 1 open, nothing running. */
void pit_reset(struct pit *p);

/* port: 0 to 3. */
uint8_t pit_read(struct pit *p, unsigned port, uint64_t now);
void pit_write(struct pit *p, unsigned port, uint8_t value, uint64_t now);
uint8_t pit_read_61(const struct pit *p, uint64_t now);
void pit_write_61(struct pit *p, uint8_t value, uint64_t now);

bool pit_output(const struct pit *p, unsigned counter, uint64_t now);
/* When counter 0's output, which is IRQ 0, rises next after now; CLOCK_NEVER: not by itself. */
uint64_t pit_next_rise(const struct pit *p, uint64_t now);
/* The time between two rises; 0: it is not periodic. */
uint64_t pit_period(const struct pit *p);

#endif
