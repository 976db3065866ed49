/* SPDX-License-Identifier: BSD-2-Clause */
#include "hv/errno.h"
#include "hv/intx.h"

#define ISA_LINES 16
#define FIRST_PIN 16

static unsigned pin_of(unsigned device, unsigned line)
{
    return (4 * device + device / 8 + line) % INTX_PINS;
}

/* An ISA line is up while its own devices or a link hold it. */
static void tell_isa(const struct intx *x, const struct intx_ops *ops, void *ctx, unsigned irq)
{
    bool level = x->isa >> irq & 1;

    for (unsigned i = 0; i < INTX_LINKS; i++)
        level |= x->route[i] == irq && irq && x->link_count[i];
    ops->isa(ctx, irq, level);
}

static void change(struct intx *x, const struct intx_ops *ops, void *ctx, unsigned device,
                   unsigned line, bool level)
{
    unsigned pin = pin_of(device, line), link = (device + line) % INTX_LINKS;
    u8 step = level ? 1 : 0xff;

    x->asserted[device] ^= (u8)(1u << line);
    x->pin_count[pin] = (u8)(x->pin_count[pin] + step);
    x->link_count[link] = (u8)(x->link_count[link] + step);
    ops->pin(ctx, FIRST_PIN + pin, x->pin_count[pin]);
    if (x->route[link])
        tell_isa(x, ops, ctx, x->route[link]);
}

int intx_set_pci(struct intx *x, const struct intx_ops *ops, void *ctx, unsigned device,
                 unsigned line, bool level)
{
    if (device >= INTX_DEVICES || line >= INTX_LINKS)
        return -EINVAL;
    spin_lock(&x->lock);
    if ((x->asserted[device] >> line & 1) != level)
        change(x, ops, ctx, device, line, level);
    spin_unlock(&x->lock);
    return 0;
}

int intx_set_isa(struct intx *x, const struct intx_ops *ops, void *ctx, unsigned irq, bool level)
{
    if (irq >= ISA_LINES)
        return -EINVAL;
    spin_lock(&x->lock);
    x->isa = (u16)((x->isa & ~(1u << irq)) | (unsigned)level << irq);
    tell_isa(x, ops, ctx, irq);
    spin_unlock(&x->lock);
    return 0;
}

int intx_set_route(struct intx *x, const struct intx_ops *ops, void *ctx, unsigned link,
                   unsigned irq)
{
    unsigned old;

    if (link >= INTX_LINKS || irq >= ISA_LINES)
        return -EINVAL;
    spin_lock(&x->lock);
    old = x->route[link];
    x->route[link] = (u8)irq;
    if (old && old != irq)
        tell_isa(x, ops, ctx, old);
    if (irq)
        tell_isa(x, ops, ctx, irq);
    spin_unlock(&x->lock);
    return 0;
}
