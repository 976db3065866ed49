/* SPDX-License-Identifier: BSD-2-Clause */
/* What a UEFI firmware is told by way of QEMU's configuration device: the number of vcpus, the
 * order of boot devices, and the tables that hvmloader has made. */
#ifndef DEVMODEL_FIRMWARE_H
#define DEVMODEL_FIRMWARE_H

#include "devmodel/acpi_tables.h"
#include "devmodel/fw_cfg.h"
#include "devmodel/smbios_tables.h"
#include <stdbool.h>
#include <stdint.h>

#define FIRMWARE_BOOT_ORDER 1024

struct firmware {
    struct fw_cfg cfg;
    struct acpi_tables acpi;
    struct smbios_tables smbios;
    char boot_order[FIRMWARE_BOOT_ORDER];
    bool complete; /* the tables are there */
};

/* boot_order: Open Firmware paths, a line each; longer than FIRMWARE_BOOT_ORDER - 1 is cut. */
void firmware_init(struct firmware *f, unsigned vcpus, const char *boot_order);
/* The guest's memory is looked into when a firmware first asks which files there are: hvmloader has
 * done its work by then. */
void firmware_write(struct firmware *f, uint16_t port, unsigned size, uint32_t value,
                    const struct guest_reader *g);
uint32_t firmware_read(struct firmware *f, unsigned size);

#endif
