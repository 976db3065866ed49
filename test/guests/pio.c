/* SPDX-License-Identifier: BSD-2-Clause */
/* Port I/O: every width, every form, strings in both directions, faults in the middle. */
#include "guest.h"

#define SCRATCH 0x600
#define STREAM  0x61c

static u8 buffer[2 * 4096] __attribute__((aligned(4096)));

static void check_widths(void)
{
    u64 rax;

    out32(SCRATCH, 0x11223344);
    check("in-8", in8(SCRATCH), 0x44);
    check("in-8-third", in8(SCRATCH + 2), 0x22);
    check("in-16", in16(SCRATCH + 1), 0x2233);
    check("in-32", in32(SCRATCH), 0x11223344);
    out16(SCRATCH + 2, 0xbeef);
    out8(SCRATCH, 0x77);
    check("out-8-16", in32(SCRATCH), 0xbeef3377);
    asm volatile("inb %%dx, %%al" : "=a"(rax) : "a"(0x8877665544332211), "d"(SCRATCH));
    check("in-8-keeps-the-rest", rax, 0x8877665544332277);
    asm volatile("inw %%dx, %%ax" : "=a"(rax) : "a"(0x8877665544332211), "d"(SCRATCH));
    check("in-16-keeps-the-rest", rax, 0x8877665544333377);
    asm volatile("inl %%dx, %%eax" : "=a"(rax) : "a"(0x8877665544332211), "d"(SCRATCH));
    check("in-32-clears-the-rest", rax, 0xbeef3377);
    asm volatile("inb $0xe9, %%al" : "=a"(rax) : "a"(0));
    check("in-immediate", rax, 0xe9);
    check("no-device", in32(0x7e0), 0xffffffff);
    check("no-device-8", in8(0x7e1), 0xff);
    asm volatile("inl %%dx, %%eax" : "=a"(rax) : "a"(0), "d"(0xffff0000 | SCRATCH));
    check("in-takes-dx-only", rax, 0xbeef3377);
}

static bool counts_up(const u8 *p, unsigned n, u8 from)
{
    for (unsigned i = 0; i < n; i++)
        if (p[i] != (u8)(from + i))
            return false;
    return true;
}

static void check_strings_in(void)
{
    void *di = buffer;
    u64 n = 300;

    out8(STREAM, 5);
    asm volatile("rep insb" : "+D"(di), "+c"(n) : "d"(STREAM) : "memory");
    check("rep-insb", counts_up(buffer, 300, 5), 1);
    check("rep-insb-rdi", (u64)di, (u64)buffer + 300);
    check("rep-insb-rcx", n, 0);
    di = buffer + 1;
    n = 100;
    out8(STREAM, 0);
    asm volatile("rep insl" : "+D"(di), "+c"(n) : "d"(STREAM) : "memory");
    check("rep-insl", counts_up(buffer + 1, 400, 0), 1);
    di = buffer + 4096 - 3;
    n = 2;
    out8(STREAM, 9);
    asm volatile("rep insl" : "+D"(di), "+c"(n) : "d"(STREAM) : "memory");
    check("rep-insl-across-pages", counts_up(buffer + 4096 - 3, 8, 9), 1);
    di = buffer + 99;
    n = 100;
    out8(STREAM, 0);
    asm volatile("std; rep insb; cld" : "+D"(di), "+c"(n) : "d"(STREAM) : "memory");
    check("rep-insb-down", buffer[99] == 0 && buffer[0] == 99 && buffer[50] == 49, 1);
    check("rep-insb-down-rdi", (u64)di, (u64)buffer - 1);
    di = buffer;
    n = 0;
    buffer[0] = 0x5a;
    asm volatile("rep insb" : "+D"(di), "+c"(n) : "d"(STREAM) : "memory");
    check("rep-insb-none", buffer[0] == 0x5a && di == buffer, 1);
    out8(STREAM, 0x21);
    asm volatile("insw" : "+D"(di) : "d"(STREAM) : "memory");
    check("insw", *(u16 *)buffer, 0x2221);
    check("insw-rdi", (u64)di, (u64)buffer + 2);
    n = 0xffffffff00000003; /* 32-bit addresses: only ECX and EDI count, and their upper halves are
                               cleared */
    di = (void *)((u64)buffer | 0xdead00000000);
    out8(STREAM, 1);
    asm volatile("addr32 rep insb" : "+D"(di), "+c"(n) : "d"(STREAM) : "memory");
    check("rep-insb-addr32", counts_up(buffer, 3, 1), 1);
    check("rep-insb-addr32-rdi", (u64)di, (u64)buffer + 3);
}

static void check_strings_out(void)
{
    static const u32 words[] = {0x03020100, 0x07060504, 0x0b0a0908, 0x0f0e0d0c};
    const void *si = words;
    u64 n = 4;

    asm volatile("rep outsl" : "+S"(si), "+c"(n) : "d"(SCRATCH) : "memory");
    check("rep-outsl", in32(SCRATCH), words[3]);
    check("rep-outsl-rsi", (u64)si, (u64)(words + 4));
    si = (const u8 *)words + 5;
    asm volatile("outsb" : "+S"(si) : "d"(SCRATCH + 4) : "memory");
    check("outsb", in8(SCRATCH + 4), 5);
    si = (const u8 *)words + 7;
    n = 2;
    asm volatile("std; rep outsw; cld" : "+S"(si), "+c"(n) : "d"(SCRATCH + 6) : "memory");
    check("rep-outsw-down", in16(SCRATCH + 6), 0x0605);
    wrmsr(MSR_FS_BASE, (u64)&words[1]);
    si = (const void *)4;
    asm volatile(".byte 0x64; outsl" : "+S"(si) : "d"(SCRATCH + 8) : "memory");
    check("outsl-fs", in32(SCRATCH + 8), words[2]);
    wrmsr(MSR_FS_BASE, 0);
}

/* The second page is not there: what came before stays done, RCX and RDI stand at the fault. */
static void check_fault_in_the_middle(void)
{
    u8 *window = (u8 *)0x40000000;
    u64 *second;

    map_page((u64)window, (u64)buffer, PAGE_P | PAGE_W);
    second = map_page((u64)window + 4096, 0, 0);
    memset(buffer, 0, sizeof(buffer));
    out8(STREAM, 7);
    TRY("rep insb", : : "D"(window + 4090), "c"(16), "d"(STREAM) : "memory");
    expect("rep-insb-fault", V_PF, 2, 0);
    check("rep-insb-fault-cr2", fault.cr2, (u64)window + 4096);
    check("rep-insb-fault-done", counts_up(buffer + 4090, 6, 7), 1);
    check("rep-insb-fault-rdi", fault.frame.di, (u64)window + 4096);
    check("rep-insb-fault-rcx", fault.frame.cx, 10);
    check("rep-insb-fault-port-not-read", in8(STREAM), 13);
    TRY("rep outsl", : : "S"(window + 4096 - 8), "c"(4), "d"(SCRATCH) : "memory");
    expect("rep-outsl-fault", V_PF, 0, 0);
    check("rep-outsl-fault-rcx", fault.frame.cx, 2);
    (void)second;
    TRY("insb", : : "D"(0x8000000000000000), "d"(STREAM));
    expect("insb-non-canonical", V_GP, 0, 0);
}

static void user_in(void)
{
    asm volatile("cli; in $0x21, %al; int $0x80");
}
static void check_user(void)
{
    try_user(user_in);
    check("user-in-iopl-3", fault.vector, 0x80);
}

void guest(void)
{
    if (under_helium()) {
        check_widths();
        check_strings_in();
        check_strings_out();
        check_fault_in_the_middle();
    }
    check_user();
}
