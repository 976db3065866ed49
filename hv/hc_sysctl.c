/* SPDX-License-Identifier: BSD-2-Clause */
/* sysctl: the machine as a whole. */
#include "hv/tools_abi.h" /* first: it asks the public headers for all they have */
#include "hv/cpu.h"
#include "hv/domain.h"
#include "hv/errno.h"
#include "hv/frames.h"
#include "hv/guest_mem.h"
#include "hv/hypercall.h"
#include "hv/log.h"
#include "hv/percpu.h"
#include "hv/string.h"
#include "hv/timer.h"
#include "hv/vendor.h"

#define LOG_CHUNK 256u
#define LOG_MAX   0x10000u
#define POOL_ID   0u /* the only CPU pool */
#define DISTANCE  10u

static u64 all_cpus(void)
{
    return cpus_online < 64 ? (1ull << cpus_online) - 1 : ~0ull;
}

static s64 physinfo(struct vcpu *v, struct xen_sysctl *u)
{
    struct xen_sysctl_physinfo *p = &u->u.physinfo;
    struct frames_stats f;

    (void)v;
    frames_stats(&f);
    *p = (struct xen_sysctl_physinfo){
        .threads_per_core = 1,
        .cores_per_socket = cpus_online,
        .nr_cpus = cpus_online,
        .max_cpu_id = cpus_online - 1,
        .nr_nodes = 1,
        .cpu_khz = (u32)(time_tsc_hz() / 1000),
        .capabilities =
            XEN_SYSCTL_PHYSCAP_hvm | XEN_SYSCTL_PHYSCAP_hap | XEN_SYSCTL_PHYSCAP_gnttab_v1,
        .total_pages = f.total,
        .free_pages = f.free,
        .max_mfn = (1ull << (v->domain->policy->phys_bits - PAGE_SHIFT)) - 1,
    };
    p->hw_cap[0] = cpuid(1).edx;
    p->hw_cap[4] = cpuid(1).ecx;
    return 0;
}

static s64 domain_list(struct vcpu *v, struct xen_sysctl *u)
{
    struct xen_sysctl_getdomaininfolist *l = &u->u.getdomaininfolist;
    struct xen_domctl_getdomaininfo info;
    u32 id = l->first_domain, n = 0;
    struct domain *d;

    while (n < l->max_domains && id < DOMID_FIRST_RESERVED && (d = domain_from((u16)id))) {
        domctl_describe(d, &info);
        if (guest_write(v, (u64)l->buffer.p + n * sizeof(info), &info, sizeof(info)))
            return -EFAULT;
        id = d->id + 1u;
        n++;
    }
    l->num_domains = n;
    return 0;
}

static s64 sched_id(struct vcpu *v, struct xen_sysctl *u)
{
    (void)v;
    u->u.sched_id.sched_id = XEN_SCHEDULER_CREDIT; /* weights mean what they mean there */
    return 0;
}

static s64 read_console(struct vcpu *v, struct xen_sysctl *u)
{
    struct xen_sysctl_readconsole *r = &u->u.readconsole;
    u32 index = r->incremental ? r->index : 0, done = 0, want = MIN(r->count, LOG_MAX);
    char text[LOG_CHUNK];

    while (done < want) {
        u32 n = (u32)log_read(text, MIN(want - done, LOG_CHUNK), &index);

        if (n == 0)
            break;
        if (guest_write(v, (u64)r->buffer.p + done, text, n))
            return -EFAULT;
        done += n;
    }
    r->index = index;
    r->count = done;
    return 0;
}

static int write_bits(struct vcpu *v, const struct xenctl_bitmap *b, u64 bits)
{
    u32 bytes = MIN((b->nr_bits + 7) / 8, (u32)sizeof(bits));

    return guest_write(v, (u64)b->bitmap.p, &bits, bytes) ? -EFAULT : 0;
}

static u32 count_domains(void)
{
    struct domain *d;
    u32 n = 0;

    for (u32 id = 0; id < DOMID_FIRST_RESERVED && (d = domain_from((u16)id)); id = d->id + 1u)
        n++;
    return n;
}

/* INFO gives the pool with this number or the next one. */
static s64 cpupool(struct vcpu *v, struct xen_sysctl *u)
{
    struct xen_sysctl_cpupool_op *p = &u->u.cpupool_op;

    switch (p->op) {
    case XEN_SYSCTL_CPUPOOL_OP_INFO:
        if (p->cpupool_id != POOL_ID)
            return -ENOENT;
        p->sched_id = XEN_SCHEDULER_CREDIT;
        p->n_dom = count_domains();
        return write_bits(v, &p->cpumap, all_cpus());
    case XEN_SYSCTL_CPUPOOL_OP_FREEINFO:
        return write_bits(v, &p->cpumap, 0);
    case XEN_SYSCTL_CPUPOOL_OP_MOVEDOMAIN:
        return p->cpupool_id == POOL_ID ? 0 : -ENOENT;
    default:
        return -EOPNOTSUPP;
    }
}

static s64 topology(struct vcpu *v, struct xen_sysctl *u)
{
    struct xen_sysctl_cputopoinfo *t = &u->u.cputopoinfo;
    u32 n = t->cputopo.p ? MIN(t->num_cpus, cpus_online) : 0;

    for (u32 i = 0; i < n; i++) {
        xen_sysctl_cputopo_t one = {.core = i, .socket = 0, .node = 0};

        if (guest_write(v, (u64)t->cputopo.p + i * sizeof(one), &one, sizeof(one)))
            return -EFAULT;
    }
    t->num_cpus = cpus_online;
    return 0;
}

static s64 numa(struct vcpu *v, struct xen_sysctl *u)
{
    struct xen_sysctl_numainfo *info = &u->u.numainfo;
    xen_sysctl_meminfo_t m = {0};
    struct frames_stats f;
    u32 distance = DISTANCE;

    frames_stats(&f);
    m.memsize = f.total << PAGE_SHIFT;
    m.memfree = f.free << PAGE_SHIFT;
    if (info->num_nodes && info->meminfo.p && guest_write(v, (u64)info->meminfo.p, &m, sizeof(m)))
        return -EFAULT;
    if (info->num_nodes && info->distance.p &&
        guest_write(v, (u64)info->distance.p, &distance, sizeof(distance)))
        return -EFAULT;
    info->num_nodes = 1;
    return 0;
}

static s64 cpu_times(struct vcpu *v, struct xen_sysctl *u)
{
    struct xen_sysctl_getcpuinfo *g = &u->u.getcpuinfo;
    u32 n = MIN(g->max_cpus, cpus_online);

    for (u32 i = 0; i < n; i++) {
        u64 now = time_ns(), busy = sched_busy(&percpu[i]->rq, now);
        xen_sysctl_cpuinfo_t one = {.idletime = now > busy ? now - busy : 0};

        if (guest_write(v, (u64)g->info.p + i * sizeof(one), &one, sizeof(one)))
            return -EFAULT;
    }
    g->nr_cpus = n;
    return 0;
}

static s64 (*const ops[])(struct vcpu *v, struct xen_sysctl *u) = {
    [XEN_SYSCTL_physinfo] = physinfo,  [XEN_SYSCTL_getdomaininfolist] = domain_list,
    [XEN_SYSCTL_sched_id] = sched_id,  [XEN_SYSCTL_readconsole] = read_console,
    [XEN_SYSCTL_cpupool_op] = cpupool, [XEN_SYSCTL_cputopoinfo] = topology,
    [XEN_SYSCTL_numainfo] = numa,      [XEN_SYSCTL_getcpuinfo] = cpu_times,
};

s64 hc_sysctl(struct vcpu *v, const u64 arg[HYPERCALL_ARGS])
{
    struct xen_sysctl u;
    s64 rc;

    if (guest_read(v, &u, arg[0], sizeof(u)))
        return -EFAULT;
    if (u.interface_version != XEN_SYSCTL_INTERFACE_VERSION)
        return -EACCES;
    if (u.cmd >= ARRAY_SIZE(ops) || !ops[u.cmd])
        return -ENOSYS;
    rc = ops[u.cmd](v, &u);
    if (rc == 0 && guest_write(v, arg[0], &u, sizeof(u)))
        return -EFAULT;
    return rc;
}
