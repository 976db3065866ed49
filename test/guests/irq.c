/* SPDX-License-Identifier: BSD-2-Clause */
/* Lines of the dummy device through the 8259 pair and through the I/O APIC. On bare machines only
 * what needs no device: registers. */
#include "lapic.h"

#define LINE_PORT 0x614
#define MSI_PORT  0x618
#define IOAPIC    0xfec00000ul
#define MASTER    0x30
#define SLAVE     0x38

static void line(unsigned number, bool level)
{
    out32(LINE_PORT, number | (u32)level << 8);
}

static u32 ioapic_read(u32 reg)
{
    *(volatile u32 *)IOAPIC = reg;
    return *(volatile u32 *)(IOAPIC + 0x10);
}

static void ioapic_write(u32 reg, u32 value)
{
    *(volatile u32 *)IOAPIC = reg;
    *(volatile u32 *)(IOAPIC + 0x10) = value;
}

static void route(unsigned pin, u32 low)
{
    ioapic_write(0x11 + 2 * pin, lapic_id() << 24);
    ioapic_write(0x10 + 2 * pin, low);
}

#define LEVEL  0x8000u
#define RIRR   0x4000u
#define MASKED 0x10000u

static void check_ioapic_registers(void)
{
    u32 version = ioapic_read(1);

    check_within("ioapic-pins", version >> 16 & 0xff, 23, 119);
    ioapic_write(0x10 + 2 * 5, MASKED | 0x77);
    check("ioapic-entry", ioapic_read(0x10 + 2 * 5), MASKED | 0x77);
    ioapic_write(0x11 + 2 * 5, 0x5a000000);
    check("ioapic-destination", ioapic_read(0x11 + 2 * 5), 0x5a000000);
}

static bool came(unsigned vector, u32 count)
{
    bool yes;

    sti();
    yes = WAIT_FOR(interrupts[vector] == count, 200000000);
    cli();
    return yes;
}

static void settle(void)
{
    sti();
    delay(200000);
    cli();
}

static void check_ioapic_edge(void)
{
    count_interrupts(0x51);
    route(5, 0x51);
    line(5, true);
    check("edge", came(0x51, 1), 1);
    settle();
    check("edge-once", interrupts[0x51], 1);
    line(5, false);
    route(5, MASKED | 0x51);
    line(5, true);
    line(5, false);
    settle();
    check("edge-masked", interrupts[0x51], 1);
    route(5, 0x51);
    line(5, true);
    line(5, false);
    check("edge-after-unmask", came(0x51, 2), 1);
}

static volatile u32 level_count, rirr_in_service;

static void on_level(struct frame *f)
{
    (void)f;
    level_count++;
    rirr_in_service = ioapic_read(0x10 + 2 * 10) & RIRR;
    if (level_count == 3)
        line(10, false);
    lapic_eoi();
}

static void check_ioapic_level(void)
{
    set_handler(0x52, on_level);
    route(10, LEVEL | 0x52);
    line(10, true);
    sti();
    check("level-until-lowered", WAIT_FOR(level_count == 3, 400000000), 1);
    cli();
    settle();
    check("level-then-silent", level_count, 3);
    check("level-remote-irr-in-service", rirr_in_service, RIRR);
    check("level-remote-irr-after-eoi", ioapic_read(0x10 + 2 * 10) & RIRR, 0);
    level_count = 2;
    route(10, LEVEL | MASKED | 0x52);
    line(10, true);
    settle();
    check("level-masked", level_count, 2);
    route(10, LEVEL | 0x52);
    sti();
    check("level-unmasked", WAIT_FOR(level_count == 3, 400000000), 1);
    cli();
    route(10, MASKED);
}

static void check_msi(void)
{
    count_interrupts(0x53);
    out32(MSI_PORT, lapic_id() << 24 | 0x53);
    check("msi", came(0x53, 1), 1);
}

static void init_pic(void)
{
    static const u8 words[][4] = {{0x11, MASTER, 4, 1}, {0x11, SLAVE, 2, 1}};

    for (unsigned chip = 0; chip < 2; chip++) {
        u16 port = chip ? 0xa0 : 0x20;

        out8(port, words[chip][0]);
        for (unsigned i = 1; i < 4; i++)
            out8(port + 1, words[chip][i]);
        out8(port + 1, 0xff);
    }
}

static volatile u32 pic_count[16], pic_isr;

static void on_pic(struct frame *f)
{
    unsigned irq = (unsigned)f->vector - MASTER;

    pic_count[irq]++;
    out8(0x20, 0x0b);
    pic_isr = in8(0x20);
    if (irq >= 8)
        out8(0xa0, 0x20);
    out8(0x20, 0x20);
}

static void check_pic(void)
{
    for (unsigned i = 0; i < 16; i++)
        set_handler(MASTER + i, on_pic);
    init_pic();
    check("pic-mask-reads-back", in8(0x21) | in8(0xa1) << 8, 0xffff);
    lapic_write(APIC_LVT_LINT0, 0x700); /* ExtINT */
    out8(0x21, 0xff & ~(1 << 3 | 1 << 2));
    out8(0xa1, 0xff & ~(1 << 4));
    line(3, true);
    line(3, false);
    line(3, true);
    sti();
    check("pic-master", WAIT_FOR(pic_count[3] == 1, 400000000), 1);
    cli();
    check("pic-in-service", pic_isr, 1 << 3);
    line(3, false);
    line(12, true);
    sti();
    check("pic-slave", WAIT_FOR(pic_count[12] == 1, 400000000), 1);
    cli();
    line(12, false);
    check("pic-cascade-in-service", pic_isr, 1 << 2);
    out8(0x21, 0xff);
    line(3, true);
    settle();
    check("pic-masked", pic_count[3], 1);
    out8(0x20, 0x0a);
    check("pic-irr", in8(0x20) & 8, 8);
    out8(0x21, 0xff & ~(1 << 3));
    sti();
    check("pic-unmasked", WAIT_FOR(pic_count[3] == 2, 400000000), 1);
    cli();
    line(3, false);
    out8(0x21, 0xff);
    lapic_write(APIC_LVT_LINT0, LVT_MASKED);
}

void guest(void)
{
    lapic_enable(false);
    check_ioapic_registers();
    if (!under_helium())
        return;
    check_ioapic_edge();
    check_ioapic_level();
    check_msi();
    check_pic();
}
