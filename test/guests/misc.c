/* SPDX-License-Identifier: BSD-2-Clause */
/* Time stamps, caches, and what is left. */
#include "guest.h"

static void check_tsc(void)
{
    u64 last = rdtsc(), now, back = 0;

    for (unsigned i = 0; i < 20000; i++) {
        now = rdtsc();
        back += now < last;
        last = now;
    }
    check("rdtsc-never-back", back, 0);
    if (cpuid(0x80000001, 0).d & BIT(27)) {
        u32 aux, low, high;

        wrmsr(0xc0000103, 0x1234);
        asm volatile("rdtscp" : "=a"(low), "=d"(high), "=c"(aux));
        check("rdtscp-aux", aux, 0x1234);
        check("rdtscp-time", ((u64)high << 32 | low) >= last, 1);
    }
    asm volatile("cpuid" ::"a"(0), "c"(0) : "rbx", "rdx");
    now = rdtsc();
    check("rdtsc-over-exits", rdtsc() >= now, 1);
}

static void check_caches(void)
{
    static volatile u64 word = 0x1234;

    TRY("wbinvd", :);
    expect_none("wbinvd");
    check("wbinvd-keeps-memory", word, 0x1234);
    TRY("clflush (%0)", : : "r"(&word));
    expect_none("clflush");
    TRY("invlpg (%0)", : : "r"(&word));
    expect_none("invlpg");
    if (!reserved_bits_checked()) /* QEMU has no RDPMC */
        return;
    TRY("rdpmc", : : "c"(0xff) : "rax", "rdx");
    check("rdpmc", fault.vector, V_GP);
}

static void check_descriptor_registers(void)
{
    struct __attribute__((packed)) {
        u16 limit;
        u64 base;
    } r;
    u16 tr, msw;

    asm volatile("sidt %0" : "=m"(r));
    check("sidt", r.limit == 4095 && r.base == (u64)idt, 1);
    asm volatile("sgdt %0" : "=m"(r));
    check("sgdt", r.base, (u64)gdt_entry(0));
    asm volatile("str %0" : "=r"(tr));
    check("str", tr, TSS_SEL);
    asm volatile("smsw %0" : "=r"(msw));
    check("smsw", msw, 0x33);
}

void guest(void)
{
    check_tsc();
    check_caches();
    check_descriptor_registers();
}
