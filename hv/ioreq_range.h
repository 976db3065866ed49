/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What an ioreq server answers for: a set of numbers as ranges, sorted, those that touch made one.
 * So an access may reach over what was added in pieces, as QEMU adds CF8h, CF9h (the reset port)
 * and CFAh.
 */
#ifndef HV_IOREQ_RANGE_H
#define HV_IOREQ_RANGE_H

#include "hv/compiler.h"
#include "hv/types.h"

#define IOREQ_RANGES 256 /* of one kind, of one server */

struct ioreq_ranges {
    unsigned count;
    struct {
        u64 first, last; /* both included */
    } range[IOREQ_RANGES];
};

/* -EINVAL: last before first; -EEXIST: overlaps with one that is there; -ENOSPC. */
int __must_check ioreq_range_add(struct ioreq_ranges *r, u64 first, u64 last);
/* -ENOENT: not all of it is there; -ENOSPC: it would leave one range too many. */
int __must_check ioreq_range_remove(struct ioreq_ranges *r, u64 first, u64 last);
/* Is all of it there? */
bool ioreq_range_holds(const struct ioreq_ranges *r, u64 first, u64 last);

#endif
