/* SPDX-License-Identifier: BSD-2-Clause */
#include "devmodel/phase.h"
#include "libvmctl/handle.h"
#include <string.h>
#include <xen/hvm/save.h>

/* A chain of descriptors, each with its record behind it. */
bool phase_find(const void *records, uint32_t size, uint32_t *value)
{
    const uint8_t *at = records;
    struct hvm_save_descriptor d;
    HVM_SAVE_TYPE(PMTIMER) timer;

    for (; size >= sizeof(d); at += d.length, size -= d.length) {
        memcpy(&d, at, sizeof(d));
        at += sizeof(d);
        size -= (uint32_t)sizeof(d);
        if (d.length > size)
            return false;
        if (d.typecode != HVM_SAVE_CODE(PMTIMER) || d.length != sizeof(timer))
            continue;
        memcpy(&timer, at, sizeof(timer));
        *value = timer.tmr_val;
        return true;
    }
    return false;
}

bool phase_get(struct vmctl *v, uint16_t domid, uint32_t *value)
{
    struct xen_domctl op = {.cmd = XEN_DOMCTL_gethvmcontext, .domain = domid};
    uint8_t *records = NULL;
    bool found = false;

    if (xen_domctl(v, &op) == 0) /* its size */
        records = xen_buffer(v, op.u.hvmcontext.size);
    if (!records)
        return false;
    set_xen_guest_handle(op.u.hvmcontext.buffer, records);
    if (xen_domctl(v, &op) == 0)
        found = phase_find(records, op.u.hvmcontext.size, value);
    xen_buffer_free(v, records);
    return found;
}
