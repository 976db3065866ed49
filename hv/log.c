/* SPDX-License-Identifier: BSD-2-Clause */
#include "hv/log.h"
#include "hv/console.h"
#include "hv/printf.h"
#include "hv/spinlock.h"
#include "hv/string.h"

#define RING_SIZE 16384 /* a power of two: the counter may wrap */
#define LINE_SIZE 256   /* longer lines are cut */
#define PREFIX    "(HV) "

static char ring[RING_SIZE];
static u64 written; /* bytes ever; the newest is at (written - 1) % RING_SIZE */
static enum log_level threshold = LOG_INFO;
static bool mid_line; /* the last byte was not a newline */
static bool unlocked; /* panicking */
static spinlock_t lock =
    SPINLOCK_INIT; /* guards all of the above but threshold, and the consoles */

static void log_lock(void)
{
    if (!READ_ONCE(unlocked))
        spin_lock(&lock);
}

static void log_unlock(void)
{
    if (!READ_ONCE(unlocked))
        spin_unlock(&lock);
}

static void emit(const char *text, size_t len)
{
    if (!len)
        return;
    for (size_t i = 0; i < len; i++)
        ring[(written + i) % RING_SIZE] = text[i];
    written += len;
    console_write(text, len);
    mid_line = text[len - 1] != '\n';
}

void log_print(enum log_level level, const char *fmt, ...)
{
    char line[LINE_SIZE] = PREFIX;
    size_t len = sizeof(PREFIX) - 1;
    va_list ap;

    if (level > READ_ONCE(threshold))
        return;
    va_start(ap, fmt);
    len += (size_t)hv_vsnprintf(line + len, sizeof(line) - len - 1, fmt, ap);
    va_end(ap);
    len = MIN(len, sizeof(line) - 2);
    line[len++] = '\n';

    log_lock();
    if (mid_line)
        emit("\n", 1);
    emit(line, len);
    log_unlock();
}

void log_set_level(enum log_level level)
{
    WRITE_ONCE(threshold, level);
}

void log_raw(const char *text, size_t len)
{
    log_lock();
    emit(text, len);
    log_unlock();
}

size_t log_read(char *buf, size_t size, u32 *index)
{
    u32 kept, behind;
    size_t n;

    log_lock();
    kept = (u32)MIN(written, (u64)RING_SIZE);
    behind = (u32)written - *index;
    behind =
        MIN(behind, kept); /* an index from before the ring or from nowhere: start at the oldest */
    n = MIN(size, (size_t)behind);
    for (size_t i = 0; i < n; i++)
        buf[i] = ring[(written - behind + i) % RING_SIZE];
    *index = (u32)(written - behind + n);
    log_unlock();
    return n;
}

void log_unlock_forever(void)
{
    WRITE_ONCE(unlocked, true);
}

int log_console_read(void)
{
    int c;

    log_lock();
    c = console_read();
    log_unlock();
    return c;
}
