/* SPDX-License-Identifier: BSD-2-Clause */
/* Instructions C has no words for. */
#ifndef GUEST_X86_H
#define GUEST_X86_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int64_t s64;
typedef unsigned long ulong;

#define BIT(n)         (1ull << (n))
#define COUNT(a)       (sizeof(a) / sizeof((a)[0]))

#define V_DE           0
#define V_DB           1
#define V_NMI          2
#define V_BP           3
#define V_OF           4
#define V_BR           5
#define V_UD           6
#define V_NM           7
#define V_DF           8
#define V_TS           10
#define V_NP           11
#define V_SS           12
#define V_GP           13
#define V_PF           14
#define V_MF           16
#define V_AC           17
#define V_XM           19

#define FLAG_CF        BIT(0)
#define FLAG_ZF        BIT(6)
#define FLAG_TF        BIT(8)
#define FLAG_IF        BIT(9)
#define FLAG_DF        BIT(10)
#define FLAG_NT        BIT(14)
#define FLAG_RF        BIT(16)
#define FLAG_VM        BIT(17)
#define FLAG_AC        BIT(18)

#define CR0_MP         BIT(1)
#define CR0_EM         BIT(2)
#define CR0_TS         BIT(3)
#define CR0_NE         BIT(5)
#define CR0_WP         BIT(16)
#define CR0_AM         BIT(18)
#define CR0_NW         BIT(29)
#define CR0_CD         BIT(30)
#define CR0_PG         BIT(31)
#define CR4_VME        BIT(0)
#define CR4_TSD        BIT(2)
#define CR4_DE         BIT(3)
#define CR4_PSE        BIT(4)
#define CR4_PAE        BIT(5)
#define CR4_PGE        BIT(7)
#define CR4_OSFXSR     BIT(9)
#define CR4_OSXMMEXCPT BIT(10)
#define CR4_UMIP       BIT(11)
#define CR4_FSGSBASE   BIT(16)
#define CR4_PCIDE      BIT(17)
#define CR4_OSXSAVE    BIT(18)
#define CR4_SMEP       BIT(20)
#define CR4_SMAP       BIT(21)

#define MSR_APIC_BASE  0x1b
#define MSR_PAT        0x277
#define MSR_DEADLINE   0x6e0
#define MSR_EFER       0xc0000080
#define MSR_STAR       0xc0000081
#define MSR_LSTAR      0xc0000082
#define MSR_SFMASK     0xc0000084
#define MSR_FS_BASE    0xc0000100
#define MSR_KERNEL_GS  0xc0000102

struct regs {
    u32 a, b, c, d;
};

static inline struct regs cpuid(u32 leaf, u32 subleaf)
{
    struct regs r;

    asm volatile("cpuid" : "=a"(r.a), "=b"(r.b), "=c"(r.c), "=d"(r.d) : "a"(leaf), "c"(subleaf));
    return r;
}

static inline void barrier(void)
{
    asm volatile("" ::: "memory");
}
static inline void cpu_pause(void)
{
    asm volatile("pause" ::: "memory");
}
static inline void sti(void)
{
    asm volatile("sti" ::: "memory");
}
static inline void cli(void)
{
    asm volatile("cli" ::: "memory");
}
static inline void sti_hlt_cli(void)
{
    asm volatile("sti; hlt; cli" ::: "memory");
}

static inline u64 rdtsc(void)
{
    u32 low, high;

    asm volatile("rdtsc" : "=a"(low), "=d"(high)::"memory");
    return (u64)high << 32 | low;
}

static inline u64 rdmsr(u32 msr)
{
    u32 low, high;

    asm volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr));
    return (u64)high << 32 | low;
}

static inline void wrmsr(u32 msr, u64 value)
{
    asm volatile("wrmsr" ::"a"((u32)value), "d"((u32)(value >> 32)), "c"(msr) : "memory");
}

#define PORT_FUNCTIONS(bits, suffix)                                               \
    static inline u##bits in##bits(u16 port)                                       \
    {                                                                              \
        u##bits value;                                                             \
                                                                                   \
        asm volatile("in" suffix " %1, %0" : "=a"(value) : "Nd"(port) : "memory"); \
        return value;                                                              \
    }                                                                              \
    static inline void out##bits(u16 port, u##bits value)                          \
    {                                                                              \
        asm volatile("out" suffix " %0, %1" ::"a"(value), "Nd"(port) : "memory");  \
    }
PORT_FUNCTIONS(8, "b")
PORT_FUNCTIONS(16, "w")
PORT_FUNCTIONS(32, "l")

#define CONTROL_FUNCTIONS(reg)                                      \
    static inline ulong read_##reg(void)                            \
    {                                                               \
        ulong value;                                                \
                                                                    \
        asm volatile("mov %%" #reg ", %0" : "=r"(value)::"memory"); \
        return value;                                               \
    }                                                               \
    static inline void write_##reg(ulong value)                     \
    {                                                               \
        asm volatile("mov %0, %%" #reg ::"r"(value) : "memory");    \
    }
CONTROL_FUNCTIONS(cr0)
CONTROL_FUNCTIONS(cr2)
CONTROL_FUNCTIONS(cr3)
CONTROL_FUNCTIONS(cr4)
#ifdef __x86_64__
CONTROL_FUNCTIONS(cr8)
#endif
CONTROL_FUNCTIONS(dr0)
CONTROL_FUNCTIONS(dr1)
CONTROL_FUNCTIONS(dr2)
CONTROL_FUNCTIONS(dr3)
CONTROL_FUNCTIONS(dr6)
CONTROL_FUNCTIONS(dr7)

static inline void invlpg(ulong address)
{
    asm volatile("invlpg (%0)" ::"r"(address) : "memory");
}

static inline ulong read_flags(void)
{
    ulong flags;

    asm volatile("pushf; pop %0" : "=r"(flags)::"memory");
    return flags;
}

static inline void write_flags(ulong flags)
{
    asm volatile("push %0; popf" ::"r"(flags) : "memory", "cc");
}

void *memcpy(void *to, const void *from, size_t n);
void *memset(void *to, int byte, size_t n);
int memcmp(const void *a, const void *b, size_t n);

#endif
