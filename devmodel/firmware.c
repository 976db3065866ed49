/* SPDX-License-Identifier: BSD-2-Clause */
#include "devmodel/firmware.h"
#include <stdio.h>
#include <string.h>

void firmware_init(struct firmware *f, unsigned vcpus, const char *boot_order)
{
    fw_cfg_init(&f->cfg, vcpus);
    f->complete = false;
    snprintf(f->boot_order, sizeof(f->boot_order), "%s", boot_order);
}

static void complete(struct firmware *f, const struct guest_reader *g)
{
    if (*f->boot_order)
        fw_cfg_add(&f->cfg, "bootorder", f->boot_order, (uint32_t)strlen(f->boot_order) + 1);
    if (acpi_tables_gather(&f->acpi, g)) {
        fw_cfg_add(&f->cfg, ACPI_RSDP_FILE, f->acpi.rsdp, sizeof(f->acpi.rsdp));
        fw_cfg_add(&f->cfg, ACPI_TABLES_FILE, f->acpi.tables, f->acpi.size);
        fw_cfg_add(&f->cfg, ACPI_SCRIPT_FILE, f->acpi.command,
                   f->acpi.commands * (uint32_t)sizeof(f->acpi.command[0]));
    }
    if (smbios_tables_gather(&f->smbios, g)) {
        fw_cfg_add(&f->cfg, SMBIOS_ANCHOR_FILE, f->smbios.anchor, sizeof(f->smbios.anchor));
        fw_cfg_add(&f->cfg, SMBIOS_TABLES_FILE, f->smbios.tables, f->smbios.size);
    }
    f->complete = true;
}

void firmware_write(struct firmware *f, uint16_t port, unsigned size, uint32_t value,
                    const struct guest_reader *g)
{
    if (port != FW_CFG_PORT || size != 2)
        return;
    if (value == FW_CFG_FILE_DIR && !f->complete)
        complete(f, g);
    fw_cfg_select(&f->cfg, (uint16_t)value);
}

/* One byte at a time is there; QEMU's answers nothing else either. */
uint32_t firmware_read(struct firmware *f, unsigned size)
{
    return size == 1 ? fw_cfg_read(&f->cfg) : 0;
}
