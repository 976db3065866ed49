/* SPDX-License-Identifier: BSD-2-Clause */
#include "hv/domain.h"
#include "hv/errno.h"
#include "hv/evtchn.h"
#include "hv/guest_mem.h"
#include "hv/hypercall.h"
#include "hv/shared_info.h"
#include "hv/timer.h"
#include <xen/xen.h>
#include <xen/hvm/hvm_op.h>
#include <xen/hvm/params.h>
#include <xen/sched.h>

#define CALLBACK_TYPE(via)   ((via) >> 56)
#define CALLBACK_VECTOR(via) ((u8)(via))
#define FIRST_VECTOR         0x10

static s64 set_callback(struct domain *d, u64 via)
{
    if (CALLBACK_TYPE(via) != HVM_PARAM_CALLBACK_TYPE_VECTOR)
        return CALLBACK_TYPE(via) <= HVM_PARAM_CALLBACK_TYPE_PCI_INTX ? 0 : -EINVAL;
    if (CALLBACK_VECTOR(via) < FIRST_VECTOR)
        return -EINVAL;
    d->callback_vector = CALLBACK_VECTOR(via);
    for (unsigned i = 0; i < d->vcpus; i++)
        evtchn_announce(d->vcpu[i]);
    return 0;
}

/* What a guest may say about itself; all else is the privileged domain's to set. */
static bool guest_may_set(u32 index)
{
    switch (index) {
    case HVM_PARAM_CALLBACK_IRQ:
    case HVM_PARAM_VM86_TSS:
    case HVM_PARAM_VM86_TSS_SIZED:
    case HVM_PARAM_ACPI_S_STATE:
    case HVM_PARAM_ACPI_IOPORTS_LOCATION:
    case HVM_PARAM_VM_GENERATION_ID_ADDR:
    case HVM_PARAM_STORE_EVTCHN:
    case HVM_PARAM_CONSOLE_EVTCHN:
    case HVM_PARAM_X87_FIP_WIDTH:
        return true;
    default:
        return false;
    }
}

/* Parameters that hold a value and mean nothing to root mode are kept for whoever asks. */
static s64 set_param(struct vcpu *v, u64 at)
{
    struct xen_hvm_param p;
    struct domain *d;
    s64 rc = 0;

    if (guest_read(v, &p, at, sizeof(p)))
        return -EFAULT;
    if (p.index >= HVM_NR_PARAMS)
        return -EINVAL;
    d = hypercall_domain(v, p.domid, &rc);
    if (!d)
        return rc;
    if (!v->domain->privileged && !guest_may_set(p.index))
        return -EPERM;
    if (p.index == HVM_PARAM_TRIPLE_FAULT_REASON && p.value > SHUTDOWN_MAX)
        return -EINVAL;
    if (p.index == HVM_PARAM_CALLBACK_IRQ)
        rc = set_callback(d, p.value);
    if (p.index == HVM_PARAM_CALLBACK_IRQ && d == v->domain)
        shared_info_latch(v);
    if (rc == 0)
        d->hvm_param[p.index] = p.value;
    return rc;
}

static s64 get_param(struct vcpu *v, u64 at)
{
    struct xen_hvm_param p;
    struct domain *d;
    s64 rc = 0;

    if (guest_read(v, &p, at, sizeof(p)))
        return -EFAULT;
    if (p.index >= HVM_NR_PARAMS)
        return -EINVAL;
    d = hypercall_domain(v, p.domid, &rc);
    if (!d)
        return rc;
    p.value = d->hvm_param[p.index];
    return guest_write(v, at, &p, sizeof(p)) ? -EFAULT : 0;
}

static s64 get_mem_type(struct vcpu *v, u64 at)
{
    static const u16 types[] = {
        [P2M_RAM] = HVMMEM_ram_rw,   [P2M_RAM_RO] = HVMMEM_ram_ro,  [P2M_SHARED] = HVMMEM_ram_rw,
        [P2M_GRANT] = HVMMEM_ram_rw, [P2M_FOREIGN] = HVMMEM_ram_rw, [P2M_NONE] = HVMMEM_mmio_dm,
        [P2M_MMIO] = HVMMEM_mmio_dm, [P2M_IOREQ] = HVMMEM_mmio_dm};
    struct xen_hvm_get_mem_type m;
    enum p2m_type type = P2M_NONE;
    struct domain *d;
    s64 rc = 0;
    u32 attr;

    if (guest_read(v, &m, at, sizeof(m)))
        return -EFAULT;
    d = hypercall_domain(v, m.domid, &rc);
    if (!d)
        return rc;
    if (mfn_is_none(p2m_lookup(&d->p2m, GFN(m.pfn), &type, &attr)))
        type = P2M_NONE;
    m.mem_type = types[type];
    return guest_write(v, at, &m, sizeof(m)) ? -EFAULT : 0;
}

static s64 set_upcall_vector(struct vcpu *v, u64 at)
{
    struct xen_hvm_evtchn_upcall_vector u;

    if (guest_read(v, &u, at, sizeof(u)))
        return -EFAULT;
    if (u.vector < FIRST_VECTOR)
        return -EINVAL;
    if (u.vcpu >= v->domain->vcpus)
        return -ENOENT;
    v->domain->vcpu[u.vcpu]->upcall_vector = u.vector;
    evtchn_announce(v->domain->vcpu[u.vcpu]);
    return 0;
}

static s64 get_time(struct vcpu *v, u64 at)
{
    struct xen_hvm_get_time t = {.now = time_ns()};

    return guest_write(v, at, &t, sizeof(t)) ? -EFAULT : 0;
}

s64 hc_hvm_op(struct vcpu *v, const u64 arg[HYPERCALL_ARGS])
{
    switch ((u32)arg[0]) {
    case HVMOP_set_param:
        return set_param(v, arg[1]);
    case HVMOP_get_param:
        return get_param(v, arg[1]);
    case HVMOP_set_evtchn_upcall_vector:
        return set_upcall_vector(v, arg[1]);
    case HVMOP_get_mem_type:
        return get_mem_type(v, arg[1]);
    case HVMOP_get_time:
        return get_time(v, arg[1]);
    case HVMOP_pagetable_dying: /* for shadow paging, which Helium does not have */
        return -EINVAL;
    default:
        return -ENOSYS;
    }
}
