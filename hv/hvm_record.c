/* SPDX-License-Identifier: BSD-2-Clause */
/* The list of records, whatever is in them. */
#include "hv/errno.h"
#include "hv/hvm_context.h"
#include "hv/string.h"
#include <xen/xen.h>
#include <xen/hvm/save.h>

static const struct {
    u16 length; /* 0: not root mode's */
    bool per_vcpu;
    u8 instances; /* if not */
    bool open;    /* that is the least length */
} kinds[] = {
    [HVM_SAVE_CODE(HEADER)] = {HVM_SAVE_LENGTH(HEADER), false, 1},
    [HVM_SAVE_CODE(CPU)] = {HVM_SAVE_LENGTH(CPU), true, 0},
    [HVM_SAVE_CODE(PIC)] = {HVM_SAVE_LENGTH(PIC), false, 2},
    [HVM_SAVE_CODE(IOAPIC)] = {HVM_SAVE_LENGTH(IOAPIC), false, 1},
    [HVM_SAVE_CODE(LAPIC)] = {HVM_SAVE_LENGTH(LAPIC), true, 0},
    [HVM_SAVE_CODE(LAPIC_REGS)] = {HVM_SAVE_LENGTH(LAPIC_REGS), true, 0},
    [HVM_SAVE_CODE(PMTIMER)] = {HVM_SAVE_LENGTH(PMTIMER), false, 1},
    [HVM_SAVE_CODE(MTRR)] = {HVM_SAVE_LENGTH(MTRR), true, 0},
    [CPU_XSAVE_CODE] = {sizeof(struct hvm_hw_cpu_xsave), true, 0, true},
};

static int check_record(const struct hvm_save_descriptor *d, unsigned vcpus)
{
    if (d->typecode >= ARRAY_SIZE(kinds) || kinds[d->typecode].length == 0)
        return -EOPNOTSUPP;
    if (d->length < kinds[d->typecode].length ||
        (d->length > kinds[d->typecode].length && !kinds[d->typecode].open))
        return -EINVAL;
    return d->instance < (kinds[d->typecode].per_vcpu ? vcpus : kinds[d->typecode].instances)
               ? 0
               : -EINVAL;
}

static int check_header(const u8 *buf, const struct hvm_save_descriptor *d)
{
    struct hvm_save_header h;

    if (d->typecode != HVM_SAVE_CODE(HEADER))
        return -EINVAL;
    memcpy(&h, buf, sizeof(h));
    return h.magic == HVM_FILE_MAGIC && h.version == HVM_FILE_VERSION ? 0 : -EINVAL;
}

int hvm_context_check(const u8 *buf, size_t size, unsigned vcpus)
{
    struct hvm_save_descriptor d;
    size_t at = 0;

    for (;;) {
        bool first = at == 0;
        int rc;

        if (size - at < sizeof(d))
            return -EINVAL;
        memcpy(&d, buf + at, sizeof(d));
        at += sizeof(d);
        if (d.typecode == HVM_SAVE_CODE(END))
            return first || d.length ? -EINVAL : 0;
        rc = check_record(&d, vcpus);
        if (rc)
            return rc;
        if (d.length > size - at || (first && check_header(buf + at, &d)))
            return -EINVAL;
        at += d.length;
    }
}

const void *hvm_context_next(const u8 *buf, size_t *at, u16 *type, u16 *instance, u32 *length)
{
    struct hvm_save_descriptor d;
    const void *record;

    memcpy(&d, buf + *at, sizeof(d));
    if (d.typecode == HVM_SAVE_CODE(END))
        return NULL;
    record = buf + *at + sizeof(d);
    *at += sizeof(d) + d.length;
    *type = d.typecode;
    *instance = d.instance;
    *length = d.length;
    return record;
}
