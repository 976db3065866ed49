/* SPDX-License-Identifier: BSD-2-Clause */
/* The end of the line: say why, show where, stop every CPU. */
#ifndef HV_PANIC_H
#define HV_PANIC_H

#include "hv/compiler.h"

struct trap_frame;

/* Prints the message, the vcpu that ran here and a backtrace with symbols, stops all CPUs. */
void panic(const char *fmt, ...) __printf(1, 2) __noreturn;
/* The same for an exception that root mode did not expect; prints its registers too. */
void panic_trap(const struct trap_frame *f) __noreturn;

/* What can only be false if the hypervisor itself is wrong; never for a value from outside. */
#define ASSERT(x)                                       \
    do {                                                \
        if (unlikely(!(x)))                             \
            panic("%s:%d: %s", __FILE__, __LINE__, #x); \
    } while (0)

#endif
