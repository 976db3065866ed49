/* SPDX-License-Identifier: BSD-2-Clause */
/* The SMBIOS structures that hvmloader has put into the guest's memory (the guest's UUID among
 * them), as the files by which QEMU hands them to a firmware. */
#ifndef DEVMODEL_SMBIOS_TABLES_H
#define DEVMODEL_SMBIOS_TABLES_H

#include "devmodel/guest_reader.h"
#include <stdbool.h>
#include <stdint.h>

#define SMBIOS_ANCHOR_FILE "etc/smbios/smbios-anchor"
#define SMBIOS_TABLES_FILE "etc/smbios/smbios-tables"
#define SMBIOS_ANCHOR_SIZE 31
#define SMBIOS_TABLES_MAX  0xffffu

struct smbios_tables {
    uint8_t anchor[SMBIOS_ANCHOR_SIZE];
    uint8_t tables[SMBIOS_TABLES_MAX];
    uint32_t size;
};

/* False: there are none. */
bool smbios_tables_gather(struct smbios_tables *t, const struct guest_reader *g);

#endif
