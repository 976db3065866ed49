/* SPDX-License-Identifier: BSD-2-Clause */
#include "hv/domain.h"
#include "hv/errno.h"
#include "hv/mmio.h"
#include "hv/pio.h"
#include "hv/vcpu.h"

static u64 all_ones(unsigned size)
{
    return ~0ull >> (64 - 8 * size);
}

int mmio_register(struct domain *d, const struct mmio_range *r)
{
    if (d->mmio_ranges == DOMAIN_MMIO_RANGES)
        return -ENOSPC;
    d->mmio[d->mmio_ranges++] = *r;
    return 0;
}

static const struct mmio_range *find_range(const struct domain *d, u64 gpa)
{
    for (unsigned i = 0; i < d->mmio_ranges; i++)
        if (gpa - d->mmio[i].base < d->mmio[i].size)
            return &d->mmio[i];
    return NULL;
}

static void lapic_access(struct vcpu *v, u32 offset, unsigned size, bool write, u64 *value)
{
    if (write)
        vlapic_mmio_write(&v->vlapic, offset, size, *value);
    else
        *value = vlapic_mmio_read(&v->vlapic, offset) & all_ones(size);
}

static void range_access(struct vcpu *v, const struct mmio_range *r, u64 offset, unsigned size,
                         bool write, u64 *value)
{
    if (write)
        r->write(v, offset, size, *value);
    else
        *value = r->read(v, offset, size) & all_ones(size);
}

bool mmio_is_ours(struct vcpu *v, gpa_t gpa)
{
    return gpa.v - vlapic_mmio_base(&v->vlapic).v < PAGE_SIZE || find_range(v->domain, gpa.v);
}

int mmio_access(struct vcpu *v, gpa_t gpa, unsigned size, bool write, u64 *value)
{
    u64 lapic = gpa.v - vlapic_mmio_base(&v->vlapic).v;
    const struct mmio_range *r;

    if (lapic < PAGE_SIZE) {
        lapic_access(v, (u32)lapic, size, write, value);
        return 0;
    }
    r = find_range(v->domain, gpa.v);
    if (r) {
        range_access(v, r, gpa.v - r->base, size, write, value);
        return 0;
    }
    if (v->domain->mmio_fallback)
        return v->domain->mmio_fallback(v, gpa, size, write, value);
    if (!write)
        *value = all_ones(size);
    return 0;
}

int pio_register(struct domain *d, const struct pio_range *r)
{
    if (d->pio_ranges == DOMAIN_PIO_RANGES)
        return -ENOSPC;
    d->pio[d->pio_ranges++] = *r;
    return 0;
}

static const struct pio_range *find_port(const struct domain *d, u16 port)
{
    for (unsigned i = 0; i < d->pio_ranges; i++)
        if (port >= d->pio[i].first && port <= d->pio[i].last)
            return &d->pio[i];
    return NULL;
}

bool pio_is_ours(const struct domain *d, u16 port)
{
    return find_port(d, port);
}

int pio_access(struct vcpu *v, u16 port, unsigned size, bool write, u32 *value)
{
    const struct pio_range *r = find_port(v->domain, port);

    if (r) {
        if (write)
            r->write(v, port, size, *value & (u32)all_ones(size));
        else
            *value = r->read(v, port, size) & (u32)all_ones(size);
        return 0;
    }
    if (v->domain->pio_fallback)
        return v->domain->pio_fallback(v, port, size, write, value);
    if (!write)
        *value = (u32)all_ones(size);
    return 0;
}
