/* SPDX-License-Identifier: BSD-2-Clause */
#include "libvmctl/vmctl.h"
#include <xen/xen.h>
#include <xen/sched.h>

const char *vm_state_name(enum vm_state state)
{
    static const char *const names[] = {[VM_RUNNING] = "running",
                                        [VM_BLOCKED] = "blocked",
                                        [VM_PAUSED] = "paused",
                                        [VM_SHUTDOWN] = "shutdown",
                                        [VM_DYING] = "dying"};

    return names[state];
}

const char *vm_shutdown_name(uint8_t reason)
{
    static const char *const names[] = {
        [SHUTDOWN_poweroff] = "poweroff", [SHUTDOWN_reboot] = "reboot",
        [SHUTDOWN_suspend] = "suspend",   [SHUTDOWN_crash] = "crash",
        [SHUTDOWN_watchdog] = "watchdog", [SHUTDOWN_soft_reset] = "soft reset"};

    return reason < sizeof(names) / sizeof(names[0]) ? names[reason] : "unknown";
}
