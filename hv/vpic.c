/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The guest's two 8259As ("8259A programmable interrupt controller", Intel 1988; ELCR:
 * 82371SB 2.5.4).
 *
 * IRR of an edge-triggered input holds the edge until it is acknowledged, even if the line falls
 * before, as in QEMU and KVM: device models pulse lines. The chip would deliver a spurious IRQ 7
 * instead; here that happens when a level-triggered line falls, or a request is masked, between
 * INTR and INTA. IRR of a level-triggered input is the line. As in every PC since EISA, ELCR
 * chooses, and ICW1's LTIM does nothing.
 */
#include "hv/vpic.h"

#include "hv/errno.h"

#define CASCADE 2
#define NONE    8 /* no request: also the level of lowest priority plus one */

/* IRQ 0, 1, 2, 8 and 13 are always edge-triggered. */
static const u8 elcr_bits[2] = {0xf8, 0xde};

/* hvm_hw_vpic.init_state: the next ICW less one, and what ICW1 said. 0: not in initialization. */
#define INIT_ICW4  (1 << 2)
#define INIT_SNGL  (1 << 3)

#define ICW1_IC4   (1 << 0)
#define ICW1_SNGL  (1 << 1)
#define ICW1       (1 << 4)
#define ICW4_AEOI  (1 << 1)
#define ICW4_SFNM  (1 << 4)
#define OCW3       (1 << 3)
#define OCW3_RIS   (1 << 0)
#define OCW3_RR    (1 << 1)
#define OCW3_POLL  (1 << 2)
#define OCW3_SMM   (1 << 5)
#define OCW3_ESMM  (1 << 6)
#define POLL_FOUND (1 << 7)

typedef struct hvm_hw_vpic chip_t;

/* --- one chip --- */

/* How far below the top priority the highest of these inputs is, NONE if there are none. */
static unsigned int rank(const chip_t *c, u8 inputs)
{
    unsigned int turned = (inputs | inputs << 8) >> c->priority_add & 0xff;

    return turned ? (unsigned int)__builtin_ctz(turned) : NONE;
}

static unsigned int input_of(const chip_t *c, unsigned int rank)
{
    return (rank + c->priority_add) & 7;
}

/* The input to be served now, or NONE. In special mask mode a masked input in service holds back
 * nobody; in special fully nested mode the slave in service does not hold back the slave. */
static unsigned int request(const chip_t *c)
{
    unsigned int best = rank(c, c->irr & ~c->imr);
    u8 in_service = c->isr;

    if (best == NONE || c->init_state)
        return NONE;
    if (c->special_mask_mode)
        in_service &= ~c->imr;
    if (c->is_master && c->special_fully_nested_mode && input_of(c, best) == CASCADE)
        in_service &= ~(1 << CASCADE);
    return best < rank(c, in_service) ? input_of(c, best) : NONE;
}

/* The lowest priority goes to `input`, the highest to its neighbour. */
static void rotate(chip_t *c, unsigned int input)
{
    c->priority_add = (input + 1) & 7;
}

/* The chip's part in an INTA cycle or a poll. Returns the input, 7 if the request is gone. */
static unsigned int accept(chip_t *c)
{
    unsigned int input = request(c);

    if (input == NONE)
        return 7;
    c->irr &= ~(1 << input) | c->elcr;
    if (!c->auto_eoi)
        c->isr |= 1 << input;
    else if (c->rotate_on_auto_eoi)
        rotate(c, input);
    return input;
}

static void set_input(chip_t *c, u8 *lines, unsigned int input, bool level)
{
    u8 bit = 1 << input, before = *lines;

    *lines = level ? before | bit : before & ~bit;
    if (c->elcr & bit)
        c->irr = (c->irr & ~bit) | (*lines & bit);
    else if (level && !(before & bit))
        c->irr |= bit;
}

/* --- the pair --- */

/* The slave's output is the master's IR2, the master's is INTR. Under the lock, after any change.
 */
static void update(struct vpic *pic)
{
    chip_t *master = &pic->chip[0], *slave = &pic->chip[1];
    bool out;

    slave->int_output = request(slave) != NONE;
    set_input(master, &pic->lines[0], CASCADE, slave->int_output);
    out = request(master) != NONE;
    if (out == master->int_output)
        return;
    master->int_output = out;
    pic->intr(pic, out);
}

/* The output falls during the acknowledge cycle and rises again if there is more: edge-triggered
 * listeners (the master's IR2, the I/O APIC's pin 0) need to see it. */
static void drop_output(struct vpic *pic, chip_t *c)
{
    if (c->is_master && c->int_output)
        pic->intr(pic, false);
    if (!c->is_master) {
        set_input(&pic->chip[0], &pic->lines[0], CASCADE, false);
        pic->chip[0].irr &= ~(1 << CASCADE); /* a polled slave has been served */
    }
    c->int_output = 0;
}

/* A slave whose request is gone has left its edge in the master: that is how IRQ 15 gets its
 * spurious ones. */
u8 vpic_ack(struct vpic *pic)
{
    chip_t *c = &pic->chip[0];
    unsigned int input;

    spin_lock(&pic->lock);
    drop_output(pic, c);
    input = accept(c);
    if (input == CASCADE) {
        c = &pic->chip[1];
        drop_output(pic, c);
        input = accept(c);
    }
    update(pic);
    spin_unlock(&pic->lock);
    return (u8)(c->irq_base + input);
}

void vpic_set_line(struct vpic *pic, unsigned int irq, bool level)
{
    unsigned int n = irq / 8;

    if (irq > 15 || irq == CASCADE)
        return;
    spin_lock(&pic->lock);
    set_input(&pic->chip[n], &pic->lines[n], irq % 8, level);
    update(pic);
    spin_unlock(&pic->lock);
}

/* --- what software writes and reads --- */

/* ICW1 forgets edges: an edge-triggered input must rise again. Without ICW4 all its functions are
 * off. */
static void write_icw1(chip_t *c, u8 value)
{
    c->irr &= c->elcr;
    c->imr = 0;
    c->isr = 0;
    c->priority_add = 0;
    c->special_mask_mode = 0;
    c->readsel_isr = 0;
    c->poll = 0;
    c->auto_eoi = 0;
    c->rotate_on_auto_eoi = 0;
    c->special_fully_nested_mode = 0;
    c->init_state = 1 | (value & ICW1_IC4 ? INIT_ICW4 : 0) | (value & ICW1_SNGL ? INIT_SNGL : 0);
}

static void next_icw(chip_t *c, unsigned int done)
{
    unsigned int next = done + 1;

    if (next == 3 && c->init_state & INIT_SNGL)
        next = 4;
    if (next > 4 || (next == 4 && !(c->init_state & INIT_ICW4)))
        c->init_state = 0;
    else
        c->init_state = (c->init_state & (INIT_ICW4 | INIT_SNGL)) | (next - 1);
}

/* At A0 = 1: ICW2 to ICW4 in turn, then OCW1. ICW3 says how the chips are wired, and a PC's are not
 * otherwise. */
static void write_data(chip_t *c, u8 value)
{
    unsigned int icw = (c->init_state & 3) + 1;

    switch (c->init_state ? icw : 1) {
    case 1:
        c->imr = value;
        return;
    case 2:
        c->irq_base = value & 0xf8;
        break;
    case 4:
        c->auto_eoi = !!(value & ICW4_AEOI);
        c->special_fully_nested_mode = !!(value & ICW4_SFNM);
        break;
    }
    next_icw(c, icw);
}

/* A non-specific EOI ends the input of highest priority in service; special mask mode hides the
 * masked. */
static unsigned int highest_in_service(const chip_t *c)
{
    unsigned int top = rank(c, c->special_mask_mode ? c->isr & ~c->imr : c->isr);

    return top == NONE ? NONE : input_of(c, top);
}

/* Bits 7-5 are rotate, specific, end of interrupt (table in "OCW2"); 010 does nothing. */
static void write_ocw2(chip_t *c, u8 value)
{
    bool turn = value >> 7, specific = value >> 6 & 1, eoi = value >> 5 & 1;
    unsigned int input = specific ? value & 7 : highest_in_service(c);

    if (!specific && !eoi) {
        c->rotate_on_auto_eoi = turn;
        return;
    }
    if (input == NONE)
        return;
    if (eoi)
        c->isr &= ~(1 << input);
    if (turn)
        rotate(c, input);
}

static void write_ocw3(chip_t *c, u8 value)
{
    if (value & OCW3_ESMM)
        c->special_mask_mode = !!(value & OCW3_SMM);
    if (value & OCW3_RR)
        c->readsel_isr = value & OCW3_RIS;
    c->poll = !!(value & OCW3_POLL);
}

static void write_command(chip_t *c, u8 value)
{
    if (value & ICW1)
        write_icw1(c, value);
    else if (value & OCW3)
        write_ocw3(c, value);
    else
        write_ocw2(c, value);
}

/* The read that follows a poll command is its acknowledge. */
static u8 poll(struct vpic *pic, chip_t *c)
{
    bool found = request(c) != NONE;

    c->poll = 0;
    if (!found)
        return 0;
    drop_output(pic, c);
    return (u8)(POLL_FOUND | accept(c));
}

/* Inputs that change to level follow the line from now on, those that change to edge forget it. */
static void write_elcr(struct vpic *pic, unsigned int n, u8 value)
{
    chip_t *c = &pic->chip[n];
    u8 changed;

    value &= elcr_bits[n];
    changed = c->elcr ^ value;
    c->elcr = value;
    c->irr = (c->irr & ~changed) | (pic->lines[n] & changed & value);
}

static u8 read_chip(struct vpic *pic, chip_t *c, bool data)
{
    if (c->poll)
        return poll(pic, c);
    if (data)
        return c->imr;
    return c->readsel_isr ? c->isr : c->irr;
}

u8 vpic_read(struct vpic *pic, u16 port)
{
    u8 value = 0xff;

    spin_lock(&pic->lock);
    switch (port) {
    case 0x20 ... 0x21:
    case 0xa0 ... 0xa1:
        value = read_chip(pic, &pic->chip[port >> 7], port & 1);
        update(pic);
        break;
    case 0x4d0 ... 0x4d1:
        value = pic->chip[port & 1].elcr;
        break;
    }
    spin_unlock(&pic->lock);
    return value;
}

void vpic_write(struct vpic *pic, u16 port, u8 value)
{
    spin_lock(&pic->lock);
    switch (port) {
    case 0x20:
    case 0xa0:
        write_command(&pic->chip[port >> 7], value);
        break;
    case 0x21:
    case 0xa1:
        write_data(&pic->chip[port >> 7], value);
        break;
    case 0x4d0 ... 0x4d1:
        write_elcr(pic, port & 1, value);
        break;
    }
    update(pic);
    spin_unlock(&pic->lock);
}

/* --- power-up, save and load --- */

void vpic_init(struct vpic *pic, void (*intr)(struct vpic *pic, bool level))
{
    *pic = (struct vpic){.lock = SPINLOCK_INIT, .chip = {{.is_master = 1}}, .intr = intr};
}

void vpic_save(struct vpic *pic, struct hvm_hw_vpic chip[2])
{
    spin_lock(&pic->lock);
    chip[0] = pic->chip[0];
    chip[1] = pic->chip[1];
    spin_unlock(&pic->lock);
}

static bool loadable(const chip_t *c, unsigned int n)
{
    unsigned int icw = (c->init_state & 3) + 1;

    if (c->is_master != (n == 0) || c->priority_add > 7 || c->irq_base & 7 ||
        c->elcr & ~elcr_bits[n])
        return false;
    return !c->init_state || icw == 2 || (icw == 3 && !(c->init_state & INIT_SNGL)) ||
           (icw == 4 && c->init_state & INIT_ICW4);
}

/* Requests of level-triggered inputs, and the outputs, are computed anew from the lines. */
int vpic_load(struct vpic *pic, const struct hvm_hw_vpic chip[2], u16 lines)
{
    if (!loadable(&chip[0], 0) || !loadable(&chip[1], 1))
        return -EINVAL;
    spin_lock(&pic->lock);
    drop_output(pic, &pic->chip[0]);
    lines = (lines & ~(1 << CASCADE)) | !!chip[1].int_output << CASCADE;
    for (unsigned int n = 0; n < 2; n++) {
        chip_t *c = &pic->chip[n];

        *c = chip[n];
        pic->lines[n] = (u8)(lines >> 8 * n);
        c->irr = (c->irr & ~c->elcr) | (pic->lines[n] & c->elcr);
        c->int_output = 0;
    }
    update(pic);
    spin_unlock(&pic->lock);
    return 0;
}
