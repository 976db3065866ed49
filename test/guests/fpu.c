/* SPDX-License-Identifier: BSD-2-Clause */
/* Two vcpus on one CPU: neither finds the other's x87, SSE, AVX or XCR0 in its registers. */
#include "lapic.h"

#define ROUNDS 300

struct image {
    u8 xmm[16][16];
    u8 upper[16][16];
    u16 fcw;
    u32 mxcsr;
    u64 st0;
};

static volatile u32 ready, finished[2], wrong[2], wrong_xcr0[2], avx;
static u64 slice;

#define XMM_LIST(X) \
    X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14) X(15)

static void load(const struct image *i)
{
#define LOAD(n)       asm volatile("movups %0, %%xmm" #n ::"m"(i->xmm[n]));
#define LOAD_UPPER(n) asm volatile("vinsertf128 $1, %0, %%ymm" #n ", %%ymm" #n ::"m"(i->upper[n]));
    XMM_LIST(LOAD)
    if (avx) {
        XMM_LIST(LOAD_UPPER)
    }
    asm volatile("fninit; fldcw %0; ldmxcsr %1; fildll %2" ::"m"(i->fcw), "m"(i->mxcsr),
                 "m"(i->st0));
}

static void store(struct image *i)
{
#define STORE(n)       asm volatile("movups %%xmm" #n ", %0" : "=m"(i->xmm[n]));
#define STORE_UPPER(n) asm volatile("vextractf128 $1, %%ymm" #n ", %0" : "=m"(i->upper[n]));
    XMM_LIST(STORE)
    if (avx) {
        XMM_LIST(STORE_UPPER)
    }
    asm volatile("fnstcw %0; stmxcsr %1; fistpll %2" : "=m"(i->fcw), "=m"(i->mxcsr), "=m"(i->st0));
}

static void fill(struct image *i, unsigned cpu, unsigned round)
{
    memset(i, 0, sizeof(*i));
    for (unsigned r = 0; r < 16; r++)
        for (unsigned b = 0; b < 16; b++) {
            i->xmm[r][b] = (u8)(cpu * 0x80 + round + r * 16 + b);
            i->upper[r][b] = avx ? (u8)(cpu * 0x40 + round * 3 + r + b) : 0;
        }
    i->fcw = cpu ? 0x27f : 0x37f;
    i->mxcsr = cpu ? 0x1f80 : 0x3f80;
    i->st0 = cpu * 1000000 + round;
}

static u64 xgetbv(void)
{
    u32 low, high;

    asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (u64)high << 32 | low;
}

static void xsetbv(u64 value)
{
    asm volatile("xsetbv" ::"c"(0), "a"((u32)value), "d"((u32)(value >> 32)));
}

static u64 own_xcr0(unsigned cpu)
{
    return avx && cpu ? 7 : avx ? 7 : cpu ? 3 : 1;
}

static bool use_xsave(unsigned cpu)
{
    if (!(cpuid(1, 0).c & BIT(26)))
        return false;
    write_cr4(read_cr4() | CR4_OSXSAVE);
    xsetbv(own_xcr0(cpu));
    return true;
}

static void work(unsigned cpu)
{
    bool xsave = use_xsave(cpu);
    static struct image want[2], got[2];

    for (unsigned round = 0; round < ROUNDS; round++) {
        fill(&want[cpu], cpu, round);
        got[cpu] = want[cpu];
        load(&want[cpu]);
        delay(slice);
        store(&got[cpu]);
        wrong[cpu] += memcmp(&want[cpu], &got[cpu], sizeof(struct image)) != 0;
        if (xsave)
            wrong_xcr0[cpu] += xgetbv() != own_xcr0(cpu);
    }
    finished[cpu] = 1;
}

static void other(void)
{
    ready = 1;
    work(1);
}

void guest(void)
{
    slice = is_bochs() ? 200000 : 5000000;
    avx = (cpuid(1, 0).c & (BIT(26) | BIT(28))) == (BIT(26) | BIT(28));
    lapic_enable(false);
    ap_start(other);
    check("both-run", WAIT_FOR(ready, LONG_WAIT), 1);
    work(0);
    check("other-ends", WAIT_FOR(finished[1], 4 * LONG_WAIT), 1);
    check("state-of-first", wrong[0], 0);
    check("state-of-second", wrong[1], 0);
    check("xcr0-of-first", wrong_xcr0[0], 0);
    check("xcr0-of-second", wrong_xcr0[1], 0);
}
