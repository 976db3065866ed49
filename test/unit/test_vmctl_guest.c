/* SPDX-License-Identifier: BSD-2-Clause */
/* What is asked of a guest that runs, by its QEMU and by the store: what goes out, what is made of
 * the answers, and the sentence when it does not work. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <png.h>
#include <unistd.h>
#include "fake_qmp.h"
#include "fake_vmctl.h"
#include "libvmctl/model.h"
#include "libvmctl/screen.h"
#include "libvmctl/store.h"
#include <xen/sched.h>

#define ID 7

static struct vmctl v;
static enum vm_state state_now;
static int reset_reason, pid;
static char path[64], image[64];

/* ---- what is not asked of QEMU ---- */

void model_qmp_path(uint16_t id, char *to, size_t size)
{
    assert_int_equal(id, ID);
    snprintf(to, size, "%s", path);
}

int model_pid(struct vmctl *h, uint16_t id, bool *lost)
{
    (void)h, (void)id;
    *lost = false;
    return pid;
}

int vmctl_get(struct vmctl *h, uint16_t id, struct vm_info *info)
{
    *info = (struct vm_info){.id = id, .state = state_now};
    return id == ID ? 0 : vm_fail(h, ESRCH, "There is no domain %u.", id);
}

int xen_remote_shutdown(struct vmctl *h, uint16_t id, unsigned reason)
{
    (void)h;
    reset_reason = (int)reason;
    return id == ID ? 0 : -ESRCH;
}

bool store_get(struct vmctl *h, uint16_t id, const char *key, char *value, size_t size)
{
    char full[128];
    const char *found;

    (void)h;
    snprintf(full, sizeof(full), "/local/domain/%u/%s", id, key);
    found = fake_store_value(full);
    if (found)
        snprintf(value, size, "%s", found);
    return found != NULL;
}

int store_set(struct vmctl *h, uint16_t id, const char *key, const char *value)
{
    char full[128];

    (void)h;
    snprintf(full, sizeof(full), "/local/domain/%u/%s", id, key);
    fake_store_put(full, value);
    return 0;
}

/* ---- around each test ---- */

static int start(void **state)
{
    (void)state;
    v = (struct vmctl){0};
    fake_store_clear();
    snprintf(path, sizeof(path), "/tmp/test_vmctl_guest.%d", (int)getpid());
    snprintf(image, sizeof(image), "/tmp/test_vmctl_guest.%d.iso", (int)getpid());
    close(open(image, O_WRONLY | O_CREAT | O_TRUNC, 0600));
    state_now = VM_RUNNING;
    reset_reason = -1;
    pid = 99;
    return 0;
}

static int end(void **state)
{
    (void)state;
    unlink(image);
    fake_store_clear();
    return 0;
}

static void asked(const char *expected)
{
    fake_qmp_stop();
    assert_string_equal(fake_qmp_asked(), expected);
}

static const struct qmp_rule no_rules[] = {{NULL, NULL}};

/* ---- where things are ---- */

static void access_all(void **state)
{
    static const struct qmp_rule rules[] = {
        {"query-vnc", "{\"return\": {\"enabled\": true, \"auth\": \"none\", \"clients\": [], "
                      "\"service\": \"5901\", \"host\": \"127.0.0.1\"}}"},
        {"query-chardev",
         "{\"return\": [{\"filename\": \"unix:/x\", \"label\": \"qmp\"}, "
         "{\"filename\": \"pty:/dev/pts/4\", \"label\": \"serial1\"}, "
         "{\"frontend-open\": true, \"filename\": \"pty:/dev/pts/3\", \"label\": \"serial0\"}]}"},
        {NULL, NULL}};
    struct vm_access a;

    (void)state;
    fake_store_put("/local/domain/7/console/tty", "/dev/pts/9");
    fake_qmp_start(path, rules);
    assert_int_equal(vmctl_access(&v, ID, &a), 0);
    fake_qmp_stop();
    assert_string_equal(a.vnc, "127.0.0.1:5901");
    assert_string_equal(a.serial, "/dev/pts/3");
    assert_string_equal(a.console, "/dev/pts/9");
    assert_string_equal(a.qmp, path);
}

static void access_little(void **state)
{
    static const struct qmp_rule rules[] = {
        {"query-vnc", "{\"return\": {\"enabled\": false}}"},
        {"query-chardev", "{\"return\": [{\"filename\": \"file\", \"label\": \"serial0\"}]}"},
        {NULL, NULL}};
    static const struct qmp_rule six[] = {
        {"query-vnc", "{\"return\": {\"service\": \"5900\", \"host\": \"::1\"}}"},
        {"query-chardev", "{\"error\": {\"desc\": \"no\"}}"},
        {NULL, NULL}};
    struct vm_access a;

    (void)state;
    fake_qmp_start(path, rules);
    assert_int_equal(vmctl_access(&v, ID, &a), 0);
    fake_qmp_stop();
    assert_string_equal(a.vnc, "");
    assert_string_equal(a.serial, "");
    assert_string_equal(a.console, "");
    fake_qmp_start(path, six);
    assert_int_equal(vmctl_access(&v, ID, &a), -EREMOTEIO);
    fake_qmp_stop();
    assert_string_equal(a.vnc, "[::1]:5900");
    pid = 0;
    assert_int_equal(vmctl_access(&v, ID, &a), 0); /* nobody is there to be asked */
    assert_string_equal(a.qmp, "");
}

/* What QEMU or the store names is opened as root: only a terminal's name is taken from them. */
static void access_elsewhere(void **state)
{
    static const char *const names[] = {"/dev/sda",    "/dev/pts/",     "/dev/pts/3/../../sda",
                                        "/dev/pts/3 ", "/dev/pts/ptmx", "dev/pts/3",
                                        "/dev/pts/-1", "/etc/passwd",   ""};
    char reply[256];
    struct qmp_rule rules[] = {{"query-chardev", reply}, {NULL, NULL}};
    struct vm_access a;

    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        snprintf(reply, sizeof(reply),
                 "{\"return\": [{\"filename\": \"pty:%s\", \"label\": \"serial0\"}]}", names[i]);
        fake_store_put("/local/domain/7/console/tty", names[i]);
        fake_qmp_start(path, rules);
        assert_int_equal(vmctl_access(&v, ID, &a), 0);
        fake_qmp_stop();
        assert_string_equal(a.serial, "");
        assert_string_equal(a.console, "");
    }
}

/* ---- power ---- */

static void shut_down(void **state)
{
    (void)state;
    fake_qmp_start(path, no_rules);
    assert_int_equal(vmctl_shutdown(&v, ID, false), 0); /* nobody listens at the store */
    fake_store_put("/local/domain/7/control/feature-poweroff", "");
    assert_int_equal(vmctl_shutdown(&v, ID, false), 0);
    assert_null(fake_store_value("/local/domain/7/control/shutdown"));
    fake_store_put("/local/domain/7/control/feature-poweroff", "1");
    assert_int_equal(vmctl_shutdown(&v, ID, true), 0);
    assert_null(fake_store_value("/local/domain/7/control/shutdown"));
    asked("{\"execute\":\"system_powerdown\",\"arguments\":{}}\n"
          "{\"execute\":\"system_powerdown\",\"arguments\":{}}\n"
          "{\"execute\":\"system_powerdown\",\"arguments\":{}}\n");
    assert_int_equal(vmctl_shutdown(&v, ID, false), 0); /* without QEMU */
    assert_string_equal(fake_store_value("/local/domain/7/control/shutdown"), "poweroff");
}

static void reboot(void **state)
{
    (void)state;
    assert_int_equal(vmctl_reboot(&v, ID), -EOPNOTSUPP);
    assert_string_equal(vmctl_error(&v), "Domain 7 does not listen to requests to reboot.");
    fake_store_put("/local/domain/7/control/feature-reboot", "1");
    assert_int_equal(vmctl_reboot(&v, ID), 0);
    assert_string_equal(fake_store_value("/local/domain/7/control/shutdown"), "reboot");
    assert_int_equal(reset_reason, -1);
    assert_int_equal(vmctl_reset(&v, ID), 0);
    assert_int_equal(reset_reason, SHUTDOWN_reboot);
    assert_int_equal(vmctl_reset(&v, 0), -EPERM);
    assert_int_equal(vmctl_reset(&v, 8), -ESRCH);
}

static void it_does_not_run(void **state)
{
    (void)state;
    state_now = VM_PAUSED;
    assert_int_equal(vmctl_shutdown(&v, ID, false), -EBUSY);
    assert_string_equal(vmctl_error(&v), "Domain 7 does not run: it is paused.");
    state_now = VM_SHUTDOWN;
    assert_int_equal(vmctl_reboot(&v, ID), -EBUSY);
    state_now = VM_BLOCKED; /* it waits, as a guest does most of the time */
    assert_int_equal(vmctl_reboot(&v, ID), -EOPNOTSUPP);
    assert_int_equal(vmctl_shutdown(&v, ID, false), -ENOENT);
    assert_string_equal(vmctl_error(&v), "Domain 7 has no QEMU that runs.");
    assert_int_equal(vmctl_shutdown(&v, 8, false), -ESRCH);
}

/* Whoever has taken over QEMU does not get at the terminal of who asks it. */
static void control_characters(void **state)
{
    static const struct qmp_rule rules[] = {
        {"query-vnc",
         "{\"return\": {\"service\": \"1\\u001b[2J\", \"host\": \"\xc2\x9b\\u0007\"}}"},
        {"query-chardev", "{\"error\": {\"desc\": \"\\u001b]0;x\\u0007 a\\nb\"}}"},
        {NULL, NULL}};
    struct vm_access a;

    (void)state;
    fake_qmp_start(path, rules);
    assert_int_equal(vmctl_access(&v, ID, &a), -EREMOTEIO);
    fake_qmp_stop();
    assert_string_equal(vmctl_error(&v), "QEMU refuses: ?]0;x? a b.");
    assert_string_equal(a.vnc, "???:1?[2J");
}

/* ---- keyboard ---- */

static void keys(void **state)
{
    (void)state;
    fake_qmp_start(path, no_rules);
    assert_int_equal(vmctl_press(&v, ID, "ctrl-c", 1), 0);
    assert_int_equal(vmctl_type(&v, ID, "B ", 2), 0);
    assert_int_equal(vmctl_type(&v, ID, "", 2), 0);
    assert_int_equal(vmctl_press(&v, ID, "ctrl-c-nokey", 1), -EINVAL);
    assert_string_equal(vmctl_error(&v), "There is no key called nokey in ctrl-c-nokey.");
    assert_int_equal(vmctl_type(&v, ID, "a\xc3\xa4", 1), -EINVAL); /* none of it */
    assert_string_equal(vmctl_error(&v), "No key of a US keyboard types the character c3h.");
#define KEY(name) "{\"type\":\"qcode\",\"data\":\"" name "\"}"
#define STROKE(ms, keys) \
    "{\"execute\":\"send-key\",\"arguments\":{\"hold-time\":" ms ",\"keys\":[" keys "]}}\n"
    asked(STROKE("1", KEY("ctrl") "," KEY("c")) STROKE("2", KEY("shift") "," KEY("b"))
              STROKE("2", KEY("spc")));
}

static void refused_keys(void **state)
{
    static const struct qmp_rule rules[] = {
        {"send-key", "{\"error\": {\"class\": \"GenericError\", \"desc\": \"No.\\n\"}}"},
        {NULL, NULL}};

    (void)state;
    fake_qmp_start(path, rules);
    assert_int_equal(vmctl_type(&v, ID, "abc", 1), -EREMOTEIO);
    assert_string_equal(vmctl_error(&v), "QEMU refuses: No.");
    fake_qmp_stop();
    assert_null(strchr(fake_qmp_asked(), '\n')[1] ? "more than one" : NULL);
}

/* ---- screen ---- */

static const char picture[] = "P6\n2 1\n255\n\x01\x02\x03\xff\xfe\xfd";
static size_t picture_size;

/* As QEMU does, or who opens files for it. */
static void draw(const char *line)
{
    const char *name = strstr(line, "/proc/");
    char file[64];
    int fd;

    if (!name)
        return;
    snprintf(file, sizeof(file), "%.*s", (int)strcspn(name, "\""), name);
    fd = open(file, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_int_equal(write(fd, picture, picture_size), picture_size);
    close(fd);
}

static void screenshot(void **state)
{
    png_image i = {.version = PNG_IMAGE_VERSION};
    uint8_t pixels[6];
    size_t size;
    void *png;

    (void)state;
    picture_size = sizeof(picture) - 1;
    fake_qmp_start(path, no_rules);
    fake_qmp_hook = draw;
    assert_int_equal(vmctl_screenshot(&v, ID, &png, &size), 0);
    fake_qmp_stop();
    assert_true(png_image_begin_read_from_memory(&i, png, size));
    assert_true(png_image_finish_read(&i, NULL, pixels, 0, NULL));
    assert_memory_equal(pixels, picture + picture_size - 6, 6);
    free(png);
}

static void a_password(void **state)
{
    struct vm_config c = {.vnc = true};

    (void)state;
    assert_int_equal(screen_lock(&v, &c, ID), 0); /* nothing to be asked */
    c.vnc_password = "";
    assert_int_equal(screen_lock(&v, &c, ID), 0);
    c.vnc_password = "a\"\x01\x02\x03\x04\x05\x06"; /* as long as it gets */
    assert_int_equal(screen_lock(&v, &c, ID), -ENOENT);
    fake_qmp_start(path, no_rules);
    assert_int_equal(screen_lock(&v, &c, ID), 0);
    asked("{\"execute\":\"set_password\",\"arguments\":{\"protocol\":\"vnc\",\"password\":"
          "\"a\\\"\\u0001\\u0002\\u0003\\u0004\\u0005\\u0006\"}}\n");
    c.vnc = false;
    assert_int_equal(screen_lock(&v, &c, ID), 0);
}

static void no_screenshot(void **state)
{
    static const struct qmp_rule rules[] = {
        {"screendump",
         "{\"error\": {\"desc\": \"there is no console to take a screendump from\"}}"},
        {NULL, NULL}};
    size_t size;
    void *png;

    (void)state;
    fake_qmp_start(path, rules);
    assert_int_equal(vmctl_screenshot(&v, ID, &png, &size), -EREMOTEIO);
    assert_null(png);
    assert_string_equal(vmctl_error(&v),
                        "QEMU refuses: there is no console to take a screendump from.");
    fake_qmp_stop();
    picture_size = sizeof(picture) - 2;
    fake_qmp_start(path, no_rules);
    fake_qmp_hook = draw;
    assert_int_equal(vmctl_screenshot(&v, ID, &png, &size), -EPROTO);
    fake_qmp_stop();
    assert_int_equal(vmctl_screenshot(&v, ID, &png, &size), -ENOENT);
}

/* ---- drives ---- */

#define DISK                                                                                          \
    "{\"device\": \"disk0\", \"locked\": false, \"removable\": false, \"inserted\": {\"ro\": false, " \
    "\"image\": {\"filename\": \"/a.img\"}, \"file\": \"/a.img\"}, \"qdev\": \"ide0\"}"
#define CD(unit, locked, more)                                                                     \
    "{\"device\": \"\", \"locked\": " locked ", \"removable\": true" more ", \"qdev\": \"ide" unit \
    "\", \"tray_open\": false, \"type\": \"unknown\"}"
#define FLOPPY \
    "{\"device\": \"floppy0\", \"locked\": false, \"removable\": true, \"qdev\": \"/machine/x\"}"
#define BLOCK(list)                               \
    {                                             \
        "query-block", "{\"return\": [" list "]}" \
    }
#define IN(file) ", \"inserted\": {\"file\": \"" file "\"}"

static void drives(void **state)
{
    static const struct qmp_rule rules[] = {
        BLOCK(DISK ", " FLOPPY ", " CD("2", "true", IN("/dev/fdset/12")) ", " CD(
            "3", "false", "") ", " CD("1", "false", IN("/dev/fdset/1"))),
        {NULL, NULL}};
    struct vm_drive d[VM_MAX_DISKS];
    unsigned count;

    (void)state;
    fake_store_put("/local/domain/0/device-model/7/medium/hdc", "/b.iso");
    fake_qmp_start(path, rules);
    assert_int_equal(vmctl_drives(&v, ID, d, &count), 0);
    fake_qmp_stop();
    assert_int_equal(count, 4);
    assert_int_equal(d[0].unit, 0);
    assert_false(d[0].removable);
    assert_string_equal(d[0].medium, "/a.img");
    assert_int_equal(d[1].unit, 2);
    assert_true(d[1].removable && d[1].locked && !d[1].open);
    assert_string_equal(d[1].medium, "/b.iso");
    assert_int_equal(d[2].unit, 3);
    assert_true(d[2].removable && !d[2].locked);
    assert_string_equal(d[2].medium, "");
    assert_string_equal(d[3].medium, "?"); /* nobody knows */
}

static void insert(void **state)
{
    static const struct qmp_rule rules[] = {BLOCK(DISK ", " CD("2", "false", "")), {NULL, NULL}};
    char expected[1024];

    (void)state;
    fake_qmp_start(path, rules);
    assert_int_equal(vmctl_insert(&v, ID, -1, image, false), 0);
    snprintf(expected, sizeof(expected),
             "{\"execute\":\"query-block\",\"arguments\":{}}\n"
             "{\"execute\":\"blockdev-change-medium\",\"arguments\":{\"id\":\"ide2\","
             "\"filename\":\"%s\",\"format\":\"raw\",\"read-only-mode\":\"read-only\","
             "\"force\":false}}\n",
             image);
    asked(expected);
    assert_string_equal(fake_store_value("/local/domain/0/device-model/7/medium/hdc"), image);
}

static void insert_refused(void **state)
{
    static const struct qmp_rule rules[] = {
        BLOCK(CD("2", "false", "")),
        {"blockdev-change-medium", "{\"error\": {\"desc\": \"The file cannot be opened\"}}"},
        {NULL, NULL}};

    (void)state;
    fake_qmp_start(path, rules);
    assert_int_equal(vmctl_insert(&v, ID, -1, image, false), -EREMOTEIO);
    assert_string_equal(vmctl_error(&v), "QEMU refuses: The file cannot be opened.");
    assert_null(fake_store_value("/local/domain/0/device-model/7/medium/hdc"));
    fake_qmp_stop();
}

static void insert_nothing(void **state)
{
    static const struct qmp_rule rules[] = {BLOCK(CD("2", "false", "")), {NULL, NULL}};

    (void)state;
    fake_qmp_start(path, rules);
    assert_int_equal(vmctl_insert(&v, ID, -1, "/nowhere.iso", false), -ENOENT);
    assert_string_equal(vmctl_error(&v),
                        "The image /nowhere.iso cannot be opened: No such file or directory.");
    assert_int_equal(vmctl_insert(&v, ID, -1, "/tmp", false), -EINVAL);
    assert_true(fake_is_sentence(vmctl_error(&v)));
    fake_qmp_stop();
    assert_null(strstr(fake_qmp_asked(), "change-medium"));
}

static void which_drive(void **state)
{
    static const struct qmp_rule two[] = {
        BLOCK(CD("1", "false", "") ", " CD("3", "false", "") ", " DISK), {NULL, NULL}};
    static const struct qmp_rule none[] = {BLOCK(DISK), {NULL, NULL}};

    (void)state;
    fake_qmp_start(path, two);
    assert_int_equal(vmctl_eject(&v, ID, -1, false), -EINVAL);
    assert_string_equal(vmctl_error(&v), "The guest has more than one CD drive: say which.");
    assert_int_equal(vmctl_eject(&v, ID, 2, false), -ENODEV);
    assert_string_equal(vmctl_error(&v), "The guest has no CD drive hdc.");
    assert_int_equal(vmctl_eject(&v, ID, 0, false), -ENODEV); /* a disk */
    assert_int_equal(vmctl_eject(&v, ID, 3, false), 0);
    fake_qmp_stop();
    assert_non_null(
        strstr(fake_qmp_asked(),
               "{\"execute\":\"eject\",\"arguments\":{\"id\":\"ide3\",\"force\":false}}\n"));
    fake_qmp_start(path, none);
    assert_int_equal(vmctl_insert(&v, ID, -1, image, false), -ENODEV);
    assert_string_equal(vmctl_error(&v), "The guest has no CD drive.");
    fake_qmp_stop();
}

static void a_locked_drive(void **state)
{
    static const struct qmp_rule rules[] = {BLOCK(CD("2", "true", "")), {NULL, NULL}};

    (void)state;
    fake_qmp_start(path, rules);
    assert_int_equal(vmctl_eject(&v, ID, -1, false), -EBUSY);
    assert_int_equal(vmctl_insert(&v, ID, -1, image, false), -EBUSY);
    assert_string_equal(vmctl_error(&v), "The guest has locked its drive hdc: it uses the CD.");
    assert_int_equal(vmctl_eject(&v, ID, -1, true), 0);
    assert_int_equal(vmctl_insert(&v, ID, 2, image, true), 0);
    fake_qmp_stop();
    assert_non_null(strstr(fake_qmp_asked(), "{\"id\":\"ide2\",\"force\":true}"));
    assert_non_null(strstr(fake_qmp_asked(), "\"read-only\",\"force\":true}"));
}

/* Restarted, a guest finds the CDs that are in its drives, not those of its configuration; a medium
 * nobody knows the name of is the configuration's. */
static void restarted(void **state)
{
    static const struct qmp_rule rules[] = {
        BLOCK(DISK ", " CD("1", "false", IN("/dev/fdset/3")) ", " CD("2", "false", "") ", " CD(
            "3", "false", IN("/dev/fdset/1"))),
        {"devmodel-status", "{\"return\": {\"state\": \"running\", \"clock-ahead\": -3600}}"},
        {NULL, NULL}};
    struct vm_config c;

    (void)state;
    vm_config_init(&c);
    c.local_time = true;
    c.disks = 4;
    for (unsigned i = 0; i < 4; i++)
        c.disk[i] = (struct vm_disk){
            .path = strdup("/old.iso"), .format = VM_QCOW2, .unit = i, .cdrom = i > 0};
    fake_store_put("/local/domain/0/device-model/7/medium/hdd", "/new.iso");
    fake_qmp_start(path, rules);
    vmctl_take_over(&v, ID, &c);
    fake_qmp_stop();
    assert_string_equal(c.disk[0].path, "/old.iso");
    assert_string_equal(c.disk[1].path, "/old.iso");
    assert_int_equal(c.disk[1].format, VM_QCOW2);
    assert_null(c.disk[2].path);
    assert_string_equal(c.disk[3].path, "/new.iso");
    assert_int_equal(c.disk[3].format, VM_RAW);
    assert_false(c.local_time);
    assert_int_equal(c.time_offset, -3600);
    vmctl_take_over(&v, ID, &c); /* nobody answers */
    assert_string_equal(c.disk[3].path, "/new.iso");
    assert_int_equal(c.time_offset, -3600);
    vm_config_fini(&c);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, start, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(access_elsewhere), TEST(control_characters),
        TEST(access_all),       TEST(access_little),
        TEST(shut_down),        TEST(reboot),
        TEST(it_does_not_run),  TEST(keys),
        TEST(refused_keys),     TEST(screenshot),
        TEST(no_screenshot),    TEST(a_password),
        TEST(drives),           TEST(insert),
        TEST(insert_refused),   TEST(insert_nothing),
        TEST(which_drive),      TEST(a_locked_drive),
        TEST(restarted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
