/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The hypervisor's command line: words "name=value", "name" and "no-name". Each user asks for its
 * own option; what nobody has asked for by the end of boot was misspelt. The last of equal names
 * counts. Boot CPU only.
 */
#ifndef HV_CMDLINE_H
#define HV_CMDLINE_H

#include "hv/compiler.h"
#include "hv/types.h"

/* Keeps a copy of text. */
void cmdline_init(const char *text);

/* What is wrong with a value is logged by the function that finds it, and the default holds. */

/* "name", "name=yes|on|true|1" and "no-name", "name=no|off|false|0". */
bool cmdline_bool(const char *name, bool otherwise);
/* "name=512M": decimal or 0x, K M G T in powers of 1024. */
u64 cmdline_u64(const char *name, u64 otherwise);
/* The index of the value among count words. */
unsigned cmdline_choice(const char *name, const char *const words[], unsigned count,
                        unsigned otherwise);
/* The value's text, "" for a bare "name", NULL if it is not there. Lives as long as the hypervisor.
 */
const char *cmdline_string(const char *name);

/* One line for each word nobody has asked for. Returns how many there were. */
unsigned cmdline_report_unknown(void);

#endif
