/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The interrupt lines of a guest's PC, as device models raise them: 16 ISA lines, and INTA to INTD
 * of 32 PCI devices, which reach the vIOAPIC's pins from 16 up and, through four links, ISA lines
 * of the firmware's choice (as in a PIIX3).
 *
 *   device d, INTx i --> pin 16 + (4d + d/8 + i) mod 32
 *                   \--> link (d + i) mod 4 --> route[link]: an ISA line, 0: none
 */
#ifndef HV_INTX_H
#define HV_INTX_H

#include "hv/compiler.h"
#include "hv/spinlock.h"
#include "hv/types.h"

#define INTX_PINS    32
#define INTX_LINKS   4
#define INTX_DEVICES 32

struct intx {
    spinlock_t lock;           /* guards all below; taken before the interrupt controllers' */
    u8 asserted[INTX_DEVICES]; /* a bit for each INTx */
    u8 pin_count[INTX_PINS];   /* how many hold the pin */
    u8 link_count[INTX_LINKS];
    u8 route[INTX_LINKS];
    u16 isa; /* levels the ISA devices set */
};

/* Where the levels go. Called under the lock. */
struct intx_ops {
    void (*isa)(void *ctx, unsigned irq, bool level);
    void (*pin)(void *ctx, unsigned pin, bool level); /* 16 up */
};

/* -EINVAL: no such device, line or link. */
int __must_check intx_set_pci(struct intx *x, const struct intx_ops *ops, void *ctx,
                              unsigned device, unsigned line, bool level);
int __must_check intx_set_isa(struct intx *x, const struct intx_ops *ops, void *ctx, unsigned irq,
                              bool level);
int __must_check intx_set_route(struct intx *x, const struct intx_ops *ops, void *ctx,
                                unsigned link, unsigned irq);

#endif
