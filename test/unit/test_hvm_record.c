/* SPDX-License-Identifier: BSD-2-Clause */
/* Lists of saved records: the sound ones are taken, cut and lying ones refused without a read
 * beyond the end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "hv/errno.h"
#include "hv/hvm_context.h"
#include <xen/xen.h>
#include <xen/hvm/save.h>

#define VCPUS       2u
#define XSAVE_LEAST (u32)sizeof(struct hvm_hw_cpu_xsave)

static u8 list[16384];
static size_t used;

static void add(u16 type, u16 instance, u32 length)
{
    struct hvm_save_descriptor d = {type, instance, length};

    memcpy(list + used, &d, sizeof(d));
    used += sizeof(d) + length;
}

static void add_header(u32 magic, u32 version)
{
    struct hvm_save_header h = {.magic = magic, .version = version};

    add(HVM_SAVE_CODE(HEADER), 0, sizeof(h));
    memcpy(list + used - sizeof(h), &h, sizeof(h));
}

static void begin(void)
{
    memset(list, 0, sizeof(list));
    used = 0;
    add_header(HVM_FILE_MAGIC, HVM_FILE_VERSION);
}

static void sound(void)
{
    begin();
    add(HVM_SAVE_CODE(CPU), 1, HVM_SAVE_LENGTH(CPU));
    add(CPU_XSAVE_CODE, 1, XSAVE_LEAST + 256);
    add(HVM_SAVE_CODE(LAPIC), 0, HVM_SAVE_LENGTH(LAPIC));
    add(HVM_SAVE_CODE(LAPIC_REGS), 0, HVM_SAVE_LENGTH(LAPIC_REGS));
    add(HVM_SAVE_CODE(PIC), 1, HVM_SAVE_LENGTH(PIC));
    add(HVM_SAVE_CODE(IOAPIC), 0, HVM_SAVE_LENGTH(IOAPIC));
    add(HVM_SAVE_CODE(MTRR), 1, HVM_SAVE_LENGTH(MTRR));
    add(HVM_SAVE_CODE(END), 0, 0);
}

/* In a block of exactly this size, so that the sanitizer sees a read beyond it. */
static int check_exact(size_t size)
{
    u8 *copy = malloc(size ? size : 1);
    int rc;

    memcpy(copy, list, size);
    rc = hvm_context_check(copy, size, VCPUS);
    free(copy);
    return rc;
}

static void test_sound(void **state)
{
    static const u16 types[] = {1, 2, 16, 5, 6, 3, 4, 14};
    u16 type, instance;
    size_t at = 0;
    unsigned n = 0;
    u32 length;

    (void)state;
    sound();
    assert_int_equal(check_exact(used), 0);
    while (hvm_context_next(list, &at, &type, &instance, &length)) {
        assert_int_equal(type, types[n++]);
        assert_int_equal(length, type == 16 ? XSAVE_LEAST + 256 : length);
    }
    assert_int_equal(n, 8);
}

static void test_every_cut(void **state)
{
    (void)state;
    sound();
    for (size_t size = 0; size < used; size++)
        assert_int_equal(check_exact(size), -EINVAL);
}

static int with(u16 type, u16 instance, u32 length)
{
    begin();
    add(type, instance, length);
    add(HVM_SAVE_CODE(END), 0, 0);
    return check_exact(used);
}

static void test_lies(void **state)
{
    (void)state;
    assert_int_equal(with(HVM_SAVE_CODE(CPU), VCPUS, HVM_SAVE_LENGTH(CPU)), -EINVAL);
    assert_int_equal(with(HVM_SAVE_CODE(CPU), 0, HVM_SAVE_LENGTH(CPU) - 1), -EINVAL);
    assert_int_equal(with(HVM_SAVE_CODE(CPU), 0, HVM_SAVE_LENGTH(CPU) + 8), -EINVAL);
    assert_int_equal(with(CPU_XSAVE_CODE, 0, XSAVE_LEAST), 0);
    assert_int_equal(with(CPU_XSAVE_CODE, 0, XSAVE_LEAST - 1), -EINVAL);
    assert_int_equal(with(CPU_XSAVE_CODE, VCPUS, XSAVE_LEAST), -EINVAL);
    assert_int_equal(with(HVM_SAVE_CODE(PIC), 2, HVM_SAVE_LENGTH(PIC)), -EINVAL);
    assert_int_equal(with(HVM_SAVE_CODE(IOAPIC), 1, HVM_SAVE_LENGTH(IOAPIC)), -EINVAL);
    assert_int_equal(with(HVM_SAVE_CODE(PIT), 0, HVM_SAVE_LENGTH(PIT)), -EOPNOTSUPP);
    assert_int_equal(with(999, 0, 8), -EOPNOTSUPP);
}

static void test_header_first(void **state)
{
    (void)state;
    used = 0;
    add(HVM_SAVE_CODE(CPU), 0, HVM_SAVE_LENGTH(CPU));
    add(HVM_SAVE_CODE(END), 0, 0);
    assert_int_equal(check_exact(used), -EINVAL);
    used = 0;
    add(HVM_SAVE_CODE(END), 0, 0);
    assert_int_equal(check_exact(used), -EINVAL);
    used = 0;
    add_header(HVM_FILE_MAGIC + 1, HVM_FILE_VERSION);
    add(HVM_SAVE_CODE(END), 0, 0);
    assert_int_equal(check_exact(used), -EINVAL);
    used = 0;
    add_header(HVM_FILE_MAGIC, HVM_FILE_VERSION + 1);
    add(HVM_SAVE_CODE(END), 0, 0);
    assert_int_equal(check_exact(used), -EINVAL);
}

/* Random damage: no read beyond the end, and what is taken can be walked to its end. */
static void test_damage(void **state)
{
    u64 seed = 7;

    (void)state;
    for (unsigned n = 0; n < 20000; n++) {
        u16 type, instance;
        size_t at = 0;
        u32 length;

        sound();
        for (unsigned k = 0; k < 3; k++) {
            seed = seed * 6364136223846793005ull + 1442695040888963407ull;
            list[(seed >> 33) % used] = (u8)(seed >> 20);
        }
        if (check_exact(used) == 0)
            while (hvm_context_next(list, &at, &type, &instance, &length))
                assert_true(at <= used);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sound),  cmocka_unit_test(test_every_cut),
        cmocka_unit_test(test_lies),   cmocka_unit_test(test_header_first),
        cmocka_unit_test(test_damage),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
