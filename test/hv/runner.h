/* SPDX-License-Identifier: BSD-2-Clause */
/* One test guest on its way through helium-test.elf. */
#ifndef TEST_HV_RUNNER_H
#define TEST_HV_RUNNER_H

#include "hv/domain.h"
#include "hv/spinlock.h"
#include "hv/types.h"

struct guest_run {
    struct domain *d;
    char name[32];
    const char *cmdline;
    int exit_code; /* -1: it did not say */
    mfn_t ram;
    unsigned ram_order;
    spinlock_t lock; /* guards the line */
    unsigned line_len;
    char line[256];
    u8 scratch[16];
    u8 stream;
    u64 mmio_count;
    u8 mmio[PAGE_SIZE];
};

#endif
