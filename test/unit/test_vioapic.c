/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The I/O APIC judged by the 82093AA datasheet (chapter 3), with real local APICs on the bus: what
 * a pin says must arrive there, and their EOI goes back as hv/ will wire it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "hv/errno.h"
#include "hv/vioapic.h"
#include "random.h"

#define CPUS  4
#define PINS  24

#define MASK  (1u << 16)
#define LEVEL (1u << 15)
#define RIRR  (1u << 14)
#define LOGIC (1u << 11)
#define LOW   (1u << 8) /* lowest priority */

static struct {
    struct vlapic v;
    u32 page[1024];
    unsigned int nmis, inits;
} cpus[CPUS];
static struct vlapic *slots[CPUS];
static struct apic_bus bus;
static struct vioapic io;

static u64 op_now(struct vlapic *v)
{
    (void)v;
    return 1;
}
static void op_set_timer(struct vlapic *v, u64 deadline)
{
    (void)v;
    (void)deadline;
}
static void op_kick(struct vlapic *v)
{
    assert_non_null(v);
}
static void op_nmi(struct vlapic *v)
{
    cpus[v->id].nmis++;
}
static void op_init(struct vlapic *v)
{
    cpus[v->id].inits++;
}
static void op_eoi(struct vlapic *v, u8 vector, bool broadcast)
{
    (void)v;
    if (broadcast)
        vioapic_eoi(&io, vector);
}
static const struct vlapic_ops ops = {
    .now = op_now,
    .set_timer = op_set_timer,
    .kick = op_kick,
    .nmi = op_nmi,
    .init = op_init,
    .eoi = op_eoi,
};

static void start(u8 pins, u8 version)
{
    memset(cpus, 0, sizeof(cpus));
    apic_bus_init(&bus, slots);
    for (u32 i = 0; i < CPUS; i++) {
        struct vlapic_config config = {
            .id = i, .features = VLAPIC_NO_EOI_BC, .phys_bits = 40, .bus = &bus, .ops = &ops};

        vlapic_init(&cpus[i].v, cpus[i].page, &config);
        vlapic_mmio_write(&cpus[i].v, APIC_SVR * 16, 4, 0x1ff);
        vlapic_mmio_write(&cpus[i].v, APIC_LDR * 16, 4, 1u << (24 + i));
    }
    vioapic_init(&io, 5, pins, version, &bus);
}

static u32 rd(u32 index)
{
    vioapic_mmio_write(&io, 0, index);
    return vioapic_mmio_read(&io, 0x10);
}
static void wr(u32 index, u32 value)
{
    vioapic_mmio_write(&io, 0, index);
    vioapic_mmio_write(&io, 0x10, value);
}
static void route(unsigned int pin, u32 low, u32 dest)
{
    wr(0x11 + 2 * pin, dest << 24);
    wr(0x10 + 2 * pin, low);
}
static u8 take(unsigned int cpu)
{
    u8 vector = vlapic_pending(&cpus[cpu].v);

    if (vector)
        vlapic_ack(&cpus[cpu].v, vector);
    return vector;
}
static void end(unsigned int cpu)
{
    vlapic_mmio_write(&cpus[cpu].v, APIC_EOI * 16, 4, 0);
}
static bool remote_irr(unsigned int pin)
{
    return rd(0x10 + 2 * pin) & RIRR;
}

/* --- registers --- */

static void test_reset(void **state)
{
    (void)state;
    start(PINS, 0x11);
    assert_int_equal(vioapic_mmio_read(&io, 0), 0);
    assert_int_equal(rd(0), 5u << 24);
    assert_int_equal(rd(1), 0x00170011);
    assert_int_equal(rd(2), 5u << 24);
    for (u32 i = 0; i < PINS; i++) {
        assert_int_equal(rd(0x10 + 2 * i), MASK);
        assert_int_equal(rd(0x11 + 2 * i), 0);
    }
    start(48, 0x20);
    assert_int_equal(rd(1), 0x002f0020);
    assert_int_equal(rd(0x10 + 2 * 47), MASK);
    start(1, 0x20);
    assert_int_equal(rd(1), 0x00000020);
    assert_int_equal(rd(0x12), 0);
}

static void test_registers(void **state)
{
    (void)state;
    start(PINS, 0x11);
    vioapic_mmio_write(&io, 0, 0x12345621);
    assert_int_equal(vioapic_mmio_read(&io, 0), 0x21);
    wr(0, 0xffffffff);
    assert_int_equal(rd(0), 0x0f000000);
    assert_int_equal(rd(2), 0x0f000000); /* arbitration id: loaded with the id */
    wr(1, 0);
    wr(2, 0);
    assert_int_equal(rd(1), 0x00170011);
    assert_int_equal(rd(2), 0x0f000000);
    for (u32 i = 0; i < PINS; i++) {
        wr(0x11 + 2 * i, 0xffffffff);
        assert_int_equal(rd(0x11 + 2 * i), 0xff000000);
        wr(0x10 + 2 * i, 0xffffffff);
        assert_int_equal(rd(0x10 + 2 * i), 0x0001afff); /* not delivery status, not remote IRR */
    }
    for (u32 index = 3; index < 256; index++) {
        if (index >= 0x10 && index < 0x10 + 2 * PINS)
            continue;
        wr(index, 0xffffffff);
        assert_int_equal(rd(index), 0);
    }
    assert_int_equal(rd(0x10 + 2 * PINS - 1), 0xff000000);
    for (u32 off = 1; off < 0x1000; off++) { /* nothing between the registers */
        if (off == 0x10)
            continue;
        vioapic_mmio_write(&io, off, 0);
        assert_int_equal(vioapic_mmio_read(&io, off), 0);
    }
    assert_int_equal(vioapic_mmio_read(&io, 0x10), 0xff000000);
}

/* --- edges --- */

static void test_edge(void **state)
{
    (void)state;
    start(PINS, 0x11);
    route(4, 0x34, 1);
    assert_int_equal(vioapic_set_line(&io, 4, true), 1);
    assert_int_equal(take(1), 0x34);
    end(1);
    assert_int_equal(vioapic_set_line(&io, 4, true), -ENODEV); /* still up: no edge */
    assert_int_equal(take(1), 0);
    vioapic_set_line(&io, 4, false);
    assert_int_equal(take(1), 0);
    assert_int_equal(vioapic_set_line(&io, 4, true), 1);
    vioapic_set_line(&io, 4, false);
    assert_int_equal(vioapic_set_line(&io, 4, true), 0); /* merged in IRR */
    assert_int_equal(take(1), 0x34);
    assert_false(remote_irr(4));
    end(1);
    assert_int_equal(take(1), 0);
    for (unsigned int i = 0; i < CPUS; i++)
        assert_int_equal(take(i), 0);
}

/* 3.2.4: an edge on a masked pin is ignored, neither delivered nor held. */
static void test_edge_masked(void **state)
{
    (void)state;
    start(PINS, 0x11);
    route(4, 0x34 | MASK, 1);
    assert_int_equal(vioapic_set_line(&io, 4, true), -ENODEV);
    route(4, 0x34, 1);
    assert_int_equal(take(1), 0);
    vioapic_set_line(&io, 4, false);
    vioapic_set_line(&io, 4, true);
    assert_int_equal(take(1), 0x34);
}

static void test_no_such_pin(void **state)
{
    (void)state;
    start(PINS, 0x11);
    route(23, 0x50, 0);
    assert_int_equal(vioapic_set_line(&io, 24, true), -ENODEV);
    assert_int_equal(vioapic_set_line(&io, 64 + 23, true), -ENODEV);
    assert_int_equal(vioapic_set_line(&io, ~0u, true), -ENODEV);
    assert_int_equal(take(0), 0);
    assert_int_equal(io.lines, 0);
    assert_int_equal(vioapic_set_line(&io, 23, true), 1);
    assert_int_equal(take(0), 0x50);
}

/* --- levels --- */

static void test_level(void **state)
{
    (void)state;
    start(PINS, 0x11);
    route(10, 0x71 | LEVEL, 2);
    assert_int_equal(vioapic_set_line(&io, 10, true), 1);
    assert_true(remote_irr(10));
    assert_int_equal(take(2), 0x71);
    vioapic_set_line(&io, 10, false);
    assert_int_equal(vioapic_set_line(&io, 10, true), 0); /* not before its EOI */
    assert_int_equal(take(2), 0);
    end(2); /* still asserted: again */
    assert_true(remote_irr(10));
    assert_int_equal(take(2), 0x71);
    vioapic_set_line(&io, 10, false);
    assert_true(remote_irr(10));
    end(2);
    assert_false(remote_irr(10));
    assert_int_equal(take(2), 0);
}

static void test_level_masked(void **state)
{
    (void)state;
    start(PINS, 0x11);
    route(10, 0x71 | LEVEL | MASK, 2);
    assert_int_equal(vioapic_set_line(&io, 10, true), -ENODEV);
    assert_false(remote_irr(10));
    route(10, 0x71 | LEVEL, 2); /* a level is found when unmasked */
    assert_int_equal(take(2), 0x71);
    route(10, 0x71 | LEVEL | MASK, 2);
    assert_true(remote_irr(10)); /* masking does not end it */
    end(2);
    assert_false(remote_irr(10));
    assert_int_equal(take(2), 0);
    route(10, 0x71 | LEVEL, 2);
    assert_int_equal(take(2), 0x71);
}

/* Two pins with one vector end together; an EOI of another vector ends neither. */
static void test_level_shared_vector(void **state)
{
    (void)state;
    start(PINS, 0x11);
    route(10, 0x71 | LEVEL, 2);
    route(11, 0x71 | LEVEL, 2);
    vioapic_set_line(&io, 10, true);
    vioapic_set_line(&io, 11, true);
    vioapic_eoi(&io, 0x70);
    assert_true(remote_irr(10) && remote_irr(11));
    vioapic_set_line(&io, 10, false);
    assert_int_equal(take(2), 0x71);
    end(2);
    assert_false(remote_irr(10));
    assert_true(remote_irr(11));
    assert_int_equal(take(2), 0x71);
}

/* Not accepted, no remote IRR: the pin speaks again when somebody could listen. */
static void test_level_unaccepted(void **state)
{
    (void)state;
    start(PINS, 0x11);
    route(10, 0x71 | LEVEL, 9);
    assert_int_equal(vioapic_set_line(&io, 10, true), -ENODEV);
    assert_false(remote_irr(10));
    wr(0x11 + 2 * 10, 3u << 24);
    assert_true(remote_irr(10));
    assert_int_equal(take(3), 0x71);
}

/* Systems without an EOI register end a level interrupt by making its pin an edge for a moment. */
static void test_level_to_edge(void **state)
{
    (void)state;
    start(PINS, 0x11);
    route(10, 0x71 | LEVEL, 2);
    vioapic_set_line(&io, 10, true);
    assert_int_equal(take(2), 0x71);
    vlapic_mmio_write(&cpus[2].v, APIC_SVR * 16, 4, 0x11ff); /* broadcast suppressed */
    end(2);
    assert_true(remote_irr(10));
    wr(0x10 + 2 * 10, 0x71 | MASK);
    assert_false(remote_irr(10));
    wr(0x10 + 2 * 10, 0x71 | LEVEL);
    assert_true(remote_irr(10));
    assert_int_equal(take(2), 0x71);
}

static void test_eoi_register(void **state)
{
    (void)state;
    start(PINS, 0x20);
    route(10, 0x71 | LEVEL, 2);
    vlapic_mmio_write(&cpus[2].v, APIC_SVR * 16, 4, 0x11ff);
    vioapic_set_line(&io, 10, true);
    assert_int_equal(take(2), 0x71);
    end(2);
    assert_true(remote_irr(10));
    vioapic_mmio_write(&io, 0x40, 0x72);
    vioapic_mmio_write(&io, 0x50, 0x71);
    assert_true(remote_irr(10));
    vioapic_set_line(&io, 10, false);
    vioapic_mmio_write(&io, 0x40, 0x71);
    assert_false(remote_irr(10));
    assert_int_equal(take(2), 0);
    start(PINS, 0x11); /* which has no such register */
    route(10, 0x71 | LEVEL, 2);
    vioapic_set_line(&io, 10, true);
    vioapic_mmio_write(&io, 0x40, 0x71);
    assert_true(remote_irr(10));
}

static void test_polarity_changes_nothing(void **state)
{
    (void)state;
    start(PINS, 0x11);
    route(10, 0x71 | LEVEL | 1u << 13, 2); /* active low: the line is told as asserted or not */
    assert_int_equal(take(2), 0);
    vioapic_set_line(&io, 10, true);
    assert_int_equal(take(2), 0x71);
    assert_int_equal(rd(0x10 + 2 * 10), 0x71 | LEVEL | RIRR | 1u << 13);
}

/* --- destinations and delivery modes --- */

static unsigned int receivers(u8 vector)
{
    unsigned int set = 0;

    for (unsigned int i = 0; i < CPUS; i++) {
        u8 taken = take(i);

        assert_true(!taken || taken == vector);
        set |= taken ? 1u << i : 0;
        end(i);
    }
    return set;
}

static unsigned int pulse(unsigned int pin, u8 vector)
{
    vioapic_set_line(&io, pin, true);
    vioapic_set_line(&io, pin, false);
    return receivers(vector);
}

static void test_destinations(void **state)
{
    unsigned int seen = 0;

    (void)state;
    start(PINS, 0x11);
    for (u32 i = 0; i < CPUS; i++) {
        route(1, 0x60, i);
        assert_int_equal(pulse(1, 0x60), 1u << i);
    }
    route(1, 0x60, 0xff);
    assert_int_equal(pulse(1, 0x60), 0xf);
    for (u32 set = 0; set < 16; set++) {
        route(1, 0x60 | LOGIC, set);
        assert_int_equal(pulse(1, 0x60), set);
    }
    route(1, 0x60 | LOGIC | LOW, 0xf);
    for (unsigned int i = 0; i < CPUS; i++) {
        unsigned int one = pulse(1, 0x60);

        assert_int_equal(__builtin_popcount(one), 1);
        seen |= one;
    }
    assert_int_equal(seen, 0xf);
    vlapic_set_tpr(&cpus[0].v, 0x20);
    vlapic_set_tpr(&cpus[1].v, 0x10);
    vlapic_set_tpr(&cpus[2].v, 0x30);
    route(1, 0x60 | LOGIC | LOW, 0x7);
    assert_int_equal(pulse(1, 0x60), 2);
    route(1, 0x60 | LOGIC | LOW | LEVEL, 0x7); /* lowest priority knows levels */
    vioapic_set_line(&io, 1, true);
    assert_true(remote_irr(1));
    assert_int_equal(take(1), 0x60);
    vioapic_set_line(&io, 1, false);
    end(1);
    assert_false(remote_irr(1));
}

static void test_delivery_modes(void **state)
{
    (void)state;
    start(PINS, 0x11);
    route(1, 0x400 | LEVEL, 1); /* NMI: an edge even if programmed as level */
    vioapic_set_line(&io, 1, true);
    assert_int_equal(cpus[1].nmis, 1);
    assert_false(remote_irr(1));
    route(1, 0x400 | LEVEL, 1);
    assert_int_equal(cpus[1].nmis, 1);
    vioapic_set_line(&io, 1, false);
    vioapic_set_line(&io, 1, true);
    assert_int_equal(cpus[1].nmis, 2);
    route(2, 0x500, 2);
    vioapic_set_line(&io, 2, true);
    assert_int_equal(cpus[2].inits, 1);
    route(3, 0x200, 2); /* SMI */
    route(4, 0x333, 2); /* reserved */
    assert_int_equal(vioapic_set_line(&io, 3, true), -ENODEV);
    assert_int_equal(vioapic_set_line(&io, 4, true), -ENODEV);
    route(5, 0x605, 2); /* reserved here: startup in ICR */
    assert_int_equal(vioapic_set_line(&io, 5, true), -ENODEV);
    assert_int_equal(receivers(0), 0);
    assert_int_equal(cpus[1].nmis, 2);
}

/* Pin 0 with an 8259 behind it: edges, and a request that was there before the pin was unmasked. */
static void test_extint(void **state)
{
    (void)state;
    start(PINS, 0x11);
    route(0, 0x700 | MASK, 0);
    vioapic_set_line(&io, 0, true);
    assert_false(vlapic_extint_pending(&cpus[0].v));
    route(0, 0x700, 0);
    assert_true(vlapic_extint_pending(&cpus[0].v));
    vlapic_extint_ack(&cpus[0].v);
    vioapic_set_line(&io, 0, false);
    assert_false(vlapic_extint_pending(&cpus[0].v));
    vioapic_set_line(&io, 0, true);
    assert_true(vlapic_extint_pending(&cpus[0].v));
    assert_false(remote_irr(0));
    assert_false(vlapic_extint_pending(&cpus[1].v));
}

static void test_illegal_vector(void **state)
{
    (void)state;
    start(PINS, 0x11);
    route(5, 0x0f | LEVEL, 0);
    vioapic_set_line(&io, 5, true);
    assert_false(remote_irr(5));
    assert_int_equal(take(0), 0);
    vlapic_mmio_write(&cpus[0].v, APIC_ESR * 16, 4, 0);
    assert_int_equal(vlapic_mmio_read(&cpus[0].v, APIC_ESR * 16), APIC_ERR_RECV_VECTOR);
}

/* --- save and load --- */

static void test_save_load(void **state)
{
    struct hvm_hw_vioapic hw;

    (void)state;
    start(PINS, 0x11);
    route(10, 0x71 | LEVEL, 2);
    route(11, 0x81 | LEVEL, 2);
    route(4, 0x34, 1);
    vioapic_set_line(&io, 10, true);
    assert_int_equal(take(2), 0x71);
    vioapic_save(&io, &hw);
    assert_int_equal(hw.base_address, 0xfec00000);
    assert_int_equal(hw.id, 5);
    assert_int_equal(hw.redirtbl[10].bits, 0x71 | LEVEL | RIRR | 2ull << 56);

    vioapic_init(&io, 0, PINS, 0x11, &bus);
    /* 10 is still served; 11 was asserted on the way; 4 was up before and is no new edge */
    assert_int_equal(vioapic_load(&io, &hw, 1u << 10 | 1u << 11 | 1u << 4), 0);
    assert_int_equal(take(1), 0);
    assert_int_equal(take(2), 0x81);
    end(2);
    assert_int_equal(take(2), 0x81);
    vioapic_set_line(&io, 11, false);
    end(2);
    end(2); /* 71 */
    assert_int_equal(take(2), 0x71);
    assert_int_equal(rd(0), 5u << 24);
}

static void test_load_refuses(void **state)
{
    struct hvm_hw_vioapic hw;

    (void)state;
    start(PINS, 0x11);
    vioapic_save(&io, &hw);
    hw.ioregsel = 0x100;
    assert_int_equal(vioapic_load(&io, &hw, 0), -EINVAL);
    hw.ioregsel = 0;
    hw.id = 0x10;
    assert_int_equal(vioapic_load(&io, &hw, 0), -EINVAL);
    hw.id = 3;
    hw.base_address = 0xfee00000;
    assert_int_equal(vioapic_load(&io, &hw, 0), -EINVAL);
    hw.base_address = 0xfec00000;
    for (unsigned int bit = 0; bit < 64; bit++) {
        bool good = bit <= 13 || bit == 15 || bit == 16 || bit >= 56;

        hw.redirtbl[23].bits = 1ull << bit; /* bit 14: remote IRR of an edge */
        assert_int_equal(vioapic_load(&io, &hw, 0), good ? 0 : -EINVAL);
    }
    hw.redirtbl[23].bits = LEVEL | RIRR;
    assert_int_equal(vioapic_load(&io, &hw, ~0ull), 0);
    assert_int_equal(io.lines, 0xffffff);
    /* pins beyond those it has do not count */
    hw.redirtbl[24].bits = ~0ull;
    assert_int_equal(vioapic_load(&io, &hw, 0), 0);
}

/* --- random --- */

/* Lines go up and down, masks and CPUs come and go. A level pin whose line stays up and unmasked is
 * served again and again; one whose line is down falls silent; an edge is delivered once, if
 * nothing merged it. */
static void test_random(void **state)
{
    unsigned int edges[PINS] = {0}, taken[PINS] = {0};

    (void)state;
    start(PINS, 0x11);
    for (unsigned int pin = 0; pin < PINS; pin++)
        route(pin, 0x30 + 8 * pin + (pin & 1 ? LEVEL : 0), pin % CPUS);
    for (unsigned int i = 0; i < 200000; i++) {
        unsigned int pin = (unsigned int)random_below(PINS), cpu = (unsigned int)random_below(CPUS);
        u32 low = rd(0x10 + 2 * pin);
        u8 vector;

        switch (random_below(4)) {
        case 0:
            if (vioapic_set_line(&io, pin, random_below(2)) == 1 && !(pin & 1))
                edges[pin]++;
            break;
        case 1:
            wr(0x10 + 2 * pin, random_below(8) ? low & ~MASK : low | MASK);
            break;
        default:
            vector = take(cpu);
            if (vector) {
                taken[(vector - 0x30) / 8]++;
                assert_int_equal((vector - 0x30) / 8 % CPUS, cpu);
            }
            if (random_below(2))
                end(cpu);
        }
        low = rd(0x10 + 2 * pin);
        if (low & LEVEL && !(low & MASK) && io.lines >> pin & 1)
            assert_true(low & RIRR); /* asserted and unmasked: always on its way */
    }
    for (unsigned int i = 0; i < 1000; i++) {
        end(i % CPUS);
        if (i == 500) {
            for (unsigned int pin = 0; pin < PINS; pin++)
                vioapic_set_line(&io, pin, false);
        }
        if (i > 400) {
            u8 vector = take(i % CPUS);

            if (vector)
                taken[(vector - 0x30) / 8]++;
        }
    }
    for (unsigned int pin = 0; pin < PINS; pin++) {
        assert_false(remote_irr(pin));
        if (!(pin & 1))
            assert_int_equal(edges[pin], taken[pin]);
        else
            assert_true(taken[pin] > 100);
    }
}

/* Whatever is written, no harm; what it holds, it can save and load. */
static void test_random_writes(void **state)
{
    struct hvm_hw_vioapic hw;

    (void)state;
    start(48, 0x20);
    for (unsigned int i = 0; i < 200000; i++) {
        u32 where[] = {0, 0x10, 0x40, (u32)random_below(0x1000)};

        vioapic_mmio_write(&io, where[random_below(4)], (u32)(random_u64() >> random_below(64)));
        vioapic_mmio_read(&io, where[random_below(4)]);
        vioapic_set_line(&io, (unsigned int)random_below(50), random_below(2));
        take((unsigned int)random_below(CPUS));
        end((unsigned int)random_below(CPUS));
        if (i % 16 == 0) {
            vioapic_save(&io, &hw);
            assert_int_equal(vioapic_load(&io, &hw, io.lines), 0);
        }
    }
}

static int seed(void **state)
{
    (void)state;
    random_init();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reset),
        cmocka_unit_test(test_registers),
        cmocka_unit_test(test_edge),
        cmocka_unit_test(test_edge_masked),
        cmocka_unit_test(test_no_such_pin),
        cmocka_unit_test(test_level),
        cmocka_unit_test(test_level_masked),
        cmocka_unit_test(test_level_shared_vector),
        cmocka_unit_test(test_level_unaccepted),
        cmocka_unit_test(test_level_to_edge),
        cmocka_unit_test(test_eoi_register),
        cmocka_unit_test(test_polarity_changes_nothing),
        cmocka_unit_test(test_destinations),
        cmocka_unit_test(test_delivery_modes),
        cmocka_unit_test(test_extint),
        cmocka_unit_test(test_illegal_vector),
        cmocka_unit_test(test_save_load),
        cmocka_unit_test(test_load_refuses),
        cmocka_unit_test(test_random),
        cmocka_unit_test(test_random_writes),
    };

    return cmocka_run_group_tests_name("vioapic", tests, seed, NULL);
}
