/* SPDX-License-Identifier: BSD-2-Clause */
#include "hv/domain.h"
#include "hv/errno.h"
#include "hv/evtchn.h"
#include "hv/exit_msr.h"
#include "hv/frames.h"
#include "hv/grant.h"
#include "hv/log.h"
#include "hv/platform.h"
#include "hv/quiesce.h"
#include "hv/shared_info.h"
#include "hv/vendor.h"
#include "hv/vmem.h"
#include <xen/xen.h>
#include <xen/sched.h>

#define DOMAIN_ORDER 1
#define POLICY_ORDER 0
#define XEN_VERSION  (4u << 16 | 17)

_Static_assert(sizeof(struct domain) <= PAGE_SIZE << DOMAIN_ORDER, "grow DOMAIN_ORDER");
_Static_assert(sizeof(struct policy) <= PAGE_SIZE << POLICY_ORDER, "grow POLICY_ORDER");

static spinlock_t list_lock; /* guards list and next */
static struct domain *list;

static int make_policy(struct domain *d, const struct domain_config *config)
{
    struct policy_config pc = {
        .vcpus = config->vcpus,
        .apic_ids = config->apic_ids,
        .x2apic = true,
        .tsc_deadline = true,
        .privileged = config->privileged,
        .xen_version = XEN_VERSION,
    };
    mfn_t m = frames_alloc(POLICY_ORDER, FRAMES_ZERO);

    if (mfn_is_none(m))
        return -ENOMEM;
    d->policy = mfn_virt(m);
    policy_compute(d->policy, &pc);
    return 0;
}

static int make_vcpus(struct domain *d, unsigned count)
{
    int rc = 0;

    for (unsigned i = 0; i < count && rc == 0; i++) {
        d->vcpu[i] = vcpu_create(d, i, &rc);
        if (d->vcpu[i])
            d->vcpus++;
    }
    return rc;
}

static int build(struct domain *d, const struct domain_config *config)
{
    int rc = make_policy(d, config);

    if (rc)
        return rc;
    rc = platform_init(d);
    if (rc == 0)
        rc = p2m_init(d);
    if (rc)
        return rc;
    rc = vendor->vm_init(d);
    if (rc)
        return rc;
    msr_open(d);
    rc = make_vcpus(d, config->vcpus);
    if (rc == 0)
        rc = shared_info_alloc(d);
    if (rc == 0)
        rc = evtchn_init(d);
    return rc ? rc : grant_init(d);
}

static void link_domain(struct domain *d)
{
    spin_lock(&list_lock);
    d->next = list;
    list = d;
    spin_unlock(&list_lock);
}

void domain_unlink(struct domain *d)
{
    struct domain **at = &list;

    spin_lock(&list_lock);
    while (*at && *at != d)
        at = &(*at)->next;
    if (*at)
        *at = d->next;
    spin_unlock(&list_lock);
}

struct domain *domain_find(u16 id)
{
    struct domain *d;

    spin_lock(&list_lock);
    for (d = list; d && d->id != id; d = d->next)
        ;
    spin_unlock(&list_lock);
    return d;
}

struct domain *domain_from(u16 id)
{
    struct domain *best = NULL;

    spin_lock(&list_lock);
    for (struct domain *d = list; d; d = d->next)
        if (d->id >= id && (!best || d->id < best->id))
            best = d;
    spin_unlock(&list_lock);
    return best;
}

bool domain_owns_ram(const struct domain *d, u64 gfn)
{
    u64 at = gfn << PAGE_SHIFT;

    for (u32 i = 0; i < d->map_entries; i++)
        if (d->map[i].type == XEN_HVM_MEMMAP_TYPE_RAM && at >= d->map[i].addr &&
            at + PAGE_SIZE <= d->map[i].addr + d->map[i].size)
            return true;
    return false;
}

struct domain *domain_create(u16 id, const struct domain_config *config, int *rc)
{
    struct domain *d;
    mfn_t m;

    *rc = -EINVAL;
    if (config->vcpus == 0 || config->vcpus > DOMAIN_MAX_VCPUS)
        return NULL;
    *rc = -ENOMEM;
    m = frames_alloc(DOMAIN_ORDER, FRAMES_ZERO);
    if (mfn_is_none(m))
        return NULL;
    d = mfn_virt(m);
    d->id = id;
    d->privileged = config->privileged;
    d->hvm_param[HVM_PARAM_TRIPLE_FAULT_REASON] = SHUTDOWN_reboot; /* as a PC does */
    *rc = build(d, config);
    if (*rc == 0) {
        link_domain(d);
        return d;
    }
    domain_destroy(d);
    return NULL;
}

/* A wait that began or had begun may have taken its CPU outside with d in hand: then once more. */
void domain_let_go(struct domain *d)
{
    u32 over, begun;

    do {
        over = __atomic_load_n(&d->waits_over, __ATOMIC_SEQ_CST);
        begun = __atomic_load_n(&d->waits, __ATOMIC_SEQ_CST);
        quiesce_wait();
    } while (over != begun || __atomic_load_n(&d->waits, __ATOMIC_SEQ_CST) != begun);
}

void domain_destroy(struct domain *d)
{
    domain_unlink(d);
    domain_let_go(d);
    grant_destroy(d);
    evtchn_destroy(d);
    for (unsigned i = 0; i < d->vcpus; i++) {
        vcpu_block(d->vcpu[i], BLOCK_DOWN);
        vcpu_wait_stopped(d->vcpu[i]);
        vcpu_unload(d->vcpu[i]);
        vcpu_info_forget(d->vcpu[i]);
        runstate_forget(d->vcpu[i]);
        vcpu_destroy(d->vcpu[i]);
    }
    d->vcpus = 0; /* none to tell of what p2m_destroy() takes out */
    if (d->vendor)
        vendor->vm_fini(d);
    p2m_destroy(d);
    shared_info_free(d);
    if (d->policy)
        frames_free(virt_mfn(d->policy), POLICY_ORDER);
    frames_free(virt_mfn(d), DOMAIN_ORDER);
}

void domain_start(struct domain *d)
{
    shared_info_refresh(d);
    for (unsigned i = 0; i < d->vcpus; i++)
        vcpu_unblock(d->vcpu[i], BLOCK_DOWN);
}

void domain_shutdown(struct domain *d, u8 reason)
{
    bool first;

    spin_lock(&d->lock);
    first = !d->is_shutdown;
    if (first) {
        d->is_shutdown = true;
        d->shutdown = reason;
    }
    spin_unlock(&d->lock);
    if (!first)
        return;
    for (unsigned i = 0; i < d->vcpus; i++)
        vcpu_block(d->vcpu[i], BLOCK_DOWN);
    if (d->on_shutdown)
        d->on_shutdown(d);
}

void domain_triple_fault(struct vcpu *v)
{
    log_warn("d%uv%u: triple fault at %llx", v->domain->id, v->id, (unsigned long long)v->rip);
    vendor->dump(v);
    domain_shutdown(v->domain, (u8)v->domain->hvm_param[HVM_PARAM_TRIPLE_FAULT_REASON]);
}

void domain_crash(struct vcpu *v, const char *why)
{
    log_err("d%uv%u stops at rip %llx: %s", v->domain->id, v->id, (unsigned long long)v->rip, why);
    domain_shutdown(v->domain, SHUTDOWN_crash);
}
