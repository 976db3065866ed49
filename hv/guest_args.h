/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Hypercall structures of callers in 32-bit code (hvmloader, i386 kernels): the public headers'
 * `long`, pfn and handle have four bytes there, and no member is aligned to more than four. A
 * layout names the members in order: '2', '4', '8': that many bytes; 'L': a long. Root mode's side
 * is always the 64-bit structure.
 */
#ifndef HV_GUEST_ARGS_H
#define HV_GUEST_ARGS_H

#include "hv/compiler.h"
#include "hv/types.h"

struct vcpu;

/* Is the caller in 64-bit code? v's CPU. */
bool guest_is_wide(struct vcpu *v);

/* The structure at `at`, in or out. -EFAULT. v's CPU. */
int __must_check guest_get(struct vcpu *v, void *to, u64 at, const char *layout);
int __must_check guest_put(struct vcpu *v, u64 at, const void *from, const char *layout);
/* Element i of an array of longs. */
int __must_check guest_get_long(struct vcpu *v, u64 *to, u64 array, u64 i);

/* Copies between the two forms; returns the size of the narrow one. */
size_t guest_args_widen(void *wide, const void *narrow, const char *layout);
size_t guest_args_narrow(void *narrow, const void *wide, const char *layout);

#define GUEST_ARGS_MAX 64 /* bytes of the largest structure */

#endif
