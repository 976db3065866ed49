/* SPDX-License-Identifier: BSD-2-Clause */
/* VMCALL or VMMCALL: from ring 0 to the runner's test hypercall (0: EBX + ECX), from ring 3
 * refused. */
#include "guest.h"

#define ENOSYS 38
#define EPERM  1

static void user_vmcall(void)
{
    asm volatile("xor %eax, %eax; mov $3, %ebx; mov $4, %ecx; vmcall; int $0x80");
}

static void user_vmmcall(void)
{
    asm volatile("xor %eax, %eax; mov $3, %ebx; mov $4, %ecx; vmmcall; int $0x80");
}

void guest(void)
{
    if (is_bochs())
        TRY("vmmcall", : : "a"(0));
    else
        TRY("vmcall", : : "a"(0));
    check("other-vendor", fault.vector, V_UD);
    if (!under_helium())
        return;
    check("sum", hypercall(0, 40, 2), 42);
    check("unknown", hypercall(99, 40, 2), -ENOSYS);
    try_user(is_bochs() ? user_vmcall : user_vmmcall);
    check("ring-3-comes-back", fault.vector, 0x80);
    check("ring-3-refused", fault.frame.ax, (u64)-EPERM);
}
