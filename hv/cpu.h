/* SPDX-License-Identifier: BSD-2-Clause */
/* One inline function for each instruction that C has no word for. Nothing here decides anything.
 */
#ifndef HV_CPU_H
#define HV_CPU_H

#include "hv/types.h"

struct cpuid_regs {
    u32 eax, ebx, ecx, edx;
};

static inline struct cpuid_regs cpuid_count(u32 leaf, u32 subleaf)
{
    struct cpuid_regs r;

    __asm__ volatile("cpuid"
                     : "=a"(r.eax), "=b"(r.ebx), "=c"(r.ecx), "=d"(r.edx)
                     : "a"(leaf), "c"(subleaf));
    return r;
}

static inline struct cpuid_regs cpuid(u32 leaf)
{
    return cpuid_count(leaf, 0);
}

/* An MSR the CPU does not have raises #GP: ask CPUID first. */
static inline u64 rdmsr(u32 msr)
{
    u32 lo, hi;

    __asm__ volatile("rdmsr" : "=a"(lo), "=d"(hi) : "c"(msr) : "memory");
    return (u64)hi << 32 | lo;
}

static inline void wrmsr(u32 msr, u64 value)
{
    __asm__ volatile("wrmsr" ::"c"(msr), "a"((u32)value), "d"((u32)(value >> 32)) : "memory");
}

/* Not ordered against anything. */
static inline u64 rdtsc(void)
{
    u32 lo, hi;

    __asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi));
    return (u64)hi << 32 | lo;
}

/* Every earlier load has its value before the counter is read (SDM 2B RDTSC, APM 3 RDTSC). */
static inline u64 rdtsc_ordered(void)
{
    __asm__ volatile("lfence" ::: "memory");
    return rdtsc();
}

/* XCR0 is 0 as index of both; CR4.OSXSAVE must be set. */
static inline u64 xgetbv(u32 index)
{
    u32 lo, hi;

    __asm__ volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(index));
    return (u64)hi << 32 | lo;
}

static inline void xsetbv(u32 index, u64 value)
{
    __asm__ volatile("xsetbv" ::"c"(index), "a"((u32)value), "d"((u32)(value >> 32)) : "memory");
}

/* read_cr0(), write_cr0() and so on: CR0, 2, 3, 4, 8 and DR0-3, 6, 7. */
#define CPU_REGISTER(reg)                                               \
    static inline u64 read_##reg(void)                                  \
    {                                                                   \
        u64 value;                                                      \
        __asm__ volatile("mov %%" #reg ", %0" : "=r"(value)::"memory"); \
        return value;                                                   \
    }                                                                   \
    static inline void write_##reg(u64 value)                           \
    {                                                                   \
        __asm__ volatile("mov %0, %%" #reg ::"r"(value) : "memory");    \
    }
CPU_REGISTER(cr0)
CPU_REGISTER(cr2)
CPU_REGISTER(cr3)
CPU_REGISTER(cr4)
CPU_REGISTER(cr8)
CPU_REGISTER(dr0)
CPU_REGISTER(dr1)
CPU_REGISTER(dr2)
CPU_REGISTER(dr3)
CPU_REGISTER(dr6)
CPU_REGISTER(dr7)
#undef CPU_REGISTER

/* in8(port), out8(port, value), and the same for 16 and 32 bits. */
#define CPU_PORT(bits, suffix)                                                         \
    static inline u##bits in##bits(u16 port)                                           \
    {                                                                                  \
        u##bits value;                                                                 \
        __asm__ volatile("in" suffix " %1, %0" : "=a"(value) : "Nd"(port) : "memory"); \
        return value;                                                                  \
    }                                                                                  \
    static inline void out##bits(u16 port, u##bits value)                              \
    {                                                                                  \
        __asm__ volatile("out" suffix " %0, %1" ::"a"(value), "Nd"(port) : "memory");  \
    }
CPU_PORT(8, "b")
CPU_PORT(16, "w")
CPU_PORT(32, "l")
#undef CPU_PORT

/* What LGDT, LIDT, SGDT and SIDT take (SDM 3A 2.4). */
struct descriptor_ptr {
    u16 limit;
    u64 base;
} __attribute__((packed));
_Static_assert(sizeof(struct descriptor_ptr) == 10, "SDM 3A figure 2-6");

static inline void lgdt(const struct descriptor_ptr *p)
{
    __asm__ volatile("lgdt %0" ::"m"(*p) : "memory");
}

static inline void lidt(const struct descriptor_ptr *p)
{
    __asm__ volatile("lidt %0" ::"m"(*p) : "memory");
}

static inline struct descriptor_ptr sgdt(void)
{
    struct descriptor_ptr p;

    __asm__ volatile("sgdt %0" : "=m"(p));
    return p;
}

static inline struct descriptor_ptr sidt(void)
{
    struct descriptor_ptr p;

    __asm__ volatile("sidt %0" : "=m"(p));
    return p;
}

static inline void ltr(u16 selector)
{
    __asm__ volatile("ltr %0" ::"r"(selector) : "memory");
}

static inline void lldt(u16 selector)
{
    __asm__ volatile("lldt %0" ::"r"(selector) : "memory");
}

static inline void invlpg(const void *va)
{
    __asm__ volatile("invlpg (%0)" ::"r"(va) : "memory");
}

static inline void cpu_pause(void)
{
    __asm__ volatile("pause" ::: "memory");
}

static inline void mfence(void)
{
    __asm__ volatile("mfence" ::: "memory");
}

static inline void wbinvd(void)
{
    __asm__ volatile("wbinvd" ::: "memory");
}

/* Only with CR4.SMAP set, else #UD. */
static inline void stac(void)
{
    __asm__ volatile("stac" ::: "memory");
}

static inline void clac(void)
{
    __asm__ volatile("clac" ::: "memory");
}

/* Sleeps until an interrupt, takes it and returns with interrupts off. STI's shadow covers HLT, so
 * an interrupt that is already pending is not slept through. */
static inline void hlt_interruptible(void)
{
    __asm__ volatile("sti; hlt; cli" ::: "memory");
}

/* The end of a CPU: only an NMI wakes it, and it goes back to sleep. */
static inline __attribute__((noreturn)) void hlt_forever(void)
{
    for (;;)
        __asm__ volatile("cli; hlt" ::: "memory");
}

#endif
