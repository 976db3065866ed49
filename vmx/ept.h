/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VMX_EPT_H
#define VMX_EPT_H

#include "hv/ptab.h"

extern const struct ptab_format ptab_ept;

#endif
