/* SPDX-License-Identifier: BSD-2-Clause */
/* Hardware task switches, as 32-bit systems use them: CALL and JMP to a TSS, task gates in GDT and
 * IDT, IRET with NT, the double fault task; and what makes them fail. */
#include "guest.h"

struct tss {
    u32 link, esp0, ss0, esp1, ss1, esp2, ss2, cr3, eip, eflags, eax, ecx, edx, ebx, esp, ebp, esi,
        edi;
    u32 es, cs, ss, ds, fs, gs, ldt;
    u16 trap, io_base;
};
_Static_assert(sizeof(struct tss) == 104, "SDM 3A 7.2.1");

struct tss task;
static u8 task_stack[4096] __attribute__((aligned(16)));
volatile u32 seen, seen_eflags, seen_link, seen_tr, seen_cr0, seen_error;

#define TASK_SEL SPARE_SEL
#define GATE_SEL (SPARE_SEL + 8)

static void put_task(void *code)
{
    u32 base = (u32)&task;

    memset(&task, 0, sizeof(task));
    task.eip = (u32)code;
    task.esp = (u32)task_stack + sizeof(task_stack) - 16;
    task.eflags = 2;
    task.cr3 = read_cr3();
    task.es = task.ss = task.ds = task.fs = task.gs = DATA_SEL;
    task.cs = CODE_SEL;
    task.eax = 0x1111;
    task.ebx = 0x2222;
    task.io_base = sizeof(task);
    *gdt_entry(TASK_SEL) =
        103 | (u64)(base & 0xffffff) << 16 | 0x89ull << 40 | (u64)(base >> 24) << 56;
    *gdt_entry(GATE_SEL) = (u64)TASK_SEL << 16 | 0x85ull << 40;
}

static u8 type_of(unsigned selector)
{
    return (u8)(*gdt_entry(selector) >> 40);
}

static u32 own_tss(void)
{
    u64 d = *gdt_entry(TSS_SEL);

    return (u32)(d >> 16 & 0xffffff) | (u32)(d >> 56) << 24;
}

static u32 current_task(void)
{
    u16 tr;

    asm volatile("str %0" : "=r"(tr));
    return tr;
}

/* What a task that has begun notes about itself; it goes back by IRET, and goes on behind that when
 * it is called again. */
extern u8 task_entry[], fault_task[];
asm("task_entry:\n\t"
    "mov %eax, seen\n\tadd %ebx, seen\n\tpushf; pop seen_eflags\n\tmov task, %eax; mov %eax, seen_link\n\t"
    "xor %eax, %eax; str %ax; mov %eax, seen_tr\n\tmov %cr0, %eax; mov %eax, seen_cr0\n\t"
    "movl $0x5555, %eax\n\tiret\n\tadd $1, %eax\n\tmov %eax, seen\n\tiret\n\tjmp task_entry");
asm("fault_task:\n\tpopl seen_error\n\tmovl $0xdf, seen\n\t"
    "mov $restart_at, %eax; mov (%eax), %eax; mov restart_tss, %ecx; mov %eax, 32(%ecx)\n\t"
    "mov restart_esp, %eax; mov %eax, 56(%ecx)\n\tiret\n\tjmp fault_task");
u32 restart_at, restart_tss, restart_esp;

static void clear(void)
{
    seen = seen_eflags = seen_link = seen_tr = seen_cr0 = seen_error = 0;
    barrier();
}

static void check_call(void)
{
    put_task(task_entry);
    clear();
    asm volatile("lcall %0, $0" ::"i"(TASK_SEL) : "eax", "ecx", "edx", "memory");
    check("call-registers", seen, 0x3333);
    check("call-nt", seen_eflags & FLAG_NT, FLAG_NT);
    check("call-link", seen_link & 0xffff, TSS_SEL);
    check("call-tr", seen_tr, TASK_SEL);
    check("call-ts", seen_cr0 & CR0_TS, CR0_TS);
    check("iret-back", current_task(), TSS_SEL);
    check("iret-not-busy", type_of(TASK_SEL), 0x89);
    check("iret-own-busy", type_of(TSS_SEL), 0x8b);
    check("iret-saved-eax", task.eax, 0x5555);
    check("iret-nt-clear", read_flags() & FLAG_NT, 0);
    asm volatile("clts");
    clear();
    asm volatile("lcall %0, $0" ::"i"(GATE_SEL) : "eax", "ecx", "edx", "memory");
    check("gate-goes-on", seen, 0x5556);
    asm volatile("clts");
}

extern u8 jump_entry[];
asm("jump_entry:\n\tpushf; pop seen_eflags\n\tmovl $0x777, seen\n\tmov task, %eax\n\tmov %eax, seen_link\n\t"
    "ljmp $0x38, $0\n\tjmp jump_entry");

static void check_jump(void)
{
    put_task(jump_entry);
    clear();
    asm volatile("ljmp %0, $0" ::"i"(TASK_SEL) : "eax", "ecx", "edx", "memory");
    check("jump", seen, 0x777);
    check("jump-no-nt", seen_eflags & FLAG_NT, 0);
    check("jump-no-link", seen_link, 0);
    check("jump-back", current_task(), TSS_SEL);
    check("jump-not-busy", type_of(TASK_SEL), 0x89);
    asm volatile("clts");
}

static void check_int(void)
{
    struct gate old = idt[0x85];

    put_task(task_entry);
    clear();
    idt[0x85] = (struct gate){.selector = TASK_SEL, .type = 0x85};
    asm volatile("int $0x85" ::: "eax", "ecx", "edx", "memory");
    check("int-gate", seen, 0x3333);
    check("int-gate-back", current_task(), TSS_SEL);
    asm volatile("clts");
    idt[0x85] = old;
}

static void check_refused(void)
{
    put_task(task_entry);
    TRY("lcall %0, $0", : : "i"(SPARE_SEL + 24));
    expect("null-descriptor", V_GP, SPARE_SEL + 24, 0);
    *gdt_entry(TASK_SEL) ^= 2ull << 40; /* busy */
    TRY("lcall %0, $0", : : "i"(TASK_SEL));
    expect("busy", V_GP, TASK_SEL, 0);
    put_task(task_entry);
    *gdt_entry(TASK_SEL) &= ~(0x80ull << 40);
    TRY("lcall %0, $0", : : "i"(TASK_SEL));
    expect("not-present", V_NP, TASK_SEL, 0);
    put_task(task_entry);
    *gdt_entry(TASK_SEL) -= 1; /* limit 102 */
    TRY("lcall %0, $0", : : "i"(TASK_SEL));
    expect("too-short", V_TS, TASK_SEL, 0);
    check("refused-same-task", current_task(), TSS_SEL);
    check("refused-nothing-ran", type_of(TSS_SEL), 0x8b);
}

#define FAULT_SEL (SPARE_SEL + 16)

/* Of #TS, which comes in the new task: this task undoes the switch, and goes back to the first one.
 */
struct tss on_ts;
extern u8 ts_task[];
asm("ts_task:\n\tpopl seen_error\n\tmovl $0x15, seen\n\tmovw $0x38, on_ts\n\tiret\n\tjmp ts_task");

static void put_ts_task(void)
{
    u32 base = (u32)&on_ts;
    static u8 stack[4096] __attribute__((aligned(16)));

    put_task(task_entry);
    on_ts = task;
    on_ts.eip = (u32)ts_task;
    on_ts.esp = (u32)stack + sizeof(stack) - 16;
    *gdt_entry(FAULT_SEL) =
        103 | (u64)(base & 0xffffff) << 16 | 0x89ull << 40 | (u64)(base >> 24) << 56;
}

static void check_ldt(const char *name, u16 selector, u32 eflags)
{
    struct gate old = idt[V_TS];

    put_ts_task();
    task.ldt = selector;
    task.eflags |= eflags;
    idt[V_TS] = (struct gate){.selector = FAULT_SEL, .type = 0x85};
    clear();
    asm volatile("lcall %0, $0" ::"i"(TASK_SEL) : "eax", "ecx", "edx", "memory");
    idt[V_TS] = old;
    check(name, seen, 0x15);
    check(name, seen_error, selector);
    check(name, current_task(), TSS_SEL);
    asm volatile("clts");
}

/* What is no LDT's descriptor, or not there. */
static void check_bad_ldt(void)
{
    check_ldt("ldt-is-data", DATA_SEL, 0);
    check_ldt("ldt-is-code", CODE_SEL, 0);
    check_ldt("ldt-is-null-descriptor", SPARE_SEL + 24, 0);
    check_ldt("ldt-is-data-v86", DATA_SEL, FLAG_VM);
}

/* #GP whose gate is not there, nor that of #NP: the double fault's task gate. */
static void check_double_fault(void)
{
    struct gate gp = idt[V_GP], np = idt[V_NP], df = idt[V_DF];

    put_task(fault_task);
    clear();
    idt[V_DF] = (struct gate){.selector = TASK_SEL, .type = 0x85};
    idt[V_GP].type = idt[V_NP].type = 0;
    asm volatile(
        "movl $1f, restart_at; mov %%esp, restart_esp; mov %0, restart_tss; mov $0x1000, %%eax; mov %%eax, %%es\n1:"
        :
        : "r"(own_tss())
        : "eax", "ecx", "edx", "memory");
    idt[V_GP] = gp;
    idt[V_NP] = np;
    idt[V_DF] = df;
    check("df-task", seen, 0xdf);
    check("df-task-error", seen_error, 0);
    check("df-task-back", current_task(), TSS_SEL);
    asm volatile("clts");
}

struct tss16 {
    u16 link, sp0, ss0, sp1, ss1, sp2, ss2, ip, flags, ax, cx, dx, bx, sp, bp, si, di, es, cs, ss,
        ds, ldt;
};
_Static_assert(sizeof(struct tss16) == 44, "SDM 3A 7.6");

struct tss16 old_task;
extern u8 old_entry[];
volatile u32 seen_fs, seen_cr3;

#define CODE16_SEL (SPARE_SEL + 32)

/* Its segments begin where its code lies: IP has 16 bits. What it notes lies beyond: DS is flat. */
asm(".code16\nold_entry:\n\t"
    "addr32 movw %ax, seen; addr32 addw %bx, seen\n\tpushf; popw %ax; addr32 movw %ax, seen_eflags\n\t"
    "addr32 movw old_task, %ax; addr32 movw %ax, seen_link\n\txorl %eax, %eax; str %ax; addr32 movl %eax, seen_tr\n\t"
    "movw %fs, %ax; addr32 movl %eax, seen_fs\n\tmovl %cr3, %eax; addr32 movl %eax, seen_cr3\n\t"
    "movw $0x5555, %ax\n\tiret\n\taddw $1, %ax\n\taddr32 movw %ax, seen\n\tiret\n.code32");

static void put_old_task(u16 limit)
{
    u32 base = (u32)&old_task, code = (u32)old_entry & ~0xfu;

    old_task = (struct tss16){
        .ip = (u16)((u32)old_entry - code),
        .flags = 2,
        .ax = 0x1111,
        .bx = 0x2222,
        .sp = (u16)(sizeof(task_stack) - 16),
        .es = DATA_SEL,
        .cs = CODE16_SEL,
        .ss = CODE16_SEL + 8,
        .ds = DATA_SEL,
    };
    *gdt_entry(TASK_SEL) =
        limit | (u64)(base & 0xffffff) << 16 | 0x81ull << 40 | (u64)(base >> 24) << 56;
    *gdt_entry(CODE16_SEL) =
        0xffff | (u64)(code & 0xffffff) << 16 | 0x9bull << 40 | (u64)(code >> 24) << 56;
    base = (u32)task_stack;
    *gdt_entry(CODE16_SEL + 8) =
        0xffff | (u64)(base & 0xffffff) << 16 | 0x93ull << 40 | (u64)(base >> 24) << 56;
}

/* 16-bit tasks: as wide as their TSS says, CR3 stays, FS and GS are empty. */
static void check_16bit(void)
{
    put_old_task(43);
    clear();
    seen_fs = seen_cr3 = 0xdead;
    asm volatile("lcall %0, $0" ::"i"(TASK_SEL) : "eax", "ecx", "edx", "memory");
    check("old-registers", seen & 0xffff, 0x3333);
    check("old-nt", seen_eflags & FLAG_NT, FLAG_NT);
    check("old-link", seen_link & 0xffff, TSS_SEL);
    check("old-tr", seen_tr, TASK_SEL);
    check("old-fs", seen_fs & 0xffff, 0);
    check("old-cr3", seen_cr3, read_cr3());
    check("old-back", current_task(), TSS_SEL);
    check("old-not-busy", type_of(TASK_SEL), 0x81);
    check("old-own-busy", type_of(TSS_SEL), 0x8b);
    check("old-saved-ax", old_task.ax, 0x5555);
    check("old-saved-cs", old_task.cs, CODE16_SEL);
    asm volatile("clts");
    asm volatile("lcall %0, $0" ::"i"(TASK_SEL) : "eax", "ecx", "edx", "memory");
    check("old-goes-on", seen & 0xffff, 0x5556);
    asm volatile("clts");
    put_old_task(42);
    TRY("lcall %0, $0", : : "i"(TASK_SEL));
    expect("old-too-short", V_TS, TASK_SEL, 0);
}

void guest(void)
{
    check_call();
    check_jump();
    check_int();
    check_refused();
    check_bad_ldt();
    check_16bit();
    check_double_fault();
}
