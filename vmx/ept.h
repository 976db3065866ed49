/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VMX_EPT_H
#define VMX_EPT_H

#include "hv/ptab.h"

extern const struct ptab_format ptab_ept;
/* No CPU finds a large page that it may execute. One whose translation of code changes its size
 * meanwhile raises a machine check on Intel's CPUs without PSCHANGE_MC_NO (SDM 4 table 2-2,
 * CVE-2018-12207). */
extern const struct ptab_format ptab_ept_small_code;

#endif
