/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Grant tables, version 1 (xen/grant_table.h): a domain lets another one use some of its frames.
 *
 *   granter                                             mapper
 *   entry (guest's page)      use (root mode's)         map (root mode's, named by its handle)
 *   +--------------------+    +-----------------+       +---------------------+
 *   | flags domid frame  |    | frame, domid    |       | frame, gfn, granter |
 *   +--------------------+    | users, writers  | <---- | reference           |
 *     reading, writing    <-- +-----------------+       +---------------------+
 *
 * An entry is in use while somebody has it mapped or copies through it: its flags then say so, and
 * what root mode goes by is what the entry said when its use began. Each use holds a reference to
 * the frame, so that it stays the granter's, or nobody's, until the last one ends; that goes for a
 * granter who no longer exists, too.
 */
#ifndef HV_GRANT_H
#define HV_GRANT_H

#include "hv/compiler.h"
#include "hv/types.h"
#include <xen/xen.h>
#include <xen/grant_table.h>

struct domain;

#define GRANT_MAX_FRAMES 64 /* pages of grant entries a domain may have */
#define GRANT_BATCH      16 /* operations done at once, at most */

/* The first page of entries, and the books about maps; -ENOMEM. grant_destroy(): every map the
 * domain has made is undone; what others have mapped of its frames they keep. d's vcpus do not run.
 */
int __must_check grant_init(struct domain *d);
void grant_destroy(struct domain *d);

/* Page idx of the domain's grant entries, growing the table up to there as XENMEM_add_to_physmap
 * does; MFN_NONE beyond the maximum or without memory. The domain owns the page (hv/frames.h). */
mfn_t grant_table_frame(struct domain *d, u64 idx);

/* Where the domain has page idx in its address space, as it was last told; all ones: nowhere. To
 * tell it returns where the page was: exchanged, so that vcpus that do it at the same time each
 * clear away another place. */
gfn_t grant_table_gfn(struct domain *d, u32 idx);
gfn_t grant_table_placed(struct domain *d, u32 idx, gfn_t gfn);

/* Pages of entries. */
u32 grant_table_size(struct domain *d);

/* The operations, done by or for d; each op's answer and status (GNTST_*) are in it afterwards.
 * count: at most GRANT_BATCH. */
void grant_map(struct domain *d, struct gnttab_map_grant_ref *op, u32 count);
void grant_unmap(struct domain *d, struct gnttab_unmap_grant_ref *op, u32 count);
void grant_copy(struct domain *d, struct gnttab_copy *op, u32 count);
void grant_swap(struct domain *d, struct gnttab_swap_grant_ref *op, u32 count);

#endif
