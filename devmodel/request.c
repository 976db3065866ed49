/* SPDX-License-Identifier: BSD-2-Clause */
#include "devmodel/request.h"
#include <xen/xen.h>
#include <xen/hvm/ioreq.h>

static uint64_t all_ones(unsigned size)
{
    return UINT64_MAX >> (64 - 8 * size);
}

/* The place of element i of a string. */
static uint64_t element(uint64_t first, const struct ioreq *r, uint32_t i)
{
    uint64_t offset = (uint64_t)i * r->size;

    return r->df ? first - offset : first + offset;
}

/* A string on a port stays there, one on memory moves on. */
static uint64_t place(const struct ioreq *r, uint32_t i)
{
    return r->type == IOREQ_TYPE_PIO ? r->addr : element(r->addr, r, i);
}

/* One or more times the same value. */
static void serve_value(const struct request_target *t, struct ioreq *r)
{
    uint64_t value = r->data & all_ones(r->size);

    for (uint32_t i = 0; i < r->count; i++)
        t->access(t->ctx, r->type == IOREQ_TYPE_COPY, place(r, i), r->size, r->dir == IOREQ_WRITE,
                  &value);
    r->data = value & all_ones(r->size);
}

static void serve_element(const struct request_target *t, const struct ioreq *r, uint32_t i)
{
    bool write = r->dir == IOREQ_WRITE;
    uint64_t value = 0, at = element(r->data, r, i);

    if (write && !t->copy(t->ctx, at, &value, r->size, false))
        value = all_ones(r->size);
    t->access(t->ctx, r->type == IOREQ_TYPE_COPY, place(r, i), r->size, write, &value);
    if (!write)
        (void)t->copy(t->ctx, at, &value, r->size, true); /* as a bus forgets it */
}

void request_serve(const struct request_target *t, struct ioreq *r)
{
    if (r->type != IOREQ_TYPE_PIO && r->type != IOREQ_TYPE_COPY)
        return;
    if (r->size == 0 || r->size > 8 || (r->size & (r->size - 1)))
        return;
    if (!r->data_is_ptr) {
        serve_value(t, r);
        return;
    }
    for (uint32_t i = 0; i < r->count; i++)
        serve_element(t, r, i);
}
