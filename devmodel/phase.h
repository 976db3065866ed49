/* SPDX-License-Identifier: BSD-2-Clause */
/* The PM timer that the guest reads may be the hypervisor's: then the events that come from it are
 * counted from the same beginning. */
#ifndef DEVMODEL_PHASE_H
#define DEVMODEL_PHASE_H

#include <stdbool.h>
#include <stdint.h>

struct vmctl;

/* The timer's value now, from the guest's saved state; false: the hypervisor has none. */
bool phase_get(struct vmctl *v, uint16_t domid, uint32_t *value);

/* The same, from the records of such a state. */
bool phase_find(const void *records, uint32_t size, uint32_t *value);

#endif
