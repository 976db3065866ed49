/* SPDX-License-Identifier: BSD-2-Clause */
#include "hv/compiler.h"
#include "hv/cpu.h"
#include "hv/errno.h"
#include "hv/lapic.h"
#include "hv/layout.h"
#include "hv/panic.h"
#include "hv/percpu.h"
#include "hv/smp.h"
#include "hv/string.h"
#include "test/hv/upset.h"

#define NON_CANONICAL 0x0000800000000000ull
#define NOT_MAPPED    (STACKS_BASE - PAGE_SIZE)
#define NMI_TICKS     (1ull << 32)

static u64 data = 0xc3; /* RET, if it could be executed */

static void by_panic(void)
{
    panic("asked for by a guest");
}

static void by_assert(void)
{
    ASSERT(data == 0);
}

/* Beyond the array lies the protector's word. */
static void by_smash(void)
{
    volatile char array[16];
    volatile unsigned length = 3 * sizeof(array);

    for (unsigned i = 0; i < length; i++)
        *(&array[0] + i) = 'x';
}

static void by_ud(void)
{
    __asm__ volatile("ud2");
}

static void by_read(void)
{
    (void)*(volatile u64 *)NOT_MAPPED;
}

static void by_gp(void)
{
    (void)*(volatile u64 *)NON_CANONICAL;
}

static void by_write(void)
{
    *(volatile u8 *)(u64)by_ud = 0;
}

static void by_exec(void)
{
    ((void (*)(void))(u64)&data)();
}

static unsigned __attribute__((noinline)) deeper(unsigned n)
{
    volatile u64 room[64];

    room[n % 64] = n;
    return n == ~0u ? 0 : deeper(n + 1) + (unsigned)room[n % 64];
}

static void by_stack(void)
{
    data = deeper(0);
}

static void by_rsp(void)
{
    __asm__ volatile("mov %0, %%rsp; push %%rax" ::"r"(NOT_MAPPED) : "memory");
}

static void by_mc(void)
{
    __asm__ volatile("int $18" ::: "memory");
}

static const struct {
    const char *word;
    void (*run)(void);
} ways[] = {
    {"panic", by_panic}, {"assert", by_assert}, {"smash", by_smash}, {"ud", by_ud},
    {"gp", by_gp},       {"read", by_read},     {"write", by_write}, {"exec", by_exec},
    {"stack", by_stack}, {"rsp", by_rsp},       {"mc", by_mc},
};

int upset(const char *cmdline)
{
    static const char option[] = "upset=";

    for (const char *p = cmdline; *p; p++) {
        if (strncmp(p, option, sizeof(option) - 1))
            continue;
        for (unsigned i = 0; i < ARRAY_SIZE(ways); i++)
            if (!strcmp(p + sizeof(option) - 1, ways[i].word))
                ways[i].run();
    }
    return -ENOSYS;
}

static unsigned took_one(const u64 *before)
{
    unsigned n = 0;

    for (unsigned i = 0; i < cpus_online; i++)
        n += READ_ONCE(percpu[i]->nmis) == before[i] + 1;
    return n;
}

unsigned upset_nmis(void)
{
    u64 before[MAX_CPUS], start = rdtsc();

    for (unsigned i = 0; i < cpus_online; i++)
        before[i] = READ_ONCE(percpu[i]->nmis);
    lapic_send_ipi(this_cpu()->apic_id, ICR_NMI);
    smp_nmi_others();
    while (took_one(before) < cpus_online && rdtsc() - start < NMI_TICKS)
        cpu_pause();
    return took_one(before);
}
