/* SPDX-License-Identifier: BSD-2-Clause */
/* A guest's state while it is read or written: its vcpus stand still until that is over, whatever
 * other threads of the tools ask for meanwhile, and go on as they were. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <cmocka.h>

/* Addresses are their own frames: the direct map starts at 0. */
#define HV_LAYOUT_H
#define DIRECT_BASE 0ull
#define MAX_CPUS    64
#include "hv/hc_domctl.c"

#define VCPUS 3u
#define SIZE  100u /* of the context */

static struct guest control;
static struct domain dom;
static struct vcpu cpu[VCPUS], caller;
static bool unloaded[VCPUS];
static unsigned contexts; /* saved or loaded */
static s64 other_thread;  /* what its unpausedomain came to, in the middle of it */
unsigned cpus_online = 1;

/* ---- Pausing, as hv/vcpu.c and hv/guest.c count it ---- */

void vcpu_pause(struct vcpu *v)
{
    v->pauses++;
}

void vcpu_unpause(struct vcpu *v)
{
    assert_true(v->pauses > 0);
    if (--v->pauses == 0)
        unloaded[v->id] = false; /* it runs */
}

void p2m_allow_tables(struct domain *d, u64 count)
{
    (void)d, (void)count;
}

void vcpu_unload(struct vcpu *v)
{
    assert_true(v->pauses > 0);
    unloaded[v->id] = true;
}

void guest_pause(struct domain *d)
{
    for (unsigned i = 0; i < d->vcpus; i++)
        vcpu_pause(d->vcpu[i]);
    d->guest->pauses++;
}

int guest_unpause(struct domain *d)
{
    if (!d->guest->pauses)
        return -EINVAL;
    d->guest->pauses--;
    for (unsigned i = 0; i < d->vcpus; i++)
        vcpu_unpause(d->vcpu[i]);
    return 0;
}

/* ---- The rooms below and beside ---- */

static s64 domctl(u32 cmd, void *buffer, u32 size)
{
    struct xen_domctl u = {
        .cmd = cmd,
        .interface_version = XEN_DOMCTL_INTERFACE_VERSION,
        .domain = dom.id,
        .u.hvmcontext = {.size = size, .buffer.p = buffer},
    };
    const u64 arg[HYPERCALL_ARGS] = {(u64)&u};

    return hc_domctl(&caller, arg);
}

/* Another thread of the tools lets the guest run, or so it thinks. */
static void in_the_middle(void)
{
    other_thread = domctl(XEN_DOMCTL_unpausedomain, NULL, 0);
    for (unsigned i = 0; i < VCPUS; i++)
        assert_true(cpu[i].pauses > 0 && unloaded[i]);
    contexts++;
}

size_t hvm_context_size(const struct domain *d)
{
    (void)d;
    return SIZE;
}

size_t hvm_context_save(struct domain *d, u8 *buf)
{
    (void)d;
    memset(buf, 7, SIZE);
    in_the_middle();
    return SIZE;
}

int hvm_context_load(struct domain *d, const u8 *buf, size_t size)
{
    (void)d, (void)buf, (void)size;
    in_the_middle();
    return 0;
}

struct domain *guest_find(struct vcpu *v, u16 domid, s64 *rc)
{
    (void)v;
    *rc = -ESRCH;
    return domid == dom.id ? &dom : NULL;
}

struct domain *hypercall_domain(struct vcpu *v, u16 domid, s64 *rc)
{
    return guest_find(v, domid, rc);
}

int guest_read(struct vcpu *v, void *to, u64 from, size_t len)
{
    (void)v;
    memcpy(to, (const void *)from, len);
    return 0;
}

int guest_write(struct vcpu *v, u64 to, const void *from, size_t len)
{
    (void)v;
    memcpy((void *)to, from, len);
    return 0;
}

mfn_t frames_alloc(unsigned order, unsigned flags)
{
    (void)flags;
    return virt_mfn(
        mmap(NULL, PAGE_SIZE << order, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
}

void frames_free(mfn_t m, unsigned order)
{
    munmap(mfn_virt(m), PAGE_SIZE << order);
}

s64 guest_create(u16 wanted, unsigned vcpus, struct domain **d)
{
    (void)wanted, (void)vcpus, (void)d;
    fail();
    return 0;
}

s64 guest_destroy(struct domain *d)
{
    (void)d;
    fail();
    return 0;
}

void vcpu_unblock(struct vcpu *v, u32 reasons)
{
    (void)v, (void)reasons;
}

int sched_migrate(struct sched_entity *e, unsigned to)
{
    (void)e, (void)to;
    return 0;
}

int sched_set_weight(struct sched_entity *e, unsigned weight)
{
    (void)e, (void)weight;
    return 0;
}

u64 time_ns(void)
{
    return 0;
}

u64 time_tsc_hz(void)
{
    return 1000000000;
}

static int setup(void **state)
{
    (void)state;
    memset(&control, 0, sizeof(control));
    memset(cpu, 0, sizeof(cpu));
    dom = (struct domain){.id = 4, .guest = &control, .vcpus = VCPUS};
    for (unsigned i = 0; i < VCPUS; i++) {
        cpu[i].domain = &dom;
        cpu[i].id = i;
        dom.vcpu[i] = &cpu[i];
    }
    contexts = 0;
    return 0;
}

/* ---- Tests ---- */

static void expect_pauses(u32 count)
{
    assert_int_equal(control.pauses, count);
    for (unsigned i = 0; i < VCPUS; i++)
        assert_int_equal(cpu[i].pauses, count);
}

static void both(u32 pauses_before, s64 other, u32 pauses_after)
{
    static const u32 cmds[] = {XEN_DOMCTL_gethvmcontext, XEN_DOMCTL_sethvmcontext};
    u8 buffer[SIZE] = {0};

    for (unsigned i = 0; i < ARRAY_SIZE(cmds); i++) {
        setup(NULL);
        for (u32 n = 0; n < pauses_before; n++)
            guest_pause(&dom);
        assert_int_equal(domctl(cmds[i], buffer, SIZE), 0);
        assert_int_equal(contexts, 1);
        assert_int_equal(other_thread, other);
        expect_pauses(pauses_after);
    }
}

static void test_running(void **state)
{
    (void)state;
    both(0, -EINVAL, 0);
}

static void test_paused(void **state)
{
    (void)state;
    both(1, 0, 0);
    both(2, 0, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_running, setup),
        cmocka_unit_test_setup(test_paused, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
