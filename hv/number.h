/* SPDX-License-Identifier: BSD-2-Clause */
/* Numbers and names as people write them in options. */
#ifndef HV_NUMBER_H
#define HV_NUMBER_H

#include "hv/string.h"
#include "hv/types.h"

static inline bool str_eq(const char *a, const char *b)
{
    return strcmp(a, b) == 0;
}

/* Reads a decimal or 0x number. Returns what follows it, NULL if there is none or it exceeds 64
 * bits. */
const char *parse_u64(const char *s, u64 *value);

/* The whole of s is a number that may end in K, M, G or T, each 1024 times the one before. */
bool parse_size(const char *s, u64 *value);

#endif
