/* SPDX-License-Identifier: BSD-2-Clause */
#include "hv/domain.h"
#include "hv/errno.h"
#include "hv/evtchn.h"
#include "hv/guest_args.h"
#include "hv/guest_mem.h"
#include "hv/hypercall.h"
#include "hv/log.h"
#include "hv/percpu.h"
#include "hv/shared_info.h"
#include "hv/timer.h"
#include "hv/vcpu.h"
#include <xen/xen.h>
#include <xen/sched.h>

#define POLL_MAX    128
#define LAYOUT_POLL "L48" /* struct sched_poll, hv/guest_args.h */

static s64 yield(void)
{
    percpu_work(this_cpu(), WORK_RESCHED);
    return 0;
}

/* Sleeps with events let through, until one is pending. */
static s64 block(struct vcpu *v)
{
    struct vcpu_info *info = vcpu_info(v);

    if (info)
        __atomic_store_n(&info->evtchn_upcall_mask, 0, __ATOMIC_SEQ_CST);
    vcpu_halt(v);
    return 0;
}

static s64 shut_down(struct vcpu *v, u64 at)
{
    struct sched_shutdown s;

    if (guest_read(v, &s, at, sizeof(s)))
        return -EFAULT;
    if (s.reason > SHUTDOWN_MAX)
        return -EINVAL;
    domain_shutdown(v->domain, (u8)s.reason);
    return 0;
}

/* 1 if one of the ports is pending. */
static s64 any_pending(struct vcpu *v, const struct sched_poll *p)
{
    for (u32 i = 0; i < p->nr_ports; i++) {
        evtchn_port_t port;

        if (guest_read(v, &port, (u64)p->ports.p + i * sizeof(port), sizeof(port)))
            return -EFAULT;
        if (!evtchn_valid(v->domain, port))
            return -EINVAL;
        if (evtchn_is_pending(v->domain, port))
            return 1;
    }
    return 0;
}

/* Until one of the ports is pending, or the time has come; an interrupt wakes it too. An event that
 * comes after the look finds `polling` set. */
static s64 poll(struct vcpu *v, u64 at)
{
    struct sched_poll p;
    s64 rc;

    if (guest_get(v, &p, at, LAYOUT_POLL))
        return -EFAULT;
    if (p.nr_ports > POLL_MAX)
        return -EINVAL;
    __atomic_store_n(&v->polling, true, __ATOMIC_SEQ_CST);
    rc = any_pending(v, &p);
    if (rc) {
        v->polling = false;
        return rc < 0 ? rc : 0;
    }
    if (p.timeout)
        timer_set(&v->poll_timer, p.timeout);
    vcpu_halt(v);
    return 0;
}

/* A domain's watchdog; the privileged domain has the machine's own. */
s64 hc_sched_op(struct vcpu *v, const u64 arg[HYPERCALL_ARGS])
{
    switch ((u32)arg[0]) {
    case SCHEDOP_yield:
        return yield();
    case SCHEDOP_block:
        return block(v);
    case SCHEDOP_shutdown:
        return shut_down(v, arg[1]);
    case SCHEDOP_poll:
        return poll(v, arg[1]);
    default:
        return -ENOSYS;
    }
}
