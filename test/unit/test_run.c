/* SPDX-License-Identifier: BSD-2-Clause */
/* The loop a CPU lives in, turn by turn: what it still holds of others when it counts as outside
 * root mode, where whatever it found may be freed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "hv/percpu.h"

static struct percpu boot_cpu;
static struct percpu *look_around(void);
#define this_cpu() look_around()
#include "hv/run.c"

static struct vcpu first, second;
static struct vcpu *turns[8]; /* who had the CPU, in order */
static unsigned turn;
static jmp_buf end;

/* quiesce_outside() asks for its CPU just before it is outside. */
static struct percpu *look_around(void)
{
    if (!(boot_cpu.outside & 1))
        assert_null(boot_cpu.next);
    return &boot_cpu;
}

/* ---- The rooms below and beside ---- */

static void vendor_run(struct vcpu *v)
{
    assert_true(boot_cpu.outside & 1);
    turns[turn++] = v;
    if (turn == ARRAY_SIZE(turns))
        longjmp(end, 1);
}

static const struct vendor_ops ops = {.run = vendor_run};
const struct vendor_ops *vendor = &ops;

/* The first one has worked for the second one: vcpu_run_next(). */
void exit_handle(struct vcpu *v)
{
    assert_false(boot_cpu.outside & 1);
    boot_cpu.work |= WORK_RESCHED;
    boot_cpu.next = v == &first ? &second : NULL;
}

void exit_resume(struct vcpu *v)
{
    (void)v;
}

void inject_prepare(struct vcpu *v)
{
    (void)v;
}

struct sched_entity *sched_pick(struct run_queue *rq, struct sched_entity *next, u64 now,
                                u64 *slice)
{
    (void)rq, (void)now;
    assert_false(boot_cpu.outside & 1);
    *slice = 0;
    return next ? next : &first.sched;
}

void runstate_enter(struct vcpu *v)
{
    assert_ptr_equal(boot_cpu.current, v);
}

void vcpu_switch_to(struct vcpu *v)
{
    boot_cpu.current = v;
}

static unsigned nmis;

void irq_forward_nmi(void)
{
    nmis++;
}

void vcpu_put_idle(void)
{
    fail();
}

bool speculation_clears_buffers;

void speculation_clear_buffers(void)
{
    fail();
}

void vcpu_do_requests(struct vcpu *v)
{
    (void)v;
}

void percpu_work(struct percpu *c, u32 work)
{
    c->work |= work;
}

void timer_init(struct timer *t, void (*fn)(struct timer *t))
{
    (void)t, (void)fn;
}

void timer_set(struct timer *t, u64 at)
{
    (void)t, (void)at;
}

void timer_stop(struct timer *t)
{
    (void)t;
}

void timer_run(void)
{
}

u64 time_ns(void)
{
    return 1;
}

bool lapic_any_pending(void)
{
    return false;
}

void lapic_send_ipi(u32 apic_id, u32 icr)
{
    (void)apic_id, (void)icr;
    fail();
}

/* ---- Tests ---- */

static void test_next(void **state)
{
    (void)state;
    boot_cpu.timers.overdue = ~0ull;
    boot_cpu.work = WORK_NMI;
    if (!setjmp(end))
        run_cpu();
    for (unsigned i = 0; i < turn; i++)
        assert_ptr_equal(turns[i], i % 2 ? &second : &first);
    assert_int_equal(nmis, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_next)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
