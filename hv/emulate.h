/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The instruction emulator: does to a vcpu what the CPU would have, with every access to memory and
 * ports going through callbacks. It knows neither vcpus nor devices.
 *
 * Used for accesses to emulated devices, and for instructions that exit on CPUs that do not say how
 * long they are or what their operands were.
 *
 * ## Replay
 *
 * A callback whose answer comes from a device model starts the ioreq and returns -EAGAIN; emulate()
 * hands that up with nothing changed. When the answer is there, the caller runs the same
 * instruction again, from the same state, and the same accesses come in the same order with the
 * same addresses and data: the callback answers those it has done before from its record (e->seq
 * numbers them from 0) and goes on with the first new one.
 *
 * Nothing architectural changes before all accesses of an instruction are done, except that REP
 * strings complete element by element. After each such part e->ops->commit is called: what was
 * recorded up to there belongs to the past, seq starts again at 0. A record is also void when
 * emulate() returns anything else than -EAGAIN. At most three accesses come between two commits.
 */
#ifndef HV_EMULATE_H
#define HV_EMULATE_H

#include "hv/compiler.h"
#include "hv/cpu_state.h"
#include "hv/decode.h"
#include "hv/types.h"
#include "hv/vm_event.h"

struct emu;

/* What a memory access is for. A page that does not permit all of it faults as the last one named.
 */
enum emu_access {
    EMU_READ,
    EMU_WRITE,
    EMU_RMW, /* a read whose result will be written back: the page must be writable now */
    EMU_EXEC
};

/* Part of a REP string that one ioreq may carry. */
struct emu_rep {
    u8 op;     /* OP_INS, OP_OUTS, OP_MOVS, OP_STOS */
    u8 size;   /* of an element: 1, 2, 4, 8 */
    bool down; /* the addresses decrease (RFLAGS.DF) */
    u16 port;  /* OP_INS, OP_OUTS */
    u64 src;   /* linear address of the first element: OP_OUTS, OP_MOVS */
    u64 dst;   /* OP_INS, OP_MOVS, OP_STOS */
    u64 value; /* OP_STOS */
    u64 count; /* elements, at least 1; all of them lie in the page of src and the page of dst */
};

/*
 * Addresses are linear: segmentation and canonical form have been checked. An access may cross a
 * page; splitting it is up to the callback. Accesses are made with the privilege e->cpl.
 *
 * All return 0 when done, -EAGAIN (see Replay), -EFAULT with e->fault filled in (emu_page_fault()),
 * or another error, which ends the instruction without effect and is handed up.
 */
struct emu_ops {
    /* len: 1, 2, 4, 8, 16, 32. access: EMU_READ or EMU_RMW. */
    int (*read)(struct emu *e, u64 gva, void *buf, unsigned len, enum emu_access access);
    int (*write)(struct emu *e, u64 gva, const void *buf, unsigned len);
    /*
     * Instruction bytes; never crosses a page. May be NULL when emu_fetch() is given all the bytes
     * or is not used.
     */
    int (*fetch)(struct emu *e, u64 gva, void *buf, unsigned len);
    /*
     * The write of a LOCKed read-modify-write: RAM atomically, -EBUSY if it no longer holds old; a
     * device like write. len: 1, 2, 4, 8, 16.
     */
    int (*cmpxchg)(struct emu *e, u64 gva, const void *old, const void *new, unsigned len);
    /* Would a write fault? Asked before a port is read whose data would be lost. NULL: no. */
    int (*probe_write)(struct emu *e, u64 gva, unsigned len);

    /* size: 1, 2, 4. The CPU has checked IOPL and the TSS bitmap before the exit. */
    int (*in)(struct emu *e, u16 port, u32 *value, unsigned size);
    int (*out)(struct emu *e, u16 port, u32 value, unsigned size);

    /*
     * Many elements at once. Returns how many were done (1 to rep->count), 0 to be asked element by
     * element, or an error as above. Declining is no access, and a replay must decline again. May
     * be NULL.
     */
    int (*rep)(struct emu *e, const struct emu_rep *rep);
    void (*commit)(struct emu *e); /* see Replay. May be NULL. */

    /*
     * Vector register n, 0 to 15: all 32 bytes of YMMn. With zero_upper, a write also clears what
     * is above them (VEX does, SSE does not). NULL: vector instructions return -ENOSYS.
     */
    int (*vector_get)(struct emu *e, unsigned n, u8 ymm[32]);
    int (*vector_set)(struct emu *e, unsigned n, const u8 ymm[32], bool zero_upper);
};

struct emu {
    /* In and out. */
    u64 *gpr; /* RAX RCX RDX RBX RSP RBP RSI RDI R8 .. R15 */
    u64 rip;
    u64 rflags;
    u64 cr0; /* out: CLTS and LMSW; apply it through the path of MOV CR0 */

    /* In. */
    const struct segment *seg; /* indexed by enum seg_reg, SEG_ES to SEG_GS */
    u64 cr4, efer, xcr0;
    u8 cpl;
    u8 mode;            /* enum cpu_mode, see emu_mode() */
    unsigned rep_limit; /* most elements of a REP string per call; 0: 64 */
    const struct emu_ops *ops;

    /* Out. */
    unsigned seq;       /* for callbacks: accesses made since the last commit */
    struct event fault; /* with -EFAULT: an exception to be delivered with RIP at the instruction */
    u64 next_rip;       /* internal */
};

/*
 * Emulates the instruction that was decoded at e->rip.
 *
 *   0         done: rip is behind it and RF is clear. The caller ends the interrupt shadow, and
 * raises the single-step trap if RFLAGS.TF was set before. -EFAULT   e->fault is to be injected
 *   -EAGAIN   waits for a device model, see Replay
 *   -EBUSY    not done, yet not waiting either: a REP string has elements left, or another CPU won
 * the race for a LOCKed operand. rip is still at the instruction: take interrupts, then enter the
 *             guest or call again
 *   -ENOSYS   not emulated; nothing has changed
 *   other     what a callback returned
 *
 * Flags the manuals call undefined are left as they were, or come out as the general rule for the
 * operation would have them.
 */
int __must_check emulate(struct emu *e, const struct insn *insn);

/*
 * Fetches and decodes the instruction at CS:RIP. bytes (n of them, may be none) is what the CPU has
 * recorded already. Returns 0, -EFAULT (also for #UD and #GP of the instruction itself), -ENOSYS,
 * or what the fetch callback returned. Fetches are not numbered by seq.
 */
int __must_check emu_fetch(struct emu *e, struct insn *insn, const u8 *bytes, unsigned n);

/* The linear address of the memory operand, unchecked: for those who want it aligned. */
u64 emu_linear(const struct emu *e, const struct insn *insn);

/* Fill in e->fault and return -EFAULT: for callbacks. */
int emu_exception(struct emu *e, u8 vector);                /* without error code */
int emu_exception_error(struct emu *e, u8 vector, u32 err); /* with one */
int emu_page_fault(struct emu *e, u64 gva, u32 err);        /* err: SDM 3A 4.7 */

/* EFER.LMA and CS say which mode code runs in. */
enum cpu_mode emu_mode(u64 efer, const struct segment *cs);

#endif
