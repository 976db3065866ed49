/* SPDX-License-Identifier: BSD-2-Clause */
/* Physical interrupts on their way to the privileged domain: when the LAPIC gets its EOI, against a
 * model of its in-service register, whose EOI ends the highest vector. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "hv/errno.h"
#include "hv/percpu.h"

static struct percpu boot_cpu;
#define this_cpu() (&boot_cpu)
#include "hv/dom0_irq.c"

static struct domain d;
static struct vcpu v;
static irq_forward_fn arrive;
static bool isr[256]; /* the machine's LAPIC */
static bool taken;    /* by the guest's */
static unsigned posts;

void irq_set_forward(irq_forward_fn fn)
{
    arrive = fn;
}

static nmi_forward_fn nmi_arrives;

void irq_set_nmi_forward(nmi_forward_fn fn)
{
    nmi_arrives = fn;
}

static u32 requested;

void vcpu_request(struct vcpu *v, u32 requests)
{
    (void)v;
    requested |= requests;
}

void lapic_eoi(void)
{
    for (unsigned i = 256; i-- > 0;) {
        if (isr[i]) {
            isr[i] = false;
            return;
        }
    }
    fail_msg("%s", "an EOI with nothing in service");
}

int vlapic_post(struct vlapic *l, u8 vector, bool level)
{
    (void)vector, (void)level;
    assert_ptr_equal(l, &v.vlapic);
    posts++;
    return taken ? 1 : -ENODEV;
}

static int setup(void **state)
{
    (void)state;
    memset(isr, 0, sizeof(isr));
    memset(in_service, 0, sizeof(in_service));
    memset(ended, 0, sizeof(ended));
    d.vcpu[0] = &v;
    v.domain = &d;
    taken = true;
    posts = 0;
    dom0_irq_init(&d);
    return 0;
}

static void interrupt(u8 vector, bool level)
{
    assert_false(isr[vector]);
    isr[vector] = true;
    arrive(vector, level);
}

static unsigned count_in_service(void)
{
    unsigned n = 0;

    for (unsigned i = 0; i < 256; i++)
        n += isr[i];
    return n;
}

static void test_edge(void **state)
{
    (void)state;
    interrupt(0x41, false);
    assert_int_equal(count_in_service(), 0);
    d.eoi_hook(&v, 0x41);
}

static void test_level(void **state)
{
    (void)state;
    interrupt(0x41, true);
    interrupt(0x51, false); /* ranks higher, and is over at once */
    assert_true(isr[0x41]);
    assert_int_equal(count_in_service(), 1);
    d.eoi_hook(&v, 0x51);
    assert_true(isr[0x41]);
    d.eoi_hook(&v, 0x41);
    assert_int_equal(count_in_service(), 0);
    assert_int_equal(posts, 2);
}

static void test_nested(void **state)
{
    (void)state;
    interrupt(0x41, true);
    interrupt(0x51, true);
    d.eoi_hook(&v, 0x51);
    assert_true(isr[0x41] && !isr[0x51]);
    d.eoi_hook(&v, 0x41);
    assert_int_equal(count_in_service(), 0);
}

/* The second arrives while the guest, with interrupts off, is in its handler of the first, and is
 * taken after that: the first EOI must not end the second. */
static void test_lower_ends_first(void **state)
{
    (void)state;
    interrupt(0x41, true);
    interrupt(0x51, true);
    interrupt(0xa1, true);
    d.eoi_hook(&v, 0x41);
    assert_int_equal(count_in_service(), 3);
    d.eoi_hook(&v, 0xa1);
    assert_true(!isr[0xa1] && isr[0x51] && isr[0x41]);
    d.eoi_hook(&v, 0x51);
    assert_int_equal(count_in_service(), 0);
    interrupt(0x41, true);
    d.eoi_hook(&v, 0x41);
    assert_int_equal(count_in_service(), 0);
}

/* The guest's LAPIC is off: nobody would ever end it. */
static void test_not_taken(void **state)
{
    (void)state;
    taken = false;
    interrupt(0x41, true);
    assert_int_equal(count_in_service(), 0);
}

static void test_reset(void **state)
{
    (void)state;
    interrupt(0x21, true);
    interrupt(0xef, true);
    d.eoi_hook(&v, 0x21);
    d.reset_hook(&v);
    assert_int_equal(count_in_service(), 0);
}

/* By a request, which wakes a vcpu that sleeps. */
static void test_nmi(void **state)
{
    (void)state;
    nmi_arrives();
    assert_int_equal(requested, REQ_NMI);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_edge, setup),
        cmocka_unit_test_setup(test_level, setup),
        cmocka_unit_test_setup(test_nested, setup),
        cmocka_unit_test_setup(test_lower_ends_first, setup),
        cmocka_unit_test_setup(test_not_taken, setup),
        cmocka_unit_test_setup(test_reset, setup),
        cmocka_unit_test_setup(test_nmi, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
