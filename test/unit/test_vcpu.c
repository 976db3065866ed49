/* SPDX-License-Identifier: BSD-2-Clause */
/* What is asked of a vcpu, and when it is done: INIT and SIPI come between instructions, so not
 * while one waits for a device model. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "hv/percpu.h"

static struct percpu boot_cpu;
#define this_cpu() (&boot_cpu)
#include "hv/vcpu.c"

#define RIP 0x401000

struct percpu *percpu[MAX_CPUS] = {&boot_cpu};
unsigned cpus_online = 1;
static struct policy policy;
static struct domain dom = {.policy = &policy};
static struct vcpu v;
static struct cpu_state regs;
static unsigned flushes, timer_ends;

/* ---- The rooms below and beside ---- */

static void state_get(struct vcpu *of, u32 mask, struct cpu_state *s)
{
    (void)of, (void)mask;
    *s = regs;
}

static int state_set(struct vcpu *of, u32 mask, const struct cpu_state *s)
{
    (void)of, (void)mask;
    regs = *s;
    return 0;
}

static void tlb_flush(struct vcpu *of, enum flush_scope what)
{
    (void)of, (void)what;
    flushes++;
}

static void vcpu_put(struct vcpu *of)
{
    assert_ptr_equal(of, &v);
}

static const struct vendor_ops ops = {
    .state_get = state_get, .state_set = state_set, .tlb_flush = tlb_flush, .vcpu_put = vcpu_put};
const struct vendor_ops *vendor = &ops;

void panic(const char *fmt, ...)
{
    fail_msg("panic: %s", fmt);
    abort();
}

void cpu_state_reset(struct cpu_state *s, u64 cr0)
{
    *s = (struct cpu_state){.cr0 = cr0};
}

void sched_block(struct sched_entity *e, u32 reasons)
{
    e->blocked |= reasons;
}

void runstate_wake(struct vcpu *of)
{
    assert_ptr_equal(of, &v);
}

int sched_unblock(struct sched_entity *e, u32 reasons)
{
    e->blocked &= ~reasons;
    return -1;
}

int sched_boost(struct sched_entity *e)
{
    (void)e;
    return -1;
}

void sched_entity_init(struct sched_entity *e, unsigned cpu, u32 blocked)
{
    (void)e, (void)cpu, (void)blocked;
}

void sched_entity_fini(struct sched_entity *e)
{
    (void)e;
}

void evtchn_raise_virq(struct vcpu *of, unsigned virq)
{
    (void)of, (void)virq;
}

bool inject_would_wake(struct vcpu *of)
{
    (void)of;
    return false;
}

void inject_debug_trap(struct vcpu *of, u64 dr6)
{
    (void)of, (void)dr6;
}

void vlapic_init_reset(struct vlapic *l)
{
    (void)l;
}

void vlapic_timer_fire(struct vlapic *l)
{
    (void)l;
    timer_ends++;
}

void lapic_send_ipi(u32 apic_id, u32 icr)
{
    (void)apic_id, (void)icr;
    fail();
}

void platform_init_vlapic(struct vcpu *of, void *regs_page)
{
    (void)of, (void)regs_page;
}

void timer_init(struct timer *t, void (*fn)(struct timer *t))
{
    (void)t, (void)fn;
}

void timer_stop(struct timer *t)
{
    (void)t;
}

mfn_t frames_alloc(unsigned order, unsigned flags)
{
    (void)order, (void)flags;
    return MFN_NONE;
}

void frames_free(mfn_t m, unsigned order)
{
    (void)m, (void)order;
}

int xstate_alloc(struct vcpu *of)
{
    (void)of;
    return 0;
}

void xstate_free(struct vcpu *of)
{
    (void)of;
}

void xstate_save(struct vcpu *of)
{
    (void)of;
}

void xstate_restore(struct vcpu *of)
{
    (void)of;
}

void speculation_switch(const struct domain *d)
{
    assert_ptr_equal(d, &dom);
}

static int setup(void **state)
{
    (void)state;
    v = (struct vcpu){.id = 1, .domain = &dom, .rip = RIP, .activity = ACTIVITY_RUN};
    v.sipi_vector = 0x9a;
    regs = (struct cpu_state){.cr0 = 0x11};
    flushes = timer_ends = 0;
    return 0;
}

/* ---- Tests ---- */

static void test_init_sipi(void **state)
{
    (void)state;
    vcpu_request(&v, REQ_INIT);
    vcpu_do_requests(&v);
    assert_int_equal(v.rip, 0xfff0);
    assert_int_equal(v.activity, ACTIVITY_WAIT_SIPI);
    assert_int_equal(flushes, 1);
    vcpu_request(&v, REQ_SIPI);
    vcpu_do_requests(&v);
    assert_int_equal(v.rip, 0);
    assert_int_equal(regs.seg[SEG_CS].base, 0x9a000);
    assert_int_equal(v.activity, ACTIVITY_RUN);
}

/* Everything else is done while a device model works. */
static void test_init_waits(void **state)
{
    (void)state;
    vcpu_block(&v, BLOCK_IOREQ);
    vcpu_request(&v, REQ_INIT | REQ_SIPI | REQ_FLUSH_NESTED | REQ_NMI | REQ_APIC_TIMER);
    vcpu_do_requests(&v);
    assert_int_equal(v.requests, REQ_INIT | REQ_SIPI);
    assert_int_equal(v.rip, RIP);
    assert_int_equal(v.sched.blocked, BLOCK_IOREQ); /* it does not spin meanwhile */
    assert_int_equal(flushes, 1);
    assert_int_equal(timer_ends, 1);
    assert_true(v.nmi_pending);
    vcpu_do_requests(&v);
    assert_int_equal(v.requests, REQ_INIT | REQ_SIPI);

    /* The answer is here, and exit_resume() has not seen it yet. */
    vcpu_request(&v, REQ_IOREQ);
    vcpu_unblock(&v, BLOCK_IOREQ);
    vcpu_do_requests(&v);
    assert_int_equal(v.requests, REQ_IOREQ | REQ_INIT | REQ_SIPI);
    assert_int_equal(v.rip, RIP);

    /* It has asked for more. */
    v.requests &= ~REQ_IOREQ;
    vcpu_block(&v, BLOCK_IOREQ);
    vcpu_do_requests(&v);
    assert_int_equal(v.rip, RIP);

    /* It is through. */
    vcpu_unblock(&v, BLOCK_IOREQ);
    vcpu_do_requests(&v);
    assert_int_equal(v.requests & ~REQ_EVENT, 0);
    assert_int_equal(v.rip, 0);
    assert_int_equal(v.activity, ACTIVITY_RUN);
    assert_false(v.nmi_pending);
}

/* One that was moved runs on its new CPU, which waits for this one to let go. */
static void test_unload_of_a_moved_vcpu(void **state)
{
    (void)state;
    v.loaded_on = 0;
    v.sched.running = true;
    v.sched.cpu = 0;
    boot_cpu.current = &v;
    boot_cpu.work = WORK_UNLOAD;
    vcpu_serve_unload();
    assert_ptr_equal(boot_cpu.current, &v); /* it is at work here */

    v.sched.cpu = 1;
    boot_cpu.work = WORK_UNLOAD;
    vcpu_serve_unload();
    assert_null(boot_cpu.current);
    assert_int_equal(v.loaded_on, VCPU_NOT_LOADED);
    assert_int_equal(boot_cpu.work, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_init_sipi, setup),
        cmocka_unit_test_setup(test_init_waits, setup),
        cmocka_unit_test_setup(test_unload_of_a_moved_vcpu, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
