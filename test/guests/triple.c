/* SPDX-License-Identifier: BSD-2-Clause */
/* A triple fault resets the guest, as it does a PC, and nothing else: the runner expects that, and
 * goes on with the next. */
#include "guest.h"

void guest(void)
{
    check("alive", 1, 1);
    load_idt(0);
    asm volatile("ud2");
    check("dead", 0, 1);
}
