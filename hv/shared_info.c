/* SPDX-License-Identifier: BSD-2-Clause */
#include "hv/cpu.h"
#include "hv/domain.h"
#include "hv/errno.h"
#include "hv/frames.h"
#include "hv/guest_args.h"
#include "hv/shared_info.h"
#include "hv/string.h"
#include "hv/timer.h"
#include "hv/vmem.h"

#define NARROW_WALLCLOCK \
    2304 /* behind masks of 32 words (xen/xen.h, struct shared_info in 32-bit code) */

/* As it stands in the shared page; in 32-bit code the upper half of the seconds is elsewhere, and 0
 * for long. */
struct wallclock {
    u32 version, sec, nsec, sec_hi;
};

static struct wallclock wallclock; /* the privileged domain's */

static void put_wallclock(struct domain *d)
{
    struct wallclock *w =
        d->narrow ? (void *)((u8 *)d->shared + NARROW_WALLCLOCK) : (void *)&d->shared->wc_version;

    WRITE_ONCE(w->version, w->version | 1);
    barrier();
    w->sec = wallclock.sec;
    w->nsec = wallclock.nsec;
    if (!d->narrow)
        w->sec_hi = wallclock.sec_hi;
    barrier();
    WRITE_ONCE(w->version, w->version + 1);
}

int shared_info_alloc(struct domain *d)
{
    mfn_t m = frames_alloc(0, FRAMES_ZERO);

    if (mfn_is_none(m))
        return -ENOMEM;
    d->shared = mfn_virt(m);
    for (unsigned i = 0; i < XEN_LEGACY_MAX_VCPUS; i++)
        d->shared->vcpu_info[i].evtchn_upcall_mask = 1;
    put_wallclock(d);
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

gfn_t shared_info_placed(struct domain *d, gfn_t gfn)
{
    return GFN(__atomic_exchange_n(&d->shared_gfn.v, gfn.v, __ATOMIC_RELAXED));
}

struct vcpu_info *vcpu_info(const struct vcpu *v)
{
    if (v->info)
        return v->info;
    if (!v->domain->shared || v->id >= XEN_LEGACY_MAX_VCPUS)
        return NULL;
    return &v->domain->shared->vcpu_info[v->id];
}

/* What was pending goes along, so that no event is lost. Several vcpus may do this for one that is
 * down: the first has done it. */
int vcpu_info_register(struct vcpu *v, gpa_t gpa)
{
    struct vcpu_info *old = vcpu_info(v), *new, *none = NULL;
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
    memset((u8 *)new + 4, 0xff, sizeof(u32)); /* in 32-bit code it is here */
    if (!__atomic_compare_exchange_n(&v->info, &none, new, false, __ATOMIC_RELEASE,
                                     __ATOMIC_RELAXED)) {
        p2m_let_go(m);
        return -EINVAL;
    }
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

void vcpu_info_update_time(struct vcpu *v)
{
    struct vcpu_info *info = vcpu_info(v);
    struct time_scale scale = time_tsc_scale();
    struct vcpu_time_info *t;
    u64 tsc = rdtsc();

    if (!info)
        return;
    t = &info->time;
    WRITE_ONCE(t->version, t->version | 1);
    barrier();
    t->tsc_to_system_mul = scale.mul;
    t->tsc_shift = scale.shift;
    t->flags = XEN_PVCLOCK_TSC_STABLE_BIT;
    t->system_time = time_from_tsc(tsc);
    t->tsc_timestamp = tsc + v->tsc_offset;
    barrier();
    WRITE_ONCE(t->version, t->version + 1);
}

void shared_info_refresh(struct domain *d)
{
    put_wallclock(d);
    for (unsigned i = 0; i < d->vcpus; i++)
        vcpu_info_update_time(d->vcpu[i]);
}

void shared_info_set_wallclock(struct domain *d, u64 seconds, u32 nanoseconds)
{
    wallclock = (struct wallclock){0, (u32)seconds, nanoseconds, (u32)(seconds >> 32)};
    put_wallclock(d);
    for (u32 id = d->id + 1u; id < DOMID_FIRST_RESERVED && (d = domain_from((u16)id));
         id = d->id + 1u)
        put_wallclock(d);
}

void shared_info_latch(struct vcpu *v)
{
    struct domain *d = v->domain;
    bool narrow = !guest_is_wide(v);

    if (!d->guest || d->narrow == narrow)
        return;
    d->narrow = narrow;
    put_wallclock(d);
}
