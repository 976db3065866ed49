/* SPDX-License-Identifier: BSD-2-Clause */
/* A triple fault ends the guest, and nothing else: the runner expects the crash, and goes on with
 * the next. */
#include "guest.h"

void guest(void)
{
    check("alive", 1, 1);
    load_idt(0);
    asm volatile("ud2");
    check("dead", 0, 1);
}
