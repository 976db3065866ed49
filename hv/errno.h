/* SPDX-License-Identifier: BSD-2-Clause */
/* The error numbers of Xen's public ABI, under their plain names. Functions return them negated. */
#ifndef HV_ERRNO_H
#define HV_ERRNO_H

#define XEN_ERRNO(name, value) name = value,
enum {
#include <xen/errno.h>
};
#undef XEN_ERRNO

#endif
