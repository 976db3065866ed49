/* SPDX-License-Identifier: BSD-2-Clause */
/* What a round trip to the hypervisor costs, in ticks of the TSC: with icount or on Bochs, one tick
 * is one instruction. scripts/bench makes a table of the lines "bench: median OPERATION TICKS". The
 * empty measurement is subtracted from nothing: it stands in the table. */
#include "lapic.h"

#define SAMPLES 101
#define LAZY    0x80000000ul
#define VECTOR  0x61

static u64 samples[SAMPLES];

static void sort(void)
{
    for (unsigned i = 1; i < SAMPLES; i++)
        for (unsigned j = i; j && samples[j - 1] > samples[j]; j--) {
            u64 swap = samples[j];

            samples[j] = samples[j - 1];
            samples[j - 1] = swap;
        }
}

static void print_decimal(u64 n)
{
    char digits[24];
    unsigned at = sizeof(digits) - 1;

    digits[at] = 0;
    do
        digits[--at] = (char)('0' + n % 10);
    while (n /= 10);
    print(digits + at);
}

static void report(const char *operation)
{
    sort();
    print("bench: median ");
    print(operation);
    print(" ");
    print_decimal(samples[SAMPLES / 2]);
    print("\n");
}

/* The operation between two readings of the TSC, nothing else in between. */
#define MEASURE(name, code)                      \
    do {                                         \
        for (unsigned i = 0; i < SAMPLES; i++) { \
            u64 start = rdtsc();                 \
            code;                                \
            samples[i] = rdtsc() - start;        \
        }                                        \
        report(name);                            \
    } while (0)

static volatile u64 arrived;

static void on_interrupt(struct frame *f)
{
    (void)f;
    arrived = rdtsc();
}

/* From the write that sends it to the first instructions of the handler. */
static void measure_self_ipi(void)
{
    set_handler(VECTOR, on_interrupt);
    for (unsigned i = 0; i < SAMPLES; i++) {
        u64 start;

        arrived = 0;
        sti();
        start = rdtsc();
        lapic_write(APIC_ICR, ICR_SELF | ICR_FIXED | VECTOR);
        while (!arrived)
            ;
        cli();
        samples[i] = arrived - start;
        lapic_eoi();
    }
    report(x2apic ? "self-ipi-x2apic" : "self-ipi-xapic");
}

/* From the moment the timer is due to the handler; only with TSC-deadline is that moment known.
 * Otherwise from writing the initial count, less the count itself, which Bochs' and QEMU's APIC
 * take in ticks of their own. */
static void measure_timer(void)
{
    set_handler(VECTOR, on_interrupt);
    for (unsigned i = 0; i < SAMPLES; i++) {
        u64 start;

        arrived = 0;
        sti();
        start = rdtsc();
        if (has_deadline()) {
            start += 100000;
            wrmsr(MSR_DEADLINE, start);
        } else {
            lapic_write(APIC_INIT, 1);
        }
        while (!arrived)
            ;
        cli();
        samples[i] = arrived - start;
        lapic_eoi();
    }
    report(has_deadline() ? "timer-due-to-handler" : "timer-set-to-handler");
}

static void one_hypercall(bool intel)
{
    u64 rax = 0;

    if (intel)
        asm volatile("vmcall" : "+a"(rax) : "b"(1), "c"(1) : "memory");
    else
        asm volatile("vmmcall" : "+a"(rax) : "b"(1), "c"(1) : "memory");
}

static void measure_lapic(void)
{
    MEASURE(x2apic ? "lapic-read-x2apic" : "lapic-read-xapic", (void)lapic_read(APIC_LVT_TIMER));
    MEASURE(x2apic ? "lapic-write-x2apic" : "lapic-write-xapic", lapic_write(APIC_TPR, 0));
    MEASURE(x2apic ? "lapic-eoi-x2apic" : "lapic-eoi-xapic", lapic_write(APIC_EOI, 0));
    measure_self_ipi();
}

static void measure_root_mode(void)
{
    bool intel = is_bochs();

    if (!under_helium())
        return;
    MEASURE("hypercall", one_hypercall(intel));
    MEASURE("port-in", (void)in32(0x600));
    MEASURE("port-out", out32(0x600, 1));
    MEASURE("mmio-read", (void)*(volatile u32 *)0xfed40000);
    MEASURE("mmio-write", *(volatile u32 *)0xfed40000 = 1);
    MEASURE("page-added", *(volatile u8 *)(LAZY + i * 4096) = 1);
}

void guest(void)
{
    lapic_enable(false);
    lapic_write(APIC_LVT_TIMER, VECTOR | (has_deadline() ? LVT_DEADLINE : 0));
    lapic_write(APIC_DIVIDE, 0xb);
    MEASURE("empty", (void)0);
    MEASURE("cpuid", (void)cpuid(0, 0));
    MEASURE("rdmsr-efer", (void)rdmsr(MSR_EFER));
    MEASURE("rdtsc", (void)rdtsc());
    measure_root_mode();
    measure_lapic();
    measure_timer();
    check("ran", 1, 1);
    if (!has_x2apic())
        return;
    lapic_enable(true);
    measure_lapic();
}
