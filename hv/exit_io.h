/* SPDX-License-Identifier: BSD-2-Clause */
/* A guest's port and memory accesses that root mode or a device model answers. */
#ifndef HV_EXIT_IO_H
#define HV_EXIT_IO_H

struct vcpu;

void exit_io(struct vcpu *v);
void exit_page_fault(struct vcpu *v);

#endif
