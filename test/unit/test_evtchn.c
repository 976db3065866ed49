/* SPDX-License-Identifier: BSD-2-Clause */
/* Event channels by their hypercall, between two domains: every operation, wrong ports and ids,
 * what is told to whom, and a random run against a model of what the ports must be. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <cmocka.h>
#include "random.h"

/* Addresses are their own frames: the direct map starts at 0. */
#define HV_LAYOUT_H
#define DIRECT_BASE 0ull
#define MAX_CPUS    64
#include "hv/evtchn.c"

#define VCPUS 2
#define WORD  64u /* bits in a word of the shared page, and of the selector */

static struct domain dom[2];
static struct vcpu cpu[2][VCPUS];
static struct shared_info shared[2];
static bool gone[2]; /* no longer found by its number */
static unsigned upcalls[2][VCPUS], polls[2][VCPUS];
static u8 posted[2][VCPUS]; /* by the vLAPIC */

mfn_t frames_alloc(unsigned order, unsigned flags)
{
    void *p =
        mmap(NULL, PAGE_SIZE << order, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    (void)flags;
    return p == MAP_FAILED ? MFN_NONE : virt_mfn(p);
}

void frames_free(mfn_t m, unsigned order)
{
    munmap(mfn_virt(m), PAGE_SIZE << order);
}

static unsigned number_of(const struct domain *d)
{
    return (unsigned)(d - dom);
}

struct domain *domain_find(u16 id)
{
    return id < 2 && !gone[id] ? &dom[id] : NULL;
}

struct domain *hypercall_domain(struct vcpu *v, u16 domid, s64 *rc)
{
    struct domain *d = domid == DOMID_SELF ? v->domain : domain_find(domid);

    if (d && d != v->domain && !v->domain->privileged)
        d = NULL, *rc = -EPERM;
    else if (!d)
        *rc = -ESRCH;
    return d;
}

struct vcpu_info *vcpu_info(const struct vcpu *v)
{
    return &v->domain->shared->vcpu_info[v->id];
}

void vcpu_request(struct vcpu *v, u32 requests)
{
    if (requests == REQ_POLL)
        polls[number_of(v->domain)][v->id]++;
    else if (requests == REQ_EVENT)
        upcalls[number_of(v->domain)][v->id]++;
    else
        fail_msg("request %x", requests);
}

void vcpu_run_next(struct vcpu *v)
{
    assert_false(v->sched.blocked & BLOCK_IOREQ); /* it can run */
}

void vcpu_unblock(struct vcpu *v, u32 reasons)
{
    (void)v;
    fail_msg("nobody is blocked for %x", reasons);
}

int vlapic_post(struct vlapic *l, u8 vector, bool level)
{
    struct vcpu *v = vcpu_of_vlapic(l);

    assert_false(level);
    posted[number_of(v->domain)][v->id] = vector;
    return 0;
}

/* A guest's pointers are the test's own; page 0 is not there. */
int guest_read(struct vcpu *v, void *to, u64 from, size_t len)
{
    (void)v;
    if (from < PAGE_SIZE)
        return -EFAULT;
    memcpy(to, (const void *)from, len);
    return 0;
}

int guest_write(struct vcpu *v, u64 to, const void *from, size_t len)
{
    (void)v;
    if (to < PAGE_SIZE)
        return -EFAULT;
    memcpy((void *)to, from, len);
    return 0;
}

static int setup(void **state)
{
    (void)state;
    memset(dom, 0, sizeof(dom));
    memset(cpu, 0, sizeof(cpu));
    memset(shared, 0, sizeof(shared));
    memset(gone, 0, sizeof(gone));
    memset(upcalls, 0, sizeof(upcalls));
    memset(polls, 0, sizeof(polls));
    memset(posted, 0, sizeof(posted));
    for (unsigned d = 0; d < 2; d++) {
        dom[d].id = (u16)d;
        dom[d].privileged = d == 0;
        dom[d].shared = &shared[d];
        dom[d].vcpus = VCPUS;
        for (unsigned i = 0; i < VCPUS; i++) {
            cpu[d][i].domain = &dom[d];
            cpu[d][i].id = i;
            dom[d].vcpu[i] = &cpu[d][i];
        }
        assert_int_equal(evtchn_init(&dom[d]), 0);
    }
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    for (unsigned d = 0; d < 2; d++) {
        if (dom[d].evtchn)
            assert_false(spin_is_locked(&dom[d].evtchn->lock));
        evtchn_destroy(&dom[d]);
        assert_null(dom[d].evtchn);
    }
    return 0;
}

/* ---- Hypercalls of domain d's vcpu 0 ---- */

static s64 op(unsigned d, u32 cmd, void *arg)
{
    u64 args[HYPERCALL_ARGS] = {cmd, (u64)arg};
    s64 rc = hc_event_channel_op(&cpu[d][0], args);

    for (unsigned i = 0; i < 2; i++)
        if (dom[i].evtchn)
            assert_false(spin_is_locked(&dom[i].evtchn->lock));
    return rc;
}

static s64 do_alloc(unsigned d, u16 in, u16 remote)
{
    struct evtchn_alloc_unbound a = {.dom = in, .remote_dom = remote};
    s64 rc = op(d, EVTCHNOP_alloc_unbound, &a);

    return rc ? rc : a.port;
}

static s64 do_bind(unsigned d, u16 remote, u32 port)
{
    struct evtchn_bind_interdomain b = {.remote_dom = remote, .remote_port = port};
    s64 rc = op(d, EVTCHNOP_bind_interdomain, &b);

    return rc ? rc : b.local_port;
}

static s64 do_virq(unsigned d, u32 virq, u32 vcpu)
{
    struct evtchn_bind_virq b = {.virq = virq, .vcpu = vcpu};
    s64 rc = op(d, EVTCHNOP_bind_virq, &b);

    return rc ? rc : b.port;
}

static s64 do_ipi(unsigned d, u32 vcpu)
{
    struct evtchn_bind_ipi b = {.vcpu = vcpu};
    s64 rc = op(d, EVTCHNOP_bind_ipi, &b);

    return rc ? rc : b.port;
}

static s64 do_close(unsigned d, u32 port)
{
    return op(d, EVTCHNOP_close, &(struct evtchn_close){.port = port});
}

static s64 do_send(unsigned d, u32 port)
{
    return op(d, EVTCHNOP_send, &(struct evtchn_send){.port = port});
}

static s64 do_vcpu(unsigned d, u32 port, u32 vcpu)
{
    return op(d, EVTCHNOP_bind_vcpu, &(struct evtchn_bind_vcpu){.port = port, .vcpu = vcpu});
}

static s64 do_unmask(unsigned d, u32 port)
{
    return op(d, EVTCHNOP_unmask, &(struct evtchn_unmask){.port = port});
}

static struct evtchn_status status_of(unsigned d, u32 port)
{
    struct evtchn_status s = {.dom = DOMID_SELF, .port = port};

    assert_int_equal(op(d, EVTCHNOP_status, &s), 0);
    return s;
}

static bool pending(unsigned d, u32 port)
{
    return shared[d].evtchn_pending[port / WORD] >> port % WORD & 1;
}

/* What the guest's handler does: sees and clears everything. */
static void handle(unsigned d)
{
    memset(shared[d].evtchn_pending, 0, sizeof(shared[d].evtchn_pending));
    for (unsigned i = 0; i < VCPUS; i++) {
        shared[d].vcpu_info[i].evtchn_upcall_pending = 0;
        shared[d].vcpu_info[i].evtchn_pending_sel = 0;
    }
    memset(upcalls[d], 0, sizeof(upcalls[d]));
    memset(polls[d], 0, sizeof(polls[d]));
}

static s64 pair(s64 *there)
{
    s64 p0 = do_alloc(0, DOMID_SELF, 1);

    assert_true(p0 > 0);
    *there = do_bind(1, 0, (u32)p0);
    assert_true(*there > 0);
    handle(1);
    return p0;
}

/* ---- Tests ---- */

static void test_interdomain(void **state)
{
    s64 p1, p0 = do_alloc(0, DOMID_SELF, 1);

    (void)state;
    assert_int_equal(status_of(0, (u32)p0).status, EVTCHNSTAT_unbound);
    assert_int_equal(status_of(0, (u32)p0).u.unbound.dom, 1);
    assert_int_equal(do_send(0, (u32)p0), 0); /* nobody there */
    p1 = do_bind(1, 0, (u32)p0);
    assert_true(p1 > 0);
    assert_true(pending(1, (u32)p1)); /* the binder looks once */
    assert_int_equal(status_of(0, (u32)p0).status, EVTCHNSTAT_interdomain);
    assert_int_equal(status_of(0, (u32)p0).u.interdomain.dom, 1);
    assert_int_equal(status_of(0, (u32)p0).u.interdomain.port, p1);
    assert_int_equal(status_of(1, (u32)p1).u.interdomain.port, p0);
    handle(1);
    assert_int_equal(do_send(0, (u32)p0), 0);
    assert_true(pending(1, (u32)p1));
    assert_int_equal(upcalls[1][0], 1);
    assert_int_equal(do_send(0, (u32)p0), 0); /* pending already: told once */
    assert_int_equal(upcalls[1][0], 1);
    assert_int_equal(do_send(1, (u32)p1), 0);
    assert_true(pending(0, (u32)p0));
    assert_int_equal(do_bind(1, 0, (u32)p0), -EINVAL); /* taken */
}

static void test_mask(void **state)
{
    s64 p1, p0 = pair(&p1);

    (void)state;
    shared[1].evtchn_mask[p1 / WORD] |= 1ul << p1 % WORD;
    assert_int_equal(do_send(0, (u32)p0), 0);
    assert_true(pending(1, (u32)p1));
    assert_int_equal(upcalls[1][0], 0);
    assert_int_equal(shared[1].vcpu_info[0].evtchn_upcall_pending, 0);
    assert_int_equal(do_unmask(1, (u32)p1), 0);
    assert_int_equal(upcalls[1][0], 1);
    assert_int_equal(shared[1].vcpu_info[0].evtchn_pending_sel, 1ul << p1 / WORD);
    handle(1);
    assert_int_equal(do_unmask(1, (u32)p1), 0); /* nothing waits */
    assert_int_equal(upcalls[1][0], 0);
}

static void test_vcpu(void **state)
{
    s64 p1, p0 = pair(&p1);

    (void)state;
    assert_int_equal(do_vcpu(1, (u32)p1, VCPUS), -ENOENT);
    assert_int_equal(do_vcpu(1, (u32)p1, 1), 0);
    assert_int_equal(status_of(1, (u32)p1).vcpu, 1);
    cpu[1][1].upcall_vector = 0xf3;
    assert_int_equal(do_send(0, (u32)p0), 0);
    assert_int_equal(upcalls[1][0] + upcalls[1][1], 0);
    assert_int_equal(posted[1][1], 0xf3);
}

static void test_announce(void **state)
{
    s64 p1, p0 = pair(&p1);

    (void)state;
    evtchn_announce(&cpu[1][0]); /* nothing waits */
    assert_int_equal(upcalls[1][0], 0);
    assert_int_equal(do_send(0, (u32)p0), 0);
    cpu[1][0].upcall_vector = 0xf3;
    evtchn_announce(&cpu[1][0]);
    assert_int_equal(posted[1][0], 0xf3);
    assert_int_equal(evtchn_callback_vector(&cpu[1][0]), 0);
    cpu[1][0].upcall_vector = 0;
    dom[1].callback_vector = 0xf4;
    assert_int_equal(evtchn_callback_vector(&cpu[1][0]), 0xf4);
    handle(1);
    assert_int_equal(evtchn_callback_vector(&cpu[1][0]), 0);
}

static void test_poll(void **state)
{
    s64 p1, p0 = pair(&p1);

    (void)state;
    cpu[1][1].polling = true;
    shared[1].evtchn_mask[p1 / WORD] |= 1ul << p1 % WORD; /* whoever polls has it masked */
    assert_int_equal(do_send(0, (u32)p0), 0);
    assert_int_equal(polls[1][1], 1);
    assert_int_equal(polls[1][0], 0);
}

static void test_virq(void **state)
{
    s64 timer, console;

    (void)state;
    assert_int_equal(do_virq(1, NR_VIRQS, 0), -EINVAL);
    assert_int_equal(do_virq(1, ~0u, 0), -EINVAL);
    assert_int_equal(do_virq(1, VIRQ_TIMER, VCPUS), -ENOENT);
    assert_int_equal(do_virq(1, VIRQ_CONSOLE, 1), -EINVAL); /* global: the boot vcpu's */
    timer = do_virq(1, VIRQ_TIMER, 1);
    assert_true(timer > 0);
    assert_int_equal(do_virq(1, VIRQ_TIMER, 1), -EEXIST);
    assert_int_equal(do_vcpu(1, (u32)timer, 0), -EINVAL); /* a vcpu's own stays there */
    console = do_virq(1, VIRQ_CONSOLE, 0);
    assert_int_equal(status_of(1, (u32)console).u.virq, VIRQ_CONSOLE);
    assert_int_equal(do_send(1, (u32)console), -EINVAL);
    evtchn_raise_virq(&cpu[1][1], VIRQ_TIMER);
    assert_true(pending(1, (u32)timer));
    assert_int_equal(upcalls[1][1], 1);
    evtchn_raise_virq(&cpu[1][0], VIRQ_TIMER); /* not bound there */
    assert_int_equal(upcalls[1][0], 0);
    assert_int_equal(do_close(1, (u32)timer), 0);
    handle(1);
    evtchn_raise_virq(&cpu[1][1], VIRQ_TIMER);
    assert_int_equal(upcalls[1][1], 0);
}

/* Told to another vcpu and then closed: free to be bound again, and raised for nobody. */
static void test_global_virq_moves(void **state)
{
    s64 port = do_virq(1, VIRQ_CONSOLE, 0), timer = do_virq(1, VIRQ_TIMER, 1);

    (void)state;
    assert_int_equal(do_vcpu(1, (u32)port, 1), 0);
    evtchn_raise_global_virq(&dom[1], VIRQ_CONSOLE);
    assert_int_equal(upcalls[1][1], 1);
    assert_int_equal(do_close(1, (u32)port), 0);
    handle(1);
    evtchn_raise_global_virq(&dom[1], VIRQ_CONSOLE);
    assert_false(pending(1, (u32)port));
    assert_int_equal(do_virq(1, VIRQ_CONSOLE, 0), port);
    assert_int_equal(do_virq(1, VIRQ_TIMER, 1), -EEXIST);
    assert_int_equal(do_close(1, (u32)timer), 0);
}

static void test_ipi(void **state)
{
    s64 port = do_ipi(0, 1);

    (void)state;
    assert_int_equal(do_ipi(0, VCPUS), -ENOENT);
    assert_int_equal(do_send(0, (u32)port), 0);
    assert_int_equal(upcalls[0][1], 1);
    assert_int_equal(do_vcpu(0, (u32)port, 0), -EINVAL);
}

static void test_close_and_bind_again(void **state)
{
    s64 p1, p0 = pair(&p1);

    (void)state;
    assert_int_equal(do_close(1, (u32)p1), 0);
    assert_int_equal(do_close(1, (u32)p1), -EINVAL);
    assert_int_equal(status_of(1, (u32)p1).status, EVTCHNSTAT_closed);
    assert_int_equal(status_of(0, (u32)p0).status, EVTCHNSTAT_unbound);
    assert_int_equal(status_of(0, (u32)p0).u.unbound.dom, 1);
    assert_int_equal(do_send(0, (u32)p0), 0);
    assert_false(pending(1, (u32)p1));
    p1 = do_bind(1, 0, (u32)p0);
    assert_true(p1 > 0);
    assert_int_equal(do_close(0, (u32)p0), 0);
    assert_int_equal(status_of(1, (u32)p1).status, EVTCHNSTAT_unbound);
}

static void test_own_domain(void **state)
{
    s64 a = do_alloc(1, DOMID_SELF, DOMID_SELF), b = do_bind(1, DOMID_SELF, (u32)a);

    (void)state;
    assert_true(a > 0 && b > 0 && a != b);
    handle(1);
    assert_int_equal(do_send(1, (u32)a), 0);
    assert_true(pending(1, (u32)b) && !pending(1, (u32)a));
    assert_int_equal(do_close(1, (u32)b), 0);
    assert_int_equal(status_of(1, (u32)a).status, EVTCHNSTAT_unbound);
}

/* Half-way gone: unlinked, its ports not closed yet. The survivor's port is closed and used for
 * something else; what the dying one closes then must leave that alone. */
static void test_peer_dies(void **state)
{
    s64 p1, p0 = pair(&p1), other;

    (void)state;
    assert_int_equal(p0, p1); /* so that a mix-up of the two tables shows */
    gone[1] = true;
    assert_int_equal(do_send(0, (u32)p0), 0);
    assert_int_equal(do_close(0, (u32)p0), 0);
    assert_int_equal(status_of(0, (u32)p0).status, EVTCHNSTAT_closed);
    other = do_ipi(0, 1);
    assert_int_equal(other, p0);
    evtchn_destroy(&dom[1]);
    assert_int_equal(status_of(0, (u32)other).status, EVTCHNSTAT_ipi);
    assert_int_equal(do_send(0, (u32)other), 0);
    assert_int_equal(upcalls[0][1], 1);
}

static void test_peer_dies_first(void **state)
{
    s64 p1, p0 = pair(&p1);

    (void)state;
    gone[1] = true;
    evtchn_destroy(&dom[1]);
    assert_int_equal(status_of(0, (u32)p0).status, EVTCHNSTAT_unbound);
    assert_int_equal(do_close(0, (u32)p0), 0);
}

static void test_wrong_ports(void **state)
{
    static const u32 ports[] = {0,          1,  EVTCHN_PORTS - 1, EVTCHN_PORTS, EVTCHN_PORTS + 1,
                                0x7fffffff, ~0u};

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(ports); i++) {
        struct evtchn_status s = {.dom = DOMID_SELF, .port = ports[i]};

        assert_int_equal(do_send(1, ports[i]), -EINVAL);
        assert_int_equal(do_close(1, ports[i]), -EINVAL);
        assert_int_equal(do_unmask(1, ports[i]), -EINVAL);
        assert_int_equal(do_vcpu(1, ports[i], 0), -EINVAL);
        assert_int_equal(do_bind(1, 0, ports[i]), -EINVAL);
        assert_false(evtchn_valid(&dom[1], ports[i]));
        if (ports[i] == 0 || ports[i] >= EVTCHN_PORTS)
            assert_int_equal(op(1, EVTCHNOP_status, &s), -EINVAL);
    }
}

static void test_wrong_domains(void **state)
{
    struct evtchn_status s = {.dom = 0, .port = 1};
    s64 p0;

    (void)state;
    assert_int_equal(do_alloc(1, 0, 0), -EPERM);
    assert_int_equal(do_alloc(0, 5, 0), -ESRCH);
    assert_int_equal(do_bind(1, 5, 1), -ESRCH);
    assert_int_equal(op(1, EVTCHNOP_status, &s), -EPERM);
    p0 = do_alloc(0, DOMID_SELF, 0); /* for domain 0, not for 1 */
    assert_int_equal(do_bind(1, 0, (u32)p0), -EINVAL);
    assert_int_equal(op(1, EVTCHNOP_reset, &(struct evtchn_reset){.dom = 0}), -EPERM);
    assert_true(evtchn_valid(&dom[0], (u32)p0));
    assert_true(do_alloc(0, 1, 0) > 0); /* the privileged one may, in another's name */
    assert_true(evtchn_valid(&dom[1], 1));
}

static void test_bad_calls(void **state)
{
    (void)state;
    for (u32 cmd = 0; cmd < 64; cmd++) {
        s64 rc = op(1, cmd, NULL);

        assert_true(rc == -ENOSYS || rc == -EFAULT);
    }
    assert_int_equal(op(1, EVTCHNOP_init_control, NULL), -ENOSYS);
    assert_int_equal(op(1, ~0u, NULL), -ENOSYS);
}

static void test_all_ports(void **state)
{
    (void)state;
    for (u32 i = 1; i < EVTCHN_PORTS; i++)
        assert_int_equal(do_alloc(1, DOMID_SELF, 0), i);
    assert_int_equal(do_alloc(1, DOMID_SELF, 0), -ENOSPC);
    assert_int_equal(do_ipi(1, 0), -ENOSPC);
    assert_int_equal(do_virq(1, VIRQ_TIMER, 0), -ENOSPC);
    assert_int_equal(do_bind(1, 1, 1), -EINVAL);
    assert_int_equal(do_bind(0, 1, EVTCHN_PORTS - 1), 1);
    assert_int_equal(do_close(1, 77), 0);
    assert_int_equal(do_virq(1, VIRQ_TIMER, 0), 77);
    assert_int_equal(op(0, EVTCHNOP_reset, &(struct evtchn_reset){.dom = 1}), 0);
    for (u32 i = 1; i < EVTCHN_PORTS; i++)
        assert_false(evtchn_valid(&dom[1], i));
    assert_int_equal(status_of(0, 1).status, EVTCHNSTAT_unbound);
    assert_int_equal(cpu[1][0].virq_port[VIRQ_TIMER], 0);
}

/* A port opened anew does not start with an event for whoever had it before. */
static void test_no_stale_event(void **state)
{
    s64 p1, p0 = pair(&p1);

    (void)state;
    shared[1].evtchn_mask[p1 / WORD] |= 1ul << p1 % WORD;
    assert_int_equal(do_send(0, (u32)p0), 0);
    assert_int_equal(do_close(1, (u32)p1), 0);
    assert_int_equal(do_ipi(1, 0), p1);
    assert_false(pending(1, (u32)p1));
}

/* Whatever was done: ends of a pair name each other, and VIRQs their ports. */
static void check_tables(void)
{
    for (unsigned d = 0; d < 2; d++) {
        for (u32 p = 1; p < 32; p++) {
            const struct evtchn *c = &dom[d].evtchn->port[p], *there;

            if (c->state == EVTCHNSTAT_virq)
                assert_int_equal(cpu[d][virq_is_global(c->virq) ? 0 : c->vcpu].virq_port[c->virq],
                                 p);
            if (c->state != EVTCHNSTAT_interdomain)
                continue;
            there = &dom[c->remote].evtchn->port[c->remote_port];
            assert_int_equal(there->state, EVTCHNSTAT_interdomain);
            assert_int_equal(there->remote, d);
            assert_int_equal(there->remote_port, p);
        }
        for (unsigned i = 0; i < VCPUS; i++)
            for (unsigned n = 0; n < NR_VIRQS; n++)
                if (cpu[d][i].virq_port[n])
                    assert_int_equal(dom[d].evtchn->port[cpu[d][i].virq_port[n]].state,
                                     EVTCHNSTAT_virq);
    }
}

static void random_step(void)
{
    unsigned d = (unsigned)random_below(2);
    u32 port = (u32)random_below(12), vcpu = (u32)random_below(VCPUS + 1);
    u16 id = (u16)(random_below(8) ? random_below(2) : DOMID_SELF);

    switch (random_below(9)) {
    case 0:
        (void)do_alloc(d, random_below(2) ? DOMID_SELF : id, id);
        break;
    case 1:
    case 2:
        (void)do_bind(d, id, port);
        break;
    case 3:
        (void)do_virq(d, (u32)random_below(NR_VIRQS + 1), vcpu);
        break;
    case 4:
        (void)do_ipi(d, vcpu);
        break;
    case 5:
        (void)do_vcpu(d, port, vcpu);
        break;
    case 6:
        (void)do_send(d, port);
        break;
    default:
        (void)do_close(d, port);
    }
}

static void test_random(void **state)
{
    (void)state;
    random_init();
    for (unsigned i = 0; i < 100000; i++) {
        random_step();
        check_tables();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_interdomain, setup, teardown),
        cmocka_unit_test_setup_teardown(test_mask, setup, teardown),
        cmocka_unit_test_setup_teardown(test_vcpu, setup, teardown),
        cmocka_unit_test_setup_teardown(test_announce, setup, teardown),
        cmocka_unit_test_setup_teardown(test_poll, setup, teardown),
        cmocka_unit_test_setup_teardown(test_virq, setup, teardown),
        cmocka_unit_test_setup_teardown(test_global_virq_moves, setup, teardown),
        cmocka_unit_test_setup_teardown(test_ipi, setup, teardown),
        cmocka_unit_test_setup_teardown(test_close_and_bind_again, setup, teardown),
        cmocka_unit_test_setup_teardown(test_own_domain, setup, teardown),
        cmocka_unit_test_setup_teardown(test_peer_dies, setup, teardown),
        cmocka_unit_test_setup_teardown(test_peer_dies_first, setup, teardown),
        cmocka_unit_test_setup_teardown(test_wrong_ports, setup, teardown),
        cmocka_unit_test_setup_teardown(test_wrong_domains, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bad_calls, setup, teardown),
        cmocka_unit_test_setup_teardown(test_all_ports, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_stale_event, setup, teardown),
        cmocka_unit_test_setup_teardown(test_random, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
