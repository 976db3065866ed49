/* SPDX-License-Identifier: BSD-2-Clause */
/* The hypervisor's counters, which it tells as text (hv/hc_hypfs.c). */
#ifndef LIBVMCTL_STATS_H
#define LIBVMCTL_STATS_H

#include "libvmctl/vmctl.h"

/* "NAME COUNT COUNT ...\n" each; a count for each vcpu. What is no such line is left out. */
void stats_parse_exits(const char *text, struct vm_stats *s);
/* "SERVER SENT POSTED\n" each. */
void stats_parse_ioreqs(const char *text, struct vm_stats *s);

#endif
