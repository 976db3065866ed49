/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A machine for the emulator to work on: registers, one piece of memory, ports that remember.
 * Everything it is asked can be answered in two steps, "wait" and then the recorded answer, as a
 * device model's answers come; what the replay contract of hv/emulate.h promises is asserted on the
 * way.
 */
#ifndef TEST_UNIT_MACHINE_H
#define TEST_UNIT_MACHINE_H

#include "hv/emulate.h"

#define MACHINE_MEMORY 0x2000
#define MACHINE_CODE   0x1000000000ul /* fetches come from code[] here */

enum access_kind { ACC_READ, ACC_WRITE, ACC_CMPXCHG, ACC_IN, ACC_OUT, ACC_REP };

struct machine_access {
    u8 kind; /* enum access_kind */
    u8 how;  /* enum emu_access, for reads */
    u16 port;
    unsigned len; /* of an element */
    u64 gva;
    u64 count; /* ACC_REP: offered */
    u8 data[32];
    int result;
};

struct machine {
    struct emu e;
    u64 gpr[16];
    u8 ymm[16][32];
    bool upper_cleared; /* the last vector_set() asked for it */
    struct segment seg[SEG_COUNT];

    u64 memory_base; /* linear address of memory[0]; what is elsewhere faults */
    u8 memory[MACHINE_MEMORY];
    u8 code[64];

    u32 port_value; /* what IN reads; counts up */
    u32 out[256];   /* what was written, outs of it */
    unsigned outs;
    unsigned rep_most; /* elements the rep callback takes at once; 0: it declines */

    /* Every access of the current instruction, also those behind a commit. */
    struct machine_access log[64]; /* the first of them */
    unsigned logged;

    bool wait;               /* answer every new access with -EAGAIN first */
    unsigned waited;         /* how often it did */
    unsigned cmpxchg_losses; /* so many cmpxchg find the memory changed */
    struct machine_access record[4];
    unsigned recorded;
};

/* 64-bit flat, CPL 0, everything enabled, registers 0, memory at memory_base and a stack in it. */
void machine_init(struct machine *m, u64 memory_base);

/* Protected mode with 32-bit or 16-bit flat segments, or real mode (CR0.PE clear) with 64 KiB ones.
 */
void machine_mode(struct machine *m, enum cpu_mode mode, bool protected);

/*
 * Runs until emulate() returns something else than "wait" (and, with through, than "not done yet").
 * Fails the test if waiting has changed anything it must not.
 */
int machine_run(struct machine *m, const struct insn *i, bool through);

/* Decodes, asserts that all bytes were used, and runs. */
int machine_execute(struct machine *m, const u8 *bytes, unsigned len);

#define MACHINE_RUN(m, ...) \
    machine_execute((m), (const u8[]){__VA_ARGS__}, sizeof((const u8[]){__VA_ARGS__}))

#endif
