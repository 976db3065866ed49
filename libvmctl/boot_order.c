/* SPDX-License-Identifier: BSD-2-Clause */
#include "libvmctl/boot_order.h"
#include <stdio.h>
#include <string.h>

static unsigned add_disks(const struct vm_config *c, bool cdrom, char (*path)[BOOT_PATH_MAX])
{
    unsigned n = 0;

    for (unsigned i = 0; i < c->disks; i++)
        if (c->disk[i].cdrom == cdrom)
            snprintf(path[n++], BOOT_PATH_MAX, "/pci@i0cf8/ide@1,1/drive@%u/disk@%u",
                     c->disk[i].unit / 2, c->disk[i].unit % 2);
    return n;
}

static unsigned add_nics(const struct vm_config *c, char (*path)[BOOT_PATH_MAX])
{
    for (unsigned i = 0; i < c->nics; i++)
        snprintf(path[i], BOOT_PATH_MAX, "/pci@i0cf8/ethernet@%x", VM_FIRST_NIC_SLOT + i);
    return c->nics;
}

static unsigned add_kind(const struct vm_config *c, char letter, char (*path)[BOOT_PATH_MAX])
{
    if (letter == 'n')
        return add_nics(c, path);
    return letter == 'c' || letter == 'd' ? add_disks(c, letter == 'd', path) : 0;
}

unsigned boot_order(const struct vm_config *c, char path[BOOT_MAX_DEVICES][BOOT_PATH_MAX])
{
    const char *order = vm_config_boot(c);
    unsigned n = 0;

    for (const char *p = order; *p; p++)
        if (!memchr(order, *p, (size_t)(p - order)))
            n += add_kind(c, *p, path + n);
    return n;
}
