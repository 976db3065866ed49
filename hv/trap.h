/* SPDX-License-Identifier: BSD-2-Clause */
/* Exceptions, NMIs and interrupts that hit root mode itself. */
#ifndef HV_TRAP_H
#define HV_TRAP_H

#include "hv/compiler.h"
#include "hv/types.h"

/* As hv/trap_entry.asm and the CPU push it (SDM 3A 6.14.2). */
struct trap_frame {
    u64 r15, r14, r13, r12, r11, r10, r9, r8;
    u64 rbp, rdi, rsi, rdx, rcx, rbx, rax;
    u64 vector, error;
    u64 rip, cs, rflags, rsp, ss;
};

_Static_assert(sizeof(struct trap_frame) == 22 * 8, "trap_entry.asm");

/* Called by hv/trap_entry.asm only. */
void trap_dispatch(struct trap_frame *f);

/* For a vendor's exit on an NMI: what the NMI gate does, without the gate. */
void trap_nmi(void);

/* RDMSR, WRMSR and XSETBV that may fault: 0 or -EFAULT. */
int __must_check rdmsr_safe(u32 msr, u64 *value);
int __must_check wrmsr_safe(u32 msr, u64 value);

#endif
