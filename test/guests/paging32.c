/* SPDX-License-Identifier: BSD-2-Clause */
/* 32-bit paging: 4 KiB and 4 MiB pages, CR0.WP, PSE on and off, global pages. */
#include "guest.h"

static volatile u32 directory[1024] __attribute__((aligned(4096)));
static volatile u32 table[1024] __attribute__((aligned(4096)));
static volatile u8 pages[2][4096] __attribute__((aligned(4096)));

#define WINDOW 0x40000000u

static volatile u32 *pte(u32 va)
{
    return &table[va >> 12 & 1023];
}

static void turn_on(void)
{
    for (u32 i = 0; i < 1024; i++)
        directory[i] = i << 22 | PAGE_PS | PAGE_U | PAGE_W | PAGE_P;
    directory[WINDOW >> 22] = (u32)table | PAGE_U | PAGE_W | PAGE_P;
    write_cr4(read_cr4() | CR4_PSE);
    write_cr3((ulong)directory);
    write_cr0(read_cr0() | CR0_PG | CR0_WP);
}

static void check_small(void)
{
    volatile u8 *window = (volatile u8 *)WINDOW;

    pages[0][7] = 0x11;
    pages[1][7] = 0x22;
    *pte(WINDOW) = (u32)pages[0] | PAGE_P;
    check("4k-read", window[7], 0x11);
    check("4k-accessed", *pte(WINDOW) & (PAGE_A | PAGE_D), PAGE_A);
    TRY("movb $1, (%0)", : : "r"(window));
    expect("4k-read-only", V_PF, 3, 0);
    check("4k-read-only-cr2", fault.cr2, WINDOW);
    *pte(WINDOW) = (u32)pages[1] | PAGE_P | PAGE_W;
    invlpg(WINDOW);
    check("4k-after-invlpg", window[7], 0x22);
    window[7] = 0x33;
    check("4k-dirty", *pte(WINDOW) & (PAGE_A | PAGE_D), PAGE_A | PAGE_D);
    check("4k-written", pages[1][7], 0x33);
    *pte(WINDOW) = 0;
    write_cr3(read_cr3());
    TRY("movb 9(%0), %%al", : : "r"(window) : "eax");
    expect("4k-absent", V_PF, 0, 0);
    check("4k-absent-cr2", fault.cr2, WINDOW + 9);
    *pte(WINDOW) = (u32)pages[0] | PAGE_P;
    write_cr0(read_cr0() & ~CR0_WP);
    TRY("movb $1, (%0)", : : "r"(window));
    expect_none("4k-without-wp");
    write_cr0(read_cr0() | CR0_WP);
}

static void check_large(void)
{
    u32 old = directory[(WINDOW >> 22) + 1];
    volatile u32 *window = (volatile u32 *)(WINDOW + 0x400000);

    *(volatile u32 *)0x400010 = 0x5eed;
    directory[(WINDOW >> 22) + 1] = 1u << 22 | PAGE_PS | PAGE_W | PAGE_P;
    write_cr3(read_cr3());
    check("4m-read", window[4], 0x5eed);
    window[4] = 0xfeed;
    check("4m-write", *(volatile u32 *)0x400010, 0xfeed);
    check("4m-dirty", directory[(WINDOW >> 22) + 1] & (PAGE_A | PAGE_D), PAGE_A | PAGE_D);
    directory[(WINDOW >> 22) + 1] = 1u << 22 | 1u << 21 | PAGE_PS | PAGE_W | PAGE_P;
    write_cr3(read_cr3());
    TRY("movl (%0), %%eax", : : "r"(window) : "eax");
    check_either("4m-reserved-bit", fault.vector << 8 | fault.error, V_PF << 8 | 9, V_PF << 8 | 8);
    directory[(WINDOW >> 22) + 1] = old;
    write_cr3(read_cr3());
}

static void user_read(void)
{
    asm volatile("movb 0x40000000, %al; int $0x80");
}

static void check_user(void)
{
    *pte(WINDOW) = (u32)pages[0] | PAGE_P;
    invlpg(WINDOW);
    try_user(user_read);
    check("user-read-kernel", fault.vector << 8 | fault.error, V_PF << 8 | 5);
    *pte(WINDOW) = (u32)pages[0] | PAGE_P | PAGE_U;
    invlpg(WINDOW);
    try_user(user_read);
    check("user-read", fault.vector, 0x80);
}

/* A device access with translation: decoder and walker in 32-bit code with paging. */
static void check_device(void)
{
    *pte(WINDOW + 0x1000) = 0xfee00000 | PAGE_P | PAGE_W;
    invlpg(WINDOW + 0x1000);
    check("mmio", *(volatile u32 *)(WINDOW + 0x1030) & 0xf0, 0x10);
    check("mmio-accessed", *pte(WINDOW + 0x1000) & (PAGE_A | PAGE_D), PAGE_A);
    *(volatile u32 *)(WINDOW + 0x1080) = 0x20;
    check("mmio-write", *(volatile u32 *)0xfee00080, 0x20);
    check("mmio-dirty", *pte(WINDOW + 0x1000) & (PAGE_A | PAGE_D), PAGE_A | PAGE_D);
    *(volatile u32 *)(WINDOW + 0x1080) = 0;
}

static void check_off_again(void)
{
    write_cr0(read_cr0() & ~CR0_PG);
    check("paging-off", *(volatile u8 *)&pages[1][7], 0x33);
    write_cr0(read_cr0() | CR0_PG);
    check("paging-on-again", read_cr0() >> 31, 1);
}

void guest(void)
{
    turn_on();
    check("on", read_cr0() >> 31, 1);
    check_small();
    check_large();
    check_user();
    check_device();
    check_off_again();
}
