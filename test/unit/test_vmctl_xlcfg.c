/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <errno.h>
#include "libvmctl/keys.h"
#include "libvmctl/xlcfg.h"

static struct vm_config config;
static char why[512];

static int start(void **state)
{
    (void)state;
    vm_config_init(&config);
    return 0;
}

static int end(void **state)
{
    (void)state;
    vm_config_fini(&config);
    return 0;
}

static int parse(const char *text)
{
    vm_config_fini(&config);
    vm_config_init(&config);
    return xlcfg_parse(text, "g.cfg", &config, why, sizeof(why));
}

static void accepts(const char *text)
{
    int rc = parse(text);

    if (rc)
        print_error("%s\n", why);
    assert_int_equal(rc, 0);
}

/* Refused, by exactly this sentence. */
static void refuses(const char *text, const char *sentence)
{
    assert_int_equal(parse(text), -EINVAL);
    assert_string_equal(why, sentence);
}

static void test_keys(void **state)
{
    static const struct {
        const char *key;
        unsigned line;
    } want[] = {{"a", 1}, {"b_2", 2}, {"c", 5}, {"d", 6}, {"e", 6}, {"f", 9}, {"g", 10}};
    struct keys k;
    char key[KEY_MAX];

    (void)state;
    keys_start(
        &k,
        "a=1 # x=2\nb_2 = [ 'y=3',\n\t# z=4 ]\n 'q' ]\n  c = \"w=1;\\\"v=2\" \nd=1;e=2;\n\n#h=1\n"
        "f='it\\'s [' \ng += [ 1 ]");
    for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
        assert_true(keys_next(&k, key));
        assert_string_equal(key, want[i].key);
        assert_int_equal(k.line, want[i].line);
    }
    assert_false(keys_next(&k, key));
    assert_false(keys_next(&k, key));
}

static void test_keys_cut_off(void **state)
{
    char text[3 * KEY_MAX], key[KEY_MAX];
    struct keys k;

    (void)state;
    memset(text, 'k', sizeof(text));
    strcpy(text + sizeof(text) - 8, "=[\n'\n");
    keys_start(&k, text);
    assert_true(keys_next(&k, key));
    assert_int_equal(strlen(key), KEY_MAX - 1);
    assert_false(keys_next(&k, key));
}

static void test_machine(void **state)
{
    (void)state;
    accepts(
        "name='g'\ntype=\"hvm\"\nmemory=1024\nmaxmem=1024\nvcpus=4\nboot=\"dc\"\nacpi=0\nhpet=0\n"
        "uuid='01234567-89ab-cdef-0123-456789ABCDEF'\nbios='ovmf'\npae=1\nhap=1\n"
        "device_model_version=\"qemu-xen\"\non_reboot='destroy'\non_crash=\"preserve\"\n");
    assert_string_equal(config.name, "g");
    assert_int_equal(config.memory_kib, 1024 << 10);
    assert_int_equal(config.vcpus, 4);
    assert_string_equal(config.boot, "dc");
    assert_false(config.acpi);
    assert_true(config.acpi_s3);
    assert_false(config.hpet);
    assert_int_equal(config.bios, VM_OVMF);
    assert_int_equal(config.uuid[0], 0x01);
    assert_int_equal(config.uuid[15], 0xef);
    assert_int_equal(config.on_reboot, VM_DESTROY);
    assert_int_equal(config.on_crash, VM_PRESERVE);
    assert_int_equal(config.on_poweroff, VM_DESTROY);
}

static void test_command_line(void **state)
{
    (void)state;
    accepts("kernel='/k'\nramdisk='/i'\nroot='/dev/sda1'\nextra='quiet ro'\n");
    assert_string_equal(config.kernel, "/k");
    assert_string_equal(config.initrd, "/i");
    assert_string_equal(config.cmdline, "root=/dev/sda1 quiet ro");
    accepts("kernel='/k'\ncmdline='a b'");
    assert_string_equal(config.cmdline, "a b");
}

/* Whatever the order, nothing is lost and nothing changes places. */
static void test_command_line_in_parts(void **state)
{
    static const char *const refused[] = {"cmdline='a'\nextra='b'", "extra='b'\ncmdline='a'",
                                          "root='c'\ncmdline='a'", "cmdline='a'\nroot='c'"};

    (void)state;
    accepts("extra='quiet'\nkernel='/k'\nroot='/dev/sda1'");
    assert_string_equal(config.cmdline, "root=/dev/sda1 quiet");
    accepts("root='/dev/sda1'\nkernel='/k'");
    assert_string_equal(config.cmdline, "root=/dev/sda1");
    accepts("root='/dev/sda1'\nextra=''");
    assert_string_equal(config.cmdline, "root=/dev/sda1");
    accepts("extra='quiet'\nextra='debug'");
    assert_string_equal(config.cmdline, "debug");
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
        refuses(
            refused[i],
            "g.cfg: cmdline is all of the kernel command line: root and extra cannot add to it.");
}

static void check_disk(unsigned i, const char *path, unsigned unit, enum vm_format format,
                       bool cdrom)
{
    assert_true(i < config.disks);
    if (path)
        assert_string_equal(config.disk[i].path, path);
    else
        assert_null(config.disk[i].path);
    assert_int_equal(config.disk[i].unit, unit);
    assert_int_equal(config.disk[i].format, format);
    assert_int_equal(config.disk[i].cdrom, cdrom);
    assert_int_equal(config.disk[i].readonly, cdrom);
}

static void test_disks(void **state)
{
    (void)state;
    accepts("disk = [ '/a.img,raw,hda,rw', 'format=qcow2, vdev=xvdb, access=rw, target=/b.q',\n"
            " '/c.iso,,hdc:cdrom,r', 'vdev=hdd,devtype=cdrom,format=empty,access=ro' ]");
    assert_int_equal(config.disks, 4);
    check_disk(0, "/a.img", 0, VM_RAW, false);
    check_disk(1, "/b.q", 1, VM_QCOW2, false);
    check_disk(2, "/c.iso", 2, VM_RAW, true);
    check_disk(3, NULL, 3, VM_NO_MEDIUM, true);
    refuses(
        "disk=['/a,raw,sda,rw']",
        "g.cfg, line 1: the disk \"/a,raw,sda,rw\" is to be sda, but only hda to hdd can be emulated.");
    refuses(
        "disk=['/a,raw,hde,rw']",
        "g.cfg, line 1: the disk \"/a,raw,hde,rw\" is to be hde, but only hda to hdd can be emulated.");
    refuses(
        "disk=['/a,raw,hda1,rw']",
        "g.cfg, line 1: the disk \"/a,raw,hda1,rw\" is to be hda1, but only hda to hdd can be emulated.");
    refuses(
        "disk=['script=x,vdev=hda,access=rw,target=/a']",
        "g.cfg, line 1: the disk \"script=x,vdev=hda,access=rw,target=/a\" asks for a script, which is not supported.");
    refuses("disk='/a'", "g.cfg, line 1: disk has to be a list, such as disk = [ '...' ].");
    refuses("disk=['/a,raw,hda,w','/a,raw,hdb,w','/a,raw,hdc,w','/a,raw,hdd,w','/a,raw,hdd,w']",
            "g.cfg, line 1: there are more than 4 disks.");
}

static void test_disk_options(void **state)
{
    (void)state;
    accepts("disk=['vdev=hda,access=rw,no-discard,target=/a','vdev=hdb,access=rw,direct-io-safe,"
            "target=/b']");
    assert_int_equal(config.disks, 2);
    refuses("disk=['vdev=hda,access=rw,discard,target=/a']",
            "g.cfg, line 1: the disk \"vdev=hda,access=rw,discard,target=/a\" asks for the option "
            "\"discard\", which is not supported.");
}

static void test_vifs(void **state)
{
    static const uint8_t mac[] = {0x00, 0x16, 0x3e, 0xaa, 0xBB, 0x01};

    (void)state;
    accepts(
        "vif=['', 'mac=00:16:3e:aa:BB:01, bridge=xenbr0 ,model=ne2000,vifname=tapx,type=ioemu']");
    assert_int_equal(config.nics, 2);
    assert_null(config.nic[0].model);
    assert_null(config.nic[0].bridge);
    assert_memory_equal(config.nic[1].mac, mac, 6);
    assert_string_equal(config.nic[1].bridge, "xenbr0");
    assert_string_equal(config.nic[1].model, "ne2k_pci");
    assert_string_equal(config.nic[1].ifname, "tapx");
    refuses("vif=['type=vif']", "g.cfg, line 1: type=vif of a network card is not supported.");
    refuses("\nvif=['rate=1Mb/s']",
            "g.cfg, line 2: rate=1Mb/s of a network card is not supported.");
    refuses("vif=['mac=00:16']", "g.cfg, line 1: mac=00:16 is no address of a network card.");
    refuses("vif=['mac=01:16:3e:00:00:00']",
            "g.cfg, line 1: mac=01:16:3e:00:00:00 is no address of a network card.");
    refuses("vif=['bridge']", "g.cfg, line 1: the network card's \"bridge\" has no value.");
    refuses("vif=['model=x']", "g.cfg, line 1: the network card model \"x\" is not known.");
}

static void test_screen(void **state)
{
    (void)state;
    accepts("vnc=1\nvnclisten='0.0.0.0'\nvncdisplay=3\nvncunused=0\nkeymap='de'\nvga='cirrus'\n");
    assert_int_equal(config.vga, VM_VGA_CIRRUS);
    assert_int_equal(config.video_kib, 8 << 10);
    assert_string_equal(config.vnc_listen, "0.0.0.0");
    assert_int_equal(config.vnc_display, 3);
    assert_false(config.vnc_find_unused);
    accepts("vnclisten='127.0.0.1:7'");
    assert_string_equal(config.vnc_listen, "127.0.0.1");
    assert_int_equal(config.vnc_display, 7);
    accepts("vga='none'\nvnc=0");
    assert_int_equal(config.video_kib, 0);
    accepts("stdvga=0\nvideoram=4");
    assert_int_equal(config.vga, VM_VGA_CIRRUS);
    assert_int_equal(config.video_kib, 4 << 10);
    accepts("");
    assert_int_equal(config.vga, VM_VGA_CIRRUS);
    assert_int_equal(config.video_kib, 8 << 10);
    assert_true(config.vnc);
    accepts("stdvga=1");
    assert_int_equal(config.vga, VM_VGA_STD);
    assert_int_equal(config.video_kib, 16 << 10);
    refuses("vga='qxl'", "g.cfg, line 1: vga=\"qxl\" is not supported.");
    refuses("videoram=12", "g.cfg, line 1: videoram is 12, and has to be a power of two.");
}

static void listens(const char *text, const char *address, unsigned display)
{
    char line[64];

    snprintf(line, sizeof(line), "vnclisten='%s'", text);
    accepts(line);
    assert_string_equal(config.vnc_listen, address);
    assert_int_equal(config.vnc_display, display);
}

static void test_vnc_listen(void **state)
{
    static const char *const refused[][2] = {
        {"127.0.0.1:abc", "display has to be a number, not \"abc\""},
        {"127.0.0.1:", "display has to be a number, not \"\""},
        {"127.0.0.1:+1", "display has to be a number, not \"+1\""},
        {"[::1]:1:2", "display has to be a number, not \"1:2\""},
        {"0.0.0.0:99999", "display is 99999, and has to be from 0 to 59635"},
        {"0.0.0.0:99999999999999999999",
         "display is 99999999999999999999, and has to be from 0 to 59635"},
        {"", "address \"\" is neither a name nor an IP address"},
        {":5", "address \"\" is neither a name nor an IP address"},
        {"[]", "address \"[]\" is neither a name nor an IP address"},
        {"[::1", "address \"[::1\" is neither a name nor an IP address"},
        {"[::1]5", "address \"[::1]5\" is neither a name nor an IP address"},
        {"::1::2", "address \"::1::2\" is neither a name nor an IP address"},
        {"[1.2.3.4]:1", "address \"[1.2.3.4]\" is neither a name nor an IP address"},
        {"a,password=off", "address \"a,password=off\" is neither a name nor an IP address"}};
    char line[64], sentence[128];

    (void)state;
    listens("0.0.0.0", "0.0.0.0", 0);
    listens("my-host.net:59635", "my-host.net", 59635);
    listens("::1", "[::1]", 0);
    listens("[::1]", "[::1]", 0);
    listens("[fe80::1:2]:3", "[fe80::1:2]", 3);
    listens("::ffff:1.2.3.4", "[::ffff:1.2.3.4]", 0);
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        snprintf(line, sizeof(line), "vnclisten='%s'", refused[i][0]);
        snprintf(sentence, sizeof(sentence), "g.cfg, line 1: vnclisten's %s.", refused[i][1]);
        refuses(line, sentence);
    }
    accepts("vncdisplay=3\nvnclisten='1.2.3.4'");
    assert_int_equal(config.vnc_display, 3);
    refuses("vncdisplay=3\nvnclisten='1.2.3.4:5'",
            "g.cfg: vncdisplay and vnclisten both say which display: leave one away.");
    refuses("vnclisten='1.2.3.4:5'\nvncdisplay=0",
            "g.cfg: vncdisplay and vnclisten both say which display: leave one away.");
}

static void test_serial_and_lists(void **state)
{
    (void)state;
    accepts("serial='pty'");
    assert_int_equal(config.serials, 1);
    assert_string_equal(config.serial[0], "pty");
    accepts(
        "serial=['file:/x','none','null']\nusb=1\nusbdevice='tablet'\ndevice_model_args=['-a','b']");
    assert_int_equal(config.serials, 3);
    assert_string_equal(config.serial[1], "none"); /* so that the next one is COM3 */
    assert_string_equal(config.serial[2], "null");
    assert_true(config.usb);
    assert_string_equal(config.usb_device, "tablet");
    assert_int_equal(config.model_arg_count, 2);
    assert_string_equal(config.model_args[1], "b");
    refuses("serial='stdio'",
            "g.cfg, line 1: serial=\"stdio\" is not supported: pty, null, none, file:, tcp:, "
            "udp:, telnet:, unix: and /dev/ are.");
    refuses("serial='ptyx'", "g.cfg, line 1: serial=\"ptyx\" is not supported: pty, null, none, "
                             "file:, tcp:, udp:, telnet:, unix: and /dev/ are.");
    refuses("serial=['pty','nullfoo']",
            "g.cfg, line 1: serial=\"nullfoo\" is not supported: pty, null, none, file:, tcp:, "
            "udp:, telnet:, unix: and /dev/ are.");
    refuses("usbdevice=['tablet','mouse']",
            "g.cfg, line 1: more than one usbdevice is not supported.");
}

static void test_nothing_is_ignored(void **state)
{
    (void)state;
    refuses("name='x'\n# memroy=1\nmemroy=512\n",
            "g.cfg, line 3: memroy is not a key that vmctl knows.");
    refuses(
        "pci=['00:01.0']",
        "g.cfg, line 1: pci is not supported: devices of the machine are not handed to guests.");
    refuses("a=1\n", "g.cfg, line 1: a is not a key that vmctl knows.");
    refuses(
        "type='pvh'",
        "g.cfg, line 1: type=\"pvh\" is not supported: Helium's guests are all of type \"hvm\".");
    refuses("xen_platform_pci=1",
            "g.cfg, line 1: xen_platform_pci can only be 0: paravirtual disks and "
            "network cards are not served yet.");
    refuses("nestedhvm='yes'",
            "g.cfg, line 1: nestedhvm can only be 0: guests cannot run hypervisors.");
    refuses("memory='lots'", "g.cfg, line 1: memory has to be a number, not \"lots\".");
    refuses("memory=0", "g.cfg, line 1: memory is 0, and has to be from 1 to 2147483647.");
    refuses("vcpus=65", "g.cfg, line 1: vcpus is 65, and has to be from 1 to 64.");
    refuses("memory=64\nmaxmem=128",
            "g.cfg: maxmem is not memory: a guest's memory does not change while it runs.");
    refuses("maxvcpus=2",
            "g.cfg: maxvcpus is not vcpus: a guest's vcpus do not change while it runs.");
    refuses(
        "boot='x'",
        "g.cfg, line 1: boot=\"x\" has other letters than c (hard disk), d (CD) and n (network).");
    refuses("boot='cdc'", "g.cfg, line 1: boot=\"cdc\" names c twice.");
    refuses(
        "boot=''",
        "g.cfg, line 1: boot=\"\" has other letters than c (hard disk), d (CD) and n (network).");
}

/* Each key that xl.cfg(5) of Xen 4.17 describes is heeded, or there is a reason why not. */
static void test_every_key(void **state)
{
    char all[] =
        "name type builder pool vcpus maxvcpus cpus cpus_soft cpu_weight cap memory maxmem vnuma "
        "on_poweroff on_reboot on_watchdog on_crash on_soft_reset kernel ramdisk cmdline root extra "
        "firmware pvshim pvshim_path pvshim_cmdline pvshim_extra uuid seclabel init_seclabel "
        "max_grant_frames max_maptrack_frames max_grant_version nomigrate driver_domain device_tree "
        "passthrough xend_suspend_evtchn_compat vmtrace_buf_kb vpmu disk vif vtpm p9 pvcalls vfb "
        "channel rdm usbctrl usbdev pci pci_permissive pci_msitranslate pci_seize pci_power_mgmt "
        "gfx_passthru rdm_mem_boundary dtdev ioports iomem irqs max_event_channels vdispl "
        "dm_restrict device_model_user vsnd vkb tee bootloader bootloader_args e820_host boot "
        "hdtype hap oos shadow_memory bios bios_path_override pae acpi acpi_s3 acpi_s4 "
        "acpi_laptop_slate apic nx hpet altp2m altp2mhvm nestedhvm cpuid acpi_firmware "
        "smbios_firmware ms_vm_genid tsc_mode localtime rtc_timeoffset vpt_align timer_mode "
        "mmio_hole xen_platform_pci viridian videoram stdvga vga vnc vnclisten vncdisplay vncunused "
        "vncpasswd keymap sdl opengl nographic spice spicehost spiceport spicetls_port "
        "spicedisable_ticketing spicepasswd spiceagent_mouse spicevdagent spice_clipboard_sharing "
        "spiceusbredirection spice_image_compression spice_streaming_video serial soundhw "
        "vkb_device usb usbversion usbdevice vendor_device device_model_version "
        "device_model_override stubdomain_kernel stubdomain_cmdline stubdomain_ramdisk "
        "stubdomain_memory device_model_stubdomain_override device_model_stubdomain_seclabel "
        "device_model_args device_model_args_pv device_model_args_hvm gic_version vuart mca_caps "
        "msr_relaxed ";
    char text[64];

    (void)state;
    for (char *key = strtok(all, " "); key; key = strtok(NULL, " ")) {
        snprintf(text, sizeof(text), "%s='?'\n", key);
        if (parse(text) == 0)
            continue;
        if (strstr(why, "is not a key"))
            fail_msg("%s", why);
        assert_non_null(strstr(why, key));
        assert_null(strchr(why, '\n'));
        assert_int_equal(why[strlen(why) - 1], '.');
    }
}

/* Not only the zone counts, but which half of the year it is there. */
static void test_time(void **state)
{
    const time_t winter = 1700000000, summer = 1690000000;

    (void)state;
    setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3", 1);
    tzset();
    accepts("rtc_timeoffset='-86400'");
    assert_int_equal(vm_config_time_offset(&config, winter), -86400);
    accepts("localtime=1");
    assert_int_equal(vm_config_time_offset(&config, winter), 3600);
    assert_int_equal(vm_config_time_offset(&config, summer), 7200);
    accepts("localtime=1\nrtc_timeoffset=2147483647");
    assert_int_equal(vm_config_time_offset(&config, summer), 2147483647ll + 7200);
    accepts("localtime=0");
    assert_int_equal(vm_config_time_offset(&config, summer), 0);
    refuses(
        "rtc_timeoffset=2147483648",
        "g.cfg, line 1: rtc_timeoffset is 2147483648, and has to be from -2147483648 to 2147483647.");
    unsetenv("TZ");
}

static void test_further_keys(void **state)
{
    (void)state;
    accepts("cpu_weight=512\ntsc_mode='native'\nhdtype='ide'\nusbversion=1\nvncpasswd='12345678'\n"
            "firmware='uefi'\nnomigrate=1\nmax_grant_frames=64\nspice=0\nsdl=0\n");
    assert_int_equal(config.cpu_weight, 512);
    assert_int_equal(config.bios, VM_OVMF);
    assert_true(config.usb);
    assert_string_equal(config.vnc_password, "12345678");
    accepts("firmware='/my/bios.bin'");
    assert_string_equal(config.bios_path, "/my/bios.bin");
    refuses("firmware='rombios'", "g.cfg, line 1: firmware=\"rombios\" is not supported.");
    refuses("cpu_weight=0", "g.cfg, line 1: cpu_weight is 0, and has to be from 1 to 65535.");
    refuses("tsc_mode='always_emulate'",
            "g.cfg, line 1: tsc_mode can only be \"default\" or \"native\": guests always see the "
            "CPU's time stamp counter.");
    refuses("hdtype='ahci'", "g.cfg, line 1: hdtype can only be \"ide\": disks are on PIIX3 IDE.");
    refuses("usbversion=3",
            "g.cfg, line 1: usbversion can only be 1: the USB controller is PIIX3 UHCI.");
    refuses("vncpasswd='123456789'", "g.cfg, line 1: vncpasswd is longer than 8 characters.");
    refuses(
        "kernel='/usr/lib/xen/boot/hvmloader'",
        "g.cfg, line 1: kernel is hvmloader, which is used without being asked for: leave it away.");
    refuses("dm_restrict=1",
            "g.cfg, line 1: dm_restrict is not supported: QEMU always runs as a user "
            "of its own, without privileges.");
}

/* The last assignment counts, and it is the one complained about. */
static void test_later_wins(void **state)
{
    (void)state;
    accepts("memory=64\nmemory=128\n");
    assert_int_equal(config.memory_kib, 128 << 10);
    accepts("vcpus='x'\nvcpus=2");
    assert_int_equal(config.vcpus, 2);
    refuses("vcpus=2\n\nvcpus=0", "g.cfg, line 3: vcpus is 0, and has to be from 1 to 64.");
    accepts("serial=['null']\nserial+=['pty']");
    assert_int_equal(config.serials, 2);
}

static void test_syntax(void **state)
{
    (void)state;
    assert_int_equal(parse("memory = [\n"), -EINVAL);
    assert_non_null(strstr(why, "g.cfg:"));
    assert_int_equal(why[strlen(why) - 1], '.');
    assert_null(strchr(why, '\n'));
}

static void test_check(void **state)
{
    static const char *const same =
        "type='hvm'\nfirmware_override='/bin/sh'\nbios_path_override='/bin/sh'\n"
        "device_model_override='/bin/sh'\nname='";
    static const struct {
        const char *rest, *sentence;
    } cases[] = {
        {"'", "The configuration has no name for the guest."},
        {"7'", "The name 7 would be taken for a domain's number."},
        {"a b'", "The name a b has a character other than letters, digits and -_.+: in it."},
        {"a'\nmemory=12", "12 MiB of memory is too little: 16 MiB is the least."},
        {"a'\nextra='x'", "A ramdisk or a kernel command line is given without a kernel."},
        {"a'\nkernel='/nowhere'", "The kernel /nowhere cannot be used: No such file or directory."},
        {"a'\nkernel='/tmp'", "The kernel /tmp is a directory."},
        {"a'\ndisk=['/nowhere,raw,hda,rw']",
         "The disk image /nowhere cannot be used: No such file or directory."},
        {"a'\ndisk=['/dev/null,raw,hda,r']", "hda is read-only, which an IDE disk cannot be."},
        {"a'\ndisk=['/dev/null,raw,hda,rw','/dev/null,raw,xvda,rw']", "Two disks are both hda."},
        {"a'\ndevice_model_override='/dev/null'",
         "The device model /dev/null cannot be used: Permission denied."},
        {"a'\nfirmware_override='/nowhere'",
         "The firmware loader /nowhere cannot be used: No such file or directory."},
    };
    char text[512];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        snprintf(text, sizeof(text), "%s%s", same, cases[i].rest);
        accepts(text);
        assert_true(vm_config_check(&config, why, sizeof(why)) < 0);
        assert_string_equal(why, cases[i].sentence);
    }
    snprintf(text, sizeof(text), "%sa-1.b'\nmemory=24\ndisk=['/dev/null,raw,hda,rw']", same);
    accepts(text);
    assert_int_equal(vm_config_check(&config, why, sizeof(why)), 0);
}

static void test_complete(void **state)
{
    static const uint8_t none[16];
    uint8_t first[16], mac[6];

    (void)state;
    accepts("vif=['','mac=02:00:00:00:00:07']");
    assert_int_equal(vm_config_complete(&config), 0);
    memcpy(first, config.uuid, 16);
    memcpy(mac, config.nic[0].mac, 6);
    assert_memory_not_equal(first, none, 16);
    assert_int_equal(first[6] >> 4, 4);
    assert_int_equal(first[8] >> 6, 2);
    assert_int_equal(mac[0] << 16 | mac[1] << 8 | mac[2], 0x00163e);
    assert_int_equal(config.nic[1].mac[5], 7);
    assert_int_equal(vm_config_complete(&config), 0); /* what is there stays */
    assert_memory_equal(config.uuid, first, 16);
    assert_memory_equal(config.nic[0].mac, mac, 6);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, start, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_keys),
        TEST(test_keys_cut_off),
        TEST(test_machine),
        TEST(test_command_line),
        TEST(test_command_line_in_parts),
        TEST(test_disks),
        TEST(test_disk_options),
        TEST(test_vifs),
        TEST(test_screen),
        TEST(test_vnc_listen),
        TEST(test_serial_and_lists),
        TEST(test_nothing_is_ignored),
        TEST(test_every_key),
        TEST(test_further_keys),
        TEST(test_time),
        TEST(test_later_wins),
        TEST(test_syntax),
        TEST(test_check),
        TEST(test_complete),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
