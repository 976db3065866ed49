/* SPDX-License-Identifier: BSD-2-Clause */
/* The public headers that are guarded for "tools": their structures are the ABI for root mode as
 * well. Included before anything that includes xen/xen.h. */
#ifndef HV_TOOLS_ABI_H
#define HV_TOOLS_ABI_H

#ifndef __XEN_TOOLS__
#define __XEN_TOOLS__
#endif
#include "hv/types.h"
#include <xen/xen.h>
#include <xen/domctl.h>
#include <xen/hvm/dm_op.h>
#include <xen/memory.h>
#include <xen/sysctl.h>

struct domain;

/* XEN_DOMCTL_getdomaininfo and its list (hv/hc_domctl.c). */
void domctl_describe(struct domain *d, struct xen_domctl_getdomaininfo *info);

#endif
