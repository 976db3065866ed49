/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One instruction on the CPU the test runs on: in 64-bit, 32-bit or 16-bit code, with all
 * registers, flags and data segments given, and what became of them.
 *
 * Everything it touches lies at fixed addresses below 4 GiB, so that each mode can reach it:
 *
 *   NATIVE_BASE    this structure, the stack of the trampoline
 *   NATIVE_WINDOW  64 KiB, base of the LDT's segments: nothing mapped but
 *     + NATIVE_CODE   the instruction, and a jump back behind it
 *     + NATIVE_ARENA  the memory it may access
 */
#ifndef TEST_UNIT_NATIVE_H
#define TEST_UNIT_NATIVE_H

#include "hv/cpu_state.h"
#include "hv/decode.h"

/* native.asm has these numbers, too. */
#define NATIVE_BASE   0x20000000ul
#define NATIVE_STACK  (NATIVE_BASE + 0x2000)
#define NATIVE_WINDOW (NATIVE_BASE + 0x10000)
#define NATIVE_CODE   (NATIVE_WINDOW + 0x2000)
#define NATIVE_ARENA  (NATIVE_WINDOW + 0x8000)
#define ARENA_SIZE    0x2000

/* Selectors. Those of the LDT have their base at NATIVE_WINDOW. */
enum native_selector {
    SEL_FLAT = 0x2b,   /* Linux's data segment: 4 GiB */
    SEL_CODE64 = 0x33, /* Linux's */
    SEL_CODE32 = 0x23, /* Linux's */
    SEL_DATA16 = 0x07, /* 64 KiB, B clear */
    SEL_SHORT = 0x0f,  /* ends inside the arena */
    SEL_DOWN = 0x17,   /* expand-down, starts inside the arena */
    SEL_READ_ONLY = 0x1f,
    SEL_BIG = 0x27, /* 4 GiB, B set */
    SEL_CODE16 = 0x2f
};

struct native {
    u64 gpr[16];
    u64 rflags;
    u64 frame[5]; /* for IRETQ: RIP CS RFLAGS RSP SS */
    u64 host_rsp;
    u64 ds, es, gs;
    u64 avx;    /* ymm is loaded and stored in full, else the lower halves */
    u32 code32; /* there is 32-bit code, by Linux's selector */
    u32 ldt;    /* and 16-bit code and more segments, by the LDT's */
    u8 ymm[16][32];
    /* Out: the exception, or -1. */
    s64 trap;
    u64 error, cr2;
    u64 rip; /* of a fault */
};

/* 0, or -1: this machine does not allow it (address taken). */
int native_init(void);

/* The segment as the emulator is to see it. sel is one of enum native_selector. */
struct segment native_segment(u16 sel);

/* Runs code (len bytes) with what is in *native_state: gpr, rflags, ds, es, gs, ymm. */
void native_run(const u8 *code, unsigned len, enum cpu_mode mode, u16 ss);

/* Address of the jump back behind an instruction of len bytes: where a branch may go. */
#define NATIVE_RETURN(len) (NATIVE_CODE + (len))

#define native_state       ((struct native *)NATIVE_BASE)
#define native_arena       ((u8 *)NATIVE_ARENA)

#endif
