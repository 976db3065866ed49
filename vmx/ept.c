/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Extended page tables, four levels (SDM 3C 29.3.2, tables 29-1 to 29-7).
 *
 * Read, write and execute are bits of their own, in tables as in leaves; the effective right is
 * what all levels grant. Write without read is a misconfiguration, and the walker never writes it.
 * The memory type stands in the leaf itself; IPAT keeps the guest's PAT out of it. Accessed and
 * dirty are kept by the CPU if EPTP bit 6 asks for it, else ignored.
 */
#include "vmx/ept.h"

/* As in MTRRs. UC- is a PAT type only; 2, 3 and 7 are misconfigurations. */
#define MEMTYPE_CODE                                                           \
    {                                                                          \
        [MEMTYPE_WC] = 1, [MEMTYPE_WT] = 4, [MEMTYPE_WP] = 5, [MEMTYPE_WB] = 6 \
    }
#define MEMTYPE_OF                                                                          \
    {                                                                                       \
        MEMTYPE_UC, MEMTYPE_WC, MEMTYPE_UC, MEMTYPE_UC, MEMTYPE_WT, MEMTYPE_WP, MEMTYPE_WB, \
            MEMTYPE_UC                                                                      \
    }

/* Bits 56:52 are ignored. */
#define EPT_FORMAT(called, large_code)                                                             \
    {                                                                                              \
        .name = (called), .read = BIT(0), .write = BIT(1), .exec = BIT(2),                         \
        .exec_large = (large_code), .ipat = BIT(6), .large = BIT(7), .accessed = BIT(8),           \
        .dirty = BIT(9), .table = BIT(0) | BIT(1) | BIT(2), .memtype_bit = {{3, 4, 5}, {3, 4, 5}}, \
        .memtype_code = MEMTYPE_CODE, .memtype_of = MEMTYPE_OF, .type_shift = 52, .levels = 4      \
    }

const struct ptab_format ptab_ept = EPT_FORMAT("EPT", BIT(2));
const struct ptab_format ptab_ept_small_code = EPT_FORMAT("EPT with small pages of code", BIT(56));
