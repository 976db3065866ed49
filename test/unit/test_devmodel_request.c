/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include <xen/xen.h>
#include <xen/hvm/ioreq.h>
#include "devmodel/request.h"

#define RAM   0x5000u /* where the guest's only page is */
#define PAGE  0x1000u
#define CALLS 1024

static uint8_t ram[PAGE];
static struct call {
    bool memory, write;
    uint64_t addr, value;
    unsigned size;
} calls[CALLS];
static unsigned count;
static uint64_t answer; /* what a device says; one more each time */

static void do_access(void *ctx, bool memory, uint64_t addr, unsigned size, bool write,
                      uint64_t *value)
{
    assert_ptr_equal(ctx, ram);
    assert_true(count < CALLS);
    if (!write)
        *value = answer++;
    calls[count++] = (struct call){memory, write, addr, *value, size};
}

static bool copy(void *ctx, uint64_t gpa, void *data, size_t size, bool write)
{
    assert_ptr_equal(ctx, ram);
    if (gpa < RAM || gpa + size > RAM + PAGE)
        return false;
    memcpy(write ? &ram[gpa - RAM] : data, write ? data : &ram[gpa - RAM], size);
    return true;
}

static const struct request_target target = {ram, do_access, copy};

static int start(void **state)
{
    (void)state;
    memset(ram, 0xee, sizeof(ram));
    count = 0;
    answer = 0xffff1234;
    return 0;
}

static void called(unsigned i, bool memory, bool write, uint64_t addr, unsigned size,
                   uint64_t value)
{
    assert_true(i < count);
    assert_int_equal(calls[i].memory, memory);
    assert_int_equal(calls[i].write, write);
    assert_int_equal(calls[i].addr, addr);
    assert_int_equal(calls[i].size, size);
    assert_int_equal(calls[i].value, value);
}

static void test_single(void **state)
{
    struct ioreq r = {.type = IOREQ_TYPE_PIO, .addr = 0x71, .size = 1, .count = 1, .dir = 1};

    (void)state;
    request_serve(&target, &r);
    assert_int_equal(r.data, 0x34); /* as much as was asked for */
    called(0, false, false, 0x71, 1, 0xffff1234);
    r = (struct ioreq){.type = IOREQ_TYPE_COPY, .addr = 0xfed00010, .size = 8, .count = 1};
    r.data = 0x1122334455667788;
    request_serve(&target, &r);
    called(1, true, true, 0xfed00010, 8, 0x1122334455667788);
    assert_int_equal(count, 2);
}

static void test_port_string(void **state)
{
    struct ioreq r = {.type = IOREQ_TYPE_PIO,
                      .addr = 0x40,
                      .size = 2,
                      .count = 300,
                      .dir = IOREQ_READ,
                      .data_is_ptr = 1,
                      .data = RAM + 16};

    (void)state;
    request_serve(&target, &r);
    assert_int_equal(count, 300);
    for (unsigned i = 0; i < 300; i++) {
        called(i, false, false, 0x40, 2, 0xffff1234 + i);
        assert_int_equal(ram[16 + 2 * i] | ram[17 + 2 * i] << 8, (0x1234 + i) & 0xffff);
    }
    assert_int_equal(ram[15], 0xee);
    assert_int_equal(ram[16 + 600], 0xee);
    assert_int_equal(r.data, RAM + 16);
}

/* Backwards, from the highest element down. */
static void test_down(void **state)
{
    struct ioreq r = {.type = IOREQ_TYPE_PIO,
                      .addr = 0xe9,
                      .size = 1,
                      .count = 4,
                      .df = 1,
                      .data_is_ptr = 1,
                      .data = RAM + 3};

    (void)state;
    memcpy(ram, "abcd", 4);
    request_serve(&target, &r);
    for (unsigned i = 0; i < 4; i++)
        called(i, false, true, 0xe9, 1, (uint64_t) "dcba"[i]);
    assert_int_equal(count, 4);
}

/* Between memory of a device and the guest's: both move on. */
static void test_memory_string(void **state)
{
    struct ioreq r = {.type = IOREQ_TYPE_COPY,
                      .addr = 0xfed00100,
                      .size = 4,
                      .count = 3,
                      .dir = IOREQ_READ,
                      .data_is_ptr = 1,
                      .data = RAM};

    (void)state;
    request_serve(&target, &r);
    for (unsigned i = 0; i < 3; i++)
        called(i, true, false, 0xfed00100 + 4 * i, 4, 0xffff1234 + i);
    assert_int_equal(ram[8] | ram[9] << 8, 0x1236);
    r.df = 1;
    r.dir = IOREQ_WRITE;
    request_serve(&target, &r); /* only the first element is there */
    called(3, true, true, 0xfed00100, 4, 0xffff1234);
    called(4, true, true, 0xfed000fc, 4, 0xffffffff);
    called(5, true, true, 0xfed000f8, 4, 0xffffffff);
}

static void test_same_value(void **state)
{
    struct ioreq r = {
        .type = IOREQ_TYPE_COPY, .addr = 0xfed00000, .size = 4, .count = 3, .data = 0x77};

    (void)state;
    request_serve(&target, &r);
    for (unsigned i = 0; i < 3; i++)
        called(i, true, true, 0xfed00000 + 4 * i, 4, 0x77);
    assert_int_equal(count, 3);
}

static void test_nonsense(void **state)
{
    struct ioreq r = {.type = IOREQ_TYPE_PIO, .addr = 0x40, .count = 1, .dir = IOREQ_READ};

    (void)state;
    for (unsigned size = 0; size < 40; size++) {
        r.size = size;
        if (size != 1 && size != 2 && size != 4 && size != 8)
            request_serve(&target, &r);
    }
    r.size = 4;
    r.type = IOREQ_TYPE_INVALIDATE;
    request_serve(&target, &r);
    r.type = IOREQ_TYPE_PCI_CONFIG;
    request_serve(&target, &r);
    assert_int_equal(count, 0);
}

#define TEST(fn) cmocka_unit_test_setup(fn, start)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_single),        TEST(test_port_string), TEST(test_down),
        TEST(test_memory_string), TEST(test_same_value),  TEST(test_nonsense),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
