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

static void insert(struct ioreq_ranges *r, unsigned at, u64 first, u64 last)
{
    for (unsigned i = r->count++; i > at; i--)
        r->range[i] = r->range[i - 1];
    r->range[at].first = first;
    r->range[at].last = last;
}

static void take_out(struct ioreq_ranges *r, unsigned at)
{
    r->count--;
    for (; at < r->count; at++)
        r->range[at] = r->range[at + 1];
}

int ioreq_range_add(struct ioreq_ranges *r, u64 first, u64 last)
{
    unsigned at = find(r, first);
    bool left, right;

    if (last < first)
        return -EINVAL;
    if (at < r->count && r->range[at].first <= last)
        return -EEXIST;
    left = at > 0 && r->range[at - 1].last + 1 == first;
    right = at < r->count && last + 1 == r->range[at].first;
    if (left && right) {
        r->range[at - 1].last = r->range[at].last;
        take_out(r, at);
    } else if (left) {
        r->range[at - 1].last = last;
    } else if (right) {
        r->range[at].first = first;
    } else {
        if (r->count == IOREQ_RANGES)
            return -ENOSPC;
        insert(r, at, first, last);
    }
    return 0;
}

int ioreq_range_remove(struct ioreq_ranges *r, u64 first, u64 last)
{
    unsigned at = find(r, first);
    u64 from, to;

    if (last < first || !ioreq_range_holds(r, first, last))
        return -ENOENT;
    from = r->range[at].first;
    to = r->range[at].last;
    if (from < first && last < to) {
        if (r->count == IOREQ_RANGES)
            return -ENOSPC;
        r->range[at].last = first - 1;
        insert(r, at + 1, last + 1, to);
    } else if (from < first) {
        r->range[at].last = first - 1;
    } else if (last < to) {
        r->range[at].first = last + 1;
    } else {
        take_out(r, at);
    }
    return 0;
}

bool ioreq_range_holds(const struct ioreq_ranges *r, u64 first, u64 last)
{
    unsigned at = find(r, first);

    return at < r->count && r->range[at].first <= first && last <= r->range[at].last;
}
