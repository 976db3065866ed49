/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "libvmctl/handle.h"
#include <xen/hvm/save.h>
#include "devmodel/phase.h"

static uint8_t records[256];
static uint32_t size;
static int refuses; /* every call from that one on */

static void put(uint16_t type, const void *record, uint32_t length)
{
    struct hvm_save_descriptor d = {type, 0, length};

    memcpy(records + size, &d, sizeof(d));
    memcpy(records + size + sizeof(d), record, length);
    size += (uint32_t)sizeof(d) + length;
}

static int start(void **state)
{
    HVM_SAVE_TYPE(PMTIMER) timer = {.tmr_val = 0x12345678, .pm1a_sts = 1};

    (void)state;
    size = 0;
    refuses = 0;
    put(HVM_SAVE_CODE(HEADER), "headerheader", 12);
    put(HVM_SAVE_CODE(PMTIMER), &timer, sizeof(timer));
    put(HVM_SAVE_CODE(END), "", 0);
    return 0;
}

int xen_domctl(struct vmctl *v, struct xen_domctl *op)
{
    (void)v;
    assert_int_equal(op->cmd, XEN_DOMCTL_gethvmcontext);
    assert_int_equal(op->domain, 7);
    if (refuses && --refuses == 0)
        return -22;
    op->u.hvmcontext.size = size;
    if (op->u.hvmcontext.buffer.p)
        memcpy(op->u.hvmcontext.buffer.p, records, size);
    return 0;
}

void *xen_buffer(struct vmctl *v, size_t bytes)
{
    (void)v;
    return calloc(1, bytes);
}

void xen_buffer_free(struct vmctl *v, void *p)
{
    (void)v;
    free(p);
}

static void test_get(void **state)
{
    uint32_t value = 0;

    (void)state;
    assert_true(phase_get(NULL, 7, &value));
    assert_int_equal(value, 0x12345678);
    for (int i = 1; i <= 2; i++) {
        refuses = i;
        assert_false(phase_get(NULL, 7, &value));
    }
}

static void test_none(void **state)
{
    uint32_t value = 5;

    (void)state;
    size = 0;
    put(HVM_SAVE_CODE(HEADER), "headerheader", 12);
    put(HVM_SAVE_CODE(PMTIMER), "short", 5);
    put(HVM_SAVE_CODE(END), "", 0);
    assert_false(phase_find(records, size, &value));
    assert_int_equal(value, 5);
}

/* Wherever it is cut off, nothing behind it is read. */
static void test_cut(void **state)
{
    uint32_t whole = size - (uint32_t)sizeof(struct hvm_save_descriptor), value;

    (void)state;
    for (uint32_t n = 0; n < whole; n++) {
        uint8_t *copy = malloc(n + 1);

        memcpy(copy, records, n);
        assert_false(phase_find(copy, n, &value));
        free(copy);
    }
    assert_true(phase_find(records, whole, &value));
}

#define TEST(fn) cmocka_unit_test_setup(fn, start)

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(test_get), TEST(test_none), TEST(test_cut)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
