/* SPDX-License-Identifier: BSD-2-Clause */
#include "boot/rsdp.h"

#define RSDP_V1_SIZE  20
#define RSDP_V2_SIZE  36
#define RSDP_REVISION 15 /* offset of the byte */
#define RSDP_STEP     16

static bool sums_to_zero(const u8 *p, size_t size)
{
    u8 sum = 0;

    for (size_t i = 0; i < size; i++)
        sum = (u8)(sum + p[i]);
    return !sum;
}

bool rsdp_valid(const void *p, size_t size)
{
    static const char signature[8] = {'R', 'S', 'D', ' ', 'P', 'T', 'R', ' '};
    const u8 *b = p;

    if (size < RSDP_V1_SIZE)
        return false;
    for (size_t i = 0; i < sizeof(signature); i++) {
        if (b[i] != (u8)signature[i])
            return false;
    }
    if (!sums_to_zero(b, RSDP_V1_SIZE))
        return false;
    return b[RSDP_REVISION] < 2 || (size >= RSDP_V2_SIZE && sums_to_zero(b, RSDP_V2_SIZE));
}

size_t rsdp_scan(const void *p, size_t size)
{
    const u8 *b = p;

    for (size_t at = 0; at + RSDP_V1_SIZE <= size; at += RSDP_STEP) {
        if (rsdp_valid(b + at, size - at))
            return at;
    }
    return size;
}
