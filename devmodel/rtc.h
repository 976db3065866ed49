/* SPDX-License-Identifier: BSD-2-Clause */
/* The MC146818 clock of a PC and its CMOS memory (Motorola data sheet ADI-856; ACPI's century
 * byte).
 *
 * The clock's registers are not stored while it runs: they are the time at `now`. A periodic tick
 * that falls due while the one before has not been acknowledged is owed and follows the
 * acknowledgement, up to RTC_OWED_MAX of them, so that a guest that counts ticks does not fall
 * behind when the daemon was late, and is not flooded either. */
#ifndef DEVMODEL_RTC_H
#define DEVMODEL_RTC_H

#include <stdbool.h>
#include <stdint.h>

#define RTC_PORT     0x70 /* index and data */
#define RTC_SIZE     128
#define RTC_OWED_MAX 1024

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
    uint32_t owed;    /* periodic ticks that wait for an acknowledgement */
    uint64_t dropped; /* beyond RTC_OWED_MAX */
};

/* seconds since 1970, UTC, at time now. */
void rtc_init(struct rtc *r, int64_t seconds, uint64_t now);
uint8_t rtc_read(struct rtc *r, unsigned port, uint64_t now); /* port: 0 or 1 */
void rtc_write(struct rtc *r, unsigned port, uint8_t value, uint64_t now);

/* Lets happen what falls due up to now. */
void rtc_run(struct rtc *r, uint64_t now);
/* IRQ 8's level. */
bool rtc_irq(const struct rtc *r);
/* When rtc_run() would raise IRQ 8 next; CLOCK_NEVER: not as things are. */
uint64_t rtc_deadline(const struct rtc *r, uint64_t now);

#endif
