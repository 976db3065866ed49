/* SPDX-License-Identifier: BSD-2-Clause */
/* What follows when a guest stops by itself: a process that waits for it and does what the
 * configuration says. */
#ifndef LIBVMCTL_KEEPER_H
#define LIBVMCTL_KEEPER_H

#include "libvmctl/config.h"
#include <stdint.h>

/* What is done after a shutdown for that reason (SHUTDOWN_* of xen/sched.h). */
enum vm_action keeper_action(const struct vm_config *c, uint8_t reason);

/* Leaves such a process behind, which ends when the guest is gone, and changes its own copy of the
 * configuration as the guest lives. 0 or -errno. */
int keeper_start(struct vm_config *c, uint16_t id);

#endif
