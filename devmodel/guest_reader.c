/* SPDX-License-Identifier: BSD-2-Clause */
#include "devmodel/guest_reader.h"
#include <string.h>

#define AREA      0xe0000u
#define AREA_END  0x100000u
#define STEP      16u
#define PAGE_SIZE 4096u

static uint8_t sum(const uint8_t *p, size_t n)
{
    uint8_t s = 0;

    while (n--)
        s = (uint8_t)(s + *p++);
    return s;
}

bool guest_find_anchor(const struct guest_reader *g, const char *anchor, size_t summed, uint8_t *to,
                       size_t size)
{
    uint8_t page[PAGE_SIZE];
    size_t length = strlen(anchor);

    for (uint32_t at = AREA; at < AREA_END; at += STEP) {
        if (at % PAGE_SIZE == 0 && !g->read(g->ctx, at, page, sizeof(page)))
            memset(page, 0, sizeof(page));
        if (memcmp(page + at % PAGE_SIZE, anchor, length) != 0)
            continue;
        if (at + size <= AREA_END && g->read(g->ctx, at, to, size) && sum(to, summed) == 0)
            return true;
    }
    return false;
}
