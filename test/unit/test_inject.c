/* SPDX-License-Identifier: BSD-2-Clause */
/* Which event a guest gets, and when: double faults by the manual's table, order, windows, what
 * ends HLT. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

/* In the place of the interrupt controllers: one vector, or none; and the event channels' callback,
 * which goes first and is not acknowledged. */
#define HV_PLATFORM_H
#include "hv/vcpu.h"
static u8 pending_vector, callback_vector;
static bool platform_controller_pending(struct vcpu *v)
{
    (void)v;
    return pending_vector;
}
static bool platform_interrupt_pending(struct vcpu *v)
{
    return platform_controller_pending(v) || callback_vector;
}
static u8 platform_take_interrupt(struct vcpu *v)
{
    u8 vector = pending_vector;

    (void)v;
    if (callback_vector)
        return callback_vector;
    pending_vector = 0;
    return vector;
}
#include "hv/inject.c"

static struct vcpu v;
static struct cpu_state regs;
static struct event injected; /* by this entry */
static bool window[2];
static unsigned triple_faults;

static void state_get(struct vcpu *vcpu, u32 mask, struct cpu_state *s)
{
    (void)vcpu, (void)mask;
    *s = regs;
}

static int state_set(struct vcpu *vcpu, u32 mask, const struct cpu_state *s)
{
    (void)vcpu, (void)mask;
    regs = *s;
    return 0;
}

static void inject(struct vcpu *vcpu, const struct event *e)
{
    assert_ptr_equal(vcpu, &v);
    assert_true(e->valid);
    assert_false(injected.valid); /* one per entry */
    if (e->type == EVENT_INTR)
        assert_true((v.rflags & RFLAGS_IF) && !v.intr_shadow);
    if (e->type == EVENT_NMI) {
        assert_false(regs.nmi_blocked || v.intr_shadow);
        regs.nmi_blocked = true;
    }
    injected = *e;
}

static void want_window(struct vcpu *vcpu, enum window w)
{
    (void)vcpu;
    window[w] = true;
}

static const struct vendor_ops ops = {
    .state_get = state_get, .state_set = state_set, .inject = inject, .want_window = want_window};
const struct vendor_ops *vendor = &ops;

void domain_triple_fault(struct vcpu *vcpu)
{
    assert_ptr_equal(vcpu, &v);
    triple_faults++;
}

static int setup(void **state)
{
    (void)state;
    memset(&v, 0, sizeof(v));
    memset(&regs, 0, sizeof(regs));
    memset(&injected, 0, sizeof(injected));
    memset(window, 0, sizeof(window));
    pending_vector = callback_vector = 0;
    triple_faults = 0;
    return 0;
}

static void enter(void)
{
    injected.valid = window[0] = window[1] = false;
    inject_prepare(&v);
}

static void expect_event(unsigned type, unsigned vector)
{
    enter();
    assert_true(injected.valid);
    assert_int_equal(injected.type, type);
    assert_int_equal(injected.vector, vector);
}

static void expect_none(void)
{
    enter();
    assert_false(injected.valid);
}

/* An exit in the middle of delivering e, as exit_handle() takes it. */
static void interrupted(unsigned type, unsigned vector)
{
    v.event = (struct event){.valid = true, .type = (u8)type, .vector = (u8)vector};
}

/* ---- SDM 3A tables 6-4 and 6-5, as they stand there ---- */

static bool contributory(unsigned vector)
{
    return vector == 0 || (vector >= 10 && vector <= 13);
}

static void test_double_fault_table(void **state)
{
    static const u8 vectors[] = {0, 1, 3, 4, 5, 6, 7, 8, 10, 11, 12, 13, 14, 16, 17, 19};

    for (unsigned i = 0; i < ARRAY_SIZE(vectors); i++) {
        for (unsigned j = 0; j < ARRAY_SIZE(vectors); j++) {
            unsigned a = vectors[i], b = vectors[j];
            bool second_counts = contributory(b) || b == 14;
            bool twice = (contributory(a) && contributory(b)) || (a == 14 && second_counts);

            if (b == 8)
                continue;
            setup(state);
            interrupted(EVENT_EXC, a);
            inject_exception_error(&v, (u8)b, 0x55);
            assert_int_equal(triple_faults, a == 8 && second_counts);
            if (triple_faults)
                continue;
            expect_event(EVENT_EXC, twice ? 8 : b);
            assert_true(injected.has_error);
            assert_int_equal(injected.error, twice ? 0 : 0x55);
            expect_none();
        }
    }
}

/* A software interrupt or INT3 whose delivery faults: the fault alone; the instruction runs again.
 */
static void test_software_event_gives_way(void **state)
{
    static const u8 types[] = {EVENT_SOFT_INT, EVENT_PRIV_EXC, EVENT_SOFT_EXC};

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(types); i++) {
        interrupted(types[i], types[i] == EVENT_SOFT_INT ? 13 : 3);
        inject_exception_error(&v, TRAP_GP, 0x1a);
        expect_event(EVENT_EXC, TRAP_GP);
        expect_none();
    }
    assert_int_equal(triple_faults, 0);
}

static void test_page_fault_carries_its_address(void **state)
{
    (void)state;
    inject_page_fault(&v, 0xdeadb000, 7);
    expect_event(EVENT_EXC, TRAP_PF);
    assert_true(injected.set_cr2 && injected.has_error);
    assert_int_equal(injected.cr2, 0xdeadb000);
    assert_int_equal(injected.error, 7);
}

/* ---- Exception first, then what it interrupted ---- */

static void test_interrupt_waits_for_exception(void **state)
{
    (void)state;
    v.rflags = RFLAGS_IF;
    interrupted(EVENT_INTR, 0x40);
    inject_exception(&v, TRAP_DB);
    expect_event(EVENT_EXC, TRAP_DB);
    expect_event(EVENT_INTR, 0x40);
    expect_none();
}

/* The handler runs with interrupts off: the interrupt, which the vLAPIC has in service, must not
 * get lost. */
static void test_deferred_interrupt_waits_for_if(void **state)
{
    (void)state;
    interrupted(EVENT_INTR, 0x40);
    inject_exception(&v, TRAP_DB);
    expect_event(EVENT_EXC, TRAP_DB);
    pending_vector = 0x50;
    for (unsigned i = 0; i < 3; i++) {
        expect_none();
        assert_true(window[WINDOW_INTR]);
        assert_false(window[WINDOW_NMI]);
        assert_false(inject_would_wake(&v));
    }
    v.rflags = RFLAGS_IF;
    v.intr_shadow = 1;
    expect_none();
    assert_true(window[WINDOW_INTR]);
    v.intr_shadow = 0;
    pending_vector = 0;
    assert_true(inject_would_wake(&v));
    pending_vector = 0x50;
    expect_event(EVENT_INTR, 0x40);
    assert_true(window[WINDOW_INTR]);
    expect_event(EVENT_INTR, 0x50);
    expect_none();
    assert_false(window[WINDOW_INTR]);
}

/* An NMI does not wait for that interrupt, and asks for no window that would open at once for ever.
 */
static void test_nmi_passes_deferred_interrupt(void **state)
{
    (void)state;
    interrupted(EVENT_INTR, 0x40);
    inject_exception(&v, TRAP_DB);
    v.nmi_pending = true;
    expect_event(EVENT_EXC, TRAP_DB);
    assert_true(window[WINDOW_NMI]);
    expect_event(EVENT_NMI, 2);
    assert_false(v.nmi_pending);
    expect_none();
    assert_false(window[WINDOW_NMI]);
    v.rflags = RFLAGS_IF;
    expect_event(EVENT_INTR, 0x40);
}

/* An exception while an NMI is delivered: the NMI comes when the handler's IRET has ended the
 * blocking. */
static void test_nmi_interrupted_by_exception(void **state)
{
    (void)state;
    interrupted(EVENT_INTR, 0x40);
    inject_exception(&v, TRAP_DB);
    expect_event(EVENT_EXC, TRAP_DB);
    interrupted(EVENT_NMI, 2);
    regs.nmi_blocked = true;
    inject_exception(&v, TRAP_AC);
    expect_event(EVENT_EXC, TRAP_AC);
    assert_true(v.nmi_pending);
    expect_none();
    assert_true(window[WINDOW_NMI]);
    regs.nmi_blocked = false;
    expect_event(EVENT_NMI, 2);
    v.rflags = RFLAGS_IF;
    expect_event(EVENT_INTR, 0x40); /* and the interrupt from before is still there */
}

/* ---- Order of what is new ---- */

static void test_order(void **state)
{
    (void)state;
    v.rflags = RFLAGS_IF;
    pending_vector = 0x30;
    v.nmi_pending = true;
    inject_exception(&v, TRAP_UD);
    expect_event(EVENT_EXC, TRAP_UD);
    assert_true(window[WINDOW_NMI] && window[WINDOW_INTR]);
    expect_event(EVENT_NMI, 2);
    assert_true(window[WINDOW_INTR]);
    assert_false(window[WINDOW_NMI]);
    expect_event(EVENT_INTR, 0x30);
    expect_none();
    assert_false(window[WINDOW_INTR] || window[WINDOW_NMI]);
}

static void test_blocked_nmi_lets_interrupts_pass(void **state)
{
    (void)state;
    v.rflags = RFLAGS_IF;
    regs.nmi_blocked = true;
    v.nmi_pending = true;
    pending_vector = 0x31;
    expect_event(EVENT_INTR, 0x31);
    assert_true(window[WINDOW_NMI]);
    assert_true(v.nmi_pending);
}

static void test_shadow_holds_back(void **state)
{
    (void)state;
    v.rflags = RFLAGS_IF;
    v.intr_shadow = 1;
    v.nmi_pending = true;
    pending_vector = 0x31;
    expect_none();
    assert_true(window[WINDOW_NMI] && window[WINDOW_INTR]);
    assert_int_equal(pending_vector, 0x31); /* not acknowledged */
}

static void test_what_wakes(void **state)
{
    (void)state;
    assert_false(inject_would_wake(&v));
    pending_vector = 0x20;
    assert_false(inject_would_wake(&v));
    v.rflags = RFLAGS_IF;
    assert_true(inject_would_wake(&v));
    pending_vector = 0;
    v.rflags = 0;
    v.nmi_pending = true;
    assert_true(inject_would_wake(&v));
    v.nmi_pending = false;
    inject_exception(&v, TRAP_DB);
    assert_true(inject_would_wake(&v));
}

static void test_single_step(void **state)
{
    (void)state;
    regs.dr6 = DR6_FIXED | DR6_B(2) | DR6_BD;
    inject_debug_trap(&v, DR6_BS);
    assert_int_equal(regs.dr6, DR6_FIXED | DR6_BD | DR6_BS);
    expect_event(EVENT_EXC, TRAP_DB);
    assert_false(injected.has_error);
}

/* It stays pending until its handler clears the flag: that asks for no window. Another one does. */
static void test_callback_asks_for_no_second_window(void **state)
{
    (void)state;
    v.rflags = RFLAGS_IF;
    callback_vector = 0xf3;
    expect_event(EVENT_INTR, 0xf3);
    assert_false(window[WINDOW_INTR]);
    pending_vector = 0x30;
    expect_event(EVENT_INTR, 0xf3);
    assert_true(window[WINDOW_INTR]);
    v.rflags = 0;
    expect_none();
    assert_true(window[WINDOW_INTR]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_double_fault_table, setup),
        cmocka_unit_test_setup(test_software_event_gives_way, setup),
        cmocka_unit_test_setup(test_page_fault_carries_its_address, setup),
        cmocka_unit_test_setup(test_interrupt_waits_for_exception, setup),
        cmocka_unit_test_setup(test_deferred_interrupt_waits_for_if, setup),
        cmocka_unit_test_setup(test_nmi_passes_deferred_interrupt, setup),
        cmocka_unit_test_setup(test_nmi_interrupted_by_exception, setup),
        cmocka_unit_test_setup(test_order, setup),
        cmocka_unit_test_setup(test_blocked_nmi_lets_interrupts_pass, setup),
        cmocka_unit_test_setup(test_shadow_holds_back, setup),
        cmocka_unit_test_setup(test_what_wakes, setup),
        cmocka_unit_test_setup(test_single_step, setup),
        cmocka_unit_test_setup(test_callback_asks_for_no_second_window, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
