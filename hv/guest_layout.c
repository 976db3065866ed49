/* SPDX-License-Identifier: BSD-2-Clause */
/* One structure in two forms. */
#include "hv/guest_args.h"
#include "hv/string.h"

#define LONG 'L'

static size_t wide_size(char member)
{
    return member == LONG ? 8 : (size_t)(member - '0');
}

static size_t narrow_size(char member)
{
    return member == LONG ? 4 : (size_t)(member - '0');
}

static size_t align(size_t at, size_t size)
{
    return (at + size - 1) & ~(size - 1);
}

static size_t convert(u8 *wide, u8 *narrow, const char *layout, bool widen)
{
    size_t w = 0, n = 0;

    for (; *layout; layout++) {
        size_t ws = wide_size(*layout), ns = narrow_size(*layout);

        w = align(w, ws);
        n = align(n, MIN(ns, (size_t)4));
        if (widen) {
            memset(wide + w, 0, ws);
            memcpy(wide + w, narrow + n, ns);
        } else {
            memcpy(narrow + n, wide + w, ns);
        }
        w += ws;
        n += ns;
    }
    return align(n, 4);
}

size_t guest_args_widen(void *wide, const void *narrow, const char *layout)
{
    return convert(wide, (u8 *)(uintptr_t)narrow, layout, true);
}

size_t guest_args_narrow(void *narrow, const void *wide, const char *layout)
{
    return convert((u8 *)(uintptr_t)wide, narrow, layout, false);
}
