/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The guest's I/O APIC (82093AA datasheet, chapter 3).
 *
 *   edge:   a line goes up, unmasked          -> one message; a masked edge is forgotten
 *   level:  line up, unmasked, no remote IRR  -> message; accepted: remote IRR
 *           EOI of its vector                 -> remote IRR cleared, and the question asked again
 */
#include "hv/vioapic.h"

#include "hv/errno.h"

#define REG_SELECT        0x00
#define REG_WINDOW        0x10
#define REG_EOI           0x40

#define INDEX_ID          0
#define INDEX_VERSION     1
#define INDEX_ARBITRATION 2
#define INDEX_TABLE       0x10

#define ID_BITS           0x0f000000u

/* Of the low half of an entry, software writes all but delivery status and remote IRR. */
#define LOW_WRITABLE  0x0001afffu
#define LOW_READONLY  0x00005000u
#define HIGH_WRITABLE 0xff000000u

typedef union vioapic_redir_entry entry_t;
_Static_assert(sizeof(entry_t) == 8, "a redirection entry has 64 bits");

/* Only fixed and lowest-priority interrupts know levels; the other modes are edges whatever is
 * programmed (82093AA 3.2.4, delivery mode). */
static bool is_level(const entry_t *e)
{
    return e->fields.trig_mode && e->fields.delivery_mode <= APIC_LOWEST;
}

static int send(struct vioapic *io, entry_t *e)
{
    struct apic_msg msg = {
        .dest = e->fields.dest_id == 0xff ? APIC_BROADCAST : e->fields.dest_id,
        .vector = e->fields.vector,
        .mode = e->fields.delivery_mode,
        .logical = e->fields.dest_mode,
        .level = is_level(e),
    };
    int result = apic_bus_send(io->bus, NULL, &msg);

    if (is_level(e))
        e->fields.remote_irr = result >= 0;
    return result;
}

/* Sends if a pin has something to say that is not just an edge. A level whose message nobody
 * accepted asks again when its line or its entry changes. ExtINT counts as a level here: INTR of an
 * 8259 that was high before its pin was unmasked would never rise again. */
static int sample(struct vioapic *io, unsigned int pin)
{
    entry_t *e = &io->hw.redirtbl[pin];

    if (e->fields.mask || e->fields.remote_irr || !(io->lines >> pin & 1))
        return -ENODEV;
    return is_level(e) || e->fields.delivery_mode == APIC_EXTINT ? send(io, e) : -ENODEV;
}

static int line_changed(struct vioapic *io, unsigned int pin, bool level)
{
    entry_t *e = &io->hw.redirtbl[pin];
    u64 bit = 1ull << pin;

    if (level == !!(io->lines & bit))
        return -ENODEV;
    io->lines ^= bit;
    if (!level)
        return -ENODEV;
    if (is_level(e))
        return e->fields.remote_irr && !e->fields.mask ? 0 : sample(io, pin);
    return e->fields.mask ? -ENODEV : send(io, e);
}

int vioapic_set_line(struct vioapic *io, unsigned int pin, bool level)
{
    int result;

    if (pin >= io->pins)
        return -ENODEV;
    spin_lock(&io->lock);
    result = line_changed(io, pin, level);
    spin_unlock(&io->lock);
    return result;
}

static void end_vector(struct vioapic *io, u8 vector)
{
    for (unsigned int pin = 0; pin < io->pins; pin++) {
        entry_t *e = &io->hw.redirtbl[pin];

        if (e->fields.vector != vector || !e->fields.remote_irr)
            continue;
        e->fields.remote_irr = 0;
        sample(io, pin);
    }
}

void vioapic_eoi(struct vioapic *io, u8 vector)
{
    spin_lock(&io->lock);
    end_vector(io, vector);
    spin_unlock(&io->lock);
}

static u32 read_window(const struct vioapic *io)
{
    u32 index = io->hw.ioregsel, pin = (index - INDEX_TABLE) / 2;

    switch (index) {
    case INDEX_ID:
    case INDEX_ARBITRATION: /* loaded from the id, and no serial bus to arbitrate on */
        return io->hw.id << 24 & ID_BITS;
    case INDEX_VERSION:
        return io->version | (io->pins - 1u) << 16;
    }
    if (index < INDEX_TABLE || pin >= io->pins)
        return 0;
    return (u32)(io->hw.redirtbl[pin].bits >> (index & 1 ? 32 : 0));
}

/* Switching an entry to edge clears remote IRR: with version 0x11, how systems end an interrupt
 * whose EOI message did not come through. */
static void write_low(struct vioapic *io, unsigned int pin, u32 value)
{
    entry_t *e = &io->hw.redirtbl[pin];

    e->bits &= ~(u64)LOW_WRITABLE;
    e->bits |= value & LOW_WRITABLE;
    if (!is_level(e))
        e->fields.remote_irr = 0;
    sample(io, pin);
}

static void write_window(struct vioapic *io, u32 value)
{
    u32 index = io->hw.ioregsel, pin = (index - INDEX_TABLE) / 2;

    if (index == INDEX_ID)
        io->hw.id = (value & ID_BITS) >> 24;
    if (index < INDEX_TABLE || pin >= io->pins)
        return;
    if (index & 1) {
        io->hw.redirtbl[pin].fields.dest_id = (u8)(value >> 24);
        sample(io, pin);
    } else {
        write_low(io, pin, value);
    }
}

u32 vioapic_mmio_read(struct vioapic *io, u32 offset)
{
    u32 value = 0;

    spin_lock(&io->lock);
    if (offset == REG_SELECT)
        value = io->hw.ioregsel;
    else if (offset == REG_WINDOW)
        value = read_window(io);
    spin_unlock(&io->lock);
    return value;
}

void vioapic_mmio_write(struct vioapic *io, u32 offset, u32 value)
{
    spin_lock(&io->lock);
    if (offset == REG_SELECT)
        io->hw.ioregsel = value & 0xff;
    else if (offset == REG_WINDOW)
        write_window(io, value);
    else if (offset == REG_EOI && io->version >= 0x20)
        end_vector(io, (u8)value);
    spin_unlock(&io->lock);
}

void vioapic_init(struct vioapic *io, u8 id, u8 pins, u8 version, struct apic_bus *bus)
{
    *io = (struct vioapic){
        .lock = SPINLOCK_INIT,
        .version = version,
        .pins = pins,
        .hw = {.base_address = VIOAPIC_DEFAULT_BASE, .id = id & 0xf},
        .bus = bus,
    };
    for (unsigned int pin = 0; pin < pins; pin++)
        io->hw.redirtbl[pin].fields.mask = 1;
}

void vioapic_save(struct vioapic *io, struct hvm_hw_vioapic *hw)
{
    spin_lock(&io->lock);
    *hw = io->hw;
    spin_unlock(&io->lock);
}

static bool loadable(const struct vioapic *io, const struct hvm_hw_vioapic *hw)
{
    u64 known = (u64)HIGH_WRITABLE << 32 | LOW_WRITABLE | LOW_READONLY;

    if (hw->base_address != VIOAPIC_DEFAULT_BASE || hw->ioregsel > 0xff || hw->id > 0xf)
        return false;
    for (unsigned int pin = 0; pin < io->pins; pin++) {
        const entry_t *e = &hw->redirtbl[pin];

        if (e->bits & ~known || (e->fields.remote_irr && !is_level(e)))
            return false;
    }
    return true;
}

/* A level interrupt that came while the guest was on its way is found by sampling; an edge is not.
 */
int vioapic_load(struct vioapic *io, const struct hvm_hw_vioapic *hw, u64 lines)
{
    if (!loadable(io, hw))
        return -EINVAL;
    spin_lock(&io->lock);
    io->hw = *hw;
    io->lines = lines & ((1ull << io->pins) - 1);
    for (unsigned int pin = 0; pin < io->pins; pin++)
        sample(io, pin);
    spin_unlock(&io->lock);
    return 0;
}
