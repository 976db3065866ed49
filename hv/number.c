/* SPDX-License-Identifier: BSD-2-Clause */
#include "hv/number.h"

static unsigned digit_value(char c)
{
    if (c >= '0' && c <= '9')
        return (unsigned)(c - '0');
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? (unsigned)(c - 'a') + 10 : 99;
}

const char *parse_u64(const char *s, u64 *value)
{
    unsigned base = s[0] == '0' && (s[1] | 0x20) == 'x' ? 16 : 10;
    u64 v = 0;

    if (base == 16)
        s += 2;
    if (digit_value(*s) >= base)
        return NULL;
    for (; digit_value(*s) < base; s++)
        if (__builtin_mul_overflow(v, base, &v) || __builtin_add_overflow(v, digit_value(*s), &v))
            return NULL;
    *value = v;
    return s;
}

bool parse_size(const char *s, u64 *value)
{
    static const char suffix[] = "kmgt";
    u64 v;

    s = parse_u64(s, &v);
    if (!s)
        return false;
    for (unsigned i = 0; *s && suffix[i]; i++) {
        if ((*s | 0x20) != suffix[i])
            continue;
        if (__builtin_mul_overflow(v, 1ull << (10 * (i + 1)), &v))
            return false;
        s++;
        break;
    }
    if (*s)
        return false;
    *value = v;
    return true;
}
