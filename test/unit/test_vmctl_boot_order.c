/* SPDX-License-Identifier: BSD-2-Clause */
/* boot= as a UEFI firmware is told it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "libvmctl/boot_order.h"

static char path[BOOT_MAX_DEVICES][BOOT_PATH_MAX];

static unsigned order_of(const char *letters)
{
    char boot[8];
    struct vm_config c = {
        .boot = boot,
        .disk = {{.unit = 2, .cdrom = true}, {.unit = 0}, {.unit = 3}},
        .disks = 3,
        .nics = 2,
    };

    strcpy(boot, letters);
    memset(path, 0, sizeof(path));
    return boot_order(&c, path);
}

static void test_letters(void **state)
{
    (void)state;
    assert_int_equal(order_of("dnc"), 5);
    assert_string_equal(path[0], "/pci@i0cf8/ide@1,1/drive@1/disk@0");
    assert_string_equal(path[1], "/pci@i0cf8/ethernet@4");
    assert_string_equal(path[2], "/pci@i0cf8/ethernet@5");
    assert_string_equal(path[3], "/pci@i0cf8/ide@1,1/drive@0/disk@0");
    assert_string_equal(path[4], "/pci@i0cf8/ide@1,1/drive@1/disk@1");
    assert_int_equal(order_of("n"), 2);
    assert_int_equal(order_of("c"), 2);
}

/* Neither twice nor of an unknown kind, whoever calls the library. */
static void test_wrong_letters(void **state)
{
    (void)state;
    assert_int_equal(order_of("ccccccc"), 2);
    assert_int_equal(order_of("cdnabe"), 5);
    assert_int_equal(order_of("a"), 0);
}

/* The default is disk, then CD. */
static void test_default(void **state)
{
    struct vm_config c = {.disk = {{.unit = 1, .cdrom = true}, {.unit = 0}}, .disks = 2, .nics = 1};

    (void)state;
    assert_int_equal(boot_order(&c, path), 2);
    assert_string_equal(path[0], "/pci@i0cf8/ide@1,1/drive@0/disk@0");
    assert_string_equal(path[1], "/pci@i0cf8/ide@1,1/drive@0/disk@1");
}

/* Every place is taken, and no more. */
static void test_most(void **state)
{
    struct vm_config c = {.disks = VM_MAX_DISKS, .nics = VM_MAX_NICS};

    (void)state;
    for (unsigned i = 0; i < VM_MAX_DISKS; i++)
        c.disk[i] = (struct vm_disk){.unit = i, .cdrom = i % 2};
    c.boot = (char[]){"cdn"};
    assert_int_equal(boot_order(&c, path), BOOT_MAX_DEVICES);
    assert_string_equal(path[BOOT_MAX_DEVICES - 1], "/pci@i0cf8/ethernet@b");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_letters),
                                       cmocka_unit_test(test_wrong_letters),
                                       cmocka_unit_test(test_default), cmocka_unit_test(test_most)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
