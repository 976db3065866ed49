/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What every test guest stands on. The same ELF runs under Helium (helium-test.elf), on bare QEMU
 * and on bare Bochs; what holds on bare metal must hold under Helium. Compiled for 64-bit and for
 * 32-bit guests.
 *
 *   guest: ok CHECK
 *   guest: FAIL CHECK got HEX want HEX
 */
#ifndef GUEST_H
#define GUEST_H

#include "x86.h"

#define CODE_SEL    0x08
#define DATA_SEL    0x10
#define CODE32_SEL  0x18
#define UDATA_SEL   0x23
#define UCODE_SEL   0x2b
#define UCODE32_SEL 0x33
#define TSS_SEL     0x38
#define SPARE_SEL   0x48 /* eight descriptors for the guest's own use: spare(n) */
#define SPARES      8

/* Called once traps, tables and the console work. The result is the guest's own: finish() is
 * called. */
void guest(void);

void print(const char *s);
void print_hex(u64 value);
void check(const char *name, u64 got, u64 want);
/* For what QEMU's or Bochs' CPU is known to do in another way than the manuals: the check's name
 * carries which it was, so that the run under Helium is held to what the bare emulator did. */
void check_either(const char *name, u64 got, u64 want, u64 emulated);
void check_within(const char *name, u64 got, u64 low, u64 high);
__attribute__((noreturn)) void finish(void);
extern const char *guest_name;
/* "word=number" on the command line */
u64 option(const char *word, u64 otherwise);

/* The dummy device of helium-test.elf (test/hv/testdev.h) is there: this is not a bare emulator. */
bool under_helium(void);
/* Bare QEMU lets reserved bits of control registers and MSRs pass; Helium and Bochs do not. */
bool reserved_bits_checked(void);
bool is_bochs(void); /* the CPU's model is Bochs', bare or below Helium */

/* A trap, as pushed. */
#ifdef __x86_64__
struct frame {
    ulong r15, r14, r13, r12, r11, r10, r9, r8, di, si, bp, bx, dx, cx, ax;
    ulong vector, error, ip, cs, flags, sp, ss;
};
#else
struct frame {
    ulong gs, fs, es, ds, di, si, bp, kernel_sp, bx, dx, cx, ax;
    ulong vector, error, ip, cs, flags, sp, ss;
};
#endif

/* What the last TRY() or try_user() met. */
struct fault {
    u32 vector; /* NO_FAULT: none */
    u32 error;
    ulong ip, cs, flags, sp, ss, cr2;
    struct frame frame;
};
#define NO_FAULT 0xffffu
extern volatile struct fault fault;
extern volatile ulong try_resume, try_sp, try_at;

/* A handler of one's own, for traps and interrupts; called with interrupts off, EOI is its
 * business. */
typedef void (*handler_t)(struct frame *f);
void set_handler(unsigned vector, handler_t handler);

#ifdef __x86_64__
#define TRY_MOV "movq"
#define TRY_SP  "%%rsp"
#else
#define TRY_MOV "movl"
#define TRY_SP  "%%esp"
#endif

void fault_clear(void);

/* Runs INSN (AT&T; operands, as in asm, behind it); gives the vector it raised, or NO_FAULT. */
#define TRY(insn, ...)                                                                            \
    ({                                                                                            \
        fault_clear();                                                                            \
        asm volatile(TRY_MOV " $.Lafter%=, try_resume\n\t" TRY_MOV " $.Lat%=, try_at\n\t" TRY_MOV \
                             " " TRY_SP ", try_sp\n.Lat%=:\n\t" insn "\n.Lafter%=:\n\t" TRY_MOV   \
                             " $0, try_resume" __VA_ARGS__);                                      \
        barrier();                                                                                \
        fault.vector;                                                                             \
    })

/* The last TRY: this vector, error code, and RIP this far behind the instruction's start. */
void expect(const char *name, unsigned vector, u32 error, long offset);
void expect_none(const char *name);

/* Runs code in ring 3 until it traps; then `fault` tells. */
void try_user(void (*code)(void));
extern ulong user_flags; /* at first: IF, and IOPL 3 so that ring 3 may use ports */
long enter_user(void (*code)(void), ulong stack, ulong cs, ulong ss);
extern u8 user_stack[8192];

/* Descriptors. */
struct gate {
    u16 low;
    u16 selector;
    u8 ist, type;
    u16 high;
#ifdef __x86_64__
    u32 top, zero;
#endif
};
extern struct gate idt[256];
void set_gate(unsigned vector, ulong target, u16 selector, u8 type);
u64 *gdt_entry(unsigned selector);
void load_idt(unsigned limit); /* of idt[] */

#ifdef __x86_64__
/* VMCALL or VMMCALL: test/hv/runner.c has the numbers. Under Helium only. */
u64 hypercall(u64 number, u64 a, u64 b);

/* Maps one 4 KiB page; splits what is there. flags are those of the entry. */
u64 *map_page(u64 va, u64 pa, u64 flags);
extern u64 boot_pml4[512], boot_pdpt[512], boot_pd[4 * 512];
#endif
#define PAGE_P  1ul
#define PAGE_W  2ul
#define PAGE_U  4ul
#define PAGE_A  0x20ul
#define PAGE_D  0x40ul
#define PAGE_PS 0x80ul

/* Until `condition`, or for about `ticks` of the TSC. Gives whether it came true. */
#define WAIT_FOR(condition, ticks)                 \
    ({                                             \
        u64 wait_end = rdtsc() + (ticks);          \
        while (!(condition) && rdtsc() < wait_end) \
            cpu_pause();                           \
        !!(condition);                             \
    })
#define LONG_WAIT 4000000000ull
void delay(u64 ticks);

/* The other CPU (64-bit guests): runs fn once, then halts. */
void ap_start(void (*fn)(void));
extern volatile u32 ap_done;

#endif
