/* SPDX-License-Identifier: BSD-2-Clause */
#include "hv/cpu.h"
#include "hv/errno.h"
#include "hv/irq.h"
#include "hv/lapic.h"
#include "hv/msr.h"
#include "hv/vmem.h"
#include "hv/x86.h"

/* Register offsets, SDM 3A table 10-1; an x2APIC MSR is 0x800 + offset / 16. */
#define REG_ID           0x020
#define REG_TPR          0x080
#define REG_EOI          0x0b0
#define REG_SVR          0x0f0
#define REG_TMR          0x180
#define REG_IRR          0x200
#define REG_ESR          0x280
#define REG_ICR          0x300
#define REG_ICR_HIGH     0x310
#define REG_LVT_TIMER    0x320
#define REG_LVT_LINT0    0x350
#define REG_LVT_LINT1    0x360
#define REG_LVT_ERROR    0x370
#define REG_TIMER_INIT   0x380
#define REG_TIMER_COUNT  0x390
#define REG_TIMER_DIVIDE 0x3e0

/* Interrupts may come at vectors 16 to 31 (SDM 3A 10.5.2), which the IDT has for exceptions: held
 * back. */
#define TPR_EXCEPTIONS 0x10
#define SVR_ENABLE     (1u << 8)
#define LVT_MASKED     (1u << 16)
#define LVT_NMI        (4u << 8)
#define LVT_DEADLINE   (2u << 17)
#define ICR_PENDING    (1u << 12)
#define DIVIDE_BY_1    0xb

static volatile u32 *registers; /* xAPIC: the mapped page; NULL in x2APIC mode */
static bool deadline;

static u32 reg_read(unsigned reg)
{
    if (registers)
        return registers[reg / 4];
    return (u32)rdmsr(0x800 + reg / 16);
}

static void reg_write(unsigned reg, u32 value)
{
    if (registers)
        registers[reg / 4] = value;
    else
        wrmsr(0x800 + reg / 16, value);
}

/* x2APIC is used where firmware left it on or the CPU offers it: no MMIO, no wait for delivery. */
int lapic_init(void)
{
    u32 features = cpuid(1).ecx;
    u64 base = rdmsr(MSR_IA32_APIC_BASE);

    deadline = features & CPUID_1_ECX_TSC_DEADLINE;
    if (!(features & CPUID_1_ECX_X2APIC)) {
        registers = vmem_map_device(HPA(base & APIC_BASE_ADDR), PAGE_SIZE);
        if (!registers)
            return -ENOMEM;
    }
    return 0;
}

static u32 lvt_timer(void)
{
    return VECTOR_TIMER | (deadline ? LVT_DEADLINE : 0);
}

static void enable(void)
{
    u64 base = rdmsr(MSR_IA32_APIC_BASE) | APIC_BASE_ENABLE;

    wrmsr(MSR_IA32_APIC_BASE, base);
    if (!registers)
        wrmsr(MSR_IA32_APIC_BASE,
              base | APIC_BASE_EXTD); /* SDM 3A 10.12.5: xAPIC mode comes first */
}

/* LINT0 stays masked: the 8259s' interrupts reach nobody. LINT1 is the machine's NMI. */
void lapic_cpu_init(void)
{
    enable();
    reg_write(REG_SVR, SVR_ENABLE | VECTOR_SPURIOUS);
    reg_write(REG_TPR, TPR_EXCEPTIONS);
    reg_write(REG_LVT_LINT0, LVT_MASKED);
    reg_write(REG_LVT_LINT1, LVT_NMI);
    reg_write(REG_LVT_ERROR, VECTOR_ERROR);
    reg_write(REG_TIMER_DIVIDE, DIVIDE_BY_1);
    reg_write(REG_LVT_TIMER, lvt_timer());
    if (deadline)
        mfence(); /* SDM 3A 10.5.4.1: before the first deadline */
}

u32 lapic_id(void)
{
    u32 id = reg_read(REG_ID);

    return registers ? id >> 24 : id;
}

void lapic_eoi(void)
{
    reg_write(REG_EOI, 0);
}

u32 lapic_error(void)
{
    reg_write(REG_ESR, 0);
    return reg_read(REG_ESR);
}

bool lapic_any_pending(void)
{
    for (unsigned i = 0; i < 8; i++)
        if (reg_read(REG_IRR + i * 0x10))
            return true;
    return false;
}

bool lapic_is_level(u8 vector)
{
    return reg_read(REG_TMR + vector / 32 * 0x10) >> (vector % 32) & 1;
}

static void wait_sent(void)
{
    while (registers && reg_read(REG_ICR) & ICR_PENDING)
        cpu_pause();
}

void lapic_send_ipi(u32 apic_id, u32 icr)
{
    if (!registers) {
        /* SDM 3A 10.12.3: a WRMSR to an x2APIC register does not wait for earlier stores. */
        __asm__ volatile("mfence; lfence" ::: "memory");
        wrmsr(0x800 + REG_ICR / 16, (u64)apic_id << 32 | icr | ICR_ASSERT);
        return;
    }
    wait_sent();
    reg_write(REG_ICR_HIGH, apic_id << 24);
    reg_write(REG_ICR, icr | ICR_ASSERT);
    wait_sent();
}

void lapic_timer_set(u32 ticks)
{
    reg_write(REG_TIMER_INIT, ticks);
}

u32 lapic_timer_read(void)
{
    return reg_read(REG_TIMER_COUNT);
}

void lapic_timer_calibrate(bool on)
{
    reg_write(REG_LVT_TIMER, on ? LVT_MASKED | VECTOR_TIMER : lvt_timer());
    reg_write(REG_TIMER_INIT, on ? ~0u : 0);
}

bool lapic_has_deadline(void)
{
    return deadline;
}

void lapic_timer_deadline(u64 tsc)
{
    wrmsr(MSR_IA32_TSC_DEADLINE, tsc);
}
