/* SPDX-License-Identifier: BSD-2-Clause */
/* domctl: one structure in, one operation on one guest, the structure back where it tells
 * something. */
#include "hv/tools_abi.h" /* first: it asks the public headers for all they have */
#include "hv/dom0.h"
#include "hv/domain.h"
#include "hv/errno.h"
#include "hv/frames.h"
#include "hv/guest.h"
#include "hv/guest_mem.h"
#include "hv/hvm_context.h"
#include "hv/hypercall.h"
#include "hv/log.h"
#include "hv/percpu.h"
#include "hv/string.h"
#include "hv/timer.h"
#include "hv/vcpu.h"
#include "hv/vmem.h"
#include "hv/xstate.h"

#define KIB_PER_PAGE (PAGE_SIZE / 1024)
/* Two tables for each MiB, as libxl reckons (libxl_get_required_paging_memory()): four times what
 * a guest's RAM takes when all of it is in small pages. */
#define PAGES_PER_TABLE 128
#define EMU_KNOWN       (XEN_X86_EMU_ALL & ~(XEN_X86_EMU_VPCI | XEN_X86_EMU_IOMMU))
#define EMU_NEEDED      (XEN_X86_EMU_LAPIC)
#define CDF_KNOWN \
    (XEN_DOMCTL_CDF_hvm | XEN_DOMCTL_CDF_hap | XEN_DOMCTL_CDF_oos_off | XEN_DOMCTL_CDF_xs_domain)
#define CDF_NEEDED (XEN_DOMCTL_CDF_hvm | XEN_DOMCTL_CDF_hap)
#define BITMAP_MAX 4096u /* bits a caller has room for; libxc: for the machine's CPUs, or nodes */
#define TSC_MODES  4u    /* 0: default, 1: always emulated, 2: native, 3: PVRDTSCP */

struct call {
    struct vcpu *v;
    struct xen_domctl *u; /* the copy */
};

/* ---- Making, ending ---- */

static int check_config(const struct xen_domctl_createdomain *c)
{
    if ((c->flags & CDF_NEEDED) != CDF_NEEDED || (c->flags & ~CDF_KNOWN) || c->iommu_opts)
        return -EINVAL;
    if ((c->arch.emulation_flags & ~EMU_KNOWN) ||
        (c->arch.emulation_flags & EMU_NEEDED) != EMU_NEEDED)
        return -EINVAL;
    if (c->arch.misc_flags & ~XEN_X86_MSR_RELAXED)
        return -EINVAL;
    if (c->max_vcpus == 0 || c->max_vcpus > DOMAIN_MAX_VCPUS)
        return -EINVAL;
    if (XEN_DOMCTL_GRANT_version(c->grant_opts) > 1 || c->vmtrace_size || c->cpupool_id)
        return -EOPNOTSUPP;
    return 0;
}

static s64 create(struct call *c)
{
    const struct xen_domctl_createdomain *cfg = &c->u->u.createdomain;
    u16 wanted = c->u->domain < DOMID_FIRST_RESERVED ? c->u->domain : 0;
    struct domain *d = NULL;
    s64 rc = check_config(cfg);

    if (rc == 0)
        rc = guest_create(wanted, cfg->max_vcpus, &d);
    if (rc)
        return rc;
    memcpy(d->handle, cfg->handle, sizeof(d->handle));
    d->guest->ssidref = cfg->ssidref;
    d->guest->emulation_flags = cfg->arch.emulation_flags;
    c->u->domain = d->id;
    return 0;
}

static s64 destroy(struct call *c, struct domain *d)
{
    (void)c;
    return guest_destroy(d);
}

static s64 pause(struct call *c, struct domain *d)
{
    (void)c;
    guest_pause(d);
    return 0;
}

static s64 unpause(struct call *c, struct domain *d)
{
    (void)c;
    return guest_unpause(d);
}

/* After a shutdown the guest did not mean: it goes on where it stopped. */
static s64 resume(struct call *c, struct domain *d)
{
    bool was;

    (void)c;
    spin_lock(&d->lock);
    was = d->is_shutdown;
    d->is_shutdown = false;
    spin_unlock(&d->lock);
    for (unsigned i = 0; was && i < d->vcpus; i++)
        vcpu_unblock(d->vcpu[i], BLOCK_DOWN);
    return 0;
}

/* ---- What it is like ---- */

static u64 pages_of(const struct domain *d)
{
    u64 sum = 0;

    if (d->guest)
        return d->ram_pages;
    for (u32 i = 0; i < d->map_entries; i++)
        if (d->map[i].type == XEN_HVM_MEMMAP_TYPE_RAM)
            sum += d->map[i].size >> PAGE_SHIFT;
    return sum;
}

static u64 run_time(const struct vcpu *v)
{
    u64 now = time_ns(), since = v->sched.started;

    return v->sched.runtime + (v->sched.running && now > since ? now - since : 0);
}

static u32 run_flags(const struct domain *d)
{
    bool running = false, blocked = true;

    for (unsigned i = 0; i < d->vcpus; i++) {
        running |= READ_ONCE(d->vcpu[i]->sched.running);
        blocked &= (READ_ONCE(d->vcpu[i]->sched.blocked) & (BLOCK_ASLEEP | BLOCK_IOREQ)) != 0;
    }
    return (running ? XEN_DOMINF_running : 0) | (blocked ? XEN_DOMINF_blocked : 0);
}

static u32 flags_of(const struct domain *d)
{
    return XEN_DOMINF_hvm_guest | XEN_DOMINF_hap | run_flags(d) |
           (d->dying ? XEN_DOMINF_dying : 0) |
           (d->guest && d->guest->pauses ? XEN_DOMINF_paused : 0) |
           (d->is_shutdown ? XEN_DOMINF_shutdown | (u32)d->shutdown << XEN_DOMINF_shutdownshift
                           : 0);
}

void domctl_describe(struct domain *d, struct xen_domctl_getdomaininfo *info)
{
    *info = (struct xen_domctl_getdomaininfo){
        .domain = d->id,
        .flags = flags_of(d),
        .tot_pages = pages_of(d),
        .max_pages = d->guest ? d->max_pages : pages_of(d),
        .shared_info_frame = ~0ull,
        .nr_online_vcpus = d->vcpus,
        .max_vcpu_id = d->vcpus - 1,
        .ssidref = d->guest ? d->guest->ssidref : 0,
        .gpaddr_bits = d->policy->phys_bits,
        .arch_config.emulation_flags = d->guest ? d->guest->emulation_flags : XEN_X86_EMU_LAPIC,
    };
    memcpy(info->handle, d->handle, sizeof(info->handle));
    for (unsigned i = 0; i < d->vcpus; i++)
        info->cpu_time += run_time(d->vcpu[i]);
}

static s64 get_info(struct call *c, struct domain *d)
{
    domctl_describe(d, &c->u->u.getdomaininfo);
    c->u->domain = d->id;
    return 0;
}

static s64 get_vcpu_info(struct call *c, struct domain *d)
{
    struct xen_domctl_getvcpuinfo *info = &c->u->u.getvcpuinfo;
    const struct vcpu *v;

    if (info->vcpu >= d->vcpus)
        return -ESRCH;
    v = d->vcpu[info->vcpu];
    info->online = v->activity != ACTIVITY_WAIT_SIPI;
    info->blocked = (v->sched.blocked & (BLOCK_ASLEEP | BLOCK_IOREQ)) != 0;
    info->running = v->sched.running;
    info->cpu_time = run_time(v);
    info->cpu = v->sched.cpu;
    return 0;
}

static s64 set_handle(struct call *c, struct domain *d)
{
    memcpy(d->handle, c->u->u.setdomainhandle.handle, sizeof(d->handle));
    return 0;
}

/* ---- What it may have ---- */

/* The vcpus came with the domain. */
static s64 set_max_vcpus(struct call *c, struct domain *d)
{
    return c->u->u.max_vcpus.max == d->vcpus ? 0 : -EINVAL;
}

/* Below what it has: it keeps that, and gets no more. */
static s64 set_max_mem(struct call *c, struct domain *d)
{
    d->max_pages = c->u->u.max_mem.max_memkb / KIB_PER_PAGE;
    p2m_allow_tables(d, P2M_TABLES + d->max_pages / PAGES_PER_TABLE);
    return 0;
}

/* Page tables come from the common pool: nothing is set aside, but what the domain may take of it
 * is limited, and not to less than what was once promised. */
static s64 set_mempool(struct call *c, struct domain *d)
{
    u64 size = c->u->u.paging_mempool.size;

    if (size & (PAGE_SIZE - 1))
        return -EINVAL;
    p2m_allow_tables(d, size >> PAGE_SHIFT);
    return 0;
}

static s64 get_mempool(struct call *c, struct domain *d)
{
    c->u->u.paging_mempool.size = (u64)d->p2m.pt.limit << PAGE_SHIFT;
    return 0;
}

static s64 set_tsc(struct call *c, struct domain *d)
{
    const struct xen_domctl_tsc_info *t = &c->u->u.tsc_info;

    if (t->tsc_mode >= TSC_MODES)
        return -EINVAL;
    if (t->tsc_mode == 1 || t->tsc_mode == 3 ||
        (t->gtsc_khz && t->gtsc_khz != (u32)(time_tsc_hz() / 1000)))
        return -EOPNOTSUPP; /* the TSC is the machine's */
    d->guest->tsc_mode = t->tsc_mode;
    d->guest->tsc_incarnation = t->incarnation;
    return 0;
}

static s64 get_tsc(struct call *c, struct domain *d)
{
    c->u->u.tsc_info = (struct xen_domctl_tsc_info){
        .tsc_mode = d->guest->tsc_mode,
        .gtsc_khz = (u32)(time_tsc_hz() / 1000),
        .incarnation = d->guest->tsc_incarnation,
        .elapsed_nsec = time_ns(),
    };
    return 0;
}

/* ---- When and where it runs ---- */

static s64 scheduler(struct call *c, struct domain *d)
{
    struct xen_domctl_scheduler_op *op = &c->u->u.scheduler_op;
    int rc = 0;

    if (op->sched_id != XEN_SCHEDULER_CREDIT)
        return -EINVAL;
    if (op->cmd == XEN_DOMCTL_SCHEDOP_getinfo) {
        op->u.credit = (struct xen_domctl_sched_credit){.weight = d->vcpu[0]->sched.weight};
        return 0;
    }
    if (op->cmd != XEN_DOMCTL_SCHEDOP_putinfo || (op->u.credit.cap && op->u.credit.cap != 0xffff))
        return -EOPNOTSUPP; /* there are shares, but no caps */
    for (unsigned i = 0; i < d->vcpus && rc == 0 && op->u.credit.weight; i++)
        rc = sched_set_weight(&d->vcpu[i]->sched, op->u.credit.weight);
    return rc;
}

static int read_bitmap(struct vcpu *v, const struct xenctl_bitmap *b, u64 *bits)
{
    u32 bytes = MIN((b->nr_bits + 7) / 8, (u32)sizeof(*bits));

    *bits = 0;
    return guest_read(v, bits, (u64)b->bitmap.p, bytes) ? -EFAULT : 0;
}

static int write_bitmap(struct vcpu *v, const struct xenctl_bitmap *b, u64 bits)
{
    const u64 map[BITMAP_MAX / 64] = {bits};

    if (b->nr_bits > BITMAP_MAX)
        return -E2BIG;
    return guest_write(v, (u64)b->bitmap.p, map, (b->nr_bits + 7) / 8) ? -EFAULT : 0;
}

static u64 online_cpus(void)
{
    return cpus_online < 64 ? (1ull << cpus_online) - 1 : ~0ull;
}

static s64 pin(struct vcpu *v, u32 cpu)
{
    s64 rc = 0;

    vcpu_pause(v);
    v->sched.pinned = cpu;
    if (cpu != SCHED_ANY_CPU)
        rc = sched_migrate(&v->sched, cpu);
    vcpu_unpause(v);
    return rc;
}

/* A vcpu runs on one CPU or on any: other sets cannot be kept. */
static s64 set_hard(struct call *c, struct vcpu *v)
{
    u64 want;
    int rc = read_bitmap(c->v, &c->u->u.vcpuaffinity.cpumap_hard, &want);

    if (rc)
        return rc;
    want &= online_cpus();
    if (want == 0)
        return -EINVAL;
    if (want != online_cpus() && (want & (want - 1)))
        return -EOPNOTSUPP;
    return pin(v, want == online_cpus() ? SCHED_ANY_CPU : (u32)__builtin_ctzll(want));
}

static u64 hard_of(const struct vcpu *v)
{
    return v->sched.pinned == SCHED_ANY_CPU ? online_cpus() : 1ull << v->sched.pinned;
}

static s64 tell_affinity(struct call *c, struct vcpu *v)
{
    const struct xen_domctl_vcpuaffinity *a = &c->u->u.vcpuaffinity;
    int rc = 0;

    if (a->flags & XEN_VCPUAFFINITY_HARD)
        rc = write_bitmap(c->v, &a->cpumap_hard, hard_of(v));
    if (rc == 0 && (a->flags & XEN_VCPUAFFINITY_SOFT))
        rc = write_bitmap(c->v, &a->cpumap_soft, hard_of(v));
    return rc;
}

static s64 set_affinity(struct call *c, struct domain *d)
{
    const struct xen_domctl_vcpuaffinity *a = &c->u->u.vcpuaffinity;
    s64 rc = 0;

    if (a->vcpu >= d->vcpus || (a->flags & ~(u32)(XEN_VCPUAFFINITY_HARD | XEN_VCPUAFFINITY_SOFT)))
        return -EINVAL;
    if (a->flags & XEN_VCPUAFFINITY_HARD)
        rc = set_hard(c, d->vcpu[a->vcpu]);
    return rc ? rc : tell_affinity(c, d->vcpu[a->vcpu]);
}

static s64 get_affinity(struct call *c, struct domain *d)
{
    if (c->u->u.vcpuaffinity.vcpu >= d->vcpus)
        return -EINVAL;
    return tell_affinity(c, d->vcpu[c->u->u.vcpuaffinity.vcpu]);
}

/* One node. */
static s64 set_node(struct call *c, struct domain *d)
{
    u64 nodes;

    (void)d;
    if (read_bitmap(c->v, &c->u->u.nodeaffinity.nodemap, &nodes))
        return -EFAULT;
    return nodes & 1 ? 0 : -EINVAL;
}

static s64 get_node(struct call *c, struct domain *d)
{
    (void)d;
    return write_bitmap(c->v, &c->u->u.nodeaffinity.nodemap, 1);
}

/* ---- Its state ---- */

static unsigned order_for(size_t bytes)
{
    unsigned order = 0;

    while ((PAGE_SIZE << order) < bytes)
        order++;
    return order;
}

/* Off its CPUs, with its registers in memory. Not by guest_pause(): anybody may undo that. */
static void hold(struct domain *d)
{
    for (unsigned i = 0; i < d->vcpus; i++) {
        vcpu_pause(d->vcpu[i]);
        vcpu_unload(d->vcpu[i]);
    }
}

static void let_go(struct domain *d)
{
    for (unsigned i = 0; i < d->vcpus; i++)
        vcpu_unpause(d->vcpu[i]);
}

static s64 get_context(struct call *c, struct domain *d)
{
    struct xen_domctl_hvmcontext *h = &c->u->u.hvmcontext;
    size_t size = hvm_context_size(d);
    mfn_t m;
    s64 rc = 0;

    if (!h->buffer.p) {
        h->size = (u32)size;
        return 0;
    }
    if (h->size < size)
        return -ENOSPC;
    m = frames_alloc(order_for(size), FRAMES_ZERO);
    if (mfn_is_none(m))
        return -ENOMEM;
    hold(d);
    spin_lock(&d->context_lock);
    h->size = (u32)hvm_context_save(d, mfn_virt(m));
    spin_unlock(&d->context_lock);
    let_go(d);
    if (guest_write(c->v, (u64)h->buffer.p, mfn_virt(m), h->size))
        rc = -EFAULT;
    frames_free(m, order_for(size));
    return rc;
}

static s64 set_context(struct call *c, struct domain *d)
{
    const struct xen_domctl_hvmcontext *h = &c->u->u.hvmcontext;
    mfn_t m;
    s64 rc = -EFAULT;

    if (h->size > 2 * hvm_context_size(d))
        return -EINVAL;
    m = frames_alloc(order_for(h->size), FRAMES_ZERO);
    if (mfn_is_none(m))
        return -ENOMEM;
    if (guest_read(c->v, mfn_virt(m), (u64)h->buffer.p, h->size) == 0) {
        hold(d);
        spin_lock(&d->context_lock);
        rc = hvm_context_load(d, mfn_virt(m), h->size);
        spin_unlock(&d->context_lock);
        let_go(d);
    }
    frames_free(m, order_for(h->size));
    return rc;
}

/* CPUID and MSRs are what root mode can keep its promise for, the same for every guest: they are
 * not negotiable yet, and saying yes to a policy that does not come true would be worse than saying
 * no. */
static s64 set_policy(struct call *c, struct domain *d)
{
    (void)c;
    (void)d;
    return -EOPNOTSUPP;
}

/* ---- Dispatch ---- */

#define BACK 1u /* the structure is written back */
#define ANY  2u /* the privileged domain as well, and one that is dying */

static const struct {
    s64 (*fn)(struct call *c, struct domain *d);
    u8 flags;
} ops[] = {
    [XEN_DOMCTL_destroydomain] = {destroy, ANY},
    [XEN_DOMCTL_pausedomain] = {pause, 0},
    [XEN_DOMCTL_unpausedomain] = {unpause, 0},
    [XEN_DOMCTL_resumedomain] = {resume, 0},
    [XEN_DOMCTL_getdomaininfo] = {get_info, BACK | ANY},
    [XEN_DOMCTL_getvcpuinfo] = {get_vcpu_info, BACK | ANY},
    [XEN_DOMCTL_setdomainhandle] = {set_handle, 0},
    [XEN_DOMCTL_max_vcpus] = {set_max_vcpus, 0},
    [XEN_DOMCTL_max_mem] = {set_max_mem, 0},
    [XEN_DOMCTL_set_paging_mempool_size] = {set_mempool, 0},
    [XEN_DOMCTL_get_paging_mempool_size] = {get_mempool, BACK},
    [XEN_DOMCTL_settscinfo] = {set_tsc, 0},
    [XEN_DOMCTL_gettscinfo] = {get_tsc, BACK},
    [XEN_DOMCTL_scheduler_op] = {scheduler, BACK},
    [XEN_DOMCTL_setvcpuaffinity] = {set_affinity, BACK},
    [XEN_DOMCTL_getvcpuaffinity] = {get_affinity, BACK | ANY},
    [XEN_DOMCTL_setnodeaffinity] = {set_node, 0},
    [XEN_DOMCTL_getnodeaffinity] = {get_node, BACK},
    [XEN_DOMCTL_gethvmcontext] = {get_context, BACK},
    [XEN_DOMCTL_sethvmcontext] = {set_context, 0},
    [XEN_DOMCTL_set_cpu_policy] = {set_policy, 0},
};

static s64 on_domain(struct call *c)
{
    u32 cmd = c->u->cmd;
    struct domain *d;
    s64 rc = 0;

    if (cmd >= ARRAY_SIZE(ops) || !ops[cmd].fn)
        return -ENOSYS;
    if (ops[cmd].flags & ANY)
        d = hypercall_domain(c->v, c->u->domain, &rc);
    else
        d = guest_find(c->v, c->u->domain, &rc);
    if (!d)
        return rc;
    if (cmd == XEN_DOMCTL_destroydomain)
        return d->guest ? destroy(c, d) : -EINVAL;
    return ops[cmd].fn(c, d);
}

static bool writes_back(u32 cmd)
{
    return cmd == XEN_DOMCTL_createdomain || (cmd < ARRAY_SIZE(ops) && (ops[cmd].flags & BACK));
}

s64 hc_domctl(struct vcpu *v, const u64 arg[HYPERCALL_ARGS])
{
    struct xen_domctl u;
    struct call c = {v, &u};
    s64 rc;

    if (guest_read(v, &u, arg[0], sizeof(u)))
        return -EFAULT;
    if (u.interface_version != XEN_DOMCTL_INTERFACE_VERSION)
        return -EACCES;
    rc = u.cmd == XEN_DOMCTL_createdomain ? create(&c) : on_domain(&c);
    if (rc == 0 && writes_back(u.cmd) && guest_write(v, arg[0], &u, sizeof(u)))
        return -EFAULT;
    return rc;
}
