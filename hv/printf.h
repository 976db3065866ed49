/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Formatted text into a buffer. Conversions: d i u x X p s c %, flags 0 - #, width and .precision
 * as numbers or *, lengths hh h l ll z. Anything else is copied as it stands.
 */
#ifndef HV_PRINTF_H
#define HV_PRINTF_H

#include <stdarg.h>
#include "hv/compiler.h"
#include "hv/types.h"

/* Both write at most size bytes, a NUL among them when size is not 0, and return the length the
 * whole text would have had. */
int hv_vsnprintf(char *buf, size_t size, const char *fmt, va_list ap) __printf(3, 0);
int hv_snprintf(char *buf, size_t size, const char *fmt, ...) __printf(3, 4);

#endif
