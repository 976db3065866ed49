/* SPDX-License-Identifier: BSD-2-Clause */
/* Grant tables, version 1 (xen/grant_table.h): a domain lets another one use some of its frames. */
#ifndef HV_GRANT_H
#define HV_GRANT_H

#include "hv/compiler.h"
#include "hv/types.h"

struct domain;

#define GRANT_MAX_FRAMES 64 /* pages of grant entries a domain may have */

/* The first page of entries, and the books about maps; -ENOMEM. grant_destroy(): every map is undone. */
int __must_check grant_init(struct domain *d);
void grant_destroy(struct domain *d);

/* Page idx of the domain's grant entries, growing the table up to there as XENMEM_add_to_physmap does;
 * MFN_NONE beyond the maximum or without memory. */
mfn_t grant_table_frame(struct domain *d, u64 idx);

#endif
