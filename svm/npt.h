/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SVM_NPT_H
#define SVM_NPT_H

#include "hv/ptab.h"

extern const struct ptab_format ptab_npt;

#endif
