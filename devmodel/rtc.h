/* SPDX-License-Identifier: BSD-2-Clause */
/* The MC146818 clock of a PC and its CMOS memory (Motorola data sheet ADI-856; ACPI's century
 * byte).
 *
 * The clock's registers are not stored while it runs: they are the time at `now`.
 *
 * A guest acknowledges an interrupt by reading register C, and while it has not, the line stays up
 * and ticks that fall due are owed (devmodel/ticks.h). But hvmloader's WAET table says that it need
 * not, and Windows then does not: from a guest that has left an interrupt alone for a second, or
 * has never acknowledged one, nothing is awaited, and each event is an edge of its own. */
#ifndef DEVMODEL_RTC_H
#define DEVMODEL_RTC_H

#include "devmodel/ticks.h"
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#define RTC_PORT 0x70 /* index and data */
#define RTC_SIZE 128

enum rtc_register {
    RTC_SECOND,
    RTC_SECOND_ALARM,
    RTC_MINUTE,
    RTC_MINUTE_ALARM,
    RTC_HOUR,
    RTC_HOUR_ALARM,
    RTC_WEEKDAY,
    RTC_DAY,
    RTC_MONTH,
    RTC_YEAR,
    RTC_A,
    RTC_B,
    RTC_C,
    RTC_D,
    RTC_CENTURY = 0x32,
};

struct rtc {
    uint8_t index;
    uint8_t cmos[RTC_SIZE];
    bool running;     /* neither being set nor held in reset */
    int64_t base;     /* seconds since 1970 when the second began that began at start */
    uint64_t start;   /* in ns */
    uint64_t divider; /* when the divider chain began, in ns */
    uint64_t seen;    /* events up to then are in register C */
    bool acknowledges;
    bool edge;          /* the line rises anew, which rtc_run() has not told yet */
    struct ticks ticks; /* periodic interrupts */
};

/* seconds since 1970, UTC, at time now. */
void rtc_init(struct rtc *r, int64_t seconds, uint64_t now);
uint8_t rtc_read(struct rtc *r, unsigned port, uint64_t now); /* port: 0 or 1 */
void rtc_write(struct rtc *r, unsigned port, uint8_t value, uint64_t now);

/* Lets happen what falls due up to now. True: IRQ 8 rises anew, although it may be up. */
bool rtc_run(struct rtc *r, uint64_t now);
/* IRQ 8's level. */
bool rtc_irq(const struct rtc *r);
/* By how many seconds it is ahead of the clock that shows `wall` at time now. */
int64_t rtc_ahead(const struct rtc *r, uint64_t now, const struct timespec *wall);
/* When rtc_run() has something to do next; CLOCK_NEVER: not as things are. */
uint64_t rtc_deadline(const struct rtc *r, uint64_t now);

#endif
