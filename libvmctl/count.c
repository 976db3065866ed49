/* SPDX-License-Identifier: BSD-2-Clause */
/* What the hypervisor has counted: run times, exits, requests to device models, the machine. */
#include "libvmctl/handle.h"
#include "libvmctl/stats.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xenhypfs.h>

/* A file of the hypervisor's tree, to free(); NULL: there is none. */
static char *read_tree(xenhypfs_handle *h, uint16_t id, const char *name)
{
    char path[64];

    snprintf(path, sizeof(path), "/domain/%u/%s", id, name);
    return xenhypfs_read(h, path);
}

/* Another hypervisor has no such files: then nothing was counted. */
static void read_counters(uint16_t id, struct vm_stats *s)
{
    xenhypfs_handle *h = xenhypfs_open(&vmctl_silent, 0);
    char *exits, *ioreqs;

    if (!h)
        return;
    exits = read_tree(h, id, "exits");
    ioreqs = read_tree(h, id, "ioreqs");
    if (exits)
        stats_parse_exits(exits, s);
    if (ioreqs)
        stats_parse_ioreqs(ioreqs, s);
    free(exits);
    free(ioreqs);
    xenhypfs_close(h);
}

static int read_times(struct vmctl *v, uint16_t id, struct vm_stats *s)
{
    for (unsigned i = 0; i < s->vcpus; i++) {
        struct xen_domctl op = {.cmd = XEN_DOMCTL_getvcpuinfo, .domain = id};
        int rc;

        op.u.getvcpuinfo.vcpu = i;
        rc = xen_domctl(v, &op);
        if (rc)
            return vm_fail(v, -rc, "The hypervisor does not tell of vcpu %u of domain %u: %s.", i,
                           id, strerror(-rc));
        s->run_ns[i] = op.u.getvcpuinfo.cpu_time;
    }
    return 0;
}

int vmctl_stats(struct vmctl *v, uint16_t id, struct vm_stats *s)
{
    struct vm_info info;
    int rc = vmctl_get(v, id, &info);

    *s = (struct vm_stats){0};
    if (rc)
        return rc;
    s->vcpus = info.vcpus < VM_MAX_VCPUS ? info.vcpus : VM_MAX_VCPUS;
    rc = read_times(v, id, s);
    if (rc == 0)
        read_counters(id, s);
    return rc;
}

/* ---- the machine ---- */

static int read_idle(struct vmctl *v, struct vm_host *h)
{
    struct xen_sysctl op = {.cmd = XEN_SYSCTL_getcpuinfo};
    xen_sysctl_cpuinfo_t *cpu = xen_buffer(v, h->cpus * sizeof(*cpu));
    int rc;

    if (!cpu)
        return -ENOMEM;
    op.u.getcpuinfo.max_cpus = h->cpus;
    set_xen_guest_handle(op.u.getcpuinfo.info, cpu);
    rc = xen_sysctl(v, &op);
    for (uint32_t i = 0; rc == 0 && i < op.u.getcpuinfo.nr_cpus; i++)
        h->idle_ns += cpu[i].idletime;
    xen_buffer_free(v, cpu);
    return rc;
}

int vmctl_host(struct vmctl *v, struct vm_host *h)
{
    struct xen_sysctl op = {.cmd = XEN_SYSCTL_physinfo};
    int rc = xen_sysctl(v, &op);

    *h = (struct vm_host){.cpus = op.u.physinfo.nr_cpus,
                          .khz = op.u.physinfo.cpu_khz,
                          .memory_kib = op.u.physinfo.total_pages * 4,
                          .free_kib = op.u.physinfo.free_pages * 4};
    if (rc == 0)
        rc = read_idle(v, h);
    return rc ? vm_fail(v, -rc, "The hypervisor does not tell of the machine: %s.", strerror(-rc))
              : 0;
}
