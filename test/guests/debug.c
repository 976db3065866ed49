/* SPDX-License-Identifier: BSD-2-Clause */
/* Debug registers, breakpoints and single steps, also over instructions that exit to the
 * hypervisor. */
#include "guest.h"

#define DR6_USUAL 0xffff0ff0ul
#define BS        BIT(14)
#define BD        BIT(13)

#define STEPS     16
static volatile ulong step_ip[STEPS], step_dr6[STEPS];
static volatile unsigned steps;

static void on_step(struct frame *f)
{
    if (steps < STEPS) {
        step_ip[steps] = f->ip;
        step_dr6[steps] = read_dr6();
    }
    steps++;
    write_dr6(DR6_USUAL);
}

static void clear(void)
{
    steps = 0;
    write_dr6(DR6_USUAL);
}

static void check_registers(void)
{
    ulong cr4 = read_cr4();

    check("dr7-reset", read_dr7(), 0x400);
    check("dr6-reset", read_dr6(), DR6_USUAL);
    write_dr0(0x1111222233334444);
    write_dr1(0x5555666677778888);
    write_dr2(0xffff800000000001);
    write_dr3(0x12345678);
    check("dr0", read_dr0(), 0x1111222233334444);
    check("dr1", read_dr1(), 0x5555666677778888);
    check("dr2", read_dr2(), 0xffff800000000001);
    check("dr3", read_dr3(), 0x12345678);
    write_dr6(0);
    check("dr6-fixed-bits", read_dr6(), DR6_USUAL);
    write_dr6(0xe00f);
    check("dr6-written", read_dr6(), DR6_USUAL | 0xe00f);
    write_dr6(DR6_USUAL);
    TRY("mov %0, %%dr7", : : "r"(BIT(40)));
    expect("dr7-high-bits", V_GP, 0, 0);
    TRY("mov %0, %%dr6", : : "r"(BIT(40)));
    expect("dr6-high-bits", V_GP, 0, 0);
    TRY(".byte 0x0f, 0x23, 0xf8 - 8", : : "a"(DR6_USUAL)); /* MOV DR6, RAX */
    expect_none("mov-dr6");
    TRY(".byte 0x0f, 0x21, 0xe0", : : : "rax"); /* MOV RAX, DR4 */
    expect_none("dr4-is-dr6-without-de");
    write_cr4(cr4 | CR4_DE);
    TRY(".byte 0x0f, 0x21, 0xe0", : : : "rax");
    expect("dr4-with-de", V_UD, 0, 0);
    write_cr4(cr4);
    write_dr0(0);
    write_dr1(0);
    write_dr2(0);
    write_dr3(0);
}

static void check_execute(void)
{
    clear();
    set_handler(V_DB, NULL);
    TRY("lea 7f(%%rip), %%rax; mov %%rax, %%dr0; mov $0x402, %%eax; mov %%rax, %%dr7; nop; 7: nop; nop",
        :
        :
        : "rax");
    check("execute", fault.vector, V_DB);
    check("execute-ip", fault.ip, read_dr0());
    check("execute-dr6", read_dr6(), DR6_USUAL | 1);
    check("execute-rf", fault.flags & FLAG_RF,
          0); /* set by handlers, not by the CPU (SDM 3B 17.3.1.1) */
    write_dr7(0x400);
    clear();
}

static u64 watched[4];

static void check_data(void)
{
    ulong behind;

    set_handler(V_DB, on_step);
    clear();
    write_dr1((ulong)&watched[1]);
    write_dr7(0x400 | 0x8 | 0xd00000); /* G1: writes, 4 bytes */
    asm volatile("lea 1f(%%rip), %0; movl $5, (%1); 1: nop"
                 : "=&r"(behind)
                 : "r"(&watched[1])
                 : "memory");
    check("data-write", steps, 1);
    check("data-write-ip", step_ip[0] - behind, 0);
    check("data-write-dr6", step_dr6[0], DR6_USUAL | 2);
    (void)*(volatile u32 *)&watched[1];
    check("data-write-not-read", steps, 1);
    asm volatile("movb $5, 3(%0)" ::"r"(&watched[1]) : "memory");
    check("data-write-inside", steps, 2);
    asm volatile("movb $5, 4(%0)" ::"r"(&watched[1]) : "memory");
    check("data-write-beyond", steps, 2);
    write_dr7(0x400 | 0x8 | 0xf00000); /* reads and writes */
    (void)*(volatile u32 *)&watched[1];
    check("data-read", steps, 3);
    write_dr7(0x400);
    *(volatile u32 *)&watched[1] = 1;
    check("data-off", steps, 3);
}

/* TF on for exactly the instructions of INSN. */
#define STEP(insn, ...)                                                                             \
    ({                                                                                              \
        clear();                                                                                    \
        asm volatile(                                                                               \
            "lea 1f(%%rip), %%r12; pushf; orl $0x100, (%%rsp); popf; 1: " insn                      \
            "; 2: pushf; andl $~0x100, (%%rsp); popf; lea 2b(%%rip), %%r13; mov %%r12, step_from; " \
            "mov %%r13, step_to" __VA_ARGS__);                                                      \
    })
ulong step_from, step_to;

/* Steps behind INSN's own; three more come from switching TF off. */
static void expect_steps(const char *name, unsigned index)
{
    check(name, steps > index ? step_ip[index] - step_to : ~0ul, 0);
}

static void check_single_step(void)
{
    u8 from[8] = "abcdefg", to[8];

    set_handler(V_DB, on_step);
    STEP("nop", : : : "r12", "r13", "memory");
    expect_steps("step-nop", 0);
    check("step-nop-dr6", step_dr6[0], DR6_USUAL | BS);
    check("step-count", steps, 4);
    STEP("cpuid", : : "a"(0), "c"(0) : "rbx", "rdx", "r12", "r13", "memory");
    expect_steps("step-cpuid", 0);
    check("step-cpuid-dr6", step_dr6[0], DR6_USUAL | BS);
    check("step-cpuid-count", steps, 4);
    STEP("inb $0xe9, %%al", : : : "rax", "r12", "r13", "memory");
    expect_steps("step-in", 0);
    STEP("movl 0xfee00030, %%eax", : : : "rax", "r12", "r13", "memory");
    expect_steps("step-mmio", 0);
    STEP("rdmsr", : : "c"(MSR_APIC_BASE) : "rax", "rdx", "r12", "r13", "memory");
    expect_steps("step-rdmsr", 0);
    STEP("mov %%cr0, %%rax; mov %%rax, %%cr0", : : : "rax", "r12", "r13", "memory");
    expect_steps("step-mov-cr", 1);
    STEP("wbinvd", : : : "r12", "r13", "memory");
    expect_steps("step-wbinvd", 0);
    STEP("rep movsb", : : "S"(from), "D"(to), "c"(3) : "r12", "r13", "memory");
    check("step-rep-each", step_ip[0] == step_from && step_ip[1] == step_from, 1);
    expect_steps("step-rep-end", 2);
    STEP("mov %%ss, %%eax; mov %%eax, %%ss; nop", : : : "rax", "r12", "r13", "memory");
    check("step-mov-ss-count", steps, 5); /* none between MOV SS and NOP */
    STEP("int $0x80", : : : "r12", "r13", "memory");
    /* INT clears TF, its handler's IRET sets it again: the trap comes one instruction later. */
    check("step-over-int", step_ip[0] - step_to, 1);
    STEP("mov %%dr6, %%rax", : : : "rax", "r12", "r13", "memory");
    expect_steps("step-mov-dr", 0);
}

#define SCRATCH_PORT 0x604 /* of the dummy device; nothing on the bare emulators */
#define DEVICE       0xfed40100ul

/* I/O breakpoints, for those ports that exit to the hypervisor: on AMD-V and here, all. */
static void check_io(void)
{
    ulong behind, cr4 = read_cr4();

    set_handler(V_DB, on_step);
    clear();
    write_cr4(cr4 | CR4_DE);
    write_dr0(SCRATCH_PORT);
    write_dr2(SCRATCH_PORT + 3);
    write_dr7(0x400 | 0x1 | 0x20 | 0x60000 | 0x2000000); /* L0: 2 ports; G2: 1 */
    asm volatile("lea 1f(%%rip), %0; in %%dx, %%al; 1: nop"
                 : "=r"(behind)
                 : "d"(SCRATCH_PORT)
                 : "rax", "memory");
    check("io-in", steps, 1);
    check("io-in-ip", step_ip[0] - behind, 0);
    check("io-in-dr6", step_dr6[0], DR6_USUAL | 1);
    out8(SCRATCH_PORT + 1, 0);
    check("io-out-inside", steps, 2);
    out8(SCRATCH_PORT + 2, 0);
    out32(SCRATCH_PORT - 4, 0);
    check("io-beside", steps, 2);
    out32(SCRATCH_PORT, 0);
    check("io-both", steps, 3);
    check("io-both-dr6", step_dr6[2], DR6_USUAL | 5);
    asm volatile("outsb" ::"S"(watched), "d"(SCRATCH_PORT + 3) : "memory");
    check("io-outs", steps, 4);
    STEP("out %%al, %%dx", : : "a"(0), "d"(SCRATCH_PORT) : "r12", "r13", "memory");
    expect_steps("io-stepped", 0);
    if (reserved_bits_checked()) /* bare QEMU forgets the step */
        check("io-stepped-dr6", step_dr6[0], DR6_USUAL | BS | 1);
    clear();
    write_dr7(0x400);
    in8(SCRATCH_PORT);
    check("io-off", steps, 0);
    write_cr4(cr4);
}

/* The same data breakpoints on a device's memory; the bare emulators have RAM for it. */
static void check_device_data(void)
{
    volatile u32 *at = under_helium() ? (volatile u32 *)DEVICE : (volatile u32 *)&watched[2];
    ulong behind;

    set_handler(V_DB, on_step);
    clear();
    write_dr3((ulong)at);
    write_dr7(0x400 | 0x40 | 0xd0000000); /* L3: writes, 4 bytes */
    asm volatile("lea 1f(%%rip), %0; movl $5, (%1); 1: nop" : "=&r"(behind) : "r"(at) : "memory");
    check("device-write", steps, 1);
    check("device-write-ip", step_ip[0] - behind, 0);
    check("device-write-dr6", step_dr6[0], DR6_USUAL | 8);
    (void)*at;
    at[1] = 0;
    check("device-write-no-other", steps, 1);
    asm volatile("lock incl (%0)" ::"r"(at) : "memory");
    check("device-locked", steps, 2);
    write_dr7(0x400 | 0x40 | 0xf0000000); /* reads and writes */
    (void)*at;
    check("device-read", steps, 3);
    write_dr7(0x400);
    *at = 0;
    check("device-off", steps, 3);
    STEP("rep stosl", : : "D"(at), "a"(0), "c"(3) : "r12", "r13", "memory");
    check("device-step-rep-each", step_ip[0] == step_from && step_ip[1] == step_from, 1);
    expect_steps("device-step-rep-end", 2);
    clear();
}

static void nothing(struct frame *f)
{
    (void)f;
}

/* General detect: any access of a debug register faults, GD is off in the handler. */
static void check_general_detect(void)
{
    ulong dr7;

    set_handler(V_DB, NULL);
    clear();
    write_dr7(0x400 | BIT(13));
    TRY("mov %%dr0, %%rax", : : : "rax");
    check("gd-vector", fault.vector, V_DB);
    check("gd-ip", fault.ip - try_at, 0);
    dr7 = read_dr7();
    check("gd-cleared", dr7, 0x400);
    check("gd-dr6", read_dr6(), DR6_USUAL | BD);
    clear();
}

void guest(void)
{
    set_handler(0x80, nothing);
    check_registers();
    check_execute();
    check_data();
    check_single_step();
    check_io();
    check_device_data();
    if (is_bochs()) /* QEMU has no general detect */
        check_general_detect();
}
