/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Root mode has no SSE, so the string instructions move memory: by quadwords and then the rest,
 * since an emulator that counts instructions counts one for each step of a REP.
 *
 * Names are in parentheses because hv/string.h has macros of the same names.
 */
#include "hv/string.h"
#include "hv/types.h"

void *(memcpy)(void *dst, const void *src, size_t n)
{
    void *to = dst;
    size_t count = n / 8;

    __asm__ volatile("rep movsq\n\t"
                     "mov %3, %%rcx\n\t"
                     "rep movsb"
                     : "+D"(to), "+S"(src), "+c"(count)
                     : "r"(n % 8)
                     : "memory");
    return dst;
}

static void copy_backward(void *dst, const void *src, size_t n)
{
    void *to = (u8 *)dst + n - 1;
    const void *from = (const u8 *)src + n - 1;

    __asm__ volatile("std\n\t"
                     "rep movsb\n\t"
                     "cld"
                     : "+D"(to), "+S"(from), "+c"(n)
                     :
                     : "memory");
}

void *(memmove)(void *dst, const void *src, size_t n)
{
    if ((uintptr_t)dst - (uintptr_t)src >= n)
        return (memcpy)(dst, src, n);
    copy_backward(dst, src, n);
    return dst;
}

void *(memset)(void *dst, int c, size_t n)
{
    void *to = dst;
    size_t count = n / 8;

    __asm__ volatile("rep stosq\n\t"
                     "mov %2, %%rcx\n\t"
                     "rep stosb"
                     : "+D"(to), "+c"(count)
                     : "r"(n % 8), "a"((u8)c * 0x0101010101010101ull)
                     : "memory");
    return dst;
}

int(memcmp)(const void *a, const void *b, size_t n)
{
    const u8 *x = a, *y = b;

    for (; n; n--, x++, y++)
        if (*x != *y)
            return *x - *y;
    return 0;
}

/* The barriers keep the compiler from seeing a loop it would replace by a call of strlen itself. */
size_t(strlen)(const char *s)
{
    size_t n = 0;

    for (; s[n]; n++)
        __asm__ volatile("");
    return n;
}

int strcmp(const char *a, const char *b)
{
    for (; *a && *a == *b; a++, b++)
        ;
    return (u8)*a - (u8)*b;
}

int strncmp(const char *a, const char *b, size_t n)
{
    for (; n && *a && *a == *b; n--, a++, b++)
        ;
    return n ? (u8)*a - (u8)*b : 0;
}
