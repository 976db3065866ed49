/* SPDX-License-Identifier: BSD-2-Clause */
#include "guest.h"

#define DEBUG_PORT  0xe9
#define EXIT_PORT   0xf4
#define MAGIC_PORT  0x610
#define MAGIC       0x54535448u
#define PVH_MAGIC   0x336ec578u
#define MB2_MAGIC   0x36d76289u
#define MB2_CMDLINE 1
#define AP_PAGE     0x2000
#define VECTOR_SIZE 16
#define STACK       0x4000

extern const u32 boot_magic, boot_info;
extern const u8 vectors[256 * VECTOR_SIZE];
extern u8 stacks[];

volatile struct fault fault;
volatile ulong try_resume, try_sp, try_at;
struct gate idt[256] __attribute__((aligned(4096)));
u8 user_stack[8192] __attribute__((aligned(16)));
ulong user_flags = 0x3202;
const char *guest_name = "guest";

static char cmdline[256];
static char name[32];
static unsigned failures;
static volatile u32 print_lock;
static handler_t handlers[256];

void *memcpy(void *to, const void *from, size_t n)
{
    void *result = to;

    asm volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(n)::"memory");
    return result;
}

void *memset(void *to, int byte, size_t n)
{
    void *result = to;

    asm volatile("rep stosb" : "+D"(to), "+c"(n) : "a"(byte) : "memory");
    return result;
}

int memcmp(const void *a, const void *b, size_t n)
{
    const u8 *x = a, *y = b;

    for (; n; n--, x++, y++)
        if (*x != *y)
            return *x - *y;
    return 0;
}

void print(const char *s)
{
    while (*s)
        out8(DEBUG_PORT, (u8)*s++);
}

void print_hex(u64 value)
{
    int shift = 60;

    while (shift && !(value >> shift & 15))
        shift -= 4;
    for (; shift >= 0; shift -= 4)
        out8(DEBUG_PORT, (u8) "0123456789abcdef"[value >> shift & 15]);
}

/* One line at a time, whoever prints. */
static void line_begin(const char *word, const char *what)
{
    while (__atomic_exchange_n(&print_lock, 1, __ATOMIC_ACQUIRE))
        cpu_pause();
    print(guest_name);
    print(word);
    print(what);
}

static void line_end(void)
{
    print("\n");
    __atomic_store_n(&print_lock, 0, __ATOMIC_RELEASE);
}

static void fail(const char *what, u64 got, const char *word, u64 want)
{
    failures++;
    line_begin(": FAIL ", what);
    print(" got ");
    print_hex(got);
    print(word);
    print_hex(want);
    line_end();
}

void check(const char *what, u64 got, u64 want)
{
    if (got != want) {
        fail(what, got, " want ", want);
        return;
    }
    line_begin(": ok ", what);
    line_end();
}

void check_either(const char *what, u64 got, u64 want, u64 emulated)
{
    if (got != want && got != emulated) {
        fail(what, got, " want ", want);
        return;
    }
    line_begin(": ok ", what);
    print("=");
    print_hex(got);
    line_end();
}

void check_within(const char *what, u64 got, u64 low, u64 high)
{
    if (got < low)
        fail(what, got, " want at least ", low);
    else if (got > high)
        fail(what, got, " want at most ", high);
    else
        check(what, 0, 0);
}

bool under_helium(void)
{
    return in32(MAGIC_PORT) == MAGIC;
}

/* Bochs' own debug port answers to nobody else: its brand strings are real CPUs'. The emulators
 * differ in the vendor that their default models show. */
bool is_bochs(void)
{
    return cpuid(0, 0).b == 0x756e6547; /* "Genu" */
}

bool reserved_bits_checked(void)
{
    return under_helium() || is_bochs();
}

void finish(void)
{
    static const char shutdown[] = "Shutdown";

    cli();
    if (!under_helium()) {
        print("GUEST ");
        print(guest_name);
        print(failures ? " EXIT 1\n" : " EXIT 0\n");
    }
    out32(EXIT_PORT, failures != 0);
    for (const char *p = shutdown; *p; p++)
        out8(0x8900, (u8)*p);
    for (;;)
        asm volatile("cli; hlt");
}

static void copy_string(char *to, size_t size, const char *from)
{
    while (--size && *from)
        *to++ = *from++;
    *to = 0;
}

/* Multiboot2 information: u32 size, u32 reserved, then tags of u32 type, u32 size, each aligned
 * to 8. */
static void read_multiboot2(ulong at)
{
    ulong end = at + *(const u32 *)at;

    for (at += 8; at + 8 <= end; at += (((const u32 *)at)[1] + 7) & ~7ul)
        if (*(const u32 *)at == MB2_CMDLINE)
            copy_string(cmdline, sizeof(cmdline), (const char *)at + 8);
}

/* struct hvm_start_info: magic, version, flags, nr_modules, modlist (64), cmdline (64). */
static void read_cmdline(void)
{
    const u32 *info = (const u32 *)(ulong)boot_info;

    if (boot_magic == MB2_MAGIC)
        read_multiboot2(boot_info);
    else if (info[0] == PVH_MAGIC && info[6])
        copy_string(cmdline, sizeof(cmdline), (const char *)(ulong)info[6]);
    if (!cmdline[0])
        return;
    for (unsigned i = 0; i < sizeof(name) - 1 && cmdline[i] && cmdline[i] != ' '; i++)
        name[i] = cmdline[i];
    guest_name = name;
}

u64 option(const char *word, u64 otherwise)
{
    for (const char *p = cmdline; *p; p++) {
        size_t n = 0;
        u64 value = 0;

        while (word[n] && p[n] == word[n])
            n++;
        if (word[n] || p[n] != '=' || (p != cmdline && p[-1] != ' '))
            continue;
        for (p += n + 1; *p >= '0' && *p <= '9'; p++)
            value = value * 10 + (u64)(*p - '0');
        return value;
    }
    return otherwise;
}

void delay(u64 ticks)
{
    u64 end = rdtsc() + ticks;

    while (rdtsc() < end)
        cpu_pause();
}

/* ---- descriptors ---- */

#define TSS_SIZE 104
#ifdef __x86_64__
#define NATIVE_CODE 0x00af9b000000ffffull
#define USER_CODE   0x00affb000000ffffull
#else
#define NATIVE_CODE 0x00cf9b000000ffffull
#define USER_CODE   0x00cffb000000ffffull
#endif
#define GDT_ENTRIES (SPARE_SEL / 8 + SPARES)

struct descriptors {
    u64 gdt[GDT_ENTRIES];
    u8 tss[TSS_SIZE] __attribute__((aligned(16)));
};
static struct descriptors tables[2];
static u8 trap_stacks[2][STACK] __attribute__((aligned(16)));
#ifdef __x86_64__
static u8 ist_stacks[2][STACK] __attribute__((aligned(16)));
#endif

struct __attribute__((packed)) table_register {
    u16 limit;
    ulong base;
};

static void put_tss(struct descriptors *t, unsigned cpu)
{
    ulong base = (ulong)t->tss, stack = (ulong)trap_stacks[cpu] + STACK;

    t->gdt[TSS_SEL / 8] = (u64)(TSS_SIZE - 1) | (u64)(base & 0xffffff) << 16 | 0x89ull << 40 |
                          (u64)(base >> 24 & 0xff) << 56;
    memcpy(t->tss + 4, &stack, sizeof(stack)); /* RSP0, ESP0 */
#ifdef __x86_64__
    stack = (ulong)ist_stacks[cpu] + STACK;
    memcpy(t->tss + 36, &stack, sizeof(stack)); /* IST1 */
#else
    *(u16 *)(t->tss + 8) = DATA_SEL;
#endif
    *(u16 *)(t->tss + 102) = TSS_SIZE; /* no I/O bitmap */
}

u64 *gdt_entry(unsigned selector)
{
    return &tables[0].gdt[selector / 8];
}

void load_idt(unsigned limit)
{
    struct table_register idtr = {(u16)limit, (ulong)idt};

    asm volatile("lidt %0" ::"m"(idtr));
}

static void load_descriptors(unsigned cpu)
{
    static const u64 flat[] = {
        0,         NATIVE_CODE,       0x00cf93000000ffff, 0x00cf9b000000ffff, 0x00cff3000000ffff,
        USER_CODE, 0x00cffb000000ffff};
    struct descriptors *t = &tables[cpu];
    struct table_register gdtr = {sizeof(t->gdt) - 1, (ulong)t->gdt};

    memcpy(t->gdt, flat, sizeof(flat));
    put_tss(t, cpu);
    asm volatile("lgdt %0" ::"m"(gdtr));
    asm volatile(
        "mov %0, %%ds; mov %0, %%es; mov %0, %%ss; mov %0, %%fs; mov %0, %%gs" ::"r"(DATA_SEL));
    asm volatile("ltr %w0" ::"r"(TSS_SEL));
    load_idt(sizeof(idt) - 1);
}

void set_gate(unsigned vector, ulong target, u16 selector, u8 type)
{
    idt[vector] = (struct gate){
        .low = (u16)target,
        .selector = selector,
        .type = type,
        .high = (u16)(target >> 16),
#ifdef __x86_64__
        .top = (u32)(target >> 32),
#endif
    };
}

static void fill_idt(void)
{
    for (unsigned v = 0; v < 256; v++)
        set_gate(v, (ulong)vectors + v * VECTOR_SIZE, CODE_SEL,
                 0xee); /* INT n from ring 3 as well */
}

/* ---- traps ---- */

void set_handler(unsigned vector, handler_t handler)
{
    handlers[vector] = handler;
}

void fault_clear(void)
{
    fault.vector = NO_FAULT;
    fault.error = 0;
    fault.ip = try_at;
}

static void unexpected(struct frame *f)
{
    line_begin(": FAIL unexpected-trap", " ");
    print_hex(f->vector);
    print(" error ");
    print_hex(f->error);
    print(" ip ");
    print_hex(f->ip);
    print(" cr2 ");
    print_hex(read_cr2());
    line_end();
    failures++;
    finish();
}

static void record(const struct frame *f)
{
    fault.vector = (u32)f->vector;
    fault.error = (u32)f->error;
    fault.ip = f->ip;
    fault.cs = f->cs;
    fault.flags = f->flags;
    fault.cr2 = read_cr2();
#ifndef __x86_64__
    memcpy((void *)&fault.frame, f,
           f->cs & 3 || f->flags & FLAG_VM ? sizeof(*f) : offsetof(struct frame, sp));
    fault.sp = f->cs & 3 ? f->sp : (ulong)&f->sp;
    fault.ss = f->cs & 3 ? f->ss : DATA_SEL;
#else
    memcpy((void *)&fault.frame, f, sizeof(*f));
    fault.sp = f->sp;
    fault.ss = f->ss;
#endif
}

/* Back into the kernel where TRY() or enter_user() said, whatever the trap came from. */
static struct frame *resume(struct frame *f)
{
    ulong ip = try_resume;

    record(f);
    try_resume = 0;
#ifdef __x86_64__
    f->ip = ip;
    f->cs = CODE_SEL;
    f->ss = DATA_SEL;
    f->sp = try_sp;
    f->flags &= ~(FLAG_TF | FLAG_NT | FLAG_RF | FLAG_AC | FLAG_IF | FLAG_DF);
#else
    f->ip = ip;
    f->cs = CODE_SEL;
    f->flags &= ~(ulong)(FLAG_TF | FLAG_NT | FLAG_RF | FLAG_AC | FLAG_VM | FLAG_IF | FLAG_DF);
    f->ds = f->es = f->fs = f->gs = DATA_SEL;
    {
        struct frame *to = (struct frame *)(try_sp - offsetof(struct frame, sp));

        __builtin_memmove(to, f, offsetof(struct frame, sp));
        return to;
    }
#endif
    return f;
}

void *memmove(void *to, const void *from, size_t n)
{
    u8 *t = to;
    const u8 *f = from;

    if (t <= f)
        return memcpy(to, from, n);
    while (n--)
        t[n] = f[n];
    return to;
}

/* From entry.asm. */
struct frame *on_trap(struct frame *f)
{
    if (handlers[f->vector]) {
        handlers[f->vector](f);
        return f;
    }
    if (!try_resume)
        unexpected(f);
    return resume(f);
}

/* Vector, distance and error code in one number, for one comparison and one legible FAIL line. */
static u64 key(u32 vector, u32 error, long offset)
{
    return (u64)vector << 48 | (u64)(u16)offset << 32 | error;
}

void expect(const char *what, unsigned vector, u32 error, long offset)
{
    long distance = fault.vector == NO_FAULT ? 0 : (long)(fault.ip - try_at);

    check(what, key(fault.vector, fault.error, distance), key(vector, error, offset));
}

void expect_none(const char *what)
{
    expect(what, NO_FAULT, 0, 0);
}

void try_user(void (*code)(void))
{
    try_at = (ulong)code;
    fault_clear();
    enter_user(code, (ulong)user_stack + sizeof(user_stack) - 64, UCODE_SEL, UDATA_SEL);
    barrier();
}

/* ---- start ---- */

static void quiet_interrupts(void)
{
    out8(0x21, 0xff);
    out8(0xa1, 0xff);
}

void guest_main(void)
{
    fill_idt();
    load_descriptors(0);
    read_cmdline();
    quiet_interrupts();
    guest();
    finish();
}

#ifdef __x86_64__
#define TABLES 16

static u64 spare_tables[TABLES][512] __attribute__((aligned(4096)));
static unsigned tables_used;

u64 *map_page(u64 va, u64 pa, u64 flags)
{
    u64 *pde = &boot_pd[va >> 21];
    u64 *table;

    if (*pde & PAGE_PS) {
        u64 base = *pde & ~0x1fffffull;

        if (tables_used == TABLES)
            fail("page-tables", tables_used, " of ", TABLES);
        table = spare_tables[tables_used++ % TABLES];
        for (unsigned i = 0; i < 512; i++)
            table[i] = (base + i * 4096) | (*pde & 0x1f);
        *pde = (u64)table | 7;
    }
    table = (u64 *)(*pde & ~0xfffull);
    table[va >> 12 & 511] = pa | flags;
    write_cr3(read_cr3());
    return &table[va >> 12 & 511];
}

extern const u8 ap_begin[], ap_end[];
static void (*ap_function)(void);
volatile u32 ap_done;

void ap_main(void)
{
    load_descriptors(1);
    ap_function();
    __atomic_store_n(&ap_done, 1, __ATOMIC_RELEASE);
    for (;;)
        asm volatile("cli; hlt");
}

u64 hypercall(u64 number, u64 a, u64 b)
{
    u64 rax = number;

    if (is_bochs())
        asm volatile("vmcall" : "+a"(rax) : "b"(a), "c"(b) : "memory");
    else
        asm volatile("vmmcall" : "+a"(rax) : "b"(a), "c"(b) : "memory");
    return rax;
}

void ap_start(void (*fn)(void))
{
    volatile u32 *icr = (volatile u32 *)0xfee00300;
    volatile u32 *svr = (volatile u32 *)0xfee000f0;

    memcpy((void *)AP_PAGE, ap_begin, (size_t)(ap_end - ap_begin));
    ap_function = fn;
    ap_done = 0;
    *svr = 0x1ff;
    *icr = 0xc4500; /* INIT, then STARTUP to all but oneself */
    delay(1000000);
    *icr = 0xc4600 | AP_PAGE >> 12;
    delay(1000000);
}
#endif
