/* SPDX-License-Identifier: BSD-2-Clause */
/* The C half of the trampoline: memory, LDT, signals. */
#define _GNU_SOURCE
#include <asm/ldt.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/ucontext.h>
#include <unistd.h>

#include "test/unit/native.h"

_Static_assert(offsetof(struct native, rflags) == 128, "native.asm");
_Static_assert(offsetof(struct native, frame) == 136, "native.asm");
_Static_assert(offsetof(struct native, host_rsp) == 176, "native.asm");
_Static_assert(offsetof(struct native, ds) == 184, "native.asm");
_Static_assert(offsetof(struct native, avx) == 208, "native.asm");
_Static_assert(offsetof(struct native, ymm) == 224, "native.asm");

void native_enter(void);
void native_exit(void);
void native_exit_fault(void);

/* A stub in 64-bit code that jumps to native_exit(), within reach of a 32-bit far jump. */
#define STUB (NATIVE_BASE + 0x2800)

static const struct user_desc ldt[] = {
    {.entry_number = 0, .limit = 0xffff},
    {.entry_number = 1, .limit = 0x97ff, .seg_32bit = 1},
    {.entry_number = 2, .limit = 0x8fff, .seg_32bit = 1, .contents = 1},
    {.entry_number = 3, .limit = 0xffff, .seg_32bit = 1, .read_exec_only = 1},
    {.entry_number = 4, .limit = 0xfffff, .seg_32bit = 1, .limit_in_pages = 1},
    {.entry_number = 5, .limit = 0xffff, .contents = 2},
};

static int map(u64 at, size_t size, int prot)
{
    void *p =
        mmap((void *)at, size, prot, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

    return p == (void *)at ? 0 : -1;
}

/* gregs of a signal are in the kernel's order. */
static void save_registers(const greg_t *g)
{
    static const int order[16] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP,
                                  REG_RSI, REG_RDI, REG_R8,  REG_R9,  REG_R10, REG_R11,
                                  REG_R12, REG_R13, REG_R14, REG_R15};

    for (int n = 0; n < 16; n++)
        native_state->gpr[n] = (u64)g[order[n]];
    native_state->rflags = (u64)g[REG_EFL];
    native_state->trap = g[REG_TRAPNO];
    native_state->error = (u64)g[REG_ERR];
    native_state->cr2 = (u64)g[REG_CR2];
    native_state->rip = (u64)g[REG_RIP];
}

/* A fault anywhere else is the test's own and kills it. */
static void on_fault(int sig, siginfo_t *info, void *context)
{
    greg_t *g = ((ucontext_t *)context)->uc_mcontext.gregs;
    u16 cs = (u16)g[REG_CSGSFS];
    u64 ip = (u64)g[REG_RIP] + (cs == SEL_CODE16 ? NATIVE_WINDOW : 0);

    (void)info;
    if (!native_state->host_rsp || ip < NATIVE_CODE || ip >= NATIVE_CODE + 0x1000) {
        signal(sig, SIG_DFL);
        return;
    }
    save_registers(g);
    g[REG_RIP] = (greg_t)native_exit_fault;
    g[REG_RSP] = NATIVE_STACK;
    g[REG_CSGSFS] = (g[REG_CSGSFS] & 0x0000ffffffff0000) | SEL_CODE64 | (greg_t)SEL_FLAT << 48;
    g[REG_EFL] = 0x202;
}

static int catch_faults(void)
{
    static u8 stack[65536];
    static const int signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP};
    stack_t alt = {.ss_sp = stack, .ss_size = sizeof(stack)};
    struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK};

    if (sigaltstack(&alt, NULL))
        return -1;
    for (unsigned n = 0; n < ARRAY_SIZE(signals); n++)
        if (sigaction(signals[n], &action, NULL))
            return -1;
    return 0;
}

/* VERW and VERR set ZF if the selector names such a segment: there are virtual machines whose
 * modify_ldt() succeeds, and whose LDTR stays empty, and kernels without 32-bit code. */
static bool is_writable(u16 sel)
{
    bool zf;

    __asm__ volatile("verw %1" : "=@ccz"(zf) : "rm"(sel));
    return zf;
}

static bool is_readable(u16 sel)
{
    bool zf;

    __asm__ volatile("verr %1" : "=@ccz"(zf) : "rm"(sel));
    return zf;
}

static bool make_ldt(void)
{
    for (unsigned n = 0; n < ARRAY_SIZE(ldt); n++) {
        struct user_desc d = ldt[n];

        d.base_addr = NATIVE_WINDOW;
        d.useable = 1;
        if (syscall(SYS_modify_ldt, 0x11, &d, sizeof(d)))
            return false;
    }
    return is_writable(SEL_BIG);
}

int native_init(void)
{
    /* jmp [rip + 2], and the address behind it aligned: the test may have set RFLAGS.AC. */
    static const u8 jump[8] = {0xff, 0x25, 2};
    void (*target)(void) = native_exit;

    if (map(NATIVE_BASE, 0x3000, PROT_READ | PROT_WRITE | PROT_EXEC) ||
        map(NATIVE_CODE, 0x1000, PROT_READ | PROT_WRITE | PROT_EXEC) ||
        map(NATIVE_ARENA, ARENA_SIZE, PROT_READ | PROT_WRITE))
        return -1;
    memcpy((void *)STUB, jump, sizeof(jump));
    memcpy((u8 *)STUB + sizeof(jump), &target, sizeof(target));
    native_state->avx = (u64)__builtin_cpu_supports("avx");
    native_state->code32 = is_readable(SEL_CODE32);
    native_state->ldt = native_state->code32 && make_ldt();
    return catch_faults();
}

/* As modify_ldt() makes descriptors: DPL 3, present, accessed, type by contents. */
static struct segment ldt_segment(u16 sel)
{
    const struct user_desc *d = &ldt[sel >> 3];
    u16 type = 1 | (d->read_exec_only ? 0 : 2) | d->contents << 2;
    u16 attr = type | SEG_S | 3 << 5 | SEG_P | (d->seg_32bit ? SEG_DB : 0) |
               (d->limit_in_pages ? SEG_G : 0);
    u32 limit = d->limit_in_pages ? (u32)d->limit << 12 | 0xfff : d->limit;

    return (struct segment){sel, attr, limit, NATIVE_WINDOW};
}

struct segment native_segment(u16 sel)
{
    switch (sel) {
    case SEL_FLAT:
        return (struct segment){sel, 0xcf3, 0xffffffff, 0};
    case SEL_CODE32:
        return (struct segment){sel, 0xcfb, 0xffffffff, 0};
    case SEL_CODE64:
        return (struct segment){sel, 0xafb, 0xffffffff, 0};
    }
    return ldt_segment(sel);
}

/* The far jump behind the instruction: 64-bit code jumps through memory, others have an immediate
 * form. */
static void place_return(u8 *at, enum cpu_mode mode)
{
    u32 offset = STUB;
    u16 sel = SEL_CODE64;
    s32 distance = (s32)(STUB - ((u64)at + 5));

    if (mode == MODE_64) {
        *at++ = 0xe9;
        memcpy(at, &distance, 4);
        return;
    }
    if (mode == MODE_16)
        *at++ = 0x66;
    *at++ = 0xea;
    memcpy(at, &offset, 4);
    memcpy(at + 4, &sel, 2);
}

void native_run(const u8 *code, unsigned len, enum cpu_mode mode, u16 ss)
{
    struct native *n = native_state;
    u64 ip = mode == MODE_16 ? NATIVE_CODE - NATIVE_WINDOW : NATIVE_CODE;
    u64 cs = mode == MODE_64 ? SEL_CODE64 : mode == MODE_32 ? SEL_CODE32 : SEL_CODE16;
    u64 frame[5] = {ip, cs, n->rflags, n->gpr[rSP], ss};

    memcpy((void *)NATIVE_CODE, code, len);
    place_return((u8 *)NATIVE_CODE + len, mode);
    memcpy(n->frame, frame, sizeof(frame));
    n->trap = -1;
    native_enter();
    n->host_rsp = 0;
}
