/* SPDX-License-Identifier: BSD-2-Clause */
/* Asking a guest to stop, or to start again: by the store, where its kernel listens there, or by
 * the buttons that a PC has. */
#include "libvmctl/ask.h"
#include "libvmctl/store.h"
#include <errno.h>
#include <string.h>
#include <xen/sched.h>

/* Linux says so once it watches control/shutdown. */
static bool listens(struct vmctl *v, uint16_t id, const char *feature)
{
    char value[8];

    return store_get(v, id, feature, value, sizeof(value)) && strcmp(value, "1") == 0;
}

static int request(struct vmctl *v, uint16_t id, const char *what)
{
    int rc = store_set(v, id, "control/shutdown", what);

    return rc ? vm_fail(v, -rc, "The store does not take the request: %s.", strerror(-rc)) : 0;
}

/* A guest that does not run hears nothing. */
static int check_runs(struct vmctl *v, uint16_t id)
{
    struct vm_info i;
    int rc = vmctl_get(v, id, &i);

    if (rc)
        return rc;
    if (i.state == VM_RUNNING || i.state == VM_BLOCKED)
        return 0;
    return vm_fail(v, EBUSY, "Domain %u does not run: it is %s.", id, vm_state_name(i.state));
}

int vmctl_shutdown(struct vmctl *v, uint16_t id, bool button)
{
    int rc = check_runs(v, id);

    if (rc)
        return rc;
    if (!button && listens(v, id, "control/feature-poweroff"))
        return request(v, id, "poweroff");
    return ask_once(v, id, "system_powerdown", "{}");
}

int vmctl_reboot(struct vmctl *v, uint16_t id)
{
    int rc = check_runs(v, id);

    if (rc)
        return rc;
    if (listens(v, id, "control/feature-reboot"))
        return request(v, id, "reboot");
    return vm_fail(v, EOPNOTSUPP, "Domain %u does not listen to requests to reboot.", id);
}

int vmctl_reset(struct vmctl *v, uint16_t id)
{
    int rc = id ? xen_remote_shutdown(v, id, SHUTDOWN_reboot) : -EPERM;

    return rc ? vm_fail(v, -rc, "Domain %u cannot be reset: %s.", id, strerror(-rc)) : 0;
}
