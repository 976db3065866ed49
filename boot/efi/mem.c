/* SPDX-License-Identifier: BSD-2-Clause */
/* GCC calls these on its own, too, for structure copies and initialisers. */
#include "boot/efi/loader.h"

void *memcpy(void *to, const void *from, size_t n)
{
    void *start = to;

    __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(n)::"memory");
    return start;
}

void *memset(void *to, int value, size_t n)
{
    void *start = to;

    __asm__ volatile("rep stosb" : "+D"(to), "+c"(n) : "a"(value) : "memory");
    return start;
}
