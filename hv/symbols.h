/* SPDX-License-Identifier: BSD-2-Clause */
/* Names for addresses in root mode's text (scripts/lib/symbols.sh makes the table). */
#ifndef HV_SYMBOLS_H
#define HV_SYMBOLS_H

#include "hv/types.h"

/* The function that address lies in and the distance from its start; NULL if there is none. */
const char *symbol_at(u64 address, u64 *offset);

#endif
