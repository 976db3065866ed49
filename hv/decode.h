/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The instruction decoder: bytes in, struct insn out. Pure: no state, no guest access, any host.
 *
 * It knows every prefix, ModRM and SIB form, VEX, and the length of the integer and SSE/AVX
 * instructions of the one-byte, 0F, 0F38 and 0F3A maps. What an instruction does is insn.op:
 * OP_OTHER is an instruction whose length is right and whose meaning nobody here needs.
 */
#ifndef HV_DECODE_H
#define HV_DECODE_H

#include "hv/compiler.h"
#include "hv/cpu_state.h"
#include "hv/types.h"

#define INSN_MAX 15 /* bytes: SDM 2A 2.3.11 */

/* The default operand and address size: CS.L and EFER.LMA, else CS.D. */
enum cpu_mode { MODE_16 = 16, MODE_32 = 32, MODE_64 = 64 };

/* General registers by the number instructions give them; those above are R8 to R15. */
enum { rAX, rCX, rDX, rBX, rSP, rBP, rSI, rDI };

/* Pseudo registers of a memory operand's address. */
#define REG_NONE 0xff
#define BASE_RIP 0x10

enum operation {
    /* clang-format off */
    OP_INVALID, /* #UD; decode() never returns it */
    OP_OTHER,   /* a length and operands, no meaning */

    /* In the order of their opcodes. */
    OP_ADD, OP_OR, OP_ADC, OP_SBB, OP_AND, OP_SUB, OP_XOR, OP_CMP,
    OP_ROL, OP_ROR, OP_RCL, OP_RCR, OP_SHL, OP_SHR, OP_SAL, OP_SAR,
    OP_BT, OP_BTS, OP_BTR, OP_BTC,

    OP_TEST, OP_NOT, OP_NEG, OP_INC, OP_DEC, OP_MUL, OP_IMUL, OP_IMUL_REG, OP_IMUL_IMM, OP_DIV,
    OP_IDIV, OP_SHLD, OP_SHRD, OP_BSF, OP_BSR, OP_POPCNT, OP_XADD, OP_CMPXCHG, OP_CMPXCHG8B,

    OP_MOV, OP_MOVZX, OP_MOVSX, OP_MOVSXD, OP_MOVBE, OP_XCHG, OP_LEA, OP_CMOV, OP_SETCC, OP_NOP,
    OP_MOV_FROM_SREG, OP_MOV_TO_SREG, OP_PUSH, OP_POP, OP_CALL, OP_JMP, OP_VECTOR_MOVE,

    OP_MOVS, OP_CMPS, OP_STOS, OP_LODS, OP_SCAS, OP_INS, OP_OUTS, OP_IN, OP_OUT,

    /* What exits for its own sake. MOV CR, MOV DR: register numbers in dst and src. */
    OP_MOV_FROM_CR, OP_MOV_TO_CR, OP_MOV_FROM_DR, OP_MOV_TO_DR, OP_CLTS, OP_LMSW, OP_SMSW, OP_INVLPG,
    OP_CPUID, OP_RDMSR, OP_WRMSR, OP_HLT, OP_PAUSE, OP_RDTSC, OP_RDTSCP, OP_RDPMC, OP_INVD, OP_WBINVD,
    OP_INVLPGA, OP_MONITOR, OP_MWAIT, OP_XGETBV, OP_XSETBV, OP_VMCALL, OP_VMMCALL, OP_INT3, OP_INT,
    OP_INTO, OP_INT1, OP_IRET, OP_RSM, OP_PUSHF, OP_POPF, OP_CLI, OP_STI, OP_SGDT, OP_SIDT, OP_LGDT,
    OP_LIDT, OP_SLDT, OP_STR, OP_LLDT, OP_LTR, OP_VMRUN, OP_VMLOAD, OP_VMSAVE, OP_STGI, OP_CLGI,
    OP_SKINIT,
    OP_COUNT
    /* clang-format on */
};

enum opcode_map { MAP_ONE, MAP_0F, MAP_0F38, MAP_0F3A };

enum operand_kind { OPND_NONE, OPND_REG, OPND_MEM, OPND_IMM };

/* A register's number (general, segment, control, debug or vector: by the operation), or none. */
struct operand {
    u8 kind; /* enum operand_kind */
    u8 reg;
};

struct insn {
    u8 op; /* enum operation */
    u8 length;
    u8 mode; /* enum cpu_mode */
    u8 map;  /* enum opcode_map */
    u8 opcode;
    u8 op_size;   /* of the operands, in bytes: 1, 2, 4, 8 */
    u8 addr_size; /* 2, 4, 8 */
    u8 rep;       /* 0, 0xf2 or 0xf3: the last one given, or VEX.pp's */
    bool lock;
    bool data16; /* 66 given, or VEX.pp's */
    bool rex;    /* a REX prefix counted: registers 4 to 7 in bytes are SPL to DIL, not AH to BH */
    bool rex_w;
    bool vex;
    bool vex_256;
    u8 vex_reg; /* VEX.vvvv, as a register number */

    u8 mod, reg, rm; /* of ModRM; reg and rm with their REX bits */
    struct operand dst, src;

    /* The memory operand: seg:[base + index * scale + disp], wrapped to addr_size. */
    u8 seg; /* enum seg_reg, overrides applied; the source of string instructions too */
    u8 base, index, scale;
    u64 disp; /* sign-extended; MOV moffs: the whole address */

    u64 imm;  /* sign-extended to 64 bits; zero-extended where the manual says so (ports, ENTER, INT
                 n) */
    u16 imm2; /* far pointer: selector; ENTER: level */
};

/*
 * Decodes the instruction at bytes, of which len are there (more than INSN_MAX are not looked at).
 *
 *   0         *insn is filled in
 *   -ENODATA  the instruction goes on after len bytes: fetch more and call again
 *   -E2BIG    longer than 15 bytes: #GP(0)
 *   -EINVAL   not an instruction, or LOCK where it must not be: #UD
 *   -ENOSYS   may be an instruction, whose length is not known here (EVEX, XOP)
 */
int __must_check decode(struct insn *insn, const u8 *bytes, unsigned len, enum cpu_mode mode);

#endif
