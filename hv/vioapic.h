/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A guest's I/O APIC: 82093AA (version 0x11), or with the EOI register of its successors (0x20).
 *
 *      IOREGSEL 0x00    which register IOWIN shows      | indices: 0 id, 1 version, 2 arbitration,
 *      IOWIN    0x10    that register                   | 0x10 + 2n and 0x11 + 2n: entry n, low and
 * high EOIR     0x40    version 0x20: vector to end     |
 *
 * Every function locks; none is called back from under the lock but apic_bus_send(), which takes
 * none.
 */
#ifndef HV_VIOAPIC_H
#define HV_VIOAPIC_H

#include "hv/spinlock.h"
#include "hv/vlapic.h"

#define VIOAPIC_MAX_PINS     VIOAPIC_NUM_PINS
#define VIOAPIC_DEFAULT_BASE 0xfec00000ul

struct vioapic {
    spinlock_t lock; /* guards all below */
    u8 version;
    u8 pins;
    u64 lines;                /* level of each input: asserted or not, whatever its polarity */
    struct hvm_hw_vioapic hw; /* the registers, as saved */
    struct apic_bus *bus;
};

/* Reset state. `pins` is 1 to VIOAPIC_MAX_PINS, `version` 0x11 or 0x20. */
void vioapic_init(struct vioapic *io, u8 id, u8 pins, u8 version, struct apic_bus *bus);

/* At `offset` into the page. Registers start at multiples of 16; any width reads their low bytes.
 */
u32 vioapic_mmio_read(struct vioapic *io, u32 offset);
void vioapic_mmio_write(struct vioapic *io, u32 offset, u32 value);

/* The input is (de)asserted; saying so twice is saying it once. Several sources on one pin are the
 * caller's to combine. A pin that does not exist is ignored. Returns 1 if an interrupt became
 * pending, 0 if it merged with one that was, -ENODEV if none was accepted or none was due. */
int vioapic_set_line(struct vioapic *io, unsigned int pin, bool level);

/* Broadcast by a local APIC at the end of a level-triggered vector. */
void vioapic_eoi(struct vioapic *io, u8 vector);

/* Load takes a vioapic after vioapic_init() and the state of its input lines; -EINVAL if an entry
 * holds what it cannot, and then nothing has changed. */
void vioapic_save(struct vioapic *io, struct hvm_hw_vioapic *hw);
int __must_check vioapic_load(struct vioapic *io, const struct hvm_hw_vioapic *hw, u64 lines);

#endif
