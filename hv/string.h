/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The part of C's string library that root mode needs. The macros let the compiler expand small
 * constant sizes in place although root mode is built freestanding.
 */
#ifndef HV_STRING_H
#define HV_STRING_H

#include <stddef.h>

void *memcpy(void *dst, const void *src, size_t n);
void *memmove(void *dst, const void *src, size_t n);
void *memset(void *dst, int c, size_t n);
int memcmp(const void *a, const void *b, size_t n);
size_t strlen(const char *s);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t n);

#define memcpy(d, s, n)  __builtin_memcpy(d, s, n)
#define memmove(d, s, n) __builtin_memmove(d, s, n)
#define memset(d, c, n)  __builtin_memset(d, c, n)
#define memcmp(a, b, n)  __builtin_memcmp(a, b, n)
#define strlen(s)        __builtin_strlen(s)

/* Copies src with its NUL into dst of size bytes (not 0), cut where it does not fit. Returns false
 * if it was cut. */
static inline int str_copy(char *dst, const char *src, size_t size)
{
    size_t len = strlen(src), fits = len < size ? len : size - 1;

    memcpy(dst, src, fits);
    dst[fits] = '\0';
    return fits == len;
}

#endif
