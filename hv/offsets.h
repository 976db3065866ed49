/* SPDX-License-Identifier: BSD-2-Clause */
/* Structure offsets for NASM: each line of an offsets.c becomes a %define in build/offsets.inc. */
#ifndef HV_OFFSETS_H
#define HV_OFFSETS_H

#include "hv/types.h"

#define DEFINE(name, value)        __asm__ volatile("\n->" #name " %0" ::"i"((u64)(value)))
#define OFFSET(name, type, member) DEFINE(name, offsetof(type, member))

#endif
