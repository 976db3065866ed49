/* SPDX-License-Identifier: BSD-2-Clause */
#include "libvmctl/keeper.h"
#include "libvmctl/vmctl.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xen/xen.h>
#include <xen/sched.h>

enum vm_action keeper_action(const struct vm_config *c, uint8_t reason)
{
    switch (reason) {
    case SHUTDOWN_poweroff:
        return c->on_poweroff;
    case SHUTDOWN_reboot:
        return c->on_reboot;
    case SHUTDOWN_suspend:
        return VM_PRESERVE;
    default:
        return c->on_crash;
    }
}

/* Does it again, from the configuration: same name, uuid and MAC addresses. */
static int restart(struct vmctl *v, const struct vm_config *c, uint16_t *id)
{
    int rc = vmctl_create(v, c, id);

    return rc ? rc : vmctl_unpause(v, *id);
}

/* The number may by now be another domain's: then the guest is gone. */
static void keep(struct vmctl *v, struct vm_config *c, uint16_t id)
{
    enum vm_action action = VM_RESTART;
    struct vm_info info;
    int rc = 0;

    while (rc == 0 && action == VM_RESTART) {
        rc = vmctl_wait(v, id, -1, &info);
        if (rc || info.state != VM_SHUTDOWN || memcmp(info.uuid, c->uuid, sizeof(info.uuid)))
            break;
        action = keeper_action(c, info.reason);
        dprintf(2, "%s: %s\n", c->name, vm_shutdown_name(info.reason));
        if (action == VM_RESTART)
            vmctl_take_over(v, id, c);
        if (action != VM_PRESERVE)
            rc = vmctl_destroy(v, id);
        if (rc == 0 && action == VM_RESTART)
            rc = restart(v, c, &id);
    }
    if (rc && rc != -ESRCH)
        dprintf(2, "%s: %s\n", c->name, vmctl_error(v));
}

static void run(struct vm_config *c, uint16_t id)
{
    struct vmctl *v = vmctl_new();
    char path[128];
    int log, null = open("/dev/null", O_RDWR);

    snprintf(path, sizeof(path), "/var/log/vmctl/keeper-%s.log", c->name);
    log = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
    dup2(null, 0);
    dup2(null, 1);
    dup2(log >= 0 ? log : null, 2);
    if (v && vmctl_connect(v) == 0)
        keep(v, c, id);
    else if (v)
        dprintf(2, "%s: %s\n", c->name, vmctl_error(v));
    vmctl_free(v);
}

/* Twice forked, so that it is nobody's child here and has no terminal. */
int keeper_start(struct vm_config *c, uint16_t id)
{
    pid_t pid = fork();

    if (pid < 0)
        return -errno;
    if (pid > 0)
        return 0;
    setsid();
    pid = fork();
    if (pid == 0)
        run(c, id);
    _exit(pid < 0);
}
