/* SPDX-License-Identifier: BSD-2-Clause */
/* Interrupt lines of a guest's PC: against a model that counts every asserted pin anew each time.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "hv/errno.h"
#include "hv/intx.h"

static bool isa_level[16], pin_level[48];

static void on_isa(void *ctx, unsigned irq, bool level)
{
    assert_ptr_equal(ctx, isa_level);
    assert_true(irq < 16);
    isa_level[irq] = level;
}

static void on_pin(void *ctx, unsigned pin, bool level)
{
    assert_ptr_equal(ctx, isa_level);
    assert_true(pin >= 16 && pin < 48);
    pin_level[pin] = level;
}

static const struct intx_ops ops = {on_isa, on_pin};

static void reset(void)
{
    for (unsigned i = 0; i < 16; i++)
        isa_level[i] = false;
    for (unsigned i = 0; i < 48; i++)
        pin_level[i] = false;
}

static void test_refuses(void **state)
{
    struct intx x = {0};

    (void)state;
    assert_int_equal(intx_set_pci(&x, &ops, isa_level, 32, 0, true), -EINVAL);
    assert_int_equal(intx_set_pci(&x, &ops, isa_level, 0, 4, true), -EINVAL);
    assert_int_equal(intx_set_isa(&x, &ops, isa_level, 16, true), -EINVAL);
    assert_int_equal(intx_set_route(&x, &ops, isa_level, 4, 5), -EINVAL);
    assert_int_equal(intx_set_route(&x, &ops, isa_level, 0, 16), -EINVAL);
}

/* hvmloader's DSDT says where devices' pins go: device 3 INTA is pin 28, device 8 INTB pin 18. */
static void test_wiring(void **state)
{
    struct intx x = {0};

    (void)state;
    reset();
    assert_int_equal(intx_set_pci(&x, &ops, isa_level, 3, 0, true), 0);
    assert_true(pin_level[28]);
    assert_int_equal(intx_set_pci(&x, &ops, isa_level, 8, 1, true), 0);
    assert_true(pin_level[18]);
}

/* The state as a plain list. */
static bool pci[32][4];
static bool isa[16];
static unsigned route[4];

static void compare(void)
{
    bool want_isa[16] = {0}, want_pin[48] = {0};

    for (unsigned i = 0; i < 16; i++)
        want_isa[i] = isa[i];
    for (unsigned d = 0; d < 32; d++)
        for (unsigned i = 0; i < 4; i++) {
            if (!pci[d][i])
                continue;
            want_pin[16 + ((d << 2) + (d >> 3) + i) % 32] = true;
            if (route[(d + i) & 3])
                want_isa[route[(d + i) & 3]] = true;
        }
    for (unsigned i = 0; i < 16; i++)
        assert_int_equal(isa_level[i], want_isa[i]);
    for (unsigned i = 16; i < 48; i++)
        assert_int_equal(pin_level[i], want_pin[i]);
}

static void test_random(void **state)
{
    struct intx x = {0};
    u64 seed = 20261122;

    (void)state;
    reset();
    for (unsigned n = 0; n < 50000; n++) {
        unsigned r =
            (unsigned)(seed = seed * 6364136223846793005ull + 1442695040888963407ull, seed >> 33);
        unsigned d = r & 31, i = r >> 5 & 3, irq = r >> 7 & 15;
        bool level = r >> 11 & 1;

        switch (r >> 12 & 3) {
        case 0:
            assert_int_equal(intx_set_isa(&x, &ops, isa_level, irq, level), 0);
            isa[irq] = level;
            break;
        case 1:
            assert_int_equal(intx_set_route(&x, &ops, isa_level, i, irq), 0);
            route[i] = irq;
            break;
        default:
            assert_int_equal(intx_set_pci(&x, &ops, isa_level, d, i, level), 0);
            pci[d][i] = level;
        }
        compare();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refuses),
        cmocka_unit_test(test_wiring),
        cmocka_unit_test(test_random),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
