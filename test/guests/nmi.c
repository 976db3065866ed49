/* SPDX-License-Identifier: BSD-2-Clause */
/* NMIs, their blocking until IRET, and the interrupt shadow of STI and MOV SS. */
#include "lapic.h"

#define VECTOR 0x71

static volatile u32 nmis, depth, deepest, seen_inside;
static volatile ulong interrupted_at;

/* A second NMI sent from within the first waits for its IRET. */
static void on_nmi(struct frame *f)
{
    (void)f;
    depth++;
    if (depth > deepest)
        deepest = depth;
    if (++nmis == 1) {
        lapic_ipi(lapic_id(), ICR_NMI);
        delay(200000);
        seen_inside = nmis;
    }
    depth--;
}

static void check_nmi(void)
{
    set_handler(V_NMI, on_nmi);
    lapic_ipi(lapic_id(), ICR_NMI);
    check("nmi-and-the-one-behind", WAIT_FOR(nmis == 2, LONG_WAIT), 1);
    check("nmi-blocks-nmi", seen_inside, 1);
    check("nmi-does-not-nest", deepest, 1);
    delay(100000);
    check("nmi-no-more", nmis, 2);
    lapic_ipi(lapic_id(), ICR_NMI);
    check("nmi-again", WAIT_FOR(nmis == 3, LONG_WAIT), 1);
}

/* An exception's IRET inside the handler unblocks as well. */
static void on_nmi_with_exception(struct frame *f)
{
    (void)f;
    if (++nmis == 1) {
        lapic_ipi(lapic_id(), ICR_NMI);
        delay(100000);
        asm volatile("int $0x72" ::: "memory");
        delay(200000);
        seen_inside = nmis;
    }
}

static void nothing(struct frame *f)
{
    (void)f;
}

static void check_unblocked_by_any_iret(void)
{
    nmis = 0;
    set_handler(V_NMI, on_nmi_with_exception);
    set_handler(0x72, nothing);
    lapic_ipi(lapic_id(), ICR_NMI);
    check("nmi-both", WAIT_FOR(nmis == 2, LONG_WAIT), 1);
    check("nmi-unblocked-by-inner-iret", seen_inside, 2);
}

static void on_interrupt(struct frame *f)
{
    interrupted_at = f->ip;
    interrupts[VECTOR]++;
    lapic_eoi();
}

/* A pending interrupt comes behind the instruction that follows STI; not between MOV SS and its
 * follower. */
static void check_shadow(void)
{
    ulong behind_one, ss = DATA_SEL;

    set_handler(VECTOR, on_interrupt);
    lapic_ipi(lapic_id(), ICR_FIXED | VECTOR);
    delay(100000);
    asm volatile("lea 1f(%%rip), %0; sti; nop; 1: nop; nop; cli" : "=r"(behind_one)::"memory");
    check("sti-shadow", interrupted_at - behind_one, 0);
    lapic_ipi(lapic_id(), ICR_FIXED | VECTOR);
    delay(100000);
    interrupts[VECTOR] = 0;
    asm volatile("sti; cli" ::: "memory");
    check("sti-cli-lets-nothing-in", interrupts[VECTOR], 0);
    asm volatile("lea 1f(%%rip), %0; sti; mov %1, %%ss; 1: nop; 2: nop; nop; cli"
                 : "=&r"(behind_one)
                 : "r"(ss)
                 : "memory");
    check_within("mov-ss-behind-sti", interrupted_at - behind_one, 0, 1);
    check("shadow-delivered", interrupts[VECTOR], 1);
    /* The exits of CPUID and of ports lie in the shadow, and end it. */
    lapic_ipi(lapic_id(), ICR_FIXED | VECTOR);
    delay(100000);
    asm volatile(
        "lea 1f(%%rip), %0; mov %0, %%rsi; xor %%eax, %%eax; sti; cpuid; 1: nop; nop; cli; mov %%rsi, %0"
        : "=&r"(behind_one)::"rax", "rbx", "rcx", "rdx", "rsi", "memory");
    check("sti-shadow-over-cpuid", interrupted_at - behind_one, 0);
    lapic_ipi(lapic_id(), ICR_FIXED | VECTOR);
    delay(100000);
    asm volatile("lea 1f(%%rip), %0; sti; inb $0xe9, %%al; 1: nop; nop; cli"
                 : "=&r"(behind_one)::"rax", "memory");
    check("sti-shadow-over-in", interrupted_at - behind_one, 0);
    lapic_ipi(lapic_id(), ICR_FIXED | VECTOR);
    delay(100000);
    asm volatile("lea 1f(%%rip), %0; sti; hlt; 1: nop; cli" : "=r"(behind_one)::"memory");
    check("sti-shadow-over-hlt", interrupted_at - behind_one, 0);
}

void guest(void)
{
    lapic_enable(false);
    check_nmi();
    check_unblocked_by_any_iret();
    check_shadow();
}
