/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Nested page tables: the host's format, since root mode runs in long mode (APM 2 15.25.3).
 *
 * Every guest access is a user access to them (15.25.5), so all leaves carry U. Accessed and dirty
 * are always kept. Addresses are guest-physical: 48 bits, not sign-extended. Global means nothing.
 */
#include "svm/npt.h"
#include "hv/ptab_pat.h"

const struct ptab_format ptab_npt = {
    .name = "NPT",
    .read = PTE_P,
    .write = PTE_W,
    .accessed = PTE_A,
    .dirty = PTE_D,
    .noexec = PTE_NX,
    .large = PTE_PS,
    .table = PTE_P | PTE_W | PTE_U | PTE_A,
    .leaf = PTE_U,
    PTAB_PAT_MEMTYPES,
    .type_shift = 52, /* bits 58:52 are software's */
    .levels = 4,
};
