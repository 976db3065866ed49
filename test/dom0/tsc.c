// SPDX-License-Identifier: BSD-2-Clause
//
// Prints the time stamp counter. Under QEMU's icount with shift 0 and in Bochs it counts instructions
// since the machine was switched on.

#include <stdio.h>
#include <x86intrin.h>

int main(void)
{
    printf("%llu\n", __rdtsc());
    return 0;
}
