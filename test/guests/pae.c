/* SPDX-License-Identifier: BSD-2-Clause */
/* PAE paging: PDPTEs are loaded by MOV CR3 and not before, reserved bits in them refuse it; 2 MiB
 * pages, NX. */
#include "guest.h"

static volatile u64 pdpt[4] __attribute__((aligned(4096)));
static volatile u64 directories[4][512] __attribute__((aligned(4096)));
static volatile u64 other_directory[512] __attribute__((aligned(4096)));
static volatile u64 table[512] __attribute__((aligned(4096)));
static volatile u8 pages[2][4096] __attribute__((aligned(4096)));

#define WINDOW 0x40000000u
#define NX     BIT(63)

static void turn_on(void)
{
    for (u32 i = 0; i < 2048; i++)
        directories[i / 512][i % 512] = (u64)i << 21 | PAGE_PS | PAGE_U | PAGE_W | PAGE_P;
    for (u32 i = 0; i < 4; i++)
        pdpt[i] = (u32)directories[i] | PAGE_P;
    directories[1][0] = (u32)table | PAGE_U | PAGE_W | PAGE_P;
    write_cr4(read_cr4() | CR4_PAE);
    write_cr3((ulong)pdpt);
    write_cr0(read_cr0() | CR0_PG | CR0_WP);
}

static void check_small(void)
{
    volatile u8 *window = (volatile u8 *)WINDOW;

    pages[0][7] = 0x11;
    pages[1][7] = 0x22;
    table[0] = (u32)pages[0] | PAGE_P;
    check("4k-read", window[7], 0x11);
    TRY("movb $1, (%0)", : : "r"(window));
    expect("4k-read-only", V_PF, 3, 0);
    table[0] = (u32)pages[1] | PAGE_P | PAGE_W;
    invlpg(WINDOW);
    window[8] = 1;
    check("4k-accessed-dirty", table[0] & (PAGE_A | PAGE_D), PAGE_A | PAGE_D);
    table[0] = 0;
    invlpg(WINDOW);
    TRY("movb (%0), %%al", : : "r"(window) : "eax");
    expect("4k-absent", V_PF, 0, 0);
}

static void check_nx(void)
{
    if (!(cpuid(0x80000001, 0).d & BIT(20)))
        return;
    wrmsr(MSR_EFER, rdmsr(MSR_EFER) | BIT(11));
    pages[0][0] = 0xc3;
    table[0] = (u32)pages[0] | PAGE_P | NX;
    invlpg(WINDOW);
    TRY("call *%0", : : "r"(WINDOW));
    check("nx", fault.vector << 8 | fault.error, V_PF << 8 | 0x11);
    wrmsr(MSR_EFER, rdmsr(MSR_EFER) & ~BIT(11));
    write_cr3(read_cr3());
}

static void check_large(void)
{
    *(volatile u32 *)0x400010 = 0x5eed;
    directories[1][1] = 0x400000 | PAGE_PS | PAGE_W | PAGE_P;
    write_cr3(read_cr3());
    check("2m-read", *(volatile u32 *)(WINDOW + 0x200010), 0x5eed);
}

/* The CPU holds the PDPTEs: memory may change without effect until CR3 is written. */
static void check_pdptes(void)
{
    u64 old = pdpt[1];

    for (u32 i = 0; i < 512; i++)
        other_directory[i] = directories[1][i];
    other_directory[1] = 0x600000 | PAGE_PS | PAGE_W | PAGE_P;
    *(volatile u32 *)0x600010 = 0xfeed;
    write_cr3(read_cr3());
    check("pdpte-before", *(volatile u32 *)(WINDOW + 0x200010), 0x5eed);
    pdpt[1] = (u32)other_directory | PAGE_P;
    if (is_bochs()) { /* QEMU reads the PDPTEs at each walk */
        invlpg(WINDOW + 0x200000);
        check("pdpte-held", *(volatile u32 *)(WINDOW + 0x200010), 0x5eed);
    }
    write_cr3(read_cr3());
    check("pdpte-reloaded", *(volatile u32 *)(WINDOW + 0x200010), 0xfeed);
    pdpt[1] = old;
    write_cr3(read_cr3());
    if (!is_bochs())
        return;
    pdpt[1] = old | 0x1e0; /* reserved */
    TRY("mov %0, %%cr3", : : "r"(read_cr3()));
    expect("pdpte-reserved", V_GP, 0, 0);
    pdpt[1] = old;
    write_cr3(read_cr3());
}

static void check_device(void)
{
    table[1] = 0xfee00000 | PAGE_P | PAGE_W;
    invlpg(WINDOW + 0x1000);
    check("mmio", *(volatile u32 *)(WINDOW + 0x1030) & 0xf0, 0x10);
    check("mmio-accessed", table[1] & (PAGE_A | PAGE_D), PAGE_A);
}

void guest(void)
{
    turn_on();
    check("on", read_cr0() >> 31, 1);
    check_small();
    check_nx();
    check_large();
    check_pdptes();
    check_device();
}
