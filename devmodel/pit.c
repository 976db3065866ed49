/* SPDX-License-Identifier: BSD-2-Clause */
#include "devmodel/pit.h"
#include "devmodel/clock.h"

/* Control word: counter, access, mode, BCD. */
#define CONTROL_COUNTER(v) ((v) >> 6)
#define CONTROL_ACCESS(v)  ((v) >> 4 & 3)
#define CONTROL_MODE(v)    ((v) >> 1 & 7)
#define CONTROL_BCD        0x01
#define READ_BACK          3 /* instead of a counter's number */
#define READ_BACK_NO_COUNT 0x20
#define READ_BACK_NO_STATE 0x10
#define STATUS_OUT         0x80
#define STATUS_NULL        0x40

#define PORT61_GATE2       0x01
#define PORT61_SPEAKER     0x02
#define PORT61_REFRESH     0x10
#define PORT61_OUT2        0x20
#define REFRESH_HZ         66286u /* DRAM refresh: every 15.086 us; the bit changes with each */

void pit_reset(struct pit *p)
{
    *p = (struct pit){0};
    for (unsigned i = 0; i < 3; i++) {
        p->counter[i].access = 3;
        p->counter[i].count = 0x10000;
        p->counter[i].gate = i != 2;
    }
}

/* Ticks since the count was loaded or the gate triggered it. */
static uint64_t elapsed(const struct pit_counter *c, uint64_t now)
{
    if (!c->running)
        return 0;
    return c->before +
           (c->gate || c->mode == 1 || c->mode == 5 ? clock_ticks(now - c->start, PIT_HZ) : 0);
}

static void begin(struct pit_counter *c, uint64_t now)
{
    c->running = true;
    c->before = 0;
    c->start = now;
}

static bool output(const struct pit_counter *c, uint64_t now)
{
    uint64_t t = elapsed(c, now);

    switch (c->mode) {
    case 0:
        return c->running && t >= c->count;
    case 1:
        return !c->running || t >= c->count;
    case 2:
        return !c->running || !c->gate || t % c->count != c->count - 1;
    case 3:
        return !c->running || !c->gate || t % c->count < (c->count + 1) / 2;
    default: /* 4 and 5: low for one tick */
        return !c->running || t != c->count;
    }
}

bool pit_output(const struct pit *p, unsigned counter, uint64_t now)
{
    return output(&p->counter[counter], now);
}

static uint16_t to_bcd(uint32_t n)
{
    return (uint16_t)(n / 1000 % 10 << 12 | n / 100 % 10 << 8 | n / 10 % 10 << 4 | n % 10);
}

static uint32_t from_bcd(uint32_t n)
{
    return (n >> 12 & 15) * 1000 + (n >> 8 & 15) * 100 + (n >> 4 & 15) * 10 + (n & 15);
}

/* What the counting element shows. */
static uint16_t current(const struct pit_counter *c, uint64_t now)
{
    uint32_t modulus = c->bcd ? 10000 : 0x10000;
    uint64_t t = elapsed(c, now), left;

    if (c->mode == 2)
        left = c->count - t % c->count;
    else if (c->mode == 3) /* by twos, twice in a period */
        left = c->count - 2 * t % c->count;
    else
        left = c->count + modulus - t % modulus;
    left %= modulus;
    return c->bcd ? to_bcd((uint32_t)left) : (uint16_t)left;
}

/* ---- reading ---- */

static void latch_count(struct pit_counter *c, uint64_t now)
{
    if (c->latched) /* the first one counts until it is read */
        return;
    c->value = current(c, now);
    c->latched = c->access == 3 ? 2 : 1;
}

static void latch_status(struct pit_counter *c, uint64_t now)
{
    if (c->status_latched)
        return;
    c->status_latched = true;
    c->status = (uint8_t)((output(c, now) ? STATUS_OUT : 0) | (c->null_count ? STATUS_NULL : 0) |
                          c->access << 4 | c->mode << 1 | c->bcd);
}

static uint8_t read_latched(struct pit_counter *c)
{
    bool high = c->access == 2 || (c->access == 3 && c->latched == 1);

    c->latched--;
    return (uint8_t)(high ? c->value >> 8 : c->value);
}

static uint8_t read_counter(struct pit_counter *c, uint64_t now)
{
    uint16_t value;
    bool high = c->access == 2;

    if (c->status_latched) {
        c->status_latched = false;
        return c->status;
    }
    if (c->latched)
        return read_latched(c);
    value = current(c, now);
    if (c->access == 3) {
        high = c->read_high;
        c->read_high = !high;
    }
    return (uint8_t)(high ? value >> 8 : value);
}

uint8_t pit_read(struct pit *p, unsigned port, uint64_t now)
{
    return port < 3 ? read_counter(&p->counter[port], now)
                    : 0xff; /* the control word cannot be read */
}

/* ---- writing ---- */

static void load(struct pit_counter *c, uint32_t count, uint64_t now)
{
    if (c->bcd)
        count = from_bcd(count);
    c->count = count ? count : c->bcd ? 10000 : 0x10000;
    c->null_count = false;
    if (c->mode != 1 && c->mode != 5)
        begin(c, now);
}

static void write_counter(struct pit_counter *c, uint8_t value, uint64_t now)
{
    if (c->access == 1) {
        load(c, value, now);
    } else if (c->access == 2) {
        load(c, (uint32_t)value << 8, now);
    } else if (!c->write_high) {
        c->write_low = value;
        c->write_high = true;
        if (c->mode == 0) /* the first byte stops it */
            c->running = false;
    } else {
        c->write_high = false;
        load(c, (uint32_t)value << 8 | c->write_low, now);
    }
}

static void set_mode(struct pit_counter *c, uint8_t value)
{
    uint8_t mode = CONTROL_MODE(value);

    c->mode = mode > 5 ? mode - 4 : mode; /* 6 and 7 are 2 and 3 */
    c->access = CONTROL_ACCESS(value);
    c->bcd = value & CONTROL_BCD;
    c->running = false;
    c->null_count = true;
    c->write_high = c->read_high = c->status_latched = false;
    c->latched = 0;
}

static void read_back(struct pit *p, uint8_t value, uint64_t now)
{
    for (unsigned i = 0; i < 3; i++) {
        if (!(value & 2u << i))
            continue;
        if (!(value & READ_BACK_NO_COUNT))
            latch_count(&p->counter[i], now);
        if (!(value & READ_BACK_NO_STATE))
            latch_status(&p->counter[i], now);
    }
}

void pit_write(struct pit *p, unsigned port, uint8_t value, uint64_t now)
{
    struct pit_counter *c;

    if (port < 3) {
        write_counter(&p->counter[port], value, now);
        return;
    }
    if (CONTROL_COUNTER(value) == READ_BACK) {
        read_back(p, value, now);
        return;
    }
    c = &p->counter[CONTROL_COUNTER(value)];
    if (CONTROL_ACCESS(value) == 0)
        latch_count(c, now);
    else
        set_mode(c, value);
}

/* ---- port 61h ---- */

/* Modes 0 and 4 stand still while the gate is low; 2 and 3 begin anew when it rises; 1 and 5 begin
 * then. */
static void set_gate(struct pit_counter *c, bool gate, uint64_t now)
{
    if (c->gate == gate)
        return;
    if (c->mode == 0 || c->mode == 4) {
        c->before = elapsed(c, now);
        c->start = now;
    } else if (gate && !c->null_count && (c->running || c->mode == 1 || c->mode == 5)) {
        begin(c, now);
    }
    c->gate = gate;
}

uint8_t pit_read_61(const struct pit *p, uint64_t now)
{
    return (uint8_t)((p->counter[2].gate ? PORT61_GATE2 : 0) | (p->speaker ? PORT61_SPEAKER : 0) |
                     (clock_ticks(now, REFRESH_HZ) & 1 ? PORT61_REFRESH : 0) |
                     (output(&p->counter[2], now) ? PORT61_OUT2 : 0));
}

void pit_write_61(struct pit *p, uint8_t value, uint64_t now)
{
    p->speaker = value & PORT61_SPEAKER;
    set_gate(&p->counter[2], value & PORT61_GATE2, now);
}

/* ---- IRQ 0 ---- */

uint64_t pit_period(const struct pit *p)
{
    const struct pit_counter *c = &p->counter[0];

    return c->running && (c->mode == 2 || c->mode == 3) ? clock_ns(c->count, PIT_HZ) : 0;
}

/* From the tick at which it rises, not from the last rise: no error adds up. */
uint64_t pit_next_rise(const struct pit *p, uint64_t now)
{
    const struct pit_counter *c = &p->counter[0];
    uint64_t t = elapsed(c, now), at;

    if (!c->running || c->mode == 1 || c->mode == 5)
        return CLOCK_NEVER;
    if (c->mode == 2 || c->mode == 3)
        at = (t / c->count + 1) * c->count;
    else
        at = c->mode == 0 ? c->count : c->count + 1ull;
    return at > t ? c->start + clock_ns(at, PIT_HZ) : CLOCK_NEVER;
}
