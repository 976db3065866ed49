/* SPDX-License-Identifier: BSD-2-Clause */
/* How a model looks into the guest's memory, and finds there what firmware leaves for others to
 * find. */
#ifndef DEVMODEL_GUEST_READER_H
#define DEVMODEL_GUEST_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct guest_reader {
    void *ctx;
    /* False: not all of it is memory. */
    bool (*read)(void *ctx, uint64_t gpa, void *to, size_t size);
};

/* The number of that many bytes (up to 8), the lowest first, as in every table. */
static inline uint64_t table_get(const uint8_t *from, unsigned bytes)
{
    uint64_t value = 0;

    for (unsigned i = 0; i < bytes; i++)
        value |= (uint64_t)from[i] << i * 8;
    return value;
}

static inline void table_put(uint8_t *to, unsigned bytes, uint64_t value)
{
    for (unsigned i = 0; i < bytes; i++)
        to[i] = (uint8_t)(value >> i * 8);
}

/* Looks from E0000h to FFFFFh (ACPI 6.5, 5.2.5.1; SMBIOS 3.6, 5.2.1) for a structure of size bytes
 * that begins with anchor, on a boundary of 16 bytes, and whose bytes up to summed have the sum 0.
 */
bool guest_find_anchor(const struct guest_reader *g, const char *anchor, size_t summed, uint8_t *to,
                       size_t size);

#endif
