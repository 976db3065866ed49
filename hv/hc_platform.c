/* SPDX-License-Identifier: BSD-2-Clause */
/* What the privileged domain tells about the machine, and asks of it. */
#include "hv/domain.h"
#include "hv/errno.h"
#include "hv/guest_mem.h"
#include "hv/hypercall.h"
#include "hv/percpu.h"
#include "hv/shared_info.h"
#include "hv/string.h"
#include "hv/vcpu.h"
#include <xen/xen.h>
#include <xen/platform.h>
#include <xen/physdev.h>

#define NS_PER_SEC 1000000000ull

static s64 set_time(struct vcpu *v, const struct xenpf_settime64 *t)
{
    u64 boot;

    if (t->nsecs >= NS_PER_SEC)
        return -EINVAL;
    boot = t->secs * NS_PER_SEC + t->nsecs - t->system_time;
    shared_info_set_wallclock(v->domain, boot / NS_PER_SEC, (u32)(boot % NS_PER_SEC));
    return 0;
}

static s64 cpu_info(struct xenpf_pcpuinfo *i)
{
    if (i->xen_cpuid >= cpus_online)
        return -EINVAL;
    i->max_present = cpus_online - 1;
    i->flags = XEN_PCPU_FLAGS_ONLINE;
    i->apic_id = percpu[i->xen_cpuid]->apic_id;
    i->acpi_id = i->xen_cpuid;
    return 0;
}

/* One that answers: what the handler wrote goes back. */
s64 hc_platform_op(struct vcpu *v, const u64 arg[HYPERCALL_ARGS])
{
    struct xen_platform_op op;
    s64 rc;

    if (guest_read(v, &op, arg[0], sizeof(op)))
        return -EFAULT;
    if (op.interface_version != XENPF_INTERFACE_VERSION)
        return -EACCES;
    switch (op.cmd) {
    case XENPF_settime64:
        return set_time(v, &op.u.settime64);
    case XENPF_get_cpuinfo:
        rc = cpu_info(&op.u.pcpu_info);
        break;
    default:
        return -ENOSYS;
    }
    if (rc == 0 && guest_write(v, arg[0], &op, sizeof(op)))
        return -EFAULT;
    return rc;
}

/* Devices and their interrupts are the privileged domain's own: being told of them is all there is.
 * What it says must be there to be read, all the same. */
static s64 take_note(struct vcpu *v, u64 at, size_t size)
{
    u8 told[sizeof(struct physdev_pci_mmcfg_reserved)]; /* the largest */

    _Static_assert(sizeof(struct physdev_dbgp_op) <= sizeof(told) &&
                       offsetof(struct physdev_pci_device_add, optarr) <= sizeof(told),
                   "room for each");
    return guest_read(v, told, at, size) ? -EFAULT : 0;
}

s64 hc_physdev_op(struct vcpu *v, const u64 arg[HYPERCALL_ARGS])
{
    switch ((u32)arg[0]) {
    case PHYSDEVOP_pci_device_add: /* its optional tail of proximity data is of no use here */
        return take_note(v, arg[1], offsetof(struct physdev_pci_device_add, optarr));
    case PHYSDEVOP_pci_device_remove:
        return take_note(v, arg[1], sizeof(struct physdev_pci_device));
    case PHYSDEVOP_pci_mmcfg_reserved:
        return take_note(v, arg[1], sizeof(struct physdev_pci_mmcfg_reserved));
    case PHYSDEVOP_dbgp_op:
        return take_note(v, arg[1], sizeof(struct physdev_dbgp_op));
    default:
        return -ENOSYS;
    }
}

s64 hc_vm_assist(struct vcpu *v, const u64 arg[HYPERCALL_ARGS])
{
    u32 type = (u32)arg[1];

    if ((u32)arg[0] > VMASST_CMD_disable)
        return -ENOSYS;
    if (type != VMASST_TYPE_runstate_update_flag)
        return -EINVAL;
    v->domain->runstate_update_flag = arg[0] == VMASST_CMD_enable;
    return 0;
}
