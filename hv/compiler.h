/* SPDX-License-Identifier: BSD-2-Clause */
/* What GCC offers and C does not name. */
#ifndef HV_COMPILER_H
#define HV_COMPILER_H

#include <stddef.h>

#define likely(x)                   __builtin_expect(!!(x), 1)
#define unlikely(x)                 __builtin_expect(!!(x), 0)

#define __must_check                __attribute__((warn_unused_result))
#define __printf(f, a)              __attribute__((format(printf, f, a)))
#define __packed                    __attribute__((packed))
#define __aligned(n)                __attribute__((aligned(n)))
#define __section(s)                __attribute__((section(s), used))
#define __noreturn                  __attribute__((noreturn))
#define __noinline                  __attribute__((noinline))

#define ARRAY_SIZE(a)               (sizeof(a) / sizeof((a)[0]))
#define container_of(p, type, memb) ((type *)((char *)(p)-offsetof(type, memb)))

#define MIN(a, b)             \
    ({                        \
        __auto_type a_ = (a); \
        __auto_type b_ = (b); \
        a_ < b_ ? a_ : b_;    \
    })
#define MAX(a, b)             \
    ({                        \
        __auto_type a_ = (a); \
        __auto_type b_ = (b); \
        a_ > b_ ? a_ : b_;    \
    })

/* Alignment is a power of two. */
#define ALIGN_DOWN(x, a) ((x) & ~((__typeof__(x))(a)-1))
#define ALIGN_UP(x, a)   ALIGN_DOWN((x) + (a)-1, a)

#define READ_ONCE(x)     (*(const volatile __typeof__(x) *)&(x))
#define WRITE_ONCE(x, v) (*(volatile __typeof__(x) *)&(x) = (v))
/* The compiler moves no memory access across; x86 itself only moves loads before older stores. */
#define barrier() __asm__ volatile("" ::: "memory")

#endif
