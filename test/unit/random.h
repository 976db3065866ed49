/* SPDX-License-Identifier: BSD-2-Clause */
/* Random numbers for tests that can be run again: the seed is printed, HELIUM_SEED sets it. */
#ifndef TEST_UNIT_RANDOM_H
#define TEST_UNIT_RANDOM_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static uint64_t random_state;

static inline void random_init(void)
{
    const char *seed = getenv("HELIUM_SEED");
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    random_state =
        seed ? strtoull(seed, NULL, 0) : (uint64_t)now.tv_sec * 1000000007u + (uint64_t)now.tv_nsec;
    printf("seed: HELIUM_SEED=%#llx\n", (unsigned long long)random_state);
}

/* SplitMix64. */
static inline uint64_t random_u64(void)
{
    uint64_t z = random_state += 0x9e3779b97f4a7c15u;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* 0 to n - 1. */
static inline uint64_t random_below(uint64_t n)
{
    return random_u64() % n;
}

#endif
