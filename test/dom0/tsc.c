// SPDX-License-Identifier: BSD-2-Clause
//
// Prints the time stamp counter and the time since the kernel began to keep it. Under QEMU's icount
// with shift 0 and in Bochs the counter counts instructions since the machine was switched on.

#include <stdio.h>
#include <time.h>
#include <x86intrin.h>

int main(void)
{
    struct timespec boot;

    clock_gettime(CLOCK_BOOTTIME, &boot);
    printf("tsc=%llu uptime=%lld.%09ld\n", __rdtsc(), (long long)boot.tv_sec, boot.tv_nsec);
    return 0;
}
