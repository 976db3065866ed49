/* SPDX-License-Identifier: BSD-2-Clause */
#include "hv/domain.h"
#include "hv/errno.h"
#include "hv/evtchn.h"
#include "hv/frames.h"
#include "hv/guest_mem.h"
#include "hv/hypercall.h"
#include "hv/shared_info.h"
#include "hv/string.h"
#include "hv/vcpu.h"
#include "hv/vmem.h"

#define BITS            32    /* of the words that are worked on */
#define NARROW_PORTS    1024u /* EVTCHN_2L_NR_CHANNELS of a 32-bit domain */
#define NARROW_SELECTOR 4     /* where its vcpu_info has evtchn_pending_sel */
#define TABLE_BYTES     (EVTCHN_PORTS * sizeof(struct evtchn))

struct evtchn {
    u8 state; /* EVTCHNSTAT_* */
    u8 virq : 7;
    u8 hv : 1;       /* root mode listens here: evtchn_alloc_hv() */
    u16 vcpu;        /* notified */
    u16 remote;      /* domain: unbound: who may bind; interdomain: the peer */
    u32 remote_port; /* interdomain */
};

struct evtchn_table {
    spinlock_t lock; /* guards port[]; of two domains' the lower id's is taken first */
    unsigned order;
    struct evtchn port[];
};

int evtchn_init(struct domain *d)
{
    unsigned order = 0;
    mfn_t m;

    while ((PAGE_SIZE << order) < sizeof(struct evtchn_table) + TABLE_BYTES)
        order++;
    m = frames_alloc(order, FRAMES_ZERO);
    if (mfn_is_none(m))
        return -ENOMEM;
    d->evtchn = mfn_virt(m);
    d->evtchn->order = order;
    return 0;
}

static struct evtchn *port_of(struct domain *d, evtchn_port_t port)
{
    return port && port < EVTCHN_PORTS ? &d->evtchn->port[port] : NULL;
}

bool evtchn_valid(struct domain *d, evtchn_port_t port)
{
    struct evtchn *c = port_of(d, port);

    return c && c->state != EVTCHNSTAT_closed;
}

/*
 * The shared page comes in two widths of `long` (shared_info_latch()). Bits are numbered alike in
 * words of 32 and of 64 bits; what differs is how many there are, and so where the masks are and
 * what a selector bit stands for.
 */
static u32 *pending_words(const struct domain *d)
{
    return (u32 *)(void *)d->shared->evtchn_pending;
}

static u32 *mask_words(const struct domain *d)
{
    return pending_words(d) + (d->narrow ? NARROW_PORTS : EVTCHN_PORTS) / BITS;
}

static unsigned ports_of(const struct domain *d)
{
    return d->narrow ? NARROW_PORTS : EVTCHN_PORTS;
}

static bool test_bit(const u32 *words, unsigned bit)
{
    return __atomic_load_n(&words[bit / BITS], __ATOMIC_SEQ_CST) >> bit % BITS & 1;
}

static bool set_bit(u32 *words, unsigned bit)
{
    u32 mask = 1u << bit % BITS;

    return __atomic_fetch_or(&words[bit / BITS], mask, __ATOMIC_SEQ_CST) & mask;
}

static void clear_bit(u32 *words, unsigned bit)
{
    __atomic_fetch_and(&words[bit / BITS], ~(1u << bit % BITS), __ATOMIC_SEQ_CST);
}

/* The bit that says in which word there is news; was it set before? */
static bool set_selector(const struct domain *d, struct vcpu_info *info, evtchn_port_t port)
{
    if (d->narrow)
        return set_bit((u32 *)(void *)((u8 *)info + NARROW_SELECTOR), port / 32);
    return set_bit((u32 *)(void *)&info->evtchn_pending_sel, port / 64);
}

bool evtchn_is_pending(struct domain *d, evtchn_port_t port)
{
    return test_bit(pending_words(d), port);
}

/* The vcpu hears of it: by its own vector through the vLAPIC, or by the domain's callback. */
static void upcall(struct vcpu *v)
{
    if (v->upcall_vector)
        vlapic_post(&v->vlapic, v->upcall_vector, false);
    else
        vcpu_request(v, REQ_EVENT);
}

void evtchn_announce(struct vcpu *v)
{
    const struct vcpu_info *info = vcpu_info(v);

    if (info && READ_ONCE(info->evtchn_upcall_pending))
        upcall(v);
}

/* xen/event_channel.h: pending, then the selector word, then the upcall flag; each step only if
 * new. */
static void deliver(struct domain *d, evtchn_port_t port, struct vcpu *v)
{
    struct vcpu_info *info = vcpu_info(v);

    if (!info || set_selector(d, info, port))
        return;
    if (!__atomic_exchange_n(&info->evtchn_upcall_pending, 1, __ATOMIC_SEQ_CST))
        upcall(v);
}

static void wake_pollers(struct domain *d)
{
    for (unsigned i = 0; i < d->vcpus; i++)
        if (READ_ONCE(d->vcpu[i]->polling))
            vcpu_request(d->vcpu[i], REQ_POLL);
}

static void wake_from_ioreq(struct vcpu *v)
{
    vcpu_request(v, REQ_IOREQ);
    vcpu_unblock(v, BLOCK_IOREQ);
    vcpu_run_next(v);
}

static void set_pending(struct domain *d, evtchn_port_t port, struct vcpu *v)
{
    if (d->evtchn->port[port].hv) {
        wake_from_ioreq(v);
        return;
    }
    if (!d->shared || set_bit(pending_words(d), port))
        return;
    if (!test_bit(mask_words(d), port))
        deliver(d, port, v);
    wake_pollers(d);
}

static struct vcpu *notified(struct domain *d, const struct evtchn *c)
{
    return d->vcpu[c->vcpu < d->vcpus ? c->vcpu : 0];
}

/* A port that nobody has, or -ENOSPC. Lock held. */
static s64 find_free(struct domain *d)
{
    for (evtchn_port_t p = 1; p < ports_of(d); p++)
        if (d->evtchn->port[p].state == EVTCHNSTAT_closed)
            return p;
    return -ENOSPC;
}

static struct evtchn *open_port(struct domain *d, s64 *port)
{
    *port = find_free(d);
    if (*port < 0)
        return NULL;
    clear_bit(pending_words(d), (unsigned)*port);
    return &d->evtchn->port[*port];
}

static void lock_two(struct domain *a, struct domain *b)
{
    struct domain *first = a->id <= b->id ? a : b;

    spin_lock(&first->evtchn->lock);
    if (a != b)
        spin_lock(&(first == a ? b : a)->evtchn->lock);
}

static void unlock_two(struct domain *a, struct domain *b)
{
    spin_unlock(&a->evtchn->lock);
    if (a != b)
        spin_unlock(&b->evtchn->lock);
}

static s64 alloc_unbound(struct vcpu *v, struct evtchn_alloc_unbound *a)
{
    struct evtchn *c;
    struct domain *d;
    s64 rc = 0;

    d = hypercall_domain(v, a->dom, &rc);
    if (!d)
        return rc;
    spin_lock(&d->evtchn->lock);
    c = open_port(d, &rc);
    if (c) {
        *c = (struct evtchn){.state = EVTCHNSTAT_unbound,
                             .remote = a->remote_dom == DOMID_SELF ? v->domain->id : a->remote_dom};
        a->port = (evtchn_port_t)rc;
        rc = 0;
    }
    spin_unlock(&d->evtchn->lock);
    return rc;
}

static s64 bind_locked(struct vcpu *v, struct domain *peer, struct evtchn_bind_interdomain *b)
{
    struct evtchn *there = port_of(peer, b->remote_port), *here;
    s64 port;

    if (!there || there->state != EVTCHNSTAT_unbound || there->remote != v->domain->id)
        return -EINVAL;
    here = open_port(v->domain, &port);
    if (!here)
        return port;
    *here = (struct evtchn){
        .state = EVTCHNSTAT_interdomain, .remote = peer->id, .remote_port = b->remote_port};
    there->state = EVTCHNSTAT_interdomain;
    there->remote_port = (u32)port;
    b->local_port = (evtchn_port_t)port;
    /* What the peer did before the binding may be waiting: let both sides look (as Xen does). */
    set_pending(v->domain, b->local_port, v->domain->vcpu[0]);
    return 0;
}

static s64 bind_interdomain(struct vcpu *v, struct evtchn_bind_interdomain *b)
{
    struct domain *peer = b->remote_dom == DOMID_SELF ? v->domain : domain_find(b->remote_dom);
    s64 rc;

    if (!peer)
        return -ESRCH;
    lock_two(v->domain, peer);
    rc = bind_locked(v, peer, b);
    unlock_two(v->domain, peer);
    return rc;
}

static bool virq_is_global(u32 virq)
{
    return virq != VIRQ_TIMER && virq != VIRQ_DEBUG && virq != VIRQ_XENOPROF && virq != VIRQ_XENPMU;
}

static s64 bind_virq(struct vcpu *v, struct evtchn_bind_virq *b)
{
    struct domain *d = v->domain;
    struct evtchn *c;
    s64 rc;

    if (b->virq >= NR_VIRQS)
        return -EINVAL;
    if (virq_is_global(b->virq) && b->vcpu != 0)
        return -EINVAL;
    if (b->vcpu >= d->vcpus)
        return -ENOENT;
    spin_lock(&d->evtchn->lock);
    if (d->vcpu[b->vcpu]->virq_port[b->virq]) {
        rc = -EEXIST;
    } else if ((c = open_port(d, &rc))) {
        *c = (struct evtchn){.state = EVTCHNSTAT_virq, .virq = (u8)b->virq, .vcpu = (u16)b->vcpu};
        d->vcpu[b->vcpu]->virq_port[b->virq] = (u16)rc;
        b->port = (evtchn_port_t)rc;
        rc = 0;
    }
    spin_unlock(&d->evtchn->lock);
    return rc;
}

static s64 bind_ipi(struct vcpu *v, struct evtchn_bind_ipi *b)
{
    struct domain *d = v->domain;
    struct evtchn *c;
    s64 rc;

    if (b->vcpu >= d->vcpus)
        return -ENOENT;
    spin_lock(&d->evtchn->lock);
    c = open_port(d, &rc);
    if (c) {
        *c = (struct evtchn){.state = EVTCHNSTAT_ipi, .vcpu = (u16)b->vcpu};
        b->port = (evtchn_port_t)rc;
        rc = 0;
    }
    spin_unlock(&d->evtchn->lock);
    return rc;
}

/* The other end of c, if it still is: a domain that goes closes its ports when others no longer
 * find it. */
static struct evtchn *other_end(struct domain *d, const struct evtchn *c, struct domain *peer)
{
    struct evtchn *there = port_of(peer, c->remote_port);

    return there->state == EVTCHNSTAT_interdomain && there->remote == d->id &&
                   port_of(d, there->remote_port) == c
               ? there
               : NULL;
}

/* Both locks held: the port is free again, and its peer unbound for the same domain to bind anew. A
 * global VIRQ is the boot vcpu's, whoever is notified by now. */
static void close_locked(struct domain *d, struct evtchn *c, struct domain *peer)
{
    struct evtchn *there;

    if (c->state == EVTCHNSTAT_virq)
        d->vcpu[virq_is_global(c->virq) ? 0 : c->vcpu]->virq_port[c->virq] = 0;
    if (c->state == EVTCHNSTAT_interdomain && peer && (there = other_end(d, c, peer))) {
        there->state = EVTCHNSTAT_unbound;
        there->remote = d->id;
        there->remote_port = 0;
    }
    *c = (struct evtchn){.state = EVTCHNSTAT_closed};
}

/* The peer may change between the look without its lock and the locks: then look again. */
static s64 close_port(struct domain *d, evtchn_port_t port)
{
    struct evtchn *c = port_of(d, port);

    if (!c)
        return -EINVAL;
    for (;;) {
        bool paired = READ_ONCE(c->state) == EVTCHNSTAT_interdomain;
        u16 remote = READ_ONCE(c->remote);
        struct domain *peer = paired ? domain_find(remote) : NULL, *other = peer ? peer : d;
        bool same;

        lock_two(d, other);
        same = paired == (c->state == EVTCHNSTAT_interdomain) && (!paired || c->remote == remote);
        if (same && c->state != EVTCHNSTAT_closed) {
            close_locked(d, c, peer);
            unlock_two(d, other);
            return 0;
        }
        unlock_two(d, other);
        if (same)
            return -EINVAL;
    }
}

static s64 send(struct vcpu *v, evtchn_port_t port)
{
    struct domain *d = v->domain, *peer;
    struct evtchn *c = port_of(d, port);
    s64 rc = 0;

    if (!c || c->hv)
        return -EINVAL;
    spin_lock(&d->evtchn->lock);
    switch (c->state) {
    case EVTCHNSTAT_interdomain:
        peer = c->remote == d->id ? d : domain_find(c->remote);
        if (peer)
            set_pending(peer, c->remote_port, notified(peer, port_of(peer, c->remote_port)));
        break;
    case EVTCHNSTAT_ipi:
        set_pending(d, port, notified(d, c));
        break;
    case EVTCHNSTAT_unbound: /* nobody there yet: nothing to do */
        break;
    default:
        rc = -EINVAL;
    }
    spin_unlock(&d->evtchn->lock);
    return rc;
}

static s64 bind_vcpu(struct domain *d, const struct evtchn_bind_vcpu *b)
{
    struct evtchn *c = port_of(d, b->port);
    s64 rc = 0;

    if (b->vcpu >= d->vcpus)
        return -ENOENT;
    if (!c || c->hv)
        return -EINVAL;
    spin_lock(&d->evtchn->lock);
    if (c->state == EVTCHNSTAT_unbound || c->state == EVTCHNSTAT_interdomain ||
        (c->state == EVTCHNSTAT_virq && virq_is_global(c->virq)))
        c->vcpu = (u16)b->vcpu;
    else
        rc = -EINVAL;
    spin_unlock(&d->evtchn->lock);
    return rc;
}

static s64 unmask(struct domain *d, evtchn_port_t port)
{
    struct evtchn *c = port_of(d, port);

    if (!c || c->state == EVTCHNSTAT_closed)
        return -EINVAL;
    clear_bit(mask_words(d), port);
    if (evtchn_is_pending(d, port))
        deliver(d, port, notified(d, c));
    return 0;
}

static s64 status(struct vcpu *v, struct evtchn_status *s)
{
    struct evtchn *c;
    struct domain *d;
    s64 rc = 0;

    d = hypercall_domain(v, s->dom, &rc);
    if (!d)
        return rc;
    c = port_of(d, s->port);
    if (!c)
        return -EINVAL;
    spin_lock(&d->evtchn->lock);
    s->status = c->state;
    s->vcpu = c->vcpu;
    if (c->state == EVTCHNSTAT_unbound)
        s->u.unbound.dom = c->remote;
    if (c->state == EVTCHNSTAT_interdomain) {
        s->u.interdomain.dom = c->remote;
        s->u.interdomain.port = c->remote_port;
    }
    if (c->state == EVTCHNSTAT_virq)
        s->u.virq = c->virq;
    spin_unlock(&d->evtchn->lock);
    return 0;
}

static s64 reset(struct vcpu *v, const struct evtchn_reset *r)
{
    struct domain *d;
    s64 rc = 0;

    d = hypercall_domain(v, r->dom, &rc);
    if (!d)
        return rc;
    for (evtchn_port_t p = 1; p < EVTCHN_PORTS; p++)
        if (d->evtchn->port[p].state != EVTCHNSTAT_closed && !d->evtchn->port[p].hv)
            close_port(d, p);
    return 0;
}

/* A guest's request: root mode's own ports are not its to close. */
static s64 close_guest(struct domain *d, evtchn_port_t port)
{
    struct evtchn *c = port_of(d, port);

    return c && c->hv ? -EINVAL : close_port(d, port);
}

s64 evtchn_alloc_hv(struct domain *d, u16 remote, unsigned vcpu)
{
    struct evtchn *c;
    s64 port;

    spin_lock(&d->evtchn->lock);
    c = open_port(d, &port);
    if (c)
        *c = (struct evtchn){
            .state = EVTCHNSTAT_unbound, .hv = 1, .vcpu = (u16)vcpu, .remote = remote};
    spin_unlock(&d->evtchn->lock);
    return port;
}

void evtchn_free_hv(struct domain *d, evtchn_port_t port)
{
    (void)close_port(d, port);
}

void evtchn_notify_hv(struct domain *d, evtchn_port_t port)
{
    struct evtchn *c = port_of(d, port);
    struct domain *peer;

    spin_lock(&d->evtchn->lock);
    peer = c->state == EVTCHNSTAT_interdomain ? domain_find(c->remote) : NULL;
    if (peer)
        set_pending(peer, c->remote_port, notified(peer, port_of(peer, c->remote_port)));
    spin_unlock(&d->evtchn->lock);
}

void evtchn_destroy(struct domain *d)
{
    if (!d->evtchn)
        return;
    for (evtchn_port_t p = 1; p < EVTCHN_PORTS; p++)
        close_port(d, p);
    frames_free(virt_mfn(d->evtchn), d->evtchn->order);
    d->evtchn = NULL;
}

void evtchn_raise_virq(struct vcpu *v, unsigned virq)
{
    struct domain *d = v->domain;
    u16 port;

    if (!d->evtchn)
        return;
    spin_lock(&d->evtchn->lock);
    port = v->virq_port[virq];
    if (port)
        set_pending(d, port, notified(d, &d->evtchn->port[port]));
    spin_unlock(&d->evtchn->lock);
}

void evtchn_raise_global_virq(struct domain *d, unsigned virq)
{
    evtchn_raise_virq(d->vcpu[0], virq);
}

u8 evtchn_callback_vector(const struct vcpu *v)
{
    const struct vcpu_info *info;

    if (v->upcall_vector || !v->domain->callback_vector)
        return 0;
    info = vcpu_info(v);
    return info && READ_ONCE(info->evtchn_upcall_pending) ? v->domain->callback_vector : 0;
}

/* The structures' sizes; what comes back is the whole structure. */
static const u8 sizes[] = {
    [EVTCHNOP_bind_interdomain] = sizeof(struct evtchn_bind_interdomain),
    [EVTCHNOP_bind_virq] = sizeof(struct evtchn_bind_virq),
    [EVTCHNOP_close] = sizeof(struct evtchn_close),
    [EVTCHNOP_send] = sizeof(struct evtchn_send),
    [EVTCHNOP_status] = sizeof(struct evtchn_status),
    [EVTCHNOP_alloc_unbound] = sizeof(struct evtchn_alloc_unbound),
    [EVTCHNOP_bind_ipi] = sizeof(struct evtchn_bind_ipi),
    [EVTCHNOP_bind_vcpu] = sizeof(struct evtchn_bind_vcpu),
    [EVTCHNOP_unmask] = sizeof(struct evtchn_unmask),
    [EVTCHNOP_reset] = sizeof(struct evtchn_reset),
};

union evtchn_arg {
    struct evtchn_bind_interdomain bind_interdomain;
    struct evtchn_bind_virq bind_virq;
    struct evtchn_close close;
    struct evtchn_send send;
    struct evtchn_status status;
    struct evtchn_alloc_unbound alloc_unbound;
    struct evtchn_bind_ipi bind_ipi;
    struct evtchn_bind_vcpu bind_vcpu;
    struct evtchn_unmask unmask;
    struct evtchn_reset reset;
};

static s64 dispatch(struct vcpu *v, u32 cmd, union evtchn_arg *a)
{
    switch (cmd) {
    case EVTCHNOP_bind_interdomain:
        return bind_interdomain(v, &a->bind_interdomain);
    case EVTCHNOP_bind_virq:
        return bind_virq(v, &a->bind_virq);
    case EVTCHNOP_close:
        return close_guest(v->domain, a->close.port);
    case EVTCHNOP_send:
        return send(v, a->send.port);
    case EVTCHNOP_status:
        return status(v, &a->status);
    case EVTCHNOP_alloc_unbound:
        return alloc_unbound(v, &a->alloc_unbound);
    case EVTCHNOP_bind_ipi:
        return bind_ipi(v, &a->bind_ipi);
    case EVTCHNOP_bind_vcpu:
        return bind_vcpu(v->domain, &a->bind_vcpu);
    case EVTCHNOP_unmask:
        return unmask(v->domain, a->unmask.port);
    default:
        return reset(v, &a->reset);
    }
}

static bool has_answer(u32 cmd)
{
    return cmd == EVTCHNOP_bind_interdomain || cmd == EVTCHNOP_bind_virq ||
           cmd == EVTCHNOP_status || cmd == EVTCHNOP_alloc_unbound || cmd == EVTCHNOP_bind_ipi;
}

/* FIFO's operations are refused, and a stock kernel falls back to this ABI. */
s64 hc_event_channel_op(struct vcpu *v, const u64 arg[HYPERCALL_ARGS])
{
    u32 cmd = (u32)arg[0];
    union evtchn_arg a;
    s64 rc;

    if (cmd >= ARRAY_SIZE(sizes) || !sizes[cmd])
        return -ENOSYS;
    if (guest_read(v, &a, arg[1], sizes[cmd]))
        return -EFAULT;
    rc = dispatch(v, cmd, &a);
    if (rc == 0 && has_answer(cmd) && guest_write(v, arg[1], &a, sizes[cmd]))
        return -EFAULT;
    return rc;
}
