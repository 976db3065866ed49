/* SPDX-License-Identifier: BSD-2-Clause */
/* The guest's memory and its boot vcpu, before any device model. */
#ifndef LIBVMCTL_BUILD_H
#define LIBVMCTL_BUILD_H

#include "libvmctl/handle.h"

struct build {
    uint16_t id;
    int store_port, console_port; /* the guest's event channels to the store and its console */
    uint64_t store_pfn, console_pfn;
    bool kernel_loaded; /* the kernel lies in memory; what starts it is at build_stub_path() */
};

/* Makes a domain and everything in it but devices. b->id is set as soon as the domain exists (0: it
 * does not), and then it is the caller's to destroy, whatever is returned. */
int build_domain(struct vmctl *v, const struct vm_config *c, struct build *b);
/* The file that QEMU takes as kernel of guest id, to be removed with the guest. */
void build_stub_path(uint16_t id, char *path, size_t size);

#endif
