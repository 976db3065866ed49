/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "libvmctl/qemu_args.h"

static struct vm_config config;
static struct qemu_args args;
static int taps[VM_MAX_NICS] = {7, 8};

static int start(void **state)
{
    (void)state;
    vm_config_init(&config);
    config.name = strdup("guest");
    config.memory_kib = 512 << 10;
    return 0;
}

static int end(void **state)
{
    (void)state;
    qemu_args_free(&args);
    vm_config_fini(&config);
    return 0;
}

static void build(void)
{
    qemu_args_free(&args);
    assert_int_equal(qemu_args_build(&args, &config, 5, taps), 0);
    assert_null(args.arg[args.count]);
}

static bool has(const char *word)
{
    for (unsigned i = 0; i < args.count; i++)
        if (strcmp(args.arg[i], word) == 0)
            return true;
    return false;
}

/* The option is there, with this value behind it. */
static bool has_pair(const char *option, const char *value)
{
    for (unsigned i = 0; i + 1 < args.count; i++)
        if (strcmp(args.arg[i], option) == 0 && strcmp(args.arg[i + 1], value) == 0)
            return true;
    return false;
}

static void test_machine(void **state)
{
    (void)state;
    build();
    assert_string_equal(args.arg[0], vm_config_model(&config));
    assert_true(has_pair("-xen-domid", "5"));
    assert_true(has_pair("-machine", "pc,accel=xen,suppress-vmdesc=on,hpet=off"));
    assert_true(has_pair("-m", "504")); /* without the video memory */
    assert_true(has_pair("-name", "guest"));
    assert_true(has("-nodefaults"));
    assert_true(has("-no-user-config"));
    assert_true(has("-no-shutdown"));
    assert_true(has_pair("-boot", "order=cd"));
    assert_false(has("-smp"));
    assert_false(has("-kernel"));
    config.vcpus = 3;
    config.acpi = false;
    config.boot = strdup("n");
    build();
    assert_true(has_pair("-smp", "3,maxcpus=3"));
    assert_true(has_pair("-machine", "pc,accel=xen,suppress-vmdesc=on,hpet=off,acpi=off"));
    assert_true(has_pair("-boot", "order=n"));
}

static void test_kernel(void **state)
{
    (void)state;
    config.kernel = strdup("/k,1");
    config.initrd = strdup("/i");
    config.cmdline = strdup("console=ttyS0,115200 a=b");
    build();
    assert_true(has_pair("-kernel", "/k,1"));
    assert_true(has_pair("-initrd", "/i"));
    assert_true(has_pair("-append", "console=ttyS0,115200 a=b"));
}

static void test_disks(void **state)
{
    (void)state;
    config.disk[0] = (struct vm_disk){.path = strdup("/a,b.img"), .unit = 1, .format = VM_QCOW2};
    config.disk[1] =
        (struct vm_disk){.path = strdup("/c.iso"), .unit = 2, .cdrom = true, .readonly = true};
    config.disk[2] = (struct vm_disk){.unit = 3, .cdrom = true, .format = VM_NO_MEDIUM};
    config.disks = 3;
    build();
    assert_true(has_pair(
        "-drive",
        "if=none,id=disk1,file=/a,,b.img,format=qcow2,cache=writeback,werror=report,rerror=report"));
    assert_true(has_pair("-device", "ide-hd,id=ide1,drive=disk1,bus=ide.0,unit=1"));
    assert_true(has_pair("-drive", "if=none,id=disk2,file=/c.iso,format=raw,readonly=on"));
    assert_true(has_pair("-device", "ide-cd,id=ide2,drive=disk2,bus=ide.1,unit=0"));
    assert_true(has_pair("-device", "ide-cd,id=ide3,bus=ide.1,unit=1"));
}

static void test_nics(void **state)
{
    (void)state;
    config.nic[0] = (struct vm_nic){.mac = {0x00, 0x16, 0x3e, 0x01, 0x02, 0xff}};
    config.nic[1] = (struct vm_nic){.mac = {0x52, 0x54, 0, 0, 0, 1}, .model = strdup("e1000")};
    config.nics = 2;
    build();
    assert_true(has_pair("-netdev", "tap,id=net0,fd=7"));
    assert_true(has_pair("-device", "rtl8139,id=nic0,netdev=net0,addr=4,mac=00:16:3e:01:02:ff"));
    assert_true(has_pair("-netdev", "tap,id=net1,fd=8"));
    assert_true(has_pair("-device", "e1000,id=nic1,netdev=net1,addr=5,mac=52:54:00:00:00:01"));
}

static void test_screen(void **state)
{
    (void)state;
    config.vga = VM_VGA_STD;
    config.video_kib = 16 << 10;
    build();
    assert_true(has_pair("-display", "none"));
    assert_true(has_pair("-device", "VGA,vgamem_mb=16"));
    assert_true(has_pair("-vnc", "127.0.0.1:0,to=99"));
    config.vga = VM_VGA_CIRRUS;
    config.video_kib = 8 << 10;
    config.vnc_find_unused = false;
    config.vnc_display = 4;
    config.vnc_listen = strdup("0.0.0.0");
    config.keymap = strdup("de");
    config.vnc_password = strdup("");
    build();
    assert_true(has_pair("-vnc", "0.0.0.0:4"));
    free(config.vnc_listen);
    config.vnc_listen = strdup("[::1]");
    build();
    assert_true(has_pair("-vnc", "[::1]:4"));
    free(config.vnc_listen);
    config.vnc_listen = strdup("0.0.0.0");
    build();
    assert_true(has_pair("-device", "cirrus-vga,vgamem_mb=8"));
    assert_true(has_pair("-vnc", "0.0.0.0:4"));
    assert_true(has_pair("-k", "de"));
    free(config.vnc_password);
    config.vnc_password = strdup("secret");
    build();
    assert_true(has_pair("-vnc", "0.0.0.0:4,password=on"));
    assert_false(has("secret")); /* which anybody can see there */
    config.vnc = false;
    config.vga = VM_VGA_NONE;
    build();
    assert_false(has("-vnc"));
    assert_false(has("cirrus-vga,vgamem_mb=8"));
}

static void test_serial_usb_and_own(void **state)
{
    (void)state;
    config.serial[0] = strdup("none"); /* takes COM1's place, without a port */
    config.serial[1] = strdup("pty");
    config.serial[2] = strdup("file:/tmp/x");
    config.serials = 3;
    config.usb_device = strdup("tablet");
    config.model_args[0] = strdup("-device");
    config.model_args[1] = strdup("edu");
    config.model_arg_count = 2;
    build();
    assert_true(has_pair("-serial", "none"));
    assert_true(has_pair("-serial", "pty"));
    assert_true(has_pair("-serial", "file:/tmp/x"));
    assert_true(has_pair("-device", "piix3-usb-uhci,id=usb"));
    assert_true(has_pair("-device", "usb-tablet,bus=usb.0"));
    assert_true(has_pair("-device", "edu"));
}

static void test_too_long(void **state)
{
    (void)state;
    for (unsigned i = 0; i < VM_MAX_ARGS; i++)
        config.model_args[i] = strdup("x");
    config.model_arg_count = VM_MAX_ARGS;
    build();
    assert_int_equal(args.count <= QEMU_MAX_ARGS, 1);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, start, end)

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(test_machine), TEST(test_kernel),
                                       TEST(test_disks),   TEST(test_nics),
                                       TEST(test_screen),  TEST(test_serial_usb_and_own),
                                       TEST(test_too_long)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
