/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The log: a ring that keeps the newest lines for the privileged domain to read, and every line
 * that is important enough out on the console as well. Any CPU, any time but NMI.
 */
#ifndef HV_LOG_H
#define HV_LOG_H

#include <stdarg.h>
#include "hv/compiler.h"
#include "hv/types.h"

enum log_level { LOG_ERR, LOG_WARN, LOG_INFO, LOG_DEBUG };

/* Writes one line "(HV) text". fmt knows %d %i %u %x %X %p %s %c %% with 0, -, width, .precision,
 * l, ll, z, h, hh. */
void log_print(enum log_level level, const char *fmt, ...) __printf(2, 3);

#define log_err(...)   log_print(LOG_ERR, __VA_ARGS__)
#define log_warn(...)  log_print(LOG_WARN, __VA_ARGS__)
#define log_info(...)  log_print(LOG_INFO, __VA_ARGS__)
#define log_debug(...) log_print(LOG_DEBUG, __VA_ARGS__)

/* Lines above this level stay out of the ring and off the console ("loglvl=err|warn|info|debug").
 */
void log_set_level(enum log_level level);

/* Bytes that a domain wrote, already whole lines or not; shown as they are. */
void log_raw(const char *text, size_t len);

/* Copies up to size of the newest bytes into buf, from position *index on when it is still in the
 * ring, and moves *index behind them. Returns the number of bytes copied. */
size_t log_read(char *buf, size_t size, u32 *index);

/* The next byte typed at the console, -1: none. */
int log_console_read(void);

/* Panics: no lock is waited for from here on. */
void log_unlock_forever(void);

#endif
