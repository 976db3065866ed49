/* SPDX-License-Identifier: BSD-2-Clause */
/* 32-bit protected mode without paging: segments and their limits, privilege, call gates, faults
 * with a 32-bit frame. */
#include "guest.h"

static u64 segment(u32 base, u32 limit, u64 access)
{
    return (limit & 0xffff) | (u64)(base & 0xffffff) << 16 | access << 40 |
           (u64)(limit >> 16 & 15) << 48 | (u64)(base >> 24) << 56;
}

#define SEG_DATA 0x4093u /* 32 bits, byte limit, read and write */
#define SEG_DOWN 0x4097u
#define SEG_RO   0x4091u

static u8 area[256] __attribute__((aligned(16)));

static u64 access(u32 flags)
{
    return (flags & 0xff) | (u64)(flags >> 12) << 12;
}

static void check_mode(void)
{
    check("cr0", read_cr0() & (CR0_PG | 1), 1);
    check("cs", ({
              u16 cs;

              asm volatile("mov %%cs, %0" : "=r"(cs));
              cs;
          }),
          CODE_SEL);
    check("wrap-32", ({
              u32 value = 0xffffffff;

              asm volatile("incl %0" : "+r"(value));
              value;
          }),
          0);
}

/* One access through FS, loaded anew: a trap leaves flat segments behind. */
#define THROUGH_FS(name, selector, insn, want)                                 \
    ({                                                                         \
        TRY("mov %0, %%fs; " insn, : : "r"(selector) : "eax");                 \
        check(name, (u64)fault.vector << 32 | fault.error, (u64)(want) << 32); \
    })

static void check_limits(void)
{
    u64 *spare = gdt_entry(SPARE_SEL);
    u32 value;

    for (unsigned i = 0; i < sizeof(area); i++)
        area[i] = (u8)i;
    spare[0] = segment((u32)area, 15, access(SEG_DATA));
    spare[1] = segment((u32)area, 15, access(SEG_DOWN));
    spare[2] = segment((u32)area, 15, access(SEG_RO));
    asm volatile("mov %1, %%fs; movl %%fs:12, %0" : "=r"(value) : "r"(SPARE_SEL) : "memory");
    check("base", value, 0x0f0e0d0c);
    asm volatile("mov %1, %%fs; movl %%fs:16, %0" : "=r"(value) : "r"(SPARE_SEL + 8) : "memory");
    check("expand-down-inside", value, 0x13121110);
    if (!is_bochs()) /* QEMU knows bases, but no limits and types */
        return;
    THROUGH_FS("limit-straddled", SPARE_SEL, "movl %%fs:13, %%eax", V_GP);
    THROUGH_FS("limit-beyond", SPARE_SEL, "movb %%al, %%fs:16", V_GP);
    THROUGH_FS("limit-wrap", SPARE_SEL, "movl %%fs:0xffffffff, %%eax", V_GP);
    THROUGH_FS("expand-down-below", SPARE_SEL + 8, "movb %%fs:15, %%al", V_GP);
    THROUGH_FS("read-only-read", SPARE_SEL + 16, "movb %%fs:0, %%al", NO_FAULT);
    THROUGH_FS("read-only-write", SPARE_SEL + 16, "movb %%al, %%fs:0", V_GP);
    THROUGH_FS("null-selector", 0, "movb %%fs:0, %%al", V_GP);
    asm volatile("mov %0, %%fs" ::"r"(DATA_SEL));
}

static void check_faults(void)
{
    u64 *spare = gdt_entry(SPARE_SEL);

    TRY("divb %b0", : : "q"(0), "a"(1));
    expect("de", V_DE, 0, 0);
    TRY("into", : :);
    expect("into-not-taken", NO_FAULT, 0, 0);
    TRY("movb $0x7f, %%al; incb %%al; into", : : : "eax");
    expect("into-taken", V_OF, 0, 5);
    {
        static const s64 bounds = 5ll << 32 | 1;

        TRY("bound %0, %1", : : "r"(3), "m"(bounds));
        expect("bound-inside", NO_FAULT, 0, 0);
        TRY("bound %0, %1", : : "r"(6), "m"(bounds));
        expect("bound-outside", V_BR, 0, 0);
    }
    TRY("ud2", : :);
    expect("ud", V_UD, 0, 0);
    TRY("int3", : :);
    expect("bp", V_BP, 0, 1);
    TRY("mov %0, %%es", : : "r"(0x2000));
    expect("gp-selector", V_GP, 0x2000, 0);
    spare[0] = segment(0, 0xfffff, access(0xc013));
    TRY("mov %0, %%es", : : "r"(SPARE_SEL));
    expect("np", V_NP, SPARE_SEL, 0);
    TRY("mov %0, %%ss", : : "r"(SPARE_SEL));
    expect("ss-np", V_SS, SPARE_SEL, 0);
    TRY("mov %0, %%ss", : : "r"(0));
    expect("ss-null", V_GP, 0, 0);
    TRY("ljmp *%0", : : "m"(*(const u8(*)[6]) "\0\0\0\0\x10\0"));
    expect("jump-to-data", V_GP, DATA_SEL, 0);
    TRY("lcall *%0", : : "m"(*(const u8(*)[6]) "\0\0\0\0\0\0"));
    expect("call-null", V_GP, 0, 0);
    idt[0x81].type = 0x6e;
    TRY("int $0x81", : :);
    expect("gate-np", V_NP, 0x81 * 8 + 2, 0);
    idt[0x81].type = 0xe4;
    TRY("int $0x81", : :);
    expect("gate-type", V_GP, 0x81 * 8 + 2, 0);
    idt[0x81].type = 0xee;
}

/* Ring 3, its faults, and a call gate into ring 0. */
static void user_hlt(void)
{
    asm volatile("hlt");
}

static void user_cs(void)
{
    asm volatile("mov %cs, %eax; int $0x80");
}

static void user_gate(void)
{
    asm volatile("lcall $0x50, $0; int $0x80"); /* SPARE_SEL + 8 */
}

static void user_no_gate(void)
{
    asm volatile("lcall $0x58, $0; int $0x80");
}

static void user_dpl(void)
{
    asm volatile("mov $0x10, %eax; mov %eax, %ds");
}

extern u8 gate_entry[];
asm("gate_entry: mov %cs, %eax; mov %eax, %edx; mov 12(%esp), %ecx; lret");

static void check_user(void)
{
    u64 *spare = gdt_entry(SPARE_SEL);
    u32 entry = (u32)gate_entry;

    try_user(user_hlt);
    check("user-hlt", fault.vector << 8 | (fault.cs & 3), V_GP << 8 | 3);
    try_user(user_cs);
    check("user-cs", fault.frame.ax, UCODE_SEL);
    check("user-ss", fault.ss, UDATA_SEL);
    try_user(user_dpl);
    check("user-kernel-data", fault.vector << 16 | fault.error, V_GP << 16 | DATA_SEL);
    spare[1] = (entry & 0xffff) | (u64)CODE_SEL << 16 | 0xecull << 40 | (u64)(entry >> 16) << 48;
    try_user(user_gate);
    check("call-gate", fault.frame.dx, CODE_SEL);
    check("call-gate-back", fault.vector << 8 | (fault.cs & 3), 0x80 << 8 | 3);
    spare[2] = spare[1] & ~(0x60ull << 40); /* DPL 0 */
    try_user(user_no_gate);
    check("call-gate-dpl", fault.vector << 16 | fault.error, V_GP << 16 | (SPARE_SEL + 16));
}

/* Virtual-8086 mode: an IRET frame with VM set; INT and ports trap to the monitor. */
extern u8 v86_code[], v86_code_end[];
asm("v86_code: .code16\n\tmov %cs, %ax\n\tmov $0x1234, %bx\n\tmov %bx, 0x20\n\tpushf\n\tpop %cx\n\thlt\n.code32\nv86_code_end:");

static void enter_v86(void)
{
    asm volatile(
        "movl $1f, try_resume; mov %%esp, try_sp\n\t"
        "push $0x3000; push $0x3000; push $0x3000; push $0x3000; push $0x3000; push $0x800\n\t"
        "push $0x23202; push $0x3000; push $0; iretl\n1:"
        :
        :
        : "eax", "ebx", "ecx", "edx", "esi", "edi", "memory");
}

static void check_v86(void)
{
    memcpy((void *)0x30000, v86_code, (size_t)(v86_code_end - v86_code));
    fault_clear();
    enter_v86();
    barrier();
    check("v86-hlt", fault.vector, V_GP);
    check("v86-cs", fault.frame.ax & 0xffff, 0x3000);
    check("v86-flag", fault.flags & FLAG_VM, FLAG_VM);
    check("v86-store", *(volatile u16 *)0x30020, 0x1234);
    check("v86-ip", fault.ip, (ulong)(v86_code_end - v86_code) - 1);
    asm volatile("mov %0, %%ds; mov %0, %%es; mov %0, %%fs; mov %0, %%gs" ::"r"(DATA_SEL));
}

/* SYSENTER and SYSEXIT: flat segments from one selector, no stack involved. */
static void check_sysenter(void)
{
    u32 seen_cs, seen_esp;

    wrmsr(0x174, 0);
    TRY("sysenter", : :);
    expect("sysenter-without-cs", V_GP, 0, 0);
    wrmsr(0x174, CODE_SEL);
    asm volatile(
        "movl $1f, %%eax; xor %%edx, %%edx; mov $0x176, %%ecx; wrmsr; mov %%esp, %%eax; mov $0x175, %%ecx; wrmsr\n\t"
        "sysenter\n1:\tmov %%cs, %0; mov %%esp, %1"
        : "=&r"(seen_cs), "=&r"(seen_esp)
        :
        : "eax", "ecx", "edx", "memory");
    check("sysenter-cs", seen_cs, CODE_SEL);
    check("sysenter-esp", seen_esp, (u32)rdmsr(0x175));
}

/* A descriptor in an LDT. */
static void check_ldt(void)
{
    static u64 ldt[2];
    u64 *spare = gdt_entry(SPARE_SEL + 56);
    u32 value;

    ldt[1] = segment((u32)area, 255, access(SEG_DATA));
    *spare = segment((u32)ldt, 15, 0x82);
    asm volatile("lldt %w0" ::"r"(SPARE_SEL + 56));
    asm volatile("mov %1, %%fs; movl %%fs:32, %0; mov %2, %%fs"
                 : "=r"(value)
                 : "r"(0xc), "r"(DATA_SEL)
                 : "memory");
    check("ldt", value, 0x23222120);
    TRY("mov %0, %%fs", : : "r"(0x14));
    expect("ldt-beyond-limit", V_GP, 0x14, 0);
    asm volatile("lldt %w0" ::"r"(0));
    TRY("mov %0, %%fs", : : "r"(0xc));
    expect("ldt-none", V_GP, 0xc, 0);
}

void guest(void)
{
    check_mode();
    check_limits();
    check_faults();
    check_user();
    check_v86();
    check_ldt();
    check_sysenter();
}
