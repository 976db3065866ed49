/* SPDX-License-Identifier: BSD-2-Clause */
#include "devmodel/smbios_tables.h"

/* SMBIOS 3.6, 5.2.1: the entry point of version 2.1. */
enum { LENGTH_OF_STRUCTURES = 0x16, ADDRESS_OF_STRUCTURES = 0x18 };

bool smbios_tables_gather(struct smbios_tables *t, const struct guest_reader *g)
{
    if (!guest_find_anchor(g, "_SM_", SMBIOS_ANCHOR_SIZE, t->anchor, SMBIOS_ANCHOR_SIZE))
        return false;
    t->size = (uint32_t)table_get(t->anchor + LENGTH_OF_STRUCTURES, 2);
    return t->size &&
           g->read(g->ctx, table_get(t->anchor + ADDRESS_OF_STRUCTURES, 4), t->tables, t->size);
}
