/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdarg.h>
#include "hv/cpu.h"
#include "hv/layout.h"
#include "hv/log.h"
#include "hv/mcheck.h"
#include "hv/panic.h"
#include "hv/percpu.h"
#include "hv/printf.h"
#include "hv/smp.h"
#include "hv/symbols.h"
#include "hv/trap.h"
#include "hv/vcpu.h"
#include "hv/vendor.h"
#include "hv/vmem.h"
#include "hv/x86.h"

#define BACKTRACE_DEPTH 24

static unsigned panicking; /* the first CPU in, plus one */
static unsigned awake;     /* CPUs that did not stop when told to */

static void print_address(u64 address)
{
    u64 offset;
    const char *name = symbol_at(address, &offset);

    if (name)
        log_err("  %016llx %s+0x%llx", (unsigned long long)address, name,
                (unsigned long long)offset);
    else
        log_err("  %016llx", (unsigned long long)address);
}

/* A frame pointer is followed only upwards and only inside the stack it started in. */
static void backtrace(u64 frame)
{
    u64 slot = ALIGN_DOWN(frame, STACK_SLOT);

    for (unsigned i = 0; i < BACKTRACE_DEPTH; i++) {
        const u64 *f = (const u64 *)frame;

        if (frame % 8 || frame < STACKS_BASE || ALIGN_DOWN(frame + 8, STACK_SLOT) != slot)
            return;
        if (f[1])
            print_address(f[1] - 1); /* the call, not what follows it */
        if (f[0] <= frame)
            return;
        frame = f[0];
    }
}

static void print_frame(const struct trap_frame *f)
{
    log_err("vector %llu error %llx cr2 %016llx cr3 %016llx cr4 %llx",
            (unsigned long long)f->vector, (unsigned long long)f->error,
            (unsigned long long)read_cr2(), (unsigned long long)read_cr3(),
            (unsigned long long)read_cr4());
    log_err("rip %016llx rsp %016llx rflags %08llx cs %llx ss %llx", (unsigned long long)f->rip,
            (unsigned long long)f->rsp, (unsigned long long)f->rflags, (unsigned long long)f->cs,
            (unsigned long long)f->ss);
    log_err("rax %016llx rbx %016llx rcx %016llx rdx %016llx", (unsigned long long)f->rax,
            (unsigned long long)f->rbx, (unsigned long long)f->rcx, (unsigned long long)f->rdx);
    log_err("rsi %016llx rdi %016llx rbp %016llx r8  %016llx", (unsigned long long)f->rsi,
            (unsigned long long)f->rdi, (unsigned long long)f->rbp, (unsigned long long)f->r8);
    log_err("r9  %016llx r10 %016llx r11 %016llx r12 %016llx", (unsigned long long)f->r9,
            (unsigned long long)f->r10, (unsigned long long)f->r11, (unsigned long long)f->r12);
    log_err("r13 %016llx r14 %016llx r15 %016llx", (unsigned long long)f->r13,
            (unsigned long long)f->r14, (unsigned long long)f->r15);
}

static void print_current(void)
{
    struct vcpu *v = this_cpu()->current;

    if (!v || !vendor)
        return;
    log_err("vcpu d%uv%u: rip %016llx rsp %016llx, last exit %u", vcpu_domain_id(v), v->id,
            (unsigned long long)v->rip, (unsigned long long)v->gpr[RSP], v->exit.reason);
    vendor->dump(v);
}

/* Entered once: a second CPU, or a fault inside the panic itself, only stops. */
static void enter_panic(void)
{
    unsigned expect = 0;

    if (!__atomic_compare_exchange_n(&panicking, &expect, this_cpu()->id + 1, false,
                                     __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
        smp_stop_this();
    awake = smp_stop_others();
    log_unlock_forever();
}

static void __noreturn stop(void)
{
    print_current();
    if (awake)
        log_err("%u CPUs did not stop", awake);
    else
        log_err("all CPUs stopped");
    hlt_forever();
}

void panic(const char *fmt, ...)
{
    char text[256];
    va_list args;

    enter_panic();
    va_start(args, fmt);
    hv_vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    log_err("PANIC on CPU %u: %s", this_cpu()->id, text);
    backtrace((u64)__builtin_frame_address(0));
    stop();
}

/* A push that met the guard page could not push the fault's frame either: #DF, on its own stack. */
static const char *what(const struct trap_frame *f)
{
    if (f->vector == TRAP_DF)
        return vmem_is_guard(read_cr2()) ? "stack overflow" : "double fault";
    return f->vector == TRAP_MC ? "machine check" : "exception";
}

void panic_trap(const struct trap_frame *f)
{
    enter_panic();
    log_err("PANIC on CPU %u: %s in root mode", this_cpu()->id, what(f));
    if (f->vector == TRAP_MC)
        mcheck_report();
    print_frame(f);
    print_address(f->rip);
    backtrace(f->rbp);
    stop();
}

void __noreturn __stack_chk_fail(void);
void __noreturn __stack_chk_fail(void)
{
    panic("stack smashed");
}
