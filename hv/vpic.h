/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A guest's two 8259A interrupt controllers, cascaded as in a PC, with the edge/level registers
 * (ELCR) of EISA.
 *
 *      IRQ 8-15 --> slave --> IR2 \
 *      IRQ 0-1, 3-7 --------> master --> intr(): LINT0 of the local APICs, IOAPIC pin 0
 *
 * Every function locks. intr() is called with the lock held: it may take the vIOAPIC's lock, never
 * this one.
 */
#ifndef HV_VPIC_H
#define HV_VPIC_H

#include "hv/compiler.h"
#include "hv/spinlock.h"
#include "hv/types.h"

#include <xen/xen.h>
#include <xen/hvm/save.h>

struct vpic {
    spinlock_t lock;            /* guards all below */
    struct hvm_hw_vpic chip[2]; /* master, slave: the registers, as saved */
    u8 lines[2];                /* levels of the inputs */
    void (*intr)(struct vpic *pic, bool level);
};

/* Power-up: nothing latched, nothing masked, vectors at 0: the guest's firmware sets it up.
 * `intr` hears of every change of the INTR output. */
void vpic_init(struct vpic *pic, void (*intr)(struct vpic *pic, bool level));

/* One byte at port 0x20, 0x21, 0xa0, 0xa1, 0x4d0 or 0x4d1. Any other port reads 0xff and ignores
 * writes. */
u8 vpic_read(struct vpic *pic, u16 port);
void vpic_write(struct vpic *pic, u16 port, u8 value);

/* Input `irq` 0 to 15; saying a level twice is saying it once. 2 is the cascade's and is ignored.
 */
void vpic_set_line(struct vpic *pic, unsigned int irq, bool level);

/* The INTA cycle: the vector of the interrupt accepted, of spurious IRQ 7 or 15 if its request is
 * gone. */
u8 vpic_ack(struct vpic *pic);

/* Is INTR asserted? A hint without the lock. */
static inline bool vpic_pending(const struct vpic *pic)
{
    return READ_ONCE(pic->chip[0].int_output);
}

/* One record per chip (0 master, 1 slave). Load both after vpic_init(), with the state of the 16
 * input lines; -EINVAL if a register holds what it cannot, and then nothing has changed. Calls
 * intr() with the output. */
void vpic_save(struct vpic *pic, struct hvm_hw_vpic chip[2]);
int __must_check vpic_load(struct vpic *pic, const struct hvm_hw_vpic chip[2], u16 lines);

#endif
