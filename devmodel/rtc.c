/* SPDX-License-Identifier: BSD-2-Clause */
#include "devmodel/rtc.h"
#include "devmodel/clock.h"

#define A_UPDATING   0x80
#define A_DIVIDER    0x70
#define A_RUN        0x20 /* 32768 Hz crystal */
#define A_RESET      0x60 /* and 0x70 */
#define A_RATE       0x0f
#define B_SET        0x80
#define B_PERIODIC   0x40
#define B_ALARM      0x20
#define B_UPDATE     0x10
#define B_BINARY     0x04
#define B_24H        0x02
#define C_IRQ        0x80
#define C_FLAGS      0x70 /* at the same places as their enables in B */
#define D_VALID      0x80
#define HOUR_PM      0x80
#define ALARM_ANY    0xc0
#define CRYSTAL_HZ   32768u
#define UPDATE_NS    244000u            /* before the time changes */
#define FIRST_UPDATE (CLOCK_SECOND / 2) /* after the divider leaves reset */
#define DAY          86400
#define PATIENCE     CLOCK_SECOND /* with a guest that does not acknowledge */

/* ---- the calendar ---- */

struct civil {
    int year, month, day, hour, minute, second,
        weekday; /* month and day from 1; weekday: Sunday is 0 */
};

/* Days since 1970-01-01, by years that begin in March, 400 of which are 146097 days. */
static int64_t days_from(int year, int month, int day)
{
    int64_t y = year - (month <= 2);
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    int64_t of_era = y - era * 400;
    int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;

    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static struct civil civil_from(int64_t seconds)
{
    int64_t days = seconds / DAY - (seconds % DAY < 0), rest = seconds - days * DAY;
    int64_t z = days + 719468, era = (z >= 0 ? z : z - 146096) / 146097, of_era = z - era * 146097;
    int64_t years = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int64_t of_year = of_era - (365 * years + years / 4 - years / 100);
    int month = (int)((5 * of_year + 2) / 153);

    return (struct civil){.year = (int)(years + era * 400) + (month >= 10),
                          .month = month < 10 ? month + 3 : month - 9,
                          .day = (int)(of_year - (153 * month + 2) / 5) + 1,
                          .hour = (int)(rest / 3600),
                          .minute = (int)(rest / 60 % 60),
                          .second = (int)(rest % 60),
                          .weekday = (int)(((days + 4) % 7 + 7) % 7)};
}

/* ---- registers' formats ---- */

static uint8_t encode(const struct rtc *r, int n)
{
    return (uint8_t)(r->cmos[RTC_B] & B_BINARY ? n : n / 10 << 4 | n % 10);
}

static int decode(const struct rtc *r, uint8_t v)
{
    return r->cmos[RTC_B] & B_BINARY ? v : (v >> 4) * 10 + (v & 15);
}

static uint8_t encode_hour(const struct rtc *r, int hour)
{
    if (r->cmos[RTC_B] & B_24H)
        return encode(r, hour);
    return (uint8_t)(encode(r, hour % 12 ? hour % 12 : 12) | (hour >= 12 ? HOUR_PM : 0));
}

static int decode_hour(const struct rtc *r, uint8_t v)
{
    if (r->cmos[RTC_B] & B_24H)
        return decode(r, v);
    return decode(r, v & (uint8_t)~HOUR_PM) % 12 + (v & HOUR_PM ? 12 : 0);
}

static int64_t seconds_at(const struct rtc *r, uint64_t now)
{
    return r->base + (int64_t)((now - r->start) / CLOCK_SECOND);
}

static void store_time(struct rtc *r, int64_t seconds)
{
    struct civil c = civil_from(seconds);
    uint8_t *m = r->cmos;

    m[RTC_SECOND] = encode(r, c.second);
    m[RTC_MINUTE] = encode(r, c.minute);
    m[RTC_HOUR] = encode_hour(r, c.hour);
    m[RTC_WEEKDAY] = encode(r, c.weekday + 1);
    m[RTC_DAY] = encode(r, c.day);
    m[RTC_MONTH] = encode(r, c.month);
    m[RTC_YEAR] = encode(r, c.year % 100);
    m[RTC_CENTURY] = encode(r, c.year / 100);
}

static int64_t load_time(const struct rtc *r)
{
    const uint8_t *m = r->cmos;
    int year = decode(r, m[RTC_CENTURY]) * 100 + decode(r, m[RTC_YEAR]);

    return days_from(year, decode(r, m[RTC_MONTH]), decode(r, m[RTC_DAY])) * DAY +
           decode_hour(r, m[RTC_HOUR]) * 3600 + decode(r, m[RTC_MINUTE]) * 60 +
           decode(r, m[RTC_SECOND]);
}

void rtc_init(struct rtc *r, int64_t seconds, uint64_t now)
{
    *r = (struct rtc){.running = true, .base = seconds, .start = now, .divider = now, .seen = now};
    r->cmos[RTC_A] = A_RUN | 6; /* 1024 Hz */
    r->cmos[RTC_B] = B_24H;
    r->cmos[RTC_D] = D_VALID;
    store_time(r, seconds);
}

/* To the nearest second: the guest may have set it at any part of one. */
int64_t rtc_ahead(const struct rtc *r, uint64_t now, const struct timespec *wall)
{
    int64_t base = r->running ? r->base : load_time(r), second = CLOCK_SECOND;
    int64_t into = r->running ? (int64_t)(now - r->start) : 0;
    int64_t rest = into % second - wall->tv_nsec;

    return base + into / second - wall->tv_sec + (rest >= second / 2) - (rest < -second / 2);
}

/* ---- events ---- */

/* Cycles of the crystal in one period; 0: none. Rates 1 and 2 are 8 and 9 of a faster crystal. */
static uint32_t period(const struct rtc *r)
{
    unsigned rate = r->cmos[RTC_A] & A_RATE;

    if (rate == 0)
        return 0;
    return 1u << ((rate < 3 ? rate + 7 : rate) - 1);
}

static uint64_t periods_until(const struct rtc *r, uint64_t now)
{
    return clock_ticks(now - r->divider, CRYSTAL_HZ) / period(r);
}

static bool alarm_part(const struct rtc *r, enum rtc_register reg, int n)
{
    uint8_t v = r->cmos[reg];

    if (v >= ALARM_ANY)
        return true;
    return (reg == RTC_HOUR_ALARM ? decode_hour(r, v) : decode(r, v)) == n;
}

/* How far it is at least from a second of the day to one at which the alarm goes off. 0: it does.
 */
static int until_alarm(const struct rtc *r, int of_day)
{
    if (!alarm_part(r, RTC_HOUR_ALARM, of_day / 3600))
        return 3600 - of_day % 3600;
    if (!alarm_part(r, RTC_MINUTE_ALARM, of_day / 60 % 60))
        return 60 - of_day % 60;
    return alarm_part(r, RTC_SECOND_ALARM, of_day % 60) ? 0 : 1;
}

/* The first second after `from` and up to `to` at which the alarm goes off; false: none. It comes
 * daily, or never. */
static bool next_alarm(const struct rtc *r, int64_t from, int64_t to, int64_t *at)
{
    int step;

    if (to > from + DAY)
        to = from + DAY;
    for (*at = from + 1; *at <= to; *at += step) {
        step = until_alarm(r, (int)((*at % DAY + DAY) % DAY));
        if (step == 0)
            return true;
    }
    return false;
}

static bool in_reset(const struct rtc *r)
{
    return (r->cmos[RTC_A] & A_RESET) == A_RESET;
}

static uint64_t tick_ns(const struct rtc *r)
{
    return clock_ns(period(r), CRYSTAL_HZ);
}

/* For a guest that does not acknowledge, each is an edge of its own. */
static void flag(struct rtc *r, uint8_t flags)
{
    if (rtc_irq(r) && !r->acknowledges && (r->cmos[RTC_B] & flags))
        r->edge = true;
    r->cmos[RTC_C] |= flags;
}

static bool waits(const struct rtc *r)
{
    return r->acknowledges && (r->cmos[RTC_C] & B_PERIODIC);
}

static void run_periodic(struct rtc *r, uint64_t now)
{
    uint64_t n;

    if (!period(r) || in_reset(r))
        return;
    n = periods_until(r, now) - periods_until(r, r->seen);
    if (!(r->cmos[RTC_B] & B_PERIODIC)) { /* nobody counts them */
        r->cmos[RTC_C] |= n ? B_PERIODIC : 0;
        return;
    }
    ticks_add(&r->ticks, n, tick_ns(r));
    if (waits(r) && now - r->ticks.last >= PATIENCE)
        r->acknowledges = false;
    if (!waits(r) && ticks_take(&r->ticks, tick_ns(r), now))
        flag(r, B_PERIODIC);
}

static void run_seconds(struct rtc *r, uint64_t now)
{
    int64_t from, to, at;
    uint8_t flags = B_UPDATE;

    if (!r->running || now < r->start)
        return;
    from = r->seen < r->start ? r->base - 1 : seconds_at(r, r->seen);
    to = seconds_at(r, now);
    if (to <= from)
        return;
    if (next_alarm(r, from, to, &at))
        flags |= B_ALARM;
    if (r->cmos[RTC_C] & r->cmos[RTC_B] & flags) /* for a second, or longer */
        r->acknowledges = false;
    flag(r, flags);
}

static void advance(struct rtc *r, uint64_t now)
{
    if (now < r->seen)
        return;
    run_periodic(r, now);
    run_seconds(r, now);
    r->seen = now;
}

bool rtc_run(struct rtc *r, uint64_t now)
{
    bool edge;

    advance(r, now);
    edge = r->edge;
    r->edge = false;
    return edge;
}

bool rtc_irq(const struct rtc *r)
{
    return r->cmos[RTC_C] & r->cmos[RTC_B] & C_FLAGS;
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t next_tick(const struct rtc *r, uint64_t now)
{
    if (!(r->cmos[RTC_B] & B_PERIODIC) || !period(r) || in_reset(r))
        return CLOCK_NEVER;
    if (waits(r))
        return r->ticks.last + PATIENCE;
    return ticks_deadline(&r->ticks, tick_ns(r),
                          r->divider +
                              clock_ns((periods_until(r, now) + 1) * period(r), CRYSTAL_HZ));
}

uint64_t rtc_deadline(const struct rtc *r, uint64_t now)
{
    uint64_t at = next_tick(r, now);
    int64_t second, alarm;

    if (!r->running)
        return at;
    if (now < r->start)
        return earlier(at, r->cmos[RTC_B] & (B_UPDATE | B_ALARM) ? r->start : CLOCK_NEVER);
    second = seconds_at(r, now);
    if (r->cmos[RTC_B] & B_UPDATE)
        at = earlier(at, r->start + (uint64_t)(second + 1 - r->base) * CLOCK_SECOND);
    if ((r->cmos[RTC_B] & B_ALARM) && next_alarm(r, second, second + DAY, &alarm))
        at = earlier(at, r->start + (uint64_t)(alarm - r->base) * CLOCK_SECOND);
    return at;
}

/* ---- ports ---- */

static bool is_time(unsigned i)
{
    return i <= RTC_YEAR ? i != RTC_SECOND_ALARM && i != RTC_MINUTE_ALARM && i != RTC_HOUR_ALARM
                         : i == RTC_CENTURY;
}

static bool updating(const struct rtc *r, uint64_t now)
{
    return r->running &&
           (now < r->start ? r->start - now <= UPDATE_NS
                           : (now - r->start) % CLOCK_SECOND >= CLOCK_SECOND - UPDATE_NS);
}

static uint8_t read_c(struct rtc *r)
{
    bool up = rtc_irq(r);
    uint8_t v = (uint8_t)(r->cmos[RTC_C] | (up ? C_IRQ : 0));

    r->acknowledges |= up;
    r->edge = false;
    r->cmos[RTC_C] = 0;
    return v;
}

uint8_t rtc_read(struct rtc *r, unsigned port, uint64_t now)
{
    if (port == 0)
        return 0xff;
    advance(r, now);
    if (r->index == RTC_C)
        return read_c(r);
    if (is_time(r->index) && r->running && now >= r->start)
        store_time(r, seconds_at(r, now));
    return (uint8_t)(r->cmos[r->index] | (r->index == RTC_A && updating(r, now) ? A_UPDATING : 0));
}

/* Stops and goes on by B's SET and A's divider; the second that is under way goes on from where it
 * was, and out of reset the first one is half a second. */
static void set_running(struct rtc *r, bool was_reset, uint64_t now)
{
    bool reset = in_reset(r);
    bool run = !reset && !(r->cmos[RTC_B] & B_SET);

    if (was_reset && !reset)
        r->divider = now;
    if (r->running == run && !(was_reset && !reset))
        return;
    if (r->running && now >= r->start)
        store_time(r, seconds_at(r, now));
    r->running = run;
    if (!run)
        return;
    r->base = load_time(r);
    if (was_reset) { /* it shows the time that was set until the first update */
        r->base++;
        r->start = now + FIRST_UPDATE;
    } else if (now >= r->start) {
        r->start = now - (now - r->start) % CLOCK_SECOND;
    }
}

static void write_a(struct rtc *r, uint8_t value, uint64_t now)
{
    bool was_reset = in_reset(r);

    if (r->running && now >= r->start)
        store_time(r, seconds_at(r, now));
    r->cmos[RTC_A] = value & (uint8_t)~A_UPDATING;
    r->ticks.owed = 0;
    set_running(r, was_reset, now);
}

static void write_b(struct rtc *r, uint8_t value, uint64_t now)
{
    bool reset = in_reset(r);

    if (r->running && now >= r->start)
        store_time(r, seconds_at(r, now)); /* in the format that it had */
    r->cmos[RTC_B] = value & B_SET ? value & (uint8_t)~B_UPDATE : value;
    if (!(value & B_PERIODIC))
        r->ticks.owed = 0;
    set_running(r, reset, now);
}

static void write_time(struct rtc *r, uint8_t value, uint64_t now)
{
    if (r->running && now >= r->start)
        store_time(r, seconds_at(r, now));
    r->cmos[r->index] = value;
    if (r->running && now >= r->start)
        r->base = load_time(r) - (int64_t)((now - r->start) / CLOCK_SECOND);
}

void rtc_write(struct rtc *r, unsigned port, uint8_t value, uint64_t now)
{
    if (port == 0) {
        r->index = value % RTC_SIZE; /* bit 7 masks NMIs, which nothing here raises */
        return;
    }
    advance(r, now);
    if (r->index == RTC_A)
        write_a(r, value, now);
    else if (r->index == RTC_B)
        write_b(r, value, now);
    else if (is_time(r->index))
        write_time(r, value, now);
    else if (r->index != RTC_C && r->index != RTC_D)
        r->cmos[r->index] = value;
}
