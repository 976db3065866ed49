/* SPDX-License-Identifier: BSD-2-Clause */
/* Every fault comes back to the guest as from the CPU: vector, error code, address, saved RIP. */
#include "guest.h"

static void check_plain(void)
{
    u64 zero = 0;
    static volatile s64 least = INT64_MIN;

    TRY("divl %2", : : "a"(1), "d"(0), "r"((u32)zero));
    expect("de", V_DE, 0, 0);
    TRY("idivq %2", : : "a"(least), "d"(-1l), "r"(-1l));
    expect("de-overflow", V_DE, 0, 0);
    TRY("int3", :);
    expect("bp", V_BP, 0, 1);
    TRY(".byte 0xcd, 3", :);
    expect("int-3", V_BP, 0, 2);
    TRY(".byte 0xf1", :);
    check_either("icebp", fault.vector, V_DB, V_UD);
    TRY("ud2", :);
    expect("ud2", V_UD, 0, 0);
    TRY(".byte 0x06", :); /* PUSH ES: not in 64-bit code */
    expect("ud-in-64-bit", V_UD, 0, 0);
    TRY(".byte 0xf0, 0x90", :); /* LOCK NOP */
    expect("ud-lock", V_UD, 0, 0);
    TRY("int $0x80", :);
    expect("int-80", 0x80, 0, 2);
}

static void check_fpu(void)
{
    static const u16 unmasked = 0x0340;
    static const u32 divide_by_zero_unmasked = 0x1d80;
    ulong cr0 = read_cr0(), cr4 = read_cr4();

    write_cr0(cr0 | CR0_TS);
    TRY("fnop", :);
    expect("nm", V_NM, 0, 0);
    TRY("xorps %%xmm0, %%xmm0", : :);
    expect("nm-sse", V_NM, 0, 0);
    TRY("fwait", :);
    expect("nm-fwait", V_NM, 0, 0);
    write_cr0(cr0 & ~CR0_TS);
    write_cr0((cr0 & ~CR0_TS) | CR0_EM);
    TRY("fnop", :);
    expect("nm-em", V_NM, 0, 0);
    TRY("xorps %%xmm0, %%xmm0", : :);
    check_either("ud-sse-em", fault.vector, V_UD, V_NM);
    write_cr0(cr0);
    asm volatile("fninit; fldcw %0; fldz; fld1; fdivp" ::"m"(unmasked));
    TRY("fwait", :);
    expect("mf", V_MF, 0, 0);
    asm volatile("fninit");
    write_cr4(cr4 & ~CR4_OSFXSR);
    TRY("xorps %%xmm0, %%xmm0", : :);
    expect("ud-sse-without-osfxsr", V_UD, 0, 0);
    write_cr4(cr4 | CR4_OSFXSR | CR4_OSXMMEXCPT);
    {
        static const float one = 1;

        asm volatile(
            "ldmxcsr %0; movss %1, %%xmm0; xorps %%xmm1, %%xmm1" ::"m"(divide_by_zero_unmasked),
            "m"(one));
        TRY("divss %%xmm1, %%xmm0", : :);
        check_either("xm", fault.vector, V_XM, NO_FAULT);
        static const u32 usual = 0x1f80;
        asm volatile("ldmxcsr %0" ::"m"(usual));
    }
    {
        static u8 area[32] __attribute__((aligned(16)));

        TRY("movaps %%xmm0, (%0)", : : "r"(area + 1));
        check_either("gp-misaligned-sse", fault.vector, V_GP, NO_FAULT);
    }
}

static void check_segments(void)
{
    u64 *spare = gdt_entry(SPARE_SEL);

    TRY("mov %0, %%ds", : : "r"(0x1000));
    expect("gp-beyond-gdt", V_GP, 0x1000, 0);
    TRY("mov %0, %%ds", : : "r"(TSS_SEL));
    expect("gp-tss-in-ds", V_GP, TSS_SEL, 0);
    spare[0] = 0x00cf13000000ffff; /* data, not present */
    TRY("mov %0, %%ds", : : "r"(SPARE_SEL));
    expect("np-ds", V_NP, SPARE_SEL, 0);
    TRY("mov %0, %%ss", : : "r"(SPARE_SEL));
    expect("ss-not-present", V_SS, SPARE_SEL, 0);
    TRY("mov %0, %%ss", : : "r"(0));
    check("null-ss-in-ring-0", fault.vector, NO_FAULT);
    asm volatile("mov %0, %%ss" ::"r"(DATA_SEL));
    TRY("mov %0, %%ss", : : "r"(UDATA_SEL));
    expect("gp-ss-dpl", V_GP, UDATA_SEL & ~3, 0);
    TRY("mov %0, %%ss", : : "r"(CODE_SEL));
    expect("gp-ss-code", V_GP, CODE_SEL, 0);
    spare[1] = 0x00af1b000000ffff; /* 64-bit code, not present */
    TRY("pushq %0; pushq $1f; lretq; 1:", : : "i"(SPARE_SEL + 8));
    check("np-far-return", (u64)fault.vector << 32 | fault.error,
          (u64)V_NP << 32 | (SPARE_SEL + 8));
    TRY("ltr %w0", : : "r"(TSS_SEL));
    expect("gp-ltr-busy", V_GP, TSS_SEL, 0);
    TRY("ltr %w0", : : "r"(DATA_SEL));
    expect("gp-ltr-no-tss", V_GP, DATA_SEL, 0);
    TRY("lldt %w0", : : "r"(CODE_SEL));
    expect("gp-lldt-no-ldt", V_GP, CODE_SEL, 0);
    asm volatile("lldt %w0" ::"r"(0));
    TRY("mov %0, %%ds", : : "r"(0xc));
    expect("gp-null-ldt", V_GP, 0xc, 0);
}

/* QEMU's CPU loads such a code segment, and can then not be run by VMRUN. */
static void check_long_and_default(void)
{
    if (!is_bochs())
        return;
    *gdt_entry(SPARE_SEL + 16) = 0x00ef9b000000ffff; /* L and D both: reserved */
    TRY("pushq %0; pushq $1f; lretq; 1:", : : "i"(SPARE_SEL + 16));
    check("gp-code-l-and-d", (u64)fault.vector << 32 | fault.error,
          (u64)V_GP << 32 | (SPARE_SEL + 16));
}

/* An interrupt frame for IRETQ that does not hold water. */
static void check_iret(void)
{
    TRY("pushq %0; pushq %%rsp; pushq $2; pushq %1; pushq $1f; iretq; 1:",
        :
        : "i"(DATA_SEL), "i"(SPARE_SEL + 8));
    check("iret-np", (u64)fault.vector << 32 | fault.error, (u64)V_NP << 32 | (SPARE_SEL + 8));
    TRY("pushq %0; pushq %%rsp; pushq $2; pushq %1; pushq $1f; iretq; 1:",
        :
        : "i"(CODE_SEL), "i"(CODE_SEL));
    check("iret-bad-ss", (u64)fault.vector << 32 | fault.error, (u64)V_GP << 32 | CODE_SEL);
    TRY("pushq %0; pushq %%rsp; pushq $0x4002; popf; pushq $2; pushq %1; pushq $1f; iretq; 1:",
        :
        : "i"(DATA_SEL), "i"(CODE_SEL));
    check("iret-nt", (u64)fault.vector << 32 | fault.error, (u64)V_GP << 32);
    write_flags(2);
}

/* Gates that are not there, or lead nowhere: the second fault carries vector * 8 + 2 (+ 1:
 * external). */
static void check_gates(void)
{
    struct gate good = idt[0x81];

    idt[0x81].type = 0x6e; /* not present */
    TRY("int $0x81", :);
    check_either("gate-not-present", (u64)fault.vector << 32 | fault.error,
                 (u64)V_NP << 32 | (0x81 * 8 + 2), (u64)V_NP << 32 | (0x81 * 16 + 2));
    check("gate-not-present-ip", fault.ip - try_at, 0);
    idt[0x81].type = 0xe5; /* task gate: not in 64-bit mode */
    TRY("int $0x81", :);
    check_either("gate-bad-type", (u64)fault.vector << 32 | fault.error,
                 (u64)V_GP << 32 | (0x81 * 8 + 2), (u64)V_GP << 32 | (0x81 * 16 + 2));
    idt[0x81] = good;
    idt[0x81].selector = 0;
    TRY("int $0x81", :);
    expect("gate-null-selector", V_GP, 0, 0);
    idt[0x81].selector = DATA_SEL;
    TRY("int $0x81", :);
    expect("gate-data-selector", V_GP, DATA_SEL, 0);
    idt[0x81].selector = SPARE_SEL + 8;
    TRY("int $0x81", :);
    expect("gate-code-not-present", V_NP, SPARE_SEL + 8, 0);
    idt[0x81].selector = CODE32_SEL;
    TRY("int $0x81", :);
    expect("gate-32-bit-code", V_GP, CODE32_SEL, 0);
    idt[0x81] = good;
    load_idt(0x80 * 16 - 1);
    TRY("int $0x80", :);
    check_either("gate-beyond-limit", (u64)fault.vector << 32 | fault.error,
                 (u64)V_GP << 32 | (0x80 * 8 + 2), (u64)V_GP << 32 | (0x80 * 16 + 2));
    load_idt(sizeof(idt) - 1);
    idt[V_UD].type = 0x0e;
    TRY("ud2", :);
    check_either("gate-of-ud-not-present", (u64)fault.vector << 32 | fault.error,
                 (u64)V_NP << 32 | (V_UD * 8 + 3), (u64)V_NP << 32 | (V_UD * 16 + 2));
    check("gate-of-ud-not-present-ip", fault.ip - try_at, 0);
    idt[V_UD].type = 0xee;
    idt[V_GP].type = 0x0e; /* #GP, then #NP while it is delivered: #DF */
    TRY("mov %0, %%ds", : : "r"(0x1000));
    check("df", (u64)fault.vector << 32 | fault.error, (u64)V_DF << 32);
    idt[V_GP].type = 0xee;
}

static void check_page_faults(void)
{
    static u8 page[4096] __attribute__((aligned(4096)));
    u64 *pte = map_page(0x40000000, (u64)page, PAGE_P | PAGE_W);

    map_page(0x40001000, 0, 0);
    TRY("movl %%eax, 0xffe(%0)", : : "r"(0x40000000ul));
    expect("pf-second-page", V_PF, 2, 0);
    check("pf-second-page-cr2", fault.cr2, 0x40001000);
    page[0xffe] = 0x90;
    page[0xfff] = 0xb8; /* MOV EAX, imm32 whose operand lies in the absent page */
    TRY("jmp *%0", : : "r"(0x40000ffful));
    check("pf-fetch", (u64)fault.vector << 32 | (fault.error & ~0x10u), (u64)V_PF << 32);
    check("pf-fetch-ip", fault.ip, 0x40000fff);
    check("pf-fetch-cr2", fault.cr2, 0x40001000);
    *pte = (u64)page | PAGE_P;
    invlpg(0x40000000);
    TRY("rep stosb", : : "D"(0x40000000ul), "c"(4ul), "a"(0));
    expect("pf-rep", V_PF, 3, 0);
    write_cr0(read_cr0() & ~CR0_WP);
    TRY("movb $0, (%0)", : : "r"(0x40000000ul));
    expect_none("pf-without-wp");
    write_cr0(read_cr0() | CR0_WP);
}

static void check_stack_fault_during_delivery(void)
{
    map_page(0x40002000, 0, 0);
    idt[V_DF].ist = 1;
    /* The stack is gone: #UD cannot be delivered (#PF), nor can #PF: #DF, on a stack of its own. */
    TRY("mov %0, %%rsp; ud2", : : "r"(0x40003000ul));
    check("df-no-stack", (u64)fault.vector << 32 | fault.error, (u64)V_DF << 32);
    check("df-no-stack-cr2", fault.cr2 >> 12, 0x40002);
    idt[V_DF].ist = 0;
}

/* ---- ring 3 ---- */

static void user_hlt(void)
{
    asm volatile("hlt");
}
static void user_cr(void)
{
    asm volatile("mov %cr0, %rax");
}
static void user_msr(void)
{
    asm volatile("rdmsr");
}
static void user_int(void)
{
    asm volatile("int $0x82");
}
static void user_alignment(void)
{
    asm volatile("pushf; orl $0x40000, (%rsp); popf; movl 1(%rsp), %eax; int $0x80");
}
static void user_kernel_page(void)
{
    *(volatile u8 *)0x40004000 = 1;
}
static void user_kernel_read(void)
{
    (void)*(volatile u8 *)0x40004000;
}
static void user_lgdt(void)
{
    asm volatile("lgdt (%rsp)");
}
static void user_invlpg(void)
{
    asm volatile("invlpg (%rsp)");
}
static void user_wbinvd(void)
{
    asm volatile("wbinvd");
}
static void user_rdtsc(void)
{
    asm volatile("rdtsc; int $0x80");
}
static void user_mov_dr(void)
{
    asm volatile("mov %dr7, %rax");
}
static void user_xsetbv(void)
{
    asm volatile("xor %ecx, %ecx; xor %edx, %edx; mov $3, %eax; xsetbv");
}
static void user_sti(void)
{
    asm volatile(
        "pushf; andl $0xffffcfff, (%rsp); popf; ud2"); /* IOPL stays: POPF may not change it here */
}
static void user_ltr(void)
{
    asm volatile("mov $0x38, %eax; ltr %ax");
}
static void user_clts(void)
{
    asm volatile("clts");
}
static void user_swapgs(void)
{
    asm volatile("swapgs");
}
static void user_iret_to_kernel(void)
{
    asm volatile("push $0x10; push %rsp; push $2; push $8; push $0x100000; iretq");
}
static void user_int_80(void)
{
    asm volatile("int $0x80");
}

static void user_case(const char *name, void (*code)(void), unsigned vector, u32 error)
{
    try_user(code);
    check(name, (u64)fault.vector << 48 | (u64)(fault.cs & 3) << 32 | fault.error,
          (u64)vector << 48 | 3ull << 32 | error);
}

static void check_user(void)
{
    ulong cr0 = read_cr0();

    user_case("user-int-80", user_int_80, 0x80, 0);
    check("user-int-80-ss", fault.ss, UDATA_SEL);
    user_case("user-hlt", user_hlt, V_GP, 0);
    user_case("user-mov-cr", user_cr, V_GP, 0);
    user_case("user-rdmsr", user_msr, V_GP, 0);
    user_case("user-lgdt", user_lgdt, V_GP, 0);
    user_case("user-invlpg", user_invlpg, V_GP, 0);
    user_case("user-mov-dr", user_mov_dr, V_GP, 0);
    user_case("user-ltr", user_ltr, V_GP, 0);
    user_case("user-clts", user_clts, V_GP, 0);
    user_case("user-swapgs", user_swapgs, V_GP, 0);
    user_case("user-iret-to-ring-0", user_iret_to_kernel, V_GP, CODE_SEL);
    user_case("user-popf", user_sti, V_UD, 0);
    check("user-popf-keeps-iopl", fault.flags >> 12 & 3, 3);
    if (cpuid(1, 0).c & BIT(26)) {
        write_cr4(read_cr4() | CR4_OSXSAVE);
        user_case("user-xsetbv", user_xsetbv, V_GP, 0);
        write_cr4(read_cr4() & ~CR4_OSXSAVE);
    }
    user_case("user-wbinvd", user_wbinvd, V_GP, 0);
    idt[0x82].type = 0x8e;
    try_user(user_int);
    check_either("user-int-dpl", (u64)fault.vector << 32 | fault.error,
                 (u64)V_GP << 32 | (0x82 * 8 + 2), (u64)V_GP << 32 | (0x82 * 16 + 2));
    map_page(0x40004000, 0x300000, PAGE_P | PAGE_W);
    user_case("user-write-kernel-page", user_kernel_page, V_PF, 7);
    user_case("user-read-kernel-page", user_kernel_read, V_PF, 5);
    user_case("user-rdtsc", user_rdtsc, 0x80, 0);
    write_cr4(read_cr4() | CR4_TSD);
    user_case("user-rdtsc-tsd", user_rdtsc, V_GP, 0);
    write_cr4(read_cr4() & ~CR4_TSD);
    write_cr0(cr0 | CR0_AM);
    try_user(user_alignment);
    check_either("user-alignment", (u64)fault.vector << 32 | fault.error, (u64)V_AC << 32,
                 0x80ull << 32);
    write_cr0(cr0);
}

void guest(void)
{
    check_plain();
    check_fpu();
    check_segments();
    check_long_and_default();
    check_iret();
    check_gates();
    check_page_faults();
    check_stack_fault_during_delivery();
    check_user();
}
