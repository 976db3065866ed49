/* SPDX-License-Identifier: BSD-2-Clause */
/* Memory that comes into being at its first touch, whatever touches it: the runner adds pages at
 * 80000000h on nested page faults. On a bare emulator RAM stands in for it: the same code, no
 * faults. */
#include "guest.h"

#define LAZY  (under_helium() ? 0x80000000ul : 0x2000000ul)
#define PAGES 256

static ulong base;

static ulong page(unsigned n)
{
    return base + n * 4096ul;
}

static void check_touch(void)
{
    volatile u64 *p;
    u64 wrong = 0;

    for (unsigned n = 0; n < 64; n++) {
        p = (volatile u64 *)page(n);
        p[3] = 0x1000 + n;
    }
    for (unsigned n = 0; n < 64; n++) {
        p = (volatile u64 *)page(n);
        wrong += p[3] != 0x1000 + n;
    }
    check("write", wrong, 0);
    p = (volatile u64 *)page(64);
    wrong = p[0];
    check("read-first", wrong == p[0], 1);
    *(volatile u32 *)(page(66) - 2) = 0x11223344;
    check("write-across-two", *(volatile u32 *)(page(66) - 2), 0x11223344);
    asm volatile("lock incl (%0)" ::"r"(page(3) + 24) : "memory");
    check("locked", *(volatile u32 *)(page(3) + 24), 0x1004);
    memset((void *)page(70), 0x5a, 5 * 4096);
    check("rep-stos", *(volatile u32 *)(page(75) - 4), 0x5a5a5a5a);
    memcpy((void *)(page(80) + 100), (void *)(page(70) + 50), 4 * 4096);
    check("rep-movs", *(volatile u32 *)(page(84) + 80), 0x5a5a5a5a);
}

/* Code that begins in a page nobody touched, and runs into the next one. */
static void check_fetch(void)
{
    u8 *code = (u8 *)page(90) + 4094;

    memcpy((void *)page(90), "\x90",
           1);      /* the first page is there, the second only for its bytes */
    code[0] = 0xb8; /* MOV EAX, 12345678h; RET */
    code[1] = 0x78;
    memcpy((void *)page(91), "\x56\x34\x12\xc3", 4);
    check("fetch-across", ((u32(*)(void))code)(), 0x12345678);
}

static u64 in_handler;

static void on_int(struct frame *f)
{
    in_handler = f->sp;
}

/* An interrupt's frame is pushed where there is no page yet: the event is delivered again. */
static void check_stack(void)
{
    ulong stack = page(101);

    set_handler(0x80, on_int);
    asm volatile("mov %%rsp, %%rbx; mov %0, %%rsp; int $0x80; mov %%rbx, %%rsp" ::"r"(stack)
                 : "rbx", "memory");
    check("stack-int", in_handler, stack);
    stack = page(104);
    TRY("mov %0, %%rsp; ud2", : : "r"(stack));
    check("stack-fault", fault.vector, V_UD);
    check("stack-fault-sp", fault.sp, stack);
    stack = page(107) + 8;
    asm volatile(
        "mov %%rsp, %%rbx; mov %0, %%rsp; push $77; pop %%rax; mov %%rbx, %%rsp" ::"r"(stack)
        : "rax", "rbx", "memory");
    check("stack-push", *(volatile u64 *)page(107), 77);
}

/* The tables themselves: IDT and page tables in untouched memory. */
static void check_tables(void)
{
    struct __attribute__((packed)) {
        u16 limit;
        u64 base;
    } idtr = {sizeof(idt) - 1, page(110)};
    u64 old = boot_pd[512 + 1], *table = (u64 *)page(120);

    memcpy((void *)page(110), idt, sizeof(idt));
    asm volatile("lidt %0" ::"m"(idtr));
    TRY("int $0x81", :);
    check("idt", fault.vector, 0x81);
    load_idt(sizeof(idt) - 1);
    boot_pd[512 + 1] = (u64)table | 7; /* the page table is touched by the walk alone: it is zero */
    invlpg(0x40200000);
    TRY("movb (%0), %%al", : : "r"(0x40200000ul) : "rax");
    check("page-table-read-by-walk", fault.vector << 8 | fault.error, V_PF << 8);
    table[0] = page(121) | 7;
    invlpg(0x40200000);
    *(volatile u32 *)0x40200010 = 0xabcd;
    check("page-table", *(volatile u32 *)(page(121) + 16), 0xabcd);
    check("page-table-accessed-dirty", table[0] & (PAGE_A | PAGE_D), PAGE_A | PAGE_D);
    boot_pd[512 + 1] = old;
    invlpg(0x40200000);
}

/* Where there is nothing at all: ones, and writes are lost. */
static void check_nothing(void)
{
    volatile u32 *nothing = (volatile u32 *)0x90000000;

    if (!under_helium())
        return;
    check("nothing-reads-ones", *nothing, 0xffffffff);
    *nothing = 5;
    check("nothing-stays", *nothing, 0xffffffff);
    check("nothing-byte", *(volatile u8 *)nothing, 0xff);
}

void guest(void)
{
    base = LAZY;
    check_touch();
    check_fetch();
    check_stack();
    check_tables();
    check_nothing();
}
