/* SPDX-License-Identifier: BSD-2-Clause */
/* One request of a guest, as xen/hvm/ioreq.h has it: a single access, or a string of them between
 * a device and the guest's memory. */
#ifndef DEVMODEL_REQUEST_H
#define DEVMODEL_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ioreq;

struct request_target {
    void *ctx;
    /* size 1 to 8. What is written, or place for what is read, is *value. */
    void (*access)(void *ctx, bool memory, uint64_t addr, unsigned size, bool write,
                   uint64_t *value);
    /* To or from the guest's memory, within one page. False: there is none. */
    bool (*copy)(void *ctx, uint64_t gpa, void *data, size_t size, bool write);
};

/* Does what it asks for; the answer is left in it. */
void request_serve(const struct request_target *t, struct ioreq *r);

#endif
