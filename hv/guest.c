/* SPDX-License-Identifier: BSD-2-Clause */
#include "hv/dom0.h"
#include "hv/errno.h"
#include "hv/evtchn.h"
#include "hv/frames.h"
#include "hv/guest.h"
#include "hv/guest_ram.h"
#include "hv/hypercall.h"
#include "hv/ioreq.h"
#include "hv/pm_timer.h"
#include "hv/log.h"
#include "hv/vcpu.h"
#include "hv/vmem.h"
#include <xen/xen.h>

#define GUEST_ORDER   0
#define RELEASE_STEPS 16 /* batches between two looks at interrupts */

static spinlock_t making; /* only ever tried: whoever has it may wait for other CPUs */
static u16 last_id;

/* xenstored and who else looks after guests hears that one has changed. */
static void tell_control(void)
{
    struct domain *d = domain_find(DOM0_ID);

    if (d)
        evtchn_raise_global_virq(d, VIRQ_DOM_EXC);
}

static void ended(struct domain *d)
{
    log_info("d%u has shut down, reason %u", d->id, d->shutdown);
    tell_control();
}

static u16 next_id(void)
{
    do {
        last_id = (u16)(last_id + 1u < DOMID_FIRST_RESERVED ? last_id + 1u : 1u);
    } while (domain_find(last_id));
    return last_id;
}

static int add_guest_parts(struct domain *d, struct guest **made)
{
    mfn_t m = frames_alloc(GUEST_ORDER, FRAMES_ZERO);
    struct guest *g;
    int rc;

    if (mfn_is_none(m))
        return -ENOMEM;
    g = mfn_virt(m);
    g->pauses = 1;
    rc = pm_timer_init(d) ?: ioreq_init(d);
    if (rc) {
        frames_free(m, GUEST_ORDER);
        return rc;
    }
    hypercall_init(d);
    d->on_shutdown = ended;
    d->map = g->map;
    *made = g;
    return 0;
}

static void free_guest(struct domain *d)
{
    struct guest *g = d->guest;

    ioreq_fini(d);
    domain_destroy(d);
    if (g)
        frames_free(virt_mfn(g), GUEST_ORDER);
}

static int make(u16 id, unsigned vcpus, struct domain **made)
{
    struct domain_config config = {.vcpus = vcpus};
    struct guest *g;
    struct domain *d;
    int rc;

    d = domain_create(id, &config, &rc);
    if (!d)
        return rc;
    rc = add_guest_parts(d, &g);
    if (rc) {
        free_guest(d);
        return rc;
    }
    for (unsigned i = 0; i < d->vcpus; i++)
        vcpu_pause(d->vcpu[i]);
    domain_start(d);
    *made = d;
    __atomic_store_n(&d->guest, g, __ATOMIC_RELEASE); /* from here on others may control it */
    return 0;
}

s64 guest_create(u16 wanted, unsigned vcpus, struct domain **d)
{
    s64 rc;

    if (!spin_trylock(&making))
        return HYPERCALL_AGAIN;
    if (wanted && domain_find(wanted))
        rc = -EEXIST;
    else
        rc = make(wanted ? wanted : next_id(), vcpus, d);
    spin_unlock(&making);
    return rc;
}

/* Counted when it is done, so that unpausing cannot overtake it. */
void guest_pause(struct domain *d)
{
    for (unsigned i = 0; i < d->vcpus; i++)
        vcpu_pause(d->vcpu[i]);
    spin_lock(&d->lock);
    d->guest->pauses++;
    spin_unlock(&d->lock);
}

int guest_unpause(struct domain *d)
{
    bool paused;

    spin_lock(&d->lock);
    paused = d->guest->pauses;
    if (paused)
        d->guest->pauses--;
    spin_unlock(&d->lock);
    if (!paused)
        return -EINVAL;
    for (unsigned i = 0; i < d->vcpus; i++)
        vcpu_unpause(d->vcpu[i]);
    return 0;
}

static void stop(struct domain *d)
{
    WRITE_ONCE(d->dying, true);
    for (unsigned i = 0; i < d->vcpus; i++)
        vcpu_block(d->vcpu[i], BLOCK_DOWN);
    for (unsigned i = 0; i < d->vcpus; i++)
        vcpu_wait_stopped(d->vcpu[i]);
    domain_let_go(d); /* who did not see it dying yet has finished */
}

static s64 destroy_part(struct domain *d)
{
    struct guest *g = d->guest;

    if (!d->dying)
        stop(d);
    return guest_ram_release(d, &g->release_at, RELEASE_STEPS) ? 0 : HYPERCALL_AGAIN;
}

s64 guest_destroy(struct domain *d)
{
    u16 id = d->id;
    s64 rc;

    if (__atomic_exchange_n(&d->guest->changing, 1, __ATOMIC_SEQ_CST))
        return HYPERCALL_AGAIN;
    rc = destroy_part(d);
    if (rc) {
        __atomic_store_n(&d->guest->changing, 0, __ATOMIC_SEQ_CST);
        return rc;
    }
    if (d->ram_pages)
        log_err("d%u: %llu pages are not accounted for", id, (unsigned long long)d->ram_pages);
    domain_unlink(d);
    domain_let_go(d);
    free_guest(d);
    log_info("d%u is gone", id);
    tell_control();
    return 0;
}

struct domain *guest_find(struct vcpu *v, u16 domid, s64 *rc)
{
    struct domain *d = hypercall_domain(v, domid, rc);

    if (!d)
        return NULL;
    if (!v->domain->privileged)
        *rc = -EPERM;
    else if (!d->guest)
        *rc = -EINVAL;
    else if (READ_ONCE(d->dying))
        *rc = -ESRCH;
    else
        return d;
    return NULL;
}
