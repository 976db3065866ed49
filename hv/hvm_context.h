/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A guest's state as records in Xen's format (xen/hvm/save.h): a descriptor each, HEADER first, END
 * last. Records that are root mode's: CPU, CPU_XSAVE, LAPIC, LAPIC_REGS and MTRR for each vcpu,
 * IOAPIC, PIC. Timers and the ACPI block are the device models' own to save.
 */
#ifndef HV_HVM_CONTEXT_H
#define HV_HVM_CONTEXT_H

#include "hv/compiler.h"
#include "hv/types.h"

struct domain;

/* Bytes hvm_context_save() may need. */
size_t hvm_context_size(const struct domain *d);
/* Returns the bytes used. d's vcpus are paused and loaded nowhere; buf has hvm_context_size()
 * bytes. */
size_t hvm_context_save(struct domain *d, u8 *buf);
/* Takes over the records there are; the rest stays as it is. -EINVAL: not such a list, or a value
 * no vcpu can have; -EOPNOTSUPP: a record that is not root mode's; -EBUSY: a device model works for
 * the vcpu. Likewise paused. */
int __must_check hvm_context_load(struct domain *d, const u8 *buf, size_t size);

/* Is it such a list, with lengths and instances as they have to be? Without a look at the values.
 */
int __must_check hvm_context_check(const u8 *buf, size_t size, unsigned vcpus);
/* The next record behind *at, which moves; the first at 0. NULL: END. Of a list that was checked.
 */
const void *hvm_context_next(const u8 *buf, size_t *at, u16 *type, u16 *instance, u32 *length);

#endif
