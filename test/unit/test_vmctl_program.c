/* SPDX-License-Identifier: BSD-2-Clause */
/* The program as a whole: what it says, and its exit status. The library behind it is not there. */
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
#include <getopt.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#include "fake_vmctl.h"
#include "libvmctl/command.h"
#include "libvmctl/keeper.h"
#include "libvmctl/store.h"
#include "libvmctl/xlcfg.h"

#define ID 7

int vmctl_main(int argc, char **argv);

static struct vm_info guest;
static int pause_error, model_error;
static char said[65536], complained[4096]; /* to standard output and standard error */

/* ---- the library ---- */

struct vmctl *vmctl_new(void)
{
    return calloc(1, sizeof(struct vmctl));
}

int vmctl_connect(struct vmctl *v)
{
    (void)v;
    return 0;
}

void vmctl_free(struct vmctl *v)
{
    free(v);
}

int vmctl_find(struct vmctl *v, const char *name, struct vm_info *info)
{
    *info = guest;
    return strcmp(name, guest.name) ? vm_fail(v, ESRCH, "There is no domain %s.", name) : 0;
}

int vmctl_list(struct vmctl *v, struct vm_info **list, size_t *count)
{
    (void)v;
    *list = malloc(sizeof(guest));
    **list = guest;
    *count = 1;
    return 0;
}

int vmctl_access(struct vmctl *v, uint16_t id, struct vm_access *a)
{
    (void)id;
    *a = (struct vm_access){0};
    return model_error ? vm_fail(v, model_error, "QEMU does not answer.") : 0;
}

int vmctl_pause(struct vmctl *v, uint16_t id)
{
    return pause_error ? vm_fail(v, pause_error, "Domain %u is paused already.", id) : 0;
}

int vmctl_screenshot(struct vmctl *v, uint16_t id, void **png, size_t *size)
{
    (void)v, (void)id;
    *png = strdup("picture");
    *size = strlen(*png);
    return 0;
}

void uuid_format(const uint8_t uuid[16], char text[UUID_TEXT])
{
    (void)uuid;
    strcpy(text, "uuid");
}

/* What no test here comes to. */
#define UNUSED(name, ...)                    \
    int name(__VA_ARGS__)                    \
    {                                        \
        fail_msg("%s was called", __func__); \
        return -EINVAL;                      \
    }

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-parameter"
UNUSED(vmctl_stats, struct vmctl *v, uint16_t id, struct vm_stats *s)
UNUSED(vmctl_host, struct vmctl *v, struct vm_host *h)
UNUSED(vmctl_create, struct vmctl *v, const struct vm_config *c, uint16_t *id)
UNUSED(vmctl_unpause, struct vmctl *v, uint16_t id)
UNUSED(vmctl_destroy, struct vmctl *v, uint16_t id)
UNUSED(vmctl_shutdown, struct vmctl *v, uint16_t id, bool button)
UNUSED(vmctl_reboot, struct vmctl *v, uint16_t id)
UNUSED(vmctl_reset, struct vmctl *v, uint16_t id)
UNUSED(vmctl_wait, struct vmctl *v, uint16_t id, int ms, struct vm_info *i)
UNUSED(vmctl_press, struct vmctl *v, uint16_t id, const char *keys, unsigned ms)
UNUSED(vmctl_type, struct vmctl *v, uint16_t id, const char *text, unsigned ms)
UNUSED(vmctl_drives, struct vmctl *v, uint16_t id, struct vm_drive d[VM_MAX_DISKS], unsigned *n)
UNUSED(vmctl_insert, struct vmctl *v, uint16_t id, int unit, const char *path, bool force)
UNUSED(vmctl_eject, struct vmctl *v, uint16_t id, int unit, bool force)
UNUSED(vmctl_log, struct vmctl *v, uint32_t *index, char **text)
UNUSED(keeper_start, struct vm_config *c, uint16_t id)
#pragma GCC diagnostic pop

void vmctl_cancel_by(struct vmctl *v, const volatile sig_atomic_t *flag)
{
    (void)v, (void)flag;
}

void vmctl_phases_to(struct vmctl *v, vm_phase_fn *fn, void *arg)
{
    (void)v, (void)fn, (void)arg;
}

/* ---- running it ---- */

/* What fd gets from now on goes to a file; its own file is returned. */
static int divert(int fd, FILE *to)
{
    int own = dup(fd);

    assert_true(own >= 0 && dup2(fileno(to), fd) == fd);
    return own;
}

static void give_back(int fd, int own, FILE *from, char *text, size_t size)
{
    dup2(own, fd);
    close(own);
    rewind(from);
    text[fread(text, 1, size - 1, from)] = 0;
    fclose(from);
}

/* Words up to a NULL; the exit status. */
static int vmctl(const char *word, ...)
{
    FILE *out = tmpfile(), *err = tmpfile();
    char *argv[16] = {(char *)"vmctl"};
    int argc = 1, own[2], status;
    va_list ap;

    va_start(ap, word);
    for (; word; word = va_arg(ap, const char *))
        argv[argc++] = (char *)word;
    va_end(ap);
    fflush(NULL);
    own[0] = divert(1, out);
    own[1] = divert(2, err);
    handle = NULL;
    optind = 0; /* getopt() begins anew */
    status = vmctl_main(argc, argv);
    fflush(NULL);
    give_back(1, own[0], out, said, sizeof(said));
    give_back(2, own[1], err, complained, sizeof(complained));
    return status;
}

static int start(void **state)
{
    (void)state;
    guest = (struct vm_info){
        .id = ID, .name = "guest", .state = VM_PAUSED, .vcpus = 1, .model_pid = 99};
    pause_error = model_error = 0;
    return 0;
}

/* ---- looking ---- */

static bool says(const char *line)
{
    return strstr(said, line) != NULL;
}

/* Of devmodel and QEMU either may be the one that is gone, and the other still have its process. */
static void info(void **state)
{
    (void)state;
    assert_int_equal(vmctl("info", "guest", NULL), EXIT_OK);
    assert_true(says("Device model: process 99\n"));
    assert_false(says("gone"));
    guest.model_lost = true;
    assert_int_equal(vmctl("info", "guest", NULL), EXIT_OK);
    assert_true(says("Device model: process 99\nTrouble:      device model gone\n"));
    guest.model_pid = 0;
    strcpy(guest.model_reason, "QEMU was ended by signal 9");
    model_error = ECONNREFUSED;
    assert_int_equal(vmctl("info", "guest", NULL), EXIT_FAILED);
    assert_true(says("State:        paused\n"));
    assert_true(says("Trouble:      QEMU was ended by signal 9\n"));
    assert_string_equal(complained, "vmctl: QEMU does not answer.\n");
    assert_int_equal(vmctl("list", NULL), EXIT_OK);
    assert_true(says("paused, QEMU was ended by signal 9\n"));
}

static void status(void **state)
{
    (void)state;
    assert_int_equal(vmctl("pause", "guest", NULL), EXIT_OK);
    pause_error = EALREADY;
    assert_int_equal(vmctl("pause", "guest", NULL), EXIT_FAILED);
    assert_string_equal(complained, "vmctl: Domain 7 is paused already.\n");
    assert_int_equal(vmctl("pause", "other", NULL), EXIT_NO_DOMAIN);
    assert_int_equal(vmctl("pause", NULL), EXIT_USAGE);
    assert_int_equal(vmctl("paws", NULL), EXIT_USAGE);
    assert_int_equal(vmctl(NULL), EXIT_USAGE);
}

/* ---- help, and what is written about it ---- */

static void options(void **state)
{
    (void)state;
    assert_int_equal(vmctl("list", "--json", NULL), EXIT_OK);
    assert_int_equal(said[0], '[');
    assert_int_equal(vmctl("list", "-j", NULL), EXIT_OK);
    assert_int_equal(said[0], '[');
    /* Of other commands. */
    assert_int_equal(vmctl("top", "--dry-run", NULL), EXIT_USAGE);
    assert_string_equal(complained, "usage: vmctl top [--json] [-d SECONDS] [-n ROUNDS]\n");
    assert_int_equal(vmctl("console", "--paused", "guest", NULL), EXIT_USAGE);
    assert_int_equal(vmctl("dmesg", "--force", NULL), EXIT_USAGE);
    assert_int_equal(vmctl("pause", "-f", "guest", NULL), EXIT_USAGE);
    assert_int_equal(vmctl("top", "--rounds", "0", NULL), EXIT_USAGE);
    assert_int_equal(vmctl("top", "--rounds", NULL), EXIT_USAGE);
}

static void command_help(void **state)
{
    (void)state;
    assert_int_equal(vmctl("reboot", "--help", NULL), EXIT_OK);
    assert_string_equal(said, "usage: vmctl reboot [-f] DOMAIN\n\n"
                              "ask a guest to reboot (-f: end it and start it again at once)\n\n"
                              "  -f, --force\n  -h, --help\n");
    assert_string_equal(complained, "");
    assert_int_equal(vmctl("create", "-p", "-h", NULL), EXIT_OK);
    assert_int_equal(vmctl("create", "--no-such", "--help", NULL), EXIT_USAGE);
}

static char manual[65536], completion[16384];

static void read_document(const char *name, char *to, size_t size)
{
    char path[256];
    size_t n;
    FILE *f;

    snprintf(path, sizeof(path), DOCUMENTS "%s", name);
    f = fopen(path, "r");
    assert_non_null(f);
    n = fread(to, 1, size, f);
    assert_in_range(n, 1, size - 1);
    to[n] = 0;
    fclose(f);
}

/* Of the manual's marks only those matter that stand within a word or beside it. */
static void read_documents(void)
{
    char *to = manual;

    read_document("vmctl.bash-completion", completion, sizeof(completion));
    read_document("vmctl.1", manual, sizeof(manual));
    for (const char *p = manual; *p; p++) {
        if (*p == '\\' && *++p == 'f')
            p++; /* and the letter of a font */
        else
            *to++ = *p;
    }
    *to = 0;
}

static bool is_part(char c)
{
    return c && strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-=", c);
}

/* As a whole word, in the first `length` characters. */
static bool has_word(const char *text, size_t length, const char *word)
{
    const char *end = text + length;

    for (const char *p = text; (p = strstr(p, word)) && p + strlen(word) <= end; p++)
        if ((p == text || !is_part(p[-1])) && !is_part(p[strlen(word)]))
            return true;
    return false;
}

/* The line that completes this command's options. */
static bool completes(const char *command, const char *option)
{
    const char *line = strstr(completion, "_vmctl_options()");
    size_t length, names;

    for (; line && *line != '}'; line = strchr(line, '\n') + 1) {
        length = strcspn(line, "\n");
        names = strcspn(line, ")");
        if (names >= length || has_word(line, names, command))
            if (has_word(line, length, option))
                return true;
    }
    return false;
}

static void documented_option(const char *command, const char *option)
{
    if (!has_word(manual, strlen(manual), option))
        fail_msg("vmctl.1 does not have %s of %s", option, command);
    if (!completes(command, option))
        fail_msg("vmctl.bash-completion does not have %s of %s", option, command);
}

static unsigned documented_options(const char *command)
{
    unsigned count = 0;
    char letter[3], name[32];

    assert_int_equal(vmctl(command, "--help", NULL), EXIT_OK);
    for (const char *p = said; (p = strstr(p, "\n  -")); p++, count++) {
        assert_int_equal(sscanf(p, " %2[^,], %31s", letter, name), 2);
        documented_option(command, letter);
        documented_option(command, name);
    }
    return count;
}

/* What the program says about itself is found in its manual, and completed. */
static void documents_options(void **state)
{
    static char all[sizeof(said)];
    unsigned commands = 0, options = 0;
    char command[32];

    (void)state;
    read_documents();
    assert_int_equal(vmctl("--help", NULL), EXIT_OK);
    assert_string_equal(complained, "");
    strcpy(all, said);
    assert_int_equal(vmctl("help", NULL), EXIT_OK);
    assert_string_equal(said, all);
    for (const char *p = all; (p = strstr(p, "\n  ")); p++) {
        if (p[3] == ' ')
            continue;
        assert_int_equal(sscanf(p, " %31s", command), 1);
        assert_true(has_word(manual, strlen(manual), command));
        assert_true(has_word(completion, strlen(completion), command));
        options += documented_options(command);
        commands++;
    }
    assert_int_equal(commands, 16);
    assert_true(options > 2 * commands);
}

/* And so is each key of a configuration that can be given. */
static void documents_keys(void **state)
{
    const char *section, *key;
    char word[64];
    int only;

    (void)state;
    read_documents();
    section = strstr(manual, ".SH CONFIGURATION");
    assert_non_null(section);
    for (size_t i = 0; (key = xlcfg_key(i, &only)); i++) {
        if (only == XLCFG_REFUSED)
            continue;
        if (only == XLCFG_HEEDED)
            snprintf(word, sizeof(word), "%s", key);
        else
            snprintf(word, sizeof(word), "%s=%d", key, only);
        if (!has_word(section, strlen(section), word))
            fail_msg("vmctl.1 does not have %s", word);
    }
}

/* ---- pictures ---- */

static char directory[] = "/tmp/test_vmctl_program.XXXXXX";
static char at[64];

static const char *in_directory(const char *name)
{
    snprintf(at, sizeof(at), "%s/%s", directory, name);
    return at;
}

static void put_file(const char *name, const char *text)
{
    FILE *f = fopen(in_directory(name), "w");

    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static void has_file(const char *name, const char *text)
{
    char found[64] = "";
    FILE *f = fopen(in_directory(name), "r");

    assert_non_null(f);
    found[fread(found, 1, sizeof(found) - 1, f)] = 0;
    fclose(f);
    assert_string_equal(found, text);
}

/* Removes these, and there was nothing else: no temporary file was left. */
static void only_these(const char *const *names)
{
    for (; *names; names++)
        assert_int_equal(unlink(in_directory(*names)), 0);
    assert_int_equal(rmdir(directory), 0);
}

static int start_pictures(void **state)
{
    start(state);
    strcpy(directory + strlen(directory) - 6, "XXXXXX");
    return mkdtemp(directory) ? 0 : -1;
}

static void a_picture(void **state)
{
    static const char *const names[] = {"new.png", "old.png", "link.png", NULL};
    struct stat st;

    (void)state;
    assert_int_equal(vmctl("screenshot", "guest", "-", NULL), EXIT_OK);
    assert_string_equal(said, "picture");
    umask(022);
    assert_int_equal(vmctl("screenshot", "guest", in_directory("new.png"), NULL), EXIT_OK);
    has_file("new.png", "picture");
    assert_int_equal(stat(at, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0644);
    put_file("old.png", "a longer one before");
    assert_int_equal(chmod(at, 0640), 0);
    assert_int_equal(symlink("old.png", in_directory("link.png")), 0);
    assert_int_equal(vmctl("screenshot", "guest", at, NULL), EXIT_OK);
    has_file("old.png", "picture");
    assert_int_equal(stat(at, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0640);
    assert_int_equal(lstat(in_directory("link.png"), &st), 0);
    assert_true(S_ISLNK(st.st_mode));
    only_these(names);
}

/* The disk is full, or nearly. */
static void no_room_for_a_picture(void **state)
{
    static const char *const names[] = {"old.png", NULL};
    struct rlimit was, little;
    int status;

    (void)state;
    put_file("old.png", "the one before");
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &was);
    little = was;
    little.rlim_cur = 3;
    setrlimit(RLIMIT_FSIZE, &little);
    handle = NULL;
    optind = 0;
    status = vmctl_main(4, (char *[]){(char *)"vmctl", (char *)"screenshot", (char *)"guest",
                                      (char *)in_directory("old.png"), NULL});
    setrlimit(RLIMIT_FSIZE, &was);
    assert_int_equal(status, EXIT_FAILED);
    has_file("old.png", "the one before");
    only_these(names);
}

static void a_picture_elsewhere(void **state)
{
    static const char *const names[] = {"fifo", NULL};
    char got[8] = "";
    int fifo;

    (void)state;
    assert_int_equal(vmctl("screenshot", "guest", in_directory("none/a.png"), NULL), EXIT_FAILED);
    assert_non_null(strstr(complained, "cannot be written: No such file or directory.\n"));
    assert_int_equal(vmctl("screenshot", "guest", directory, NULL), EXIT_FAILED);
    assert_int_equal(mkfifo(in_directory("fifo"), 0600), 0);
    fifo = open(at, O_RDWR);
    assert_int_equal(vmctl("screenshot", "guest", at, NULL), EXIT_OK);
    assert_int_equal(read(fifo, got, 7), 7);
    close(fifo);
    assert_string_equal(got, "picture");
    only_these(names); /* the FIFO among them */
}

/* A device of our own, since root might lose the machine's. */
static void a_full_device(void **state)
{
    static const char *const names[] = {"full", NULL};
    struct stat st;

    (void)state;
    if (mknod(in_directory("full"), S_IFCHR | 0600, makedev(1, 7))) {
        rmdir(directory);
        skip();
    }
    assert_int_equal(vmctl("screenshot", "guest", at, NULL), EXIT_FAILED);
    assert_int_equal(stat(in_directory("full"), &st), 0);
    assert_true(S_ISCHR(st.st_mode));
    only_these(names);
}

#define TEST(fn)         cmocka_unit_test_setup(fn, start)
#define TEST_PICTURE(fn) cmocka_unit_test_setup(fn, start_pictures)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(info),
        TEST(status),
        TEST(options),
        TEST(command_help),
        TEST(documents_options),
        TEST(documents_keys),
        TEST_PICTURE(a_picture),
        TEST_PICTURE(no_room_for_a_picture),
        TEST_PICTURE(a_picture_elsewhere),
        TEST_PICTURE(a_full_device),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
