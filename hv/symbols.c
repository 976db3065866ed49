/* SPDX-License-Identifier: BSD-2-Clause */
#include "hv/layout.h"
#include "hv/symbols.h"

struct symbol {
    u32 address; /* from IMAGE_BASE */
    u32 name;    /* into symbol_names */
};

extern const u64 symbol_count;
extern const struct symbol symbol_table[];
extern const char symbol_names[];
extern const char __image_start[], __text_end[];

const char *symbol_at(u64 address, u64 *offset)
{
    u64 low = 0, high = symbol_count;
    u64 at = address - IMAGE_BASE;

    if (address < (u64)__image_start || address >= (u64)__text_end)
        return NULL;
    while (low < high) {
        u64 mid = (low + high) / 2;

        if (symbol_table[mid].address <= at)
            low = mid + 1;
        else
            high = mid;
    }
    if (low == 0)
        return NULL;
    *offset = at - symbol_table[low - 1].address;
    return symbol_names + symbol_table[low - 1].name;
}
