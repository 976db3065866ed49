/* SPDX-License-Identifier: BSD-2-Clause */
#include "hv/cpu.h"
#include "hv/domain.h"
#include "hv/errno.h"
#include "hv/frames.h"
#include "hv/shared_info.h"
#include "hv/string.h"
#include "hv/timer.h"
#include "hv/vmem.h"

#define NS_PER_SEC 1000000000u

int shared_info_alloc(struct domain *d)
{
    mfn_t m = frames_alloc(0, FRAMES_ZERO);

    if (mfn_is_none(m))
        return -ENOMEM;
    d->shared = mfn_virt(m);
    for (unsigned i = 0; i < XEN_LEGACY_MAX_VCPUS; i++)
        d->shared->vcpu_info[i].evtchn_upcall_mask = 1;
    return 0;
}

void shared_info_free(struct domain *d)
{
    if (d->shared)
        frames_free(shared_info_mfn(d), 0);
    d->shared = NULL;
}

mfn_t shared_info_mfn(const struct domain *d)
{
    return virt_mfn(d->shared);
}

struct vcpu_info *vcpu_info(const struct vcpu *v)
{
    if (v->info)
        return v->info;
    if (!v->domain->shared || v->id >= XEN_LEGACY_MAX_VCPUS)
        return NULL;
    return &v->domain->shared->vcpu_info[v->id];
}

/* What was pending goes along, so that no event is lost. */
int vcpu_info_register(struct vcpu *v, gpa_t gpa)
{
    struct vcpu_info *old = vcpu_info(v), *new;
    mfn_t m;

    if (v->info || (gpa.v & (PAGE_SIZE - 1)) > PAGE_SIZE - sizeof(*new) || gpa.v % sizeof(u64))
        return -EINVAL;
    /* The frame stays what it is for as long as events are written into it. */
    if (p2m_hold(v->domain, gpa_gfn(gpa), true, &m))
        return -EFAULT;
    new = (void *)((u8 *)mfn_virt(m) + (gpa.v & (PAGE_SIZE - 1)));
    if (old)
        *new = *old;
    else
        *new = (struct vcpu_info){.evtchn_upcall_mask = 1};
    /* Whatever comes while it moves is looked at again. */
    new->evtchn_upcall_pending = 1;
    new->evtchn_pending_sel = ~0ul;
    __atomic_store_n(&v->info, new, __ATOMIC_RELEASE);
    vcpu_info_update_time(v);
    return 0;
}

void vcpu_info_forget(struct vcpu *v)
{
    struct vcpu_info *info = v->info;

    v->info = NULL;
    if (info)
        p2m_let_go(virt_mfn((void *)ALIGN_DOWN((uintptr_t)info, PAGE_SIZE)));
}

/* xen/xen.h, struct vcpu_time_info: ns = (ticks << shift) * mul >> 32. */
static void rate(struct vcpu_time_info *t)
{
    u64 hz = time_tsc_hz();
    s8 shift = 0;

    while (hz > 2ull * NS_PER_SEC) {
        hz >>= 1;
        shift--;
    }
    while (hz <= NS_PER_SEC) {
        hz <<= 1;
        shift++;
    }
    t->tsc_shift = shift;
    t->tsc_to_system_mul = (u32)(((u64)NS_PER_SEC << 32) / hz);
}

void vcpu_info_update_time(struct vcpu *v)
{
    struct vcpu_info *info = vcpu_info(v);
    struct vcpu_time_info *t, now;

    if (!info)
        return;
    t = &info->time;
    now = (struct vcpu_time_info){.flags = XEN_PVCLOCK_TSC_STABLE_BIT};
    rate(&now);
    WRITE_ONCE(t->version, t->version | 1);
    barrier();
    t->tsc_to_system_mul = now.tsc_to_system_mul;
    t->tsc_shift = now.tsc_shift;
    t->flags = now.flags;
    t->system_time = time_ns();
    t->tsc_timestamp = rdtsc() + v->tsc_offset;
    barrier();
    WRITE_ONCE(t->version, t->version + 1);
}

void shared_info_set_wallclock(struct domain *d, u64 seconds, u32 nanoseconds)
{
    struct shared_info *s = d->shared;

    WRITE_ONCE(s->wc_version, s->wc_version | 1);
    barrier();
    s->wc_sec = (u32)seconds;
    s->wc_sec_hi = (u32)(seconds >> 32);
    s->wc_nsec = nanoseconds;
    barrier();
    WRITE_ONCE(s->wc_version, s->wc_version + 1);
}
