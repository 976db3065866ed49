/* SPDX-License-Identifier: BSD-2-Clause */
/* 64-bit mode and what hangs together with it: control registers, compatibility mode, SYSCALL,
 * canonical addresses, pages of all sizes. */
#include "guest.h"

/* Accesses that no hypervisor needs to intercept, and that QEMU's CPU lets pass. */
static void check_bits_of_the_cpu(void)
{
    if (!is_bochs())
        return;
    TRY("mov %0, %%cr0", : : "r"(read_cr0() | BIT(32)));
    expect("cr0-high-bit", V_GP, 0, 0);
    TRY("mov %0, %%cr3", : : "r"(BIT(60)));
    expect("cr3-reserved", V_GP, 0, 0);
    TRY("wrmsr", : : "c"(MSR_LSTAR), "a"(0), "d"(0x80000000));
    expect("non-canonical-lstar", V_GP, 0, 0);
}

static void check_reserved_bits(void)
{
    ulong cr0 = read_cr0(), cr4 = read_cr4();

    if (!reserved_bits_checked())
        return;
    TRY("mov %0, %%cr0", : : "r"(cr0 & ~1ul));
    expect("cr0-pg-without-pe", V_GP, 0, 0);
    TRY("mov %0, %%cr0", : : "r"(cr0 | CR0_NW));
    expect("cr0-nw-without-cd", V_GP, 0, 0);
    TRY("mov %0, %%cr4", : : "r"(cr4 & ~CR4_PAE));
    expect("cr4-pae-off-in-long-mode", V_GP, 0, 0);
    TRY("mov %0, %%cr4", : : "r"(cr4 | BIT(31)));
    expect("cr4-reserved", V_GP, 0, 0);
    TRY("mov %0, %%cr4", : : "r"(cr4 | BIT(40)));
    expect("cr4-high-bit", V_GP, 0, 0);
    TRY("mov %0, %%cr8", : : "r"(16ul));
    expect("cr8-too-large", V_GP, 0, 0);
    TRY("mov %0, %%cr0", : : "r"(cr0 & ~CR0_PG));
    expect("cr0-pg-off-in-64-bit-code", V_GP, 0, 0);
    TRY("wrmsr", : : "c"(MSR_EFER), "a"(0x400), "d"(0));
    expect("efer-lme-off-while-paging", V_GP, 0, 0);
    check("cr0-unchanged", read_cr0(), cr0);
    check("cr4-unchanged", read_cr4(), cr4);
}

static void check_control_registers(void)
{
    ulong cr0 = read_cr0(), cr4 = read_cr4();

    check("cr0", cr0, 0x80010033);
    check("cr4", cr4, 0x620);
    check("efer-lma", rdmsr(MSR_EFER) & 0x500, 0x500);
    write_cr0(cr0 | CR0_TS | CR0_AM);
    check("cr0-ts-am", read_cr0(), cr0 | CR0_TS | CR0_AM);
    asm volatile("clts");
    check("clts", read_cr0(), cr0 | CR0_AM);
    asm volatile("lmsw %w0" ::"r"(0));
    check("lmsw-keeps-pe", read_cr0(), (cr0 | CR0_AM) & ~0xeul);
    write_cr0(cr0);
    write_cr0(cr0 | CR0_CD);
    check("cr0-cd", read_cr0(), cr0 | CR0_CD);
    write_cr0(cr0);
    for (unsigned i = 0; i < 16; i++) {
        write_cr8(i);
        if (read_cr8() != i)
            check("cr8", read_cr8(), i);
    }
    check("cr8", read_cr8(), 15);
    write_cr8(0);
    TRY(".byte 0x0f, 0x20, 0xc8", : : : "rax"); /* MOV CR1, RAX */
    expect("cr1", V_UD, 0, 0);
    write_cr2(0x123456789abcdef0);
    check("cr2", read_cr2(), 0x123456789abcdef0);
}

static void check_canonical(void)
{
    volatile u8 *hole = (volatile u8 *)0x8000000000000000;

    TRY("movb (%0), %%al", : : "D"(hole) : "rax");
    expect("non-canonical-read", V_GP, 0, 0);
    TRY("pushq (%0)", : : "D"(hole));
    expect("non-canonical-push", V_GP, 0, 0);
    idt[V_SS].ist = idt[V_GP].ist = 1; /* or there would be no stack to tell it on */
    TRY("mov %0, %%rsp; push %%rax", : : "r"(hole));
    idt[V_SS].ist = idt[V_GP].ist = 0;
    check_either("non-canonical-stack", fault.vector, V_SS, V_GP);
    TRY("jmp *%0", : : "r"(hole));
    check("non-canonical-jump", fault.vector, V_GP);
    TRY("invlpg (%0)", : : "r"(hole));
    expect_none("non-canonical-invlpg");
}

/* 32-bit code under long mode: reached by a far return, left by a far jump. */
static u32 in_compatibility_mode(void)
{
    u32 result;

    asm volatile("pushq %1\n\tpushq $1f\n\tlretq\n"
                 "1:\t.code32\n\t.byte 0x48\n\tinc %%eax\n\t" /* 48h: DEC EAX here, a prefix in
                                                                 64-bit code */
                 "ljmp %2, $2f\n\t.code64\n2:"
                 : "=a"(result)
                 : "i"(CODE32_SEL), "i"(CODE_SEL), "a"(7ul << 32 | 5)
                 : "memory");
    return result;
}

static u64 syscall_seen[3];

static void check_syscall(void)
{
    wrmsr(MSR_EFER, rdmsr(MSR_EFER) | 1);
    wrmsr(MSR_STAR, (u64)(UDATA_SEL - 8) << 48 | (u64)CODE_SEL << 32);
    wrmsr(MSR_SFMASK, FLAG_DF | FLAG_IF);
    asm volatile(
        "lea 1f(%%rip), %%rax\n\tmov %%rax, %%rdx\n\tshr $32, %%rdx\n\tmov %3, %%ecx\n\twrmsr\n\t"
        "std\n\tsyscall\n"
        "1:\tmov %%rcx, %0\n\tmov %%r11, %1\n\tpushf\n\tpop %2\n\tcld"
        : "=m"(syscall_seen[0]), "=m"(syscall_seen[1]), "=m"(syscall_seen[2])
        : "i"(MSR_LSTAR)
        : "rax", "rcx", "rdx", "r11", "memory", "cc");
    check("syscall-rcx", syscall_seen[0], rdmsr(MSR_LSTAR));
    check("syscall-r11-df", syscall_seen[1] & FLAG_DF, FLAG_DF);
    check("syscall-masks-df", syscall_seen[2] & FLAG_DF, 0);
    wrmsr(MSR_EFER, rdmsr(MSR_EFER) & ~1ull);
    TRY("syscall", : : : "rcx", "r11");
    expect("syscall-without-sce", V_UD, 0, 0);
}

static void check_pages(void)
{
    static u8 page[2][4096] __attribute__((aligned(4096)));
    volatile u64 *high = (volatile u64 *)0x40000000;
    u64 *pte;

    page[0][0] = 0x11;
    page[1][0] = 0x22;
    pte = map_page(0x40000000, (u64)page[0], PAGE_P | PAGE_W);
    check("page-4k", *(volatile u8 *)high, 0x11);
    check("page-accessed", *pte & (PAGE_A | PAGE_D), PAGE_A);
    *(volatile u8 *)high = 0x33;
    check("page-dirty", *pte & (PAGE_A | PAGE_D), PAGE_A | PAGE_D);
    check("page-alias", page[0][0], 0x33);
    *pte = (u64)page[1] | PAGE_P;
    invlpg((ulong)high);
    check("page-changed", *(volatile u8 *)high, 0x22);
    TRY("movb $1, (%0)", : : "r"(high));
    expect("page-read-only", V_PF, 3, 0);
    check("page-read-only-cr2", fault.cr2, (u64)high);
    *pte = 0;
    invlpg((ulong)high);
    TRY("movb 5(%0), %%al", : : "r"(high) : "rax");
    expect("page-absent", V_PF, 0, 0);
    check("page-absent-cr2", fault.cr2, (u64)high + 5);
    *pte = (u64)page[0] | PAGE_P | BIT(51);
    invlpg((ulong)high);
    TRY("movb (%0), %%al", : : "r"(high) : "rax");
    check_either("page-reserved-bit", (u64)fault.vector << 32 | fault.error, (u64)V_PF << 32 | 9,
                 (u64)V_PF << 32 | 8);
    wrmsr(MSR_EFER, rdmsr(MSR_EFER) | BIT(11));
    page[0][0] = 0xc3;
    *pte = (u64)page[0] | PAGE_P | BIT(63);
    invlpg((ulong)high);
    TRY("call *%0", : : "r"(high));
    check("page-nx", (u64)fault.vector << 32 | fault.error, (u64)V_PF << 32 | 0x11);
    check("page-nx-ip", fault.ip, (u64)high);
    wrmsr(MSR_EFER, rdmsr(MSR_EFER) & ~BIT(11));
    TRY("movb (%0), %%al", : : "r"(high) : "rax");
    check_either("page-nx-bit-without-nxe", (u64)fault.vector << 32 | fault.error,
                 (u64)V_PF << 32 | 9, (u64)V_PF << 32 | 8);
    *pte = (u64)page[0] | PAGE_P;
    invlpg((ulong)high);
    TRY("call *%0", : : "r"(high));
    expect_none("page-executable");
}

static void check_gigabyte_page(void)
{
    u64 old = boot_pdpt[1];

    if (!(cpuid(0x80000001, 0).d & BIT(26)))
        return;
    *(volatile u32 *)0x600000 = 0x1badb00f;
    boot_pdpt[1] = 0x87; /* the second GiB once more the first */
    write_cr3(read_cr3());
    check("page-1g", *(volatile u32 *)0x40600000, 0x1badb00f);
    boot_pdpt[1] = old;
    write_cr3(read_cr3());
}

/* A global page's translation outlives MOV CR3, and goes when CR4.PGE changes. */
static void check_global(void)
{
    static u8 page[2][4096] __attribute__((aligned(4096)));
    ulong cr4 = read_cr4();
    volatile u8 *window = (volatile u8 *)0x40005000;
    u64 *pte;

    page[0][0] = 0x11;
    page[1][0] = 0x22;
    write_cr4(cr4 | CR4_PGE);
    pte = map_page((u64)window, (u64)page[0], PAGE_P | BIT(8));
    check("global-page", *window, 0x11);
    *pte = (u64)page[1] | PAGE_P | BIT(8);
    write_cr4(cr4);
    check("pge-off-flushes", *window, 0x22);
    *pte = (u64)page[0] | PAGE_P;
    write_cr3(read_cr3());
    check("cr3-flushes", *window, 0x11);
    *pte = (u64)page[1] | PAGE_P;
    write_cr0(read_cr0() & ~CR0_WP);
    write_cr0(read_cr0() | CR0_WP);
    invlpg((ulong)window);
    check("invlpg-flushes", *window, 0x22);
}

static void check_pcid(void)
{
    ulong cr4 = read_cr4(), cr3 = read_cr3();
    static u8 page[2][4096] __attribute__((aligned(4096)));
    volatile u8 *window = (volatile u8 *)0x40006000;
    u64 *pte;

    if (!(cpuid(1, 0).c & BIT(17)))
        return;
    page[0][0] = 0x33;
    page[1][0] = 0x44;
    pte = map_page((u64)window, (u64)page[0], PAGE_P);
    write_cr4(cr4 | CR4_PCIDE);
    write_cr3(cr3 | 5);
    check("pcid-in-cr3", read_cr3(), cr3 | 5);
    check("pcid-page", *window, 0x33);
    *pte = (u64)page[1] | PAGE_P;
    write_cr3(cr3 | 5); /* without bit 63: what PCID 5 had is dropped */
    check("pcid-flush", *window, 0x44);
    write_cr3(cr3 | 6 | BIT(63));
    check("pcid-bit-63-reads-0", read_cr3(), cr3 | 6);
    TRY("mov %0, %%cr0", : : "r"(read_cr0() & ~CR0_PG));
    expect("pcid-needs-paging", V_GP, 0, 0);
    write_cr3(cr3);
    write_cr4(cr4);
    TRY("mov %0, %%cr3", : : "r"(cr3));
    expect_none("pcid-off-again");
    if (!(cpuid(0, 0).a >= 7 && cpuid(7, 0).b & BIT(10)))
        return;
    {
        static const u64 descriptor[2] = {0, 0x40006000};

        *pte = (u64)page[0] | PAGE_P;
        asm volatile("invpcid %0, %1" ::"m"(descriptor), "r"(0ul) : "memory");
        check("invpcid-address", *window, 0x33);
    }
}

void guest(void)
{
    check_control_registers();
    check_reserved_bits();
    check_bits_of_the_cpu();
    check_canonical();
    check("compatibility-mode", in_compatibility_mode(), 5);
    check_syscall();
    check_gigabyte_page();
    check_pages();
    check_global();
    check_pcid();
}
