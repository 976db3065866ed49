/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The buffered ioreq page (xen/hvm/ioreq.h): writes nobody waits for. Root mode fills, the device
 * model empties; what the device model does to the page is its own misfortune only.
 */
#ifndef HV_IOREQ_RING_H
#define HV_IOREQ_RING_H

#include "hv/compiler.h"
#include "hv/types.h"
#include <xen/xen.h>
#include <xen/hvm/ioreq.h>

#define IOREQ_RING_REACH 0x100000u /* addresses have 20 bits */

/* A write of size 1, 2, 4 or 8 bytes to addr, which is below IOREQ_RING_REACH. atomic: the device
 * model follows when both indices are lowered together (HVM_IOREQSRV_BUFIOREQ_ATOMIC). false: no
 * room. *first: it may have seen the ring empty and must be told; else it is not through with what
 * it was told of. One caller at a time. */
bool __must_check ioreq_ring_put(struct buffered_iopage *page, u8 type, u32 addr, unsigned size,
                                 u64 data, bool atomic, bool *first);

#endif
