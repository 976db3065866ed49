/* SPDX-License-Identifier: BSD-2-Clause */
/* The tables CR3 points to, four levels (SDM 3A 4.5, APM 2 5.3). */
#include "hv/ptab.h"
#include "hv/ptab_pat.h"

const struct ptab_format ptab_host = {
    .name = "host",
    .read = PTE_P,
    .write = PTE_W,
    .user = PTE_U,
    .global = PTE_G,
    .accessed = PTE_A,
    .dirty = PTE_D,
    .noexec = PTE_NX,
    .large = PTE_PS,
    .table = PTE_P | PTE_W | PTE_U | PTE_A,
    PTAB_PAT_MEMTYPES,
    .type_shift = 52, /* bits 58:52 are software's */
    .levels = 4,
    .canonical = true,
};
