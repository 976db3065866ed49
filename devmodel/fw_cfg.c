/* SPDX-License-Identifier: BSD-2-Clause */
#include "devmodel/fw_cfg.h"
#include <string.h>

#define ENTRY (8 + FW_CFG_NAME) /* size, key, two reserved bytes, name */

static const uint8_t signature[4] = {'Q', 'E', 'M', 'U'};
static const uint8_t features[4] = {1}; /* not bit 1, which is DMA */

void fw_cfg_init(struct fw_cfg *f, unsigned vcpus)
{
    *f = (struct fw_cfg){.cpus = {(uint8_t)vcpus, (uint8_t)(vcpus >> 8)}};
}

/* Unlike all the rest, the directory's numbers begin with their highest byte. */
static void put_big(uint8_t *to, uint32_t value, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++)
        to[i] = (uint8_t)(value >> (bytes - 1 - i) * 8);
}

bool fw_cfg_add(struct fw_cfg *f, const char *name, const void *data, uint32_t size)
{
    uint8_t *entry = f->directory + 4 + f->files * ENTRY;

    if (f->files == FW_CFG_FILES || strlen(name) >= FW_CFG_NAME)
        return false;
    put_big(entry, size, 4);
    put_big(entry + 4, FW_CFG_FILE_FIRST + f->files, 2);
    memcpy(entry + 8, name, strlen(name));
    f->file[f->files].data = data;
    f->file[f->files].size = size;
    put_big(f->directory, ++f->files, 4);
    return true;
}

void fw_cfg_select(struct fw_cfg *f, uint16_t key)
{
    f->key = key;
    f->offset = 0;
}

static const uint8_t *find(const struct fw_cfg *f, uint32_t *size)
{
    unsigned file = f->key - (unsigned)FW_CFG_FILE_FIRST;

    switch (f->key) {
    case FW_CFG_SIGNATURE:
        *size = sizeof(signature);
        return signature;
    case FW_CFG_ID:
        *size = sizeof(features);
        return features;
    case FW_CFG_NB_CPUS:
    case FW_CFG_MAX_CPUS:
        *size = sizeof(f->cpus);
        return f->cpus;
    case FW_CFG_FILE_DIR:
        *size = 4 + f->files * ENTRY;
        return f->directory;
    default:
        *size = file < f->files ? f->file[file].size : 0;
        return *size ? f->file[file].data : NULL;
    }
}

uint8_t fw_cfg_read(struct fw_cfg *f)
{
    uint32_t size;
    const uint8_t *data = find(f, &size);

    return f->offset < size ? data[f->offset++] : 0;
}
