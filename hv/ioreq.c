/* SPDX-License-Identifier: BSD-2-Clause */
#include "hv/tools_abi.h" /* first: it asks the public headers for all they have */
#include "hv/domain.h"
#include "hv/errno.h"
#include "hv/evtchn.h"
#include "hv/frames.h"
#include "hv/ioreq.h"
#include "hv/ioreq_range.h"
#include "hv/ioreq_ring.h"
#include "hv/log.h"
#include "hv/vcpu.h"
#include "hv/vmem.h"
#include <xen/hvm/ioreq.h>

#define SERVER_ORDER 2
#define DOMAIN_ORDER 0

#define PORT_CF8     0xcf8
#define PORT_CFC     0xcfc
#define CF8_ENABLE   (1u << 31)
#define CF8_BDF(v)   ((v) >> 8 & 0xffff)
#define CF8_REG(v)   ((v)&0xfc)
#define PORT_POST    0x80
#define VGA_FIRST    0xa0000u
#define VGA_END      0xc0000u

_Static_assert((int)IOREQ_PORT == XEN_DMOP_IO_RANGE_PORT &&
                   (int)IOREQ_MEMORY == XEN_DMOP_IO_RANGE_MEMORY &&
                   (int)IOREQ_PCI == XEN_DMOP_IO_RANGE_PCI,
               "kinds are the ABI's");
_Static_assert(sizeof(struct ioreq) * DOMAIN_MAX_VCPUS <= PAGE_SIZE,
               "a slot for each vcpu in one page");

struct ioreq_server {
    bool enabled;
    u8 buffered; /* HVM_IOREQSRV_BUFIOREQ_* */
    struct ioreq_counts counts;
    mfn_t slots, ring;
    evtchn_port_t ring_port;
    evtchn_port_t port[DOMAIN_MAX_VCPUS];
    struct ioreq_ranges ranges[IOREQ_KINDS];
};
_Static_assert(sizeof(struct ioreq_server) <= PAGE_SIZE << SERVER_ORDER, "grow SERVER_ORDER");

/* What a vcpu waits for. */
struct ioreq_wait {
    bool busy;
    struct ioreq_server *server; /* NULL while busy: it went away */
    u8 size;
    u32 count; /* not 0: a REP string of that many elements */
    u32 done;  /* and that many have been answered */
};

struct ioreq_domain {
    spinlock_t lock; /* guards all below and every server */
    u32 cf8;
    struct ioreq_server *server[IOREQ_SERVERS];
    struct ioreq_wait wait[DOMAIN_MAX_VCPUS];
};
_Static_assert(sizeof(struct ioreq_domain) <= PAGE_SIZE << DOMAIN_ORDER, "grow DOMAIN_ORDER");

static u64 all_ones(unsigned size)
{
    return ~0ull >> (64 - 8 * size);
}

/* ---- A guest's access ---- */

static struct ioreq_server *server_for(struct ioreq_domain *q, enum ioreq_kind kind, u64 first,
                                       u64 last)
{
    for (unsigned i = 0; i < IOREQ_SERVERS; i++)
        if (q->server[i] && q->server[i]->enabled &&
            ioreq_range_holds(&q->server[i]->ranges[kind], first, last))
            return q->server[i];
    return NULL;
}

/* A configuration access is for a function, whatever ports it came by. */
static void to_config(const struct ioreq_domain *q, struct ioreq *r)
{
    r->type = IOREQ_TYPE_PCI_CONFIG;
    r->addr = (u64)CF8_BDF(q->cf8) << 32 | CF8_REG(q->cf8) | (r->addr & 3);
}

static bool is_config(const struct ioreq_domain *q, const struct ioreq *r)
{
    return r->type == IOREQ_TYPE_PIO && (r->addr & ~3ull) == PORT_CFC && (q->cf8 & CF8_ENABLE);
}

static struct ioreq_server *route(struct ioreq_domain *q, struct ioreq *r)
{
    u64 reach = (u64)r->size * (r->count - 1);

    if (is_config(q, r))
        to_config(q, r);
    if (r->type == IOREQ_TYPE_PCI_CONFIG)
        return server_for(q, IOREQ_PCI, r->addr >> 32, r->addr >> 32);
    if (r->type == IOREQ_TYPE_PIO)
        return server_for(q, IOREQ_PORT, r->addr, r->addr + r->size - 1);
    if (r->df)
        return server_for(q, IOREQ_MEMORY, r->addr - reach, r->addr + r->size - 1);
    return server_for(q, IOREQ_MEMORY, r->addr, r->addr + reach + r->size - 1);
}

/* Writes whose completion nobody can observe do not wait. */
static bool is_posted(const struct ioreq *r)
{
    if (r->dir != IOREQ_WRITE || r->data_is_ptr || r->count != 1)
        return false;
    if (r->type == IOREQ_TYPE_PIO)
        return r->addr == PORT_POST;
    return r->type == IOREQ_TYPE_COPY && r->addr >= VGA_FIRST && r->addr < VGA_END;
}

static bool post(struct domain *d, struct ioreq_server *s, u8 type, u64 addr, u32 size, u64 data)
{
    bool atomic = s->buffered == HVM_IOREQSRV_BUFIOREQ_ATOMIC, first;

    if (s->buffered == HVM_IOREQSRV_BUFIOREQ_OFF ||
        !ioreq_ring_put(mfn_virt(s->ring), type, (u32)addr, size, data, atomic, &first))
        return false;
    if (first)
        evtchn_notify_hv(d, s->ring_port);
    return true;
}

static struct ioreq *slot_of(const struct ioreq_server *s, unsigned vcpu)
{
    return (struct ioreq *)mfn_virt(s->slots) + vcpu;
}

/* The state is a bit field of this byte; nothing else of the slot changes once it says READY. */
static void set_state(struct ioreq *slot, struct ioreq r, u8 state)
{
    r.state = STATE_IOREQ_NONE;
    *slot = r;
    r.state = state;
    barrier();
    WRITE_ONCE(((u8 *)slot)[offsetof(struct ioreq, _pad0) + 2],
               ((const u8 *)&r)[offsetof(struct ioreq, _pad0) + 2]);
}

static u8 state_of(const struct ioreq *slot)
{
    return READ_ONCE(((const u8 *)slot)[offsetof(struct ioreq, _pad0) + 2]) & 0xf;
}

/* Blocked before the device model can hear of it, so that its answer finds v blocked. */
static void send(struct vcpu *v, struct ioreq_server *s, struct ioreq *r, u32 count)
{
    struct ioreq_wait *w = &v->domain->ioreq->wait[v->id];

    *w = (struct ioreq_wait){.busy = true, .server = s, .size = (u8)r->size, .count = count};
    vcpu_block(v, BLOCK_IOREQ);
    sched_owe(&v->sched);
    r->vp_eport = s->port[v->id];
    set_state(slot_of(s, v->id), *r, STATE_IOREQ_READY);
    evtchn_notify_hv(v->domain, s->port[v->id]);
}

enum outcome { SENT, POSTED, NOBODY };

/* Ports that stand for others: never many at once. */
static bool is_index(const struct ioreq *r)
{
    return r->type == IOREQ_TYPE_PIO && r->count > 1 && (r->addr & ~7ull) == PORT_CF8;
}

static enum outcome submit(struct vcpu *v, struct ioreq *r, u32 count)
{
    struct ioreq_domain *q = v->domain->ioreq;
    enum outcome outcome = NOBODY;
    struct ioreq_server *s;

    spin_lock(&q->lock);
    s = is_index(r) ? NULL : route(q, r);
    if (s && is_posted(r) && post(v->domain, s, r->type, r->addr, r->size, r->data)) {
        s->counts.posted++;
        outcome = POSTED;
    } else if (s) {
        send(v, s, r, count);
        s->counts.sent++;
        outcome = SENT;
    }
    spin_unlock(&q->lock);
    return outcome;
}

static int single(struct vcpu *v, u8 type, u64 addr, unsigned size, bool write, u64 *value)
{
    struct ioreq r = {
        .type = type,
        .addr = addr,
        .size = size,
        .count = 1,
        .dir = write ? IOREQ_WRITE : IOREQ_READ,
        .data = write ? *value & all_ones(size) : 0,
    };

    if (submit(v, &r, 0) == SENT)
        return -EAGAIN;
    if (!write)
        *value = all_ones(size);
    return 0;
}

/* RAM the guest may only read takes writes and forgets them. Where the exit found no entry, there
 * is none. */
static bool is_rom(struct vcpu *v, gpa_t gpa)
{
    const struct exit_npf *npf = &v->exit.npf;
    enum p2m_type type;
    u32 attr;

    if (v->exit.reason == EXIT_PAGE_FAULT && !npf->present && gpa_gfn(npf->gpa).v == gpa_gfn(gpa).v)
        return false;
    return !mfn_is_none(p2m_lookup(&v->domain->p2m, gpa_gfn(gpa), &type, &attr)) &&
           type == P2M_RAM_RO;
}

int ioreq_mmio(struct vcpu *v, gpa_t gpa, unsigned size, bool write, u64 *value)
{
    if (write && is_rom(v, gpa))
        return 0;
    return single(v, IOREQ_TYPE_COPY, gpa.v, size, write, value);
}

int ioreq_pio(struct vcpu *v, u16 port, unsigned size, bool write, u32 *value)
{
    u64 wide = *value;
    int rc;

    if (port == PORT_CF8 && size == 4 && write)
        WRITE_ONCE(v->domain->ioreq->cf8, *value);
    rc = single(v, IOREQ_TYPE_PIO, port, size, write, &wide);
    *value = (u32)wide;
    return rc;
}

int ioreq_rep(struct vcpu *v, const struct ioreq_rep *rep)
{
    struct ioreq r = {
        .type = rep->port ? IOREQ_TYPE_PIO : IOREQ_TYPE_COPY,
        .addr = rep->addr,
        .size = rep->size,
        .count = rep->count,
        .dir = rep->write ? IOREQ_WRITE : IOREQ_READ,
        .df = rep->down,
        .data_is_ptr = rep->data_is_ptr,
        .data = rep->data,
    };

    return submit(v, &r, rep->count) == SENT ? -EAGAIN : 0;
}

void ioreq_invalidate(struct domain *d)
{
    struct ioreq_domain *q = d->ioreq;

    spin_lock(&q->lock);
    for (unsigned i = 0; i < IOREQ_SERVERS; i++) {
        struct ioreq_server *s = q->server[i];

        if (s && s->enabled)
            (void)post(d, s, IOREQ_TYPE_INVALIDATE, 0, sizeof(u32), ~0u);
    }
    spin_unlock(&q->lock);
}

/* ---- Its answer ---- */

static void record(struct vcpu *v, u64 value)
{
    struct replay *r = &v->replay;

    if (r->done < REPLAY_PIECES)
        r->value[r->done++] = value;
}

/* The lock is held. false: not yet. */
static bool collect(struct vcpu *v, struct ioreq_wait *w)
{
    struct ioreq_server *s = w->server;
    struct ioreq *slot;
    u64 data = ~0ull;

    if (s) {
        slot = slot_of(s, v->id);
        if (state_of(slot) != STATE_IORESP_READY)
            return false;
        barrier(); /* the data came before the state */
        data = READ_ONCE(slot->data);
        ((u8 *)slot)[offsetof(struct ioreq, _pad0) + 2] &= 0xf0; /* STATE_IOREQ_NONE */
    }
    if (w->count)
        w->done = w->count;
    else
        record(v, data & all_ones(w->size));
    w->busy = false;
    w->server = NULL;
    return true;
}

bool ioreq_answered(struct vcpu *v)
{
    struct ioreq_domain *q = v->domain->ioreq;
    struct ioreq_wait *w = &q->wait[v->id];
    bool answered;

    if (!w->busy)
        return false;
    vcpu_block(v, BLOCK_IOREQ); /* what comes from here on unblocks it again */
    spin_lock(&q->lock);
    answered = collect(v, w);
    spin_unlock(&q->lock);
    if (answered)
        vcpu_unblock(v, BLOCK_IOREQ);
    return answered;
}

unsigned ioreq_rep_done(struct vcpu *v)
{
    struct ioreq_wait *w = &v->domain->ioreq->wait[v->id];
    unsigned done = w->done;

    w->done = 0;
    return done;
}

void ioreq_forget(struct vcpu *v)
{
    v->domain->ioreq->wait[v->id].done = 0;
}

/* ---- Servers ---- */

static struct ioreq_server *server_of(struct ioreq_domain *q, u16 id)
{
    return id < IOREQ_SERVERS ? q->server[id] : NULL;
}

static mfn_t shared_page(const struct domain *d)
{
    mfn_t m = frames_alloc(0, FRAMES_ZERO);

    if (!mfn_is_none(m) && frame_own(m, 1, d->id)) {
        frames_free(m, 0);
        return MFN_NONE;
    }
    return m;
}

static void drop_page(const struct domain *d, mfn_t m)
{
    if (!mfn_is_none(m) && frame_release(m, 1, d->id))
        log_err("d%u: an ioreq page could not be given back", d->id);
}

static void free_server(struct domain *d, struct ioreq_server *s)
{
    for (unsigned i = 0; i < d->vcpus; i++)
        if (s->port[i])
            evtchn_free_hv(d, s->port[i]);
    if (s->ring_port)
        evtchn_free_hv(d, s->ring_port);
    drop_page(d, s->slots);
    drop_page(d, s->ring);
    frames_free(virt_mfn(s), SERVER_ORDER);
}

static int open_port(struct domain *d, u16 emulator, unsigned vcpu, evtchn_port_t *port)
{
    s64 rc = evtchn_alloc_hv(d, emulator, vcpu);

    if (rc < 0)
        return (int)rc;
    *port = (evtchn_port_t)rc;
    return 0;
}

static int fill_server(struct domain *d, struct ioreq_server *s, u16 emulator)
{
    int rc = 0;

    s->slots = shared_page(d);
    s->ring = s->buffered ? shared_page(d) : MFN_NONE;
    if (mfn_is_none(s->slots) || (s->buffered && mfn_is_none(s->ring)))
        return -ENOMEM;
    for (unsigned i = 0; i < d->vcpus && rc == 0; i++) {
        rc = open_port(d, emulator, i, &s->port[i]);
        slot_of(s, i)->vp_eport = s->port[i];
    }
    if (rc == 0 && s->buffered)
        rc = open_port(d, emulator, 0, &s->ring_port);
    return rc;
}

static int enter_server(struct ioreq_domain *q, struct ioreq_server *s, u16 *id)
{
    int rc = -ENOSPC;

    spin_lock(&q->lock);
    for (unsigned i = 0; i < IOREQ_SERVERS && rc; i++) {
        if (q->server[i])
            continue;
        q->server[i] = s;
        *id = (u16)i;
        rc = 0;
    }
    spin_unlock(&q->lock);
    return rc;
}

int ioreq_server_create(struct domain *d, u16 emulator, u8 buffered, u16 *id)
{
    struct ioreq_server *s;
    mfn_t m;
    int rc;

    if (buffered > HVM_IOREQSRV_BUFIOREQ_ATOMIC)
        return -EINVAL;
    m = frames_alloc(SERVER_ORDER, FRAMES_ZERO);
    if (mfn_is_none(m))
        return -ENOMEM;
    s = mfn_virt(m);
    s->buffered = buffered;
    rc = fill_server(d, s, emulator);
    if (rc == 0)
        rc = enter_server(d->ioreq, s, id);
    if (rc)
        free_server(d, s);
    return rc;
}

/* Whoever waits for it gets all ones. */
static struct ioreq_server *take_server(struct domain *d, u16 id)
{
    struct ioreq_domain *q = d->ioreq;
    struct ioreq_server *s;

    spin_lock(&q->lock);
    s = server_of(q, id);
    if (s)
        q->server[id] = NULL;
    for (unsigned i = 0; s && i < d->vcpus; i++) {
        if (q->wait[i].server != s)
            continue;
        q->wait[i].server = NULL;
        vcpu_request(d->vcpu[i], REQ_IOREQ);
        vcpu_unblock(d->vcpu[i], BLOCK_IOREQ);
    }
    spin_unlock(&q->lock);
    return s;
}

int ioreq_server_destroy(struct domain *d, u16 id)
{
    struct ioreq_server *s = take_server(d, id);

    if (!s)
        return -ENOENT;
    free_server(d, s);
    return 0;
}

int ioreq_server_port(struct domain *d, u16 id, u32 *port)
{
    struct ioreq_server *s;

    spin_lock(&d->ioreq->lock);
    s = server_of(d->ioreq, id);
    if (s)
        *port = s->ring_port;
    spin_unlock(&d->ioreq->lock);
    return s ? 0 : -ENOENT;
}

int ioreq_server_enable(struct domain *d, u16 id, bool on)
{
    struct ioreq_server *s;

    spin_lock(&d->ioreq->lock);
    s = server_of(d->ioreq, id);
    if (s)
        s->enabled = on;
    spin_unlock(&d->ioreq->lock);
    return s ? 0 : -ENOENT;
}

static int change_range(struct domain *d, u16 id, enum ioreq_kind kind, u64 first, u64 last,
                        int (*change)(struct ioreq_ranges *r, u64 first, u64 last))
{
    struct ioreq_server *s;
    int rc = -ENOENT;

    if (kind >= IOREQ_KINDS)
        return -EINVAL;
    spin_lock(&d->ioreq->lock);
    s = server_of(d->ioreq, id);
    if (s)
        rc = change(&s->ranges[kind], first, last);
    spin_unlock(&d->ioreq->lock);
    return rc;
}

int ioreq_server_map(struct domain *d, u16 id, enum ioreq_kind kind, u64 first, u64 last)
{
    return change_range(d, id, kind, first, last, ioreq_range_add);
}

int ioreq_server_unmap(struct domain *d, u16 id, enum ioreq_kind kind, u64 first, u64 last)
{
    return change_range(d, id, kind, first, last, ioreq_range_remove);
}

bool ioreq_server_counts(struct domain *d, u16 id, struct ioreq_counts *c)
{
    struct ioreq_server *s;

    if (!d->ioreq)
        return false;
    spin_lock(&d->ioreq->lock);
    s = server_of(d->ioreq, id);
    if (s)
        *c = s->counts;
    spin_unlock(&d->ioreq->lock);
    return s != NULL;
}

mfn_t ioreq_page(struct domain *d, u16 server, u64 frame)
{
    struct ioreq_server *s;
    mfn_t m = MFN_NONE;

    if (!d->ioreq)
        return MFN_NONE;
    spin_lock(&d->ioreq->lock);
    s = server_of(d->ioreq, server);
    if (s && frame == XENMEM_resource_ioreq_server_frame_bufioreq)
        m = s->ring;
    else if (s && frame == XENMEM_resource_ioreq_server_frame_ioreq(0))
        m = s->slots;
    spin_unlock(&d->ioreq->lock);
    return m;
}

int ioreq_init(struct domain *d)
{
    mfn_t m = frames_alloc(DOMAIN_ORDER, FRAMES_ZERO);

    if (mfn_is_none(m))
        return -ENOMEM;
    d->ioreq = mfn_virt(m);
    d->mmio_fallback = ioreq_mmio;
    d->pio_fallback = ioreq_pio;
    return 0;
}

void ioreq_fini(struct domain *d)
{
    if (!d->ioreq)
        return;
    for (u16 i = 0; i < IOREQ_SERVERS; i++)
        ioreq_server_destroy(d, i);
    frames_free(virt_mfn(d->ioreq), DOMAIN_ORDER);
    d->ioreq = NULL;
}
