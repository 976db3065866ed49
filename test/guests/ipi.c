/* SPDX-License-Identifier: BSD-2-Clause */
/* Interrupts from CPU to CPU and to oneself: delivery, priority, EOI, NMI, INIT and STARTUP. */
#include "lapic.h"

#define LOW  0x41
#define HIGH 0x81

static volatile u32 other_id, other_ready, other_got, other_nmi, stop;
static volatile u32 order[4], orders;

static void note(struct frame *f)
{
    order[orders++ & 3] = (u32)f->vector;
    lapic_eoi();
}

static void check_self(void)
{
    set_handler(LOW, note);
    set_handler(HIGH, note);
    lapic_ipi(0, ICR_SELF | ICR_FIXED | LOW);
    lapic_ipi(0, ICR_SELF | ICR_FIXED | HIGH);
    check("self-pending", lapic_bit(APIC_IRR, LOW) && lapic_bit(APIC_IRR, HIGH), 1);
    check("self-not-while-if-is-0", orders, 0);
    sti();
    check("self-both", WAIT_FOR(orders == 2, LONG_WAIT), 1);
    cli();
    check("self-high-first", order[0] << 8 | order[1], HIGH << 8 | LOW);
    orders = 0;
    lapic_write(APIC_TPR, 0x50);
    lapic_ipi(0, ICR_SELF | ICR_FIXED | LOW);
    sti();
    delay(100000);
    check("tpr-holds-back", orders, 0);
    check("tpr-is-cr8", read_cr8(), 5);
    write_cr8(3);
    check("cr8-lets-go", WAIT_FOR(orders == 1, LONG_WAIT), 1);
    cli();
    check("cr8-is-tpr", lapic_read(APIC_TPR), 0x30);
    lapic_write(APIC_TPR, 0);
}

static volatile u32 isr_seen, ppr_seen, nested;

/* In service: the same class waits, a higher one does not. */
static void in_service(struct frame *f)
{
    (void)f;
    isr_seen = lapic_bit(APIC_ISR, LOW);
    ppr_seen = lapic_read(APIC_PPR);
    orders = 0;
    lapic_ipi(0, ICR_SELF | ICR_FIXED | (LOW + 1));
    lapic_ipi(0, ICR_SELF | ICR_FIXED | HIGH);
    sti();
    delay(100000);
    cli();
    nested = orders == 1 && order[0] == HIGH;
    lapic_eoi();
}

static void check_service(void)
{
    set_handler(LOW, in_service);
    set_handler(LOW + 1, note);
    lapic_ipi(0, ICR_SELF | ICR_FIXED | LOW);
    sti();
    check("same-class-after-eoi", WAIT_FOR(orders == 2, LONG_WAIT), 1);
    cli();
    check("in-service", isr_seen, 1);
    check("ppr", ppr_seen & 0xf0, LOW & 0xf0);
    check("higher-class-nests", nested, 1);
    check("isr-clear", lapic_bit(APIC_ISR, LOW), 0);
}

static void on_other(struct frame *f)
{
    (void)f;
    other_got++;
    lapic_eoi();
}

static void on_nmi(struct frame *f)
{
    (void)f;
    if (lapic_id() == other_id)
        other_nmi++;
}

static void other_cpu(void)
{
    lapic_write(APIC_SVR, 0x1ff);
    other_id = lapic_id();
    other_ready = 1;
    sti();
    while (!stop)
        asm volatile("sti; hlt" ::: "memory");
    cli();
}

static void check_cross(void)
{
    set_handler(0x91, on_other);
    set_handler(V_NMI, on_nmi);
    ap_start(other_cpu);
    check("startup", WAIT_FOR(other_ready, LONG_WAIT), 1);
    check("ids-differ", other_id != lapic_id(), 1);
    for (unsigned i = 1; i <= 50; i++) {
        lapic_ipi(other_id, ICR_FIXED | 0x91);
        if (!WAIT_FOR(other_got == i, LONG_WAIT))
            break;
    }
    check("to-other-50", other_got, 50);
    lapic_ipi(0, ICR_OTHERS | ICR_FIXED | 0x91);
    check("to-all-others", WAIT_FOR(other_got == 51, LONG_WAIT), 1);
    count_interrupts(0x92);
    lapic_ipi(0, ICR_ALL | ICR_FIXED | 0x92);
    sti();
    check("to-all", WAIT_FOR(interrupts[0x92] == 2, LONG_WAIT), 1);
    cli();
    lapic_ipi(other_id, ICR_NMI);
    check("nmi-to-other", WAIT_FOR(other_nmi == 1, LONG_WAIT), 1);
    lapic_write(APIC_LDR, 1u << 24);
    lapic_ipi(0x55 & ~(lapic_id() | other_id | 1), ICR_FIXED | 0x91);
    delay(1000000);
    check("to-nobody", other_got, 51);
    stop = 1;
    lapic_ipi(other_id, ICR_FIXED | 0x91);
    check("other-ends", WAIT_FOR(ap_done, LONG_WAIT), 1);
    other_ready = stop = 0;
    ap_start(other_cpu); /* INIT takes it out of its HLT */
    check("startup-again", WAIT_FOR(other_ready, LONG_WAIT), 1);
    stop = 1;
    lapic_ipi(other_id, ICR_FIXED | 0x91);
    check("other-ends-again", WAIT_FOR(ap_done, LONG_WAIT), 1);
}

void guest(void)
{
    lapic_enable(false);
    check_self();
    check_service();
    check_cross();
    if (!has_x2apic())
        return;
    lapic_enable(true);
    orders = 0;
    set_handler(LOW, note);
    wrmsr(0x83f, LOW);
    sti();
    check("x2apic-self-ipi", WAIT_FOR(orders == 1, LONG_WAIT), 1);
    cli();
}
