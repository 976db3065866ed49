/* SPDX-License-Identifier: BSD-2-Clause */
/* QEMU's firmware configuration device (docs/specs/fw_cfg in QEMU's source), without DMA: the
 * selector at port 510h, the bytes of what it selects at 511h. QEMU has none on Xen, but Debian's
 * OVMF looks nowhere else for its tables. */
#ifndef DEVMODEL_FW_CFG_H
#define DEVMODEL_FW_CFG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FW_CFG_PORT      0x510
#define FW_CFG_LAST_PORT 0x511
#define FW_CFG_FILES     8
#define FW_CFG_NAME      56 /* with the 0 behind it */

enum fw_cfg_key {
    FW_CFG_SIGNATURE = 0x00,
    FW_CFG_ID = 0x01,
    FW_CFG_NB_CPUS = 0x05,
    FW_CFG_MAX_CPUS = 0x0f,
    FW_CFG_FILE_DIR = 0x19,
    FW_CFG_FILE_FIRST = 0x20,
};

struct fw_cfg {
    uint8_t cpus[2];
    struct {
        const void *data;
        uint32_t size;
    } file[FW_CFG_FILES];
    unsigned files;
    uint8_t directory[4 + FW_CFG_FILES * (8 + FW_CFG_NAME)];
    uint16_t key;
    uint32_t offset; /* of the next byte */
};

void fw_cfg_init(struct fw_cfg *f, unsigned vcpus);
/* data stays the caller's, and is read later. False: the name is too long or there are
 * FW_CFG_FILES. */
bool fw_cfg_add(struct fw_cfg *f, const char *name, const void *data, uint32_t size);
/* What the guest has written to FW_CFG_PORT. */
void fw_cfg_select(struct fw_cfg *f, uint16_t key);
/* A byte from either port; 0 behind the end and where nothing is. */
uint8_t fw_cfg_read(struct fw_cfg *f);

#endif
