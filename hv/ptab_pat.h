/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How tables of the host's format name memory types: by PWT, PCD and PAT they pick one of the eight
 * entries of IA32_PAT. Root mode runs every CPU with PAT_ROOT_MODE, and NPT is read with it as well
 * (APM 2 15.25.8). Its lower half means what it means after reset, so early tables stay right.
 */
#ifndef HV_PTAB_PAT_H
#define HV_PTAB_PAT_H

#include "hv/x86.h"

#define PAT_ROOT_MODE                                                                       \
    (PAT_ENTRY(0, MEMTYPE_WB) | PAT_ENTRY(1, MEMTYPE_WT) | PAT_ENTRY(2, MEMTYPE_UC_MINUS) | \
     PAT_ENTRY(3, MEMTYPE_UC) | PAT_ENTRY(4, MEMTYPE_WC) | PAT_ENTRY(5, MEMTYPE_WP) |       \
     PAT_ENTRY(6, MEMTYPE_UC_MINUS) | PAT_ENTRY(7, MEMTYPE_UC))

/* The fields of struct ptab_format that follow from it. Bits: PWT, PCD, PAT; PAT moves in large
 * leaves. */
#define PTAB_PAT_MEMTYPES                                                        \
    .memtype_bit = {{3, 4, 7}, {3, 4, 12}},                                      \
    .memtype_code = {[MEMTYPE_WB] = 0, [MEMTYPE_WT] = 1, [MEMTYPE_UC_MINUS] = 2, \
                     [MEMTYPE_UC] = 3, [MEMTYPE_WC] = 4, [MEMTYPE_WP] = 5,       \
                     [2] = 3,          [3] = 3},                                 \
    .memtype_of = {MEMTYPE_WB, MEMTYPE_WT, MEMTYPE_UC_MINUS, MEMTYPE_UC,         \
                   MEMTYPE_WC, MEMTYPE_WP, MEMTYPE_UC_MINUS, MEMTYPE_UC}

#endif
