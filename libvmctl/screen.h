/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef LIBVMCTL_SCREEN_H
#define LIBVMCTL_SCREEN_H

#include "libvmctl/handle.h"

/* Gives the VNC server of a QEMU that has just begun its password, if the guest has one; until then
 * it lets nobody in. With a sentence. */
int screen_lock(struct vmctl *v, const struct vm_config *c, uint16_t id);

#endif
