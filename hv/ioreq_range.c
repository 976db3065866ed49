/* SPDX-License-Identifier: BSD-2-Clause */
#include "hv/errno.h"
#include "hv/ioreq_range.h"

/* The first range that does not end before `at`; r->count if there is none. */
static unsigned find(const struct ioreq_ranges *r, u64 at)
{
    unsigned low = 0, high = r->count;

    while (low < high) {
        unsigned middle = (low + high) / 2;

        if (r->range[middle].last < at)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

int ioreq_range_add(struct ioreq_ranges *r, u64 first, u64 last)
{
    unsigned at = find(r, first);

    if (last < first)
        return -EINVAL;
    if (at < r->count && r->range[at].first <= last)
        return -EEXIST;
    if (r->count == IOREQ_RANGES)
        return -ENOSPC;
    for (unsigned i = r->count++; i > at; i--)
        r->range[i] = r->range[i - 1];
    r->range[at].first = first;
    r->range[at].last = last;
    return 0;
}

int ioreq_range_remove(struct ioreq_ranges *r, u64 first, u64 last)
{
    unsigned at = find(r, first);

    if (at == r->count || r->range[at].first != first || r->range[at].last != last)
        return -ENOENT;
    r->count--;
    for (; at < r->count; at++)
        r->range[at] = r->range[at + 1];
    return 0;
}

bool ioreq_range_holds(const struct ioreq_ranges *r, u64 first, u64 last)
{
    unsigned at = find(r, first);

    return at < r->count && r->range[at].first <= first && last <= r->range[at].last;
}
