/* SPDX-License-Identifier: BSD-2-Clause */
#include "hv/domain.h"
#include "hv/errno.h"
#include "hv/evtchn.h"
#include "hv/guest_args.h"
#include "hv/guest_mem.h"
#include "hv/hypercall.h"
#include "hv/runstate.h"
#include "hv/shared_info.h"
#include "hv/timer.h"
#include <xen/xen.h>
#include <xen/vcpu.h>

/* Another vcpu's only while it is not up: Linux prepares them so. */
static s64 register_info(struct vcpu *caller, struct vcpu *v, u64 at)
{
    struct vcpu_register_vcpu_info r;
    int rc;

    if (v != caller && v->activity != ACTIVITY_WAIT_SIPI)
        return -EINVAL;
    if (guest_read(caller, &r, at, sizeof(r)))
        return -EFAULT;
    if (r.offset >= PAGE_SIZE || r.mfn >> (52 - PAGE_SHIFT))
        return -EINVAL;
    rc = vcpu_info_register(v, GPA((r.mfn << PAGE_SHIFT) + r.offset));
    if (rc == 0)
        evtchn_announce(v);
    return rc;
}

static s64 register_runstate(struct vcpu *caller, struct vcpu *v, u64 at)
{
    u64 va;

    if (guest_get(caller, &va, at, "L"))
        return -EFAULT;
    return runstate_register(caller, v, va);
}

static s64 get_runstate(struct vcpu *caller, struct vcpu *v, u64 at)
{
    struct vcpu_runstate_info info;

    runstate_get(v, &info);
    return guest_put(caller, at, &info, RUNSTATE_LAYOUT);
}

static s64 set_timer(struct vcpu *v, u64 at)
{
    struct vcpu_set_singleshot_timer t;

    if (guest_get(v, &t, at, "84"))
        return -EFAULT;
    if ((t.flags & VCPU_SSHOTTMR_future) && t.timeout_abs_ns < time_ns())
        return -ETIME;
    timer_set(&v->pv_timer, t.timeout_abs_ns);
    return 0;
}

static s64 stop_timer(struct vcpu *v)
{
    timer_stop(&v->pv_timer);
    return 0;
}

/* Xen's own periodic timer was never an HVM guest's: stopping it is all a stock kernel asks. */
s64 hc_vcpu_op(struct vcpu *v, const u64 arg[HYPERCALL_ARGS])
{
    u32 id = (u32)arg[1];
    u64 at = arg[2];
    bool self = id == v->id;

    if (id >= v->domain->vcpus)
        return -ENOENT;
    switch ((u32)arg[0]) {
    case VCPUOP_register_vcpu_info:
        return register_info(v, v->domain->vcpu[id], at);
    case VCPUOP_register_runstate_memory_area:
        return register_runstate(v, v->domain->vcpu[id], at);
    case VCPUOP_get_runstate_info:
        return get_runstate(v, v->domain->vcpu[id], at);
    case VCPUOP_set_singleshot_timer:
        return self ? set_timer(v, at) : -EINVAL;
    case VCPUOP_stop_singleshot_timer:
        return self ? stop_timer(v) : -EINVAL;
    case VCPUOP_stop_periodic_timer:
        return 0;
    case VCPUOP_is_up:
        return !(v->domain->vcpu[id]->activity == ACTIVITY_WAIT_SIPI);
    default:
        return -ENOSYS;
    }
}
