/* SPDX-License-Identifier: BSD-2-Clause */
/* The order of boot devices as a UEFI firmware takes it from QEMU: Open Firmware paths. */
#ifndef LIBVMCTL_BOOT_ORDER_H
#define LIBVMCTL_BOOT_ORDER_H

#include "libvmctl/config.h"

#define BOOT_MAX_DEVICES (VM_MAX_DISKS + VM_MAX_NICS)
#define BOOT_PATH_MAX    48

/* Every device that boot= names by its kind, each once; returns how many. */
unsigned boot_order(const struct vm_config *c, char path[BOOT_MAX_DEVICES][BOOT_PATH_MAX]);

#endif
