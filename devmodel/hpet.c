/* SPDX-License-Identifier: BSD-2-Clause */
#include "devmodel/hpet.h"
#include "devmodel/clock.h"
#include <stddef.h>

/* Registers (2.3.1) and their bits. Timers' registers follow each other every 20h bytes. */
#define CAPABILITIES  0x000
#define CONFIGURATION 0x010
#define INTERRUPTS    0x020
#define MAIN_COUNTER  0x0f0
#define TIMERS        0x100
#define TIMER_STRIDE  0x20
#define TIMER_CONFIG  0x00
#define TIMER_COMPARE 0x08

#define FEMTOSECONDS  1000000ull /* in a nanosecond */
#define CAP_VENDOR    0x8086ull
#define CAP_LEGACY    0x8000ull
#define CAP_64BIT     0x2000ull
#define CAP_REVISION  1ull

#define ENABLE_CNF    0x1ull
#define LEG_RT_CNF    0x2ull

#define INT_LEVEL     0x0002ull
#define INT_ENB       0x0004ull
#define PERIODIC      0x0008ull
#define PERIODIC_CAP  0x0010ull
#define SIZE_CAP      0x0020ull
#define VAL_SET       0x0040ull
#define MODE_32       0x0100ull
#define ROUTE(c)      ((c) >> 9 & 31)
#define ROUTE_TO(pin) ((uint64_t)(pin) << 9)
#define ROUTE_CAP     (0xf00000ull << 32) /* pins 20 to 23 */
#define WRITABLE      (INT_LEVEL | INT_ENB | PERIODIC | VAL_SET | MODE_32 | ROUTE_TO(31))

/* A one-shot time that lies behind by up to this is late, not far ahead: the guest reckoned it
 * before the daemon came to serve the write. A good second. */
#define LATE (1ull << 26)

void hpet_init(struct hpet *h)
{
    *h = (struct hpet){0};
    for (unsigned i = 0; i < HPET_TIMERS; i++)
        h->timer[i].comparator = UINT64_MAX;
}

static bool runs(const struct hpet *h)
{
    return h->config & ENABLE_CNF;
}

static uint64_t counter(const struct hpet *h, uint64_t now)
{
    return runs(h) ? h->offset + now / HPET_NS : h->counter;
}

/* When the counter, which runs, shows that much, or showed it. */
static uint64_t time_of(const struct hpet *h, uint64_t count)
{
    return (count - h->offset) * HPET_NS;
}

static uint64_t width(const struct hpet_timer *t)
{
    return t->config & MODE_32 ? UINT32_MAX : UINT64_MAX;
}

static uint64_t period_of(const struct hpet_timer *t)
{
    return t->config & PERIODIC ? t->period & width(t) : 0;
}

static uint64_t period_ns(const struct hpet_timer *t)
{
    uint64_t p = period_of(t);

    return p > UINT64_MAX / HPET_NS ? UINT64_MAX : p * HPET_NS;
}

/* ---- time ---- */

/* Where the counter and the comparator meet next, or, if that was just missed, where they met. */
static void arm(const struct hpet *h, struct hpet_timer *t, uint64_t now)
{
    uint64_t c = counter(h, now), behind = (c - t->comparator) & width(t);

    t->armed = runs(h);
    t->due = behind < LATE ? c - behind : c + ((t->comparator - c) & width(t));
}

static void arm_all(struct hpet *h, uint64_t now)
{
    for (unsigned i = 0; i < HPET_TIMERS; i++)
        arm(h, &h->timer[i], now);
}

/* Moves on to where it matches next. How often it has matched. */
static uint64_t pass(struct hpet_timer *t, uint64_t count)
{
    uint64_t period = period_of(t), n = 1;

    if (!t->armed || (int64_t)(count - t->due) < 0)
        return 0;
    if (!period) {
        t->armed = false;
        return 1;
    }
    n += (count - t->due) / period;
    t->due += n * period;
    t->comparator = t->due & width(t);
    return n;
}

/* Level-triggered, the next one waits for the acknowledgement. */
static bool give(struct hpet *h, unsigned i, uint64_t now)
{
    struct hpet_timer *t = &h->timer[i];
    bool level = t->config & INT_LEVEL;

    if ((level && (h->status >> i & 1)) || !ticks_take(&t->ticks, period_ns(t), now))
        return false;
    if (level)
        h->status |= 1ull << i;
    return !level;
}

unsigned hpet_run(struct hpet *h, uint64_t now)
{
    unsigned pulses = 0;

    for (unsigned i = 0; i < HPET_TIMERS; i++) {
        struct hpet_timer *t = &h->timer[i];
        uint64_t n = pass(t, counter(h, now));

        if (!(t->config & INT_ENB))
            continue;
        if (n)
            ticks_add(&t->ticks, n, period_ns(t));
        pulses |= (unsigned)give(h, i, now) << i;
    }
    return pulses;
}

static uint64_t deadline(const struct hpet *h, unsigned i)
{
    const struct hpet_timer *t = &h->timer[i];

    if (!(t->config & INT_ENB) || ((t->config & INT_LEVEL) && (h->status >> i & 1)))
        return CLOCK_NEVER;
    if (!t->ticks.owed && (!t->armed || t->due - h->offset > UINT64_MAX / HPET_NS))
        return CLOCK_NEVER;
    return ticks_deadline(&t->ticks, period_ns(t), time_of(h, t->due));
}

uint64_t hpet_deadline(const struct hpet *h)
{
    uint64_t at = CLOCK_NEVER;

    for (unsigned i = 0; i < HPET_TIMERS; i++)
        if (deadline(h, i) < at)
            at = deadline(h, i);
    return at;
}

/* ---- lines ---- */

bool hpet_is_legacy(const struct hpet *h)
{
    return h->config & LEG_RT_CNF;
}

unsigned hpet_line(const struct hpet *h, unsigned timer)
{
    unsigned pin = ROUTE(h->timer[timer].config);

    if (timer < 2 && hpet_is_legacy(h))
        return timer * 8;
    return ROUTE_CAP >> 32 >> pin & 1 ? pin : HPET_FIRST_PIN;
}

unsigned hpet_levels(const struct hpet *h)
{
    return (unsigned)h->status;
}

/* ---- registers ---- */

static uint64_t capabilities(void)
{
    return HPET_NS * FEMTOSECONDS << 32 | CAP_VENDOR << 16 | CAP_LEGACY | CAP_64BIT |
           (HPET_TIMERS - 1) << 8 | CAP_REVISION;
}

static uint64_t read_timer(const struct hpet_timer *t, unsigned reg)
{
    if (reg == TIMER_CONFIG)
        return t->config | ROUTE_CAP | PERIODIC_CAP | SIZE_CAP;
    return reg == TIMER_COMPARE ? t->comparator : 0;
}

/* NULL: not a timer's register. */
static struct hpet_timer *timer_at(struct hpet *h, unsigned at)
{
    unsigned i = (at - TIMERS) / TIMER_STRIDE;

    return at >= TIMERS && i < HPET_TIMERS ? &h->timer[i] : NULL;
}

static uint64_t read_register(struct hpet *h, unsigned at, uint64_t now)
{
    struct hpet_timer *t = timer_at(h, at);

    if (t)
        return read_timer(t, at % TIMER_STRIDE);
    switch (at) {
    case CAPABILITIES:
        return capabilities();
    case CONFIGURATION:
        return h->config;
    case INTERRUPTS:
        return h->status;
    case MAIN_COUNTER:
        return counter(h, now);
    default:
        return 0;
    }
}

/* The period that is written takes the comparator's place: the half that is not written is its. */
static uint64_t old_value(struct hpet *h, unsigned at, uint64_t now)
{
    const struct hpet_timer *t = timer_at(h, at);

    if (t && at % TIMER_STRIDE == TIMER_COMPARE && (t->config & (PERIODIC | VAL_SET)) == PERIODIC)
        return t->period;
    return read_register(h, at, now);
}

static void write_config(struct hpet *h, uint64_t value, uint64_t now)
{
    uint64_t count = counter(h, now);
    bool ran = runs(h);

    h->config = value & (ENABLE_CNF | LEG_RT_CNF);
    if (ran == runs(h))
        return;
    h->counter = count;
    h->offset = count - now / HPET_NS;
    arm_all(h, now);
}

static void write_counter(struct hpet *h, uint64_t value, uint64_t now)
{
    h->counter = value;
    h->offset = value - now / HPET_NS;
    arm_all(h, now);
}

/* Enabled, it may have missed the moment since the comparator was written: that is late, not
 * never. */
static void write_timer_config(struct hpet *h, struct hpet_timer *t, uint64_t value, uint64_t now)
{
    uint64_t changed = t->config ^ value;

    t->config = value & WRITABLE;
    t->comparator &= width(t);
    if (!(t->config & INT_ENB))
        t->ticks.owed = 0;
    if (!(t->config & INT_LEVEL))
        h->status &= ~(1ull << (t - h->timer));
    if (changed & (INT_ENB | PERIODIC | MODE_32))
        arm(h, t, now);
}

/* A periodic timer's comparator is its period, unless VAL_SET says that it is where the first
 * period ends. */
static void write_comparator(struct hpet *h, struct hpet_timer *t, uint64_t value, uint64_t now)
{
    value &= width(t);
    if ((t->config & PERIODIC) && !(t->config & VAL_SET)) {
        t->period = value;
        return;
    }
    t->config &= ~VAL_SET;
    t->comparator = value;
    t->ticks.owed = 0;
    arm(h, t, now);
}

static void write_timer(struct hpet *h, struct hpet_timer *t, unsigned reg, uint64_t value,
                        uint64_t now)
{
    if (reg == TIMER_CONFIG)
        write_timer_config(h, t, value, now);
    else if (reg == TIMER_COMPARE)
        write_comparator(h, t, value, now);
}

static bool crosses(unsigned at, unsigned size)
{
    return at % size || at + size > HPET_LENGTH;
}

static uint64_t mask_of(unsigned size)
{
    return UINT64_MAX >> (64 - 8 * size);
}

uint64_t hpet_read(struct hpet *h, unsigned at, unsigned size, uint64_t now)
{
    if (crosses(at, size))
        return mask_of(size);
    return read_register(h, at & ~7u, now) >> at % 8 * 8 & mask_of(size);
}

void hpet_write(struct hpet *h, unsigned at, unsigned size, uint64_t value, uint64_t now)
{
    uint64_t mask = mask_of(size) << at % 8 * 8, all = value << at % 8 * 8 & mask;
    struct hpet_timer *t;

    if (crosses(at, size))
        return;
    t = timer_at(h, at);
    if ((at & ~7u) == INTERRUPTS) { /* a one clears */
        h->status &= ~all;
        return;
    }
    all |= old_value(h, at & ~7u, now) & ~mask;
    if (t)
        write_timer(h, t, (at & ~7u) % TIMER_STRIDE, all, now);
    else if ((at & ~7u) == CONFIGURATION)
        write_config(h, all, now);
    else if ((at & ~7u) == MAIN_COUNTER)
        write_counter(h, all, now);
}
