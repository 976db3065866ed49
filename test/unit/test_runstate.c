/* SPDX-License-Identifier: BSD-2-Clause */
/* Where a vcpu's time went, in the hypervisor and in the guest's memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

/* The direct map starts at 0. */
#define HV_LAYOUT_H
#define DIRECT_BASE 0ull
#define MAX_CPUS    64
#include "hv/runstate.c"

#define PAGES  4u
#define HOLE   0x3000u /* no RAM from here on */
#define MIDDLE 0x800u
#define EDGE   0xff0u /* 16 bytes before the end of a page */

static _Alignas(PAGE_SIZE) u8 ram[PAGES * PAGE_SIZE];
static struct domain dom;
static struct vcpu v, other;
static bool wide;
static u64 now;
static int held[PAGES];

/* ---- The rooms below ---- */

u64 time_ns(void)
{
    return now;
}

bool guest_is_wide(struct vcpu *caller)
{
    (void)caller;
    return wide;
}

void guest_paging_get(struct vcpu *caller, struct guest_paging *g)
{
    (void)caller;
    *g = (struct guest_paging){.wide = wide};
}

int guest_walk(struct vcpu *caller, const struct guest_paging *g, u64 gva, u32 access, gpa_t *gpa,
               u32 *error)
{
    (void)caller, (void)g;
    assert_int_equal(access, ACCESS_WRITE);
    *error = 0;
    *gpa = GPA(gva);
    return gva >= HOLE ? -EFAULT : 0;
}

int p2m_hold(struct domain *d, gfn_t gfn, bool write, mfn_t *mfn)
{
    assert_ptr_equal(d, &dom);
    assert_true(write);
    held[gfn.v]++;
    *mfn = virt_mfn(ram + (gfn.v << PAGE_SHIFT));
    return 0;
}

void p2m_let_go(mfn_t mfn)
{
    held[((u8 *)mfn_virt(mfn) - ram) >> PAGE_SHIFT]--;
}

/* ---- Tests ---- */

static int setup(void **state)
{
    (void)state;
    dom = (struct domain){.vcpus = 2, .vcpu = {&v, &other}};
    v = (struct vcpu){.domain = &dom, .sched = {.running = true, .started = 100, .runtime = 40}};
    other = (struct vcpu){.domain = &dom, .id = 1, .activity = ACTIVITY_WAIT_SIPI};
    memset(ram, 0xee, sizeof(ram));
    memset(held, 0, sizeof(held));
    wide = true;
    now = 130;
    return 0;
}

/* As the guest reads it. */
static struct vcpu_runstate_info read_at(u64 va)
{
    struct vcpu_runstate_info info = {0};

    if (wide)
        memcpy(&info, ram + va, sizeof(info));
    else
        guest_args_widen(&info, ram + va, RUNSTATE_LAYOUT);
    return info;
}

static void expect(const struct vcpu_runstate_info *i, int state, u64 entry, u64 running,
                   u64 runnable, u64 blocked)
{
    assert_int_equal(i->state, state);
    assert_int_equal(i->state_entry_time, entry);
    assert_int_equal(i->time[RUNSTATE_running], running);
    assert_int_equal(i->time[RUNSTATE_runnable], runnable);
    assert_int_equal(i->time[RUNSTATE_blocked], blocked);
    assert_int_equal(i->time[RUNSTATE_offline], 0);
}

/* Off the CPU at 150, unblocked at 200 (or never blocked: 0), and picked at 260. */
static void turn(u64 woken)
{
    v.sched.running = false;
    v.sched.stopped = 150;
    v.sched.runtime += 50;
    v.sched.blocked = woken != 0;
    now = woken;
    if (woken)
        runstate_wake(&v);
    v.sched.blocked = 0;
    v.sched.running = true;
    v.sched.started = now = 260;
    runstate_enter(&v);
}

static void registered_at(u64 va)
{
    struct vcpu_runstate_info info;

    assert_int_equal(runstate_register(&v, &v, va), 0);
    info = read_at(va);
    expect(&info, RUNSTATE_running, 100, 70, 0, 60);
    turn(200);
    info = read_at(va);
    expect(&info, RUNSTATE_running, 260, 90, 60, 110);
    assert_int_equal(ram[va - 1], 0xee);
    assert_int_equal(ram[va + (wide ? 48 : NARROW_SIZE)], 0xee);
}

static void test_wide(void **state)
{
    (void)state;
    registered_at(MIDDLE);
    assert_int_equal(held[0], 1);
}

/* state_entry_time stands where 32-bit code looks for it, and what is written there is not taken
 * for XEN_RUNSTATE_UPDATE. */
static void test_narrow(void **state)
{
    u64 entry;

    (void)state;
    wide = false;
    registered_at(MIDDLE + 4);
    v.sched.started = 0xaca4d537;
    runstate_enter(&v);
    memcpy(&entry, ram + MIDDLE + 4 + 4, sizeof(entry));
    assert_int_equal(entry, 0xaca4d537);
}

static void test_two_pages(void **state)
{
    (void)state;
    registered_at(EDGE);
    assert_int_equal(held[0], 1);
    assert_int_equal(held[1], 1);
    setup(NULL);
    wide = false;
    registered_at(EDGE + 4);
    runstate_forget(&v);
    assert_int_equal(held[0], 0);
    assert_int_equal(held[1], 0);
    runstate_forget(&v);
    runstate_enter(&v); /* nowhere */
}

static void test_preempted(void **state)
{
    struct vcpu_runstate_info info;

    (void)state;
    assert_int_equal(runstate_register(&v, &v, MIDDLE), 0);
    turn(0);
    info = read_at(MIDDLE);
    expect(&info, RUNSTATE_running, 260, 90, 110, 60);
    v.sched.running = false;
    v.sched.stopped = 300;
    v.sched.runtime = 130;
    now = 310;
    runstate_get(&v, &info);
    expect(&info, RUNSTATE_runnable, 300, 130, 120, 60);
    v.sched.blocked = 1;
    runstate_get(&v, &info);
    expect(&info, RUNSTATE_blocked, 300, 130, 110, 70);
}

static void test_refused(void **state)
{
    (void)state;
    assert_int_equal(runstate_register(&v, &v, HOLE), -EFAULT);
    assert_int_equal(runstate_register(&v, &v, HOLE - 16), -EFAULT);
    assert_int_equal(held[2], 0);
    assert_null(v.runstate.place.piece[0]);
    assert_int_equal(runstate_register(&v, &other, MIDDLE), 0);
    other.activity = ACTIVITY_RUN;
    assert_int_equal(runstate_register(&v, &other, MIDDLE), -EINVAL);
    assert_int_equal(held[0], 1);
}

/* Another place, or the same one again: the old one is let go. */
static void test_again(void **state)
{
    (void)state;
    assert_int_equal(runstate_register(&v, &v, MIDDLE), 0);
    assert_int_equal(runstate_register(&v, &v, MIDDLE), 0);
    assert_int_equal(held[0], 1);
    assert_int_equal(runstate_register(&v, &v, PAGE_SIZE + MIDDLE), 0);
    assert_int_equal(held[0], 0);
    assert_int_equal(held[1], 1);
}

/* The mark is gone once the figures are there. */
static void test_update_flag(void **state)
{
    (void)state;
    dom.runstate_update_flag = true;
    registered_at(MIDDLE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_wide, setup),
        cmocka_unit_test_setup(test_narrow, setup),
        cmocka_unit_test_setup(test_two_pages, setup),
        cmocka_unit_test_setup(test_preempted, setup),
        cmocka_unit_test_setup(test_refused, setup),
        cmocka_unit_test_setup(test_again, setup),
        cmocka_unit_test_setup(test_update_flag, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
