/* SPDX-License-Identifier: BSD-2-Clause */
/* vmctl: the command line. Each command is one function in one table. */
#include "libvmctl/command.h"
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct vmctl *handle;

int say(enum exit_code code, const char *format, ...)
{
    va_list ap;

    fprintf(stderr, "vmctl: ");
    va_start(ap, format);
    vfprintf(stderr, format, ap);
    va_end(ap);
    fprintf(stderr, "\n");
    return code;
}

int failed(int rc)
{
    return say(rc == -ESRCH    ? EXIT_NO_DOMAIN
               : rc == -EINVAL ? EXIT_USAGE
                               : EXIT_FAILED,
               "%s", vmctl_error(handle));
}

int open_handle(void)
{
    int rc;

    handle = vmctl_new();
    if (!handle)
        return say(EXIT_FAILED, "No memory.");
    rc = vmctl_connect(handle);
    return rc ? failed(rc) : EXIT_OK;
}

int find_domain(const struct options *o, struct vm_info *info)
{
    int rc = vmctl_find(handle, o->words[0], info);

    return rc ? failed(rc) : EXIT_OK;
}

int find_guest(const struct options *o, struct vm_info *info)
{
    int rc = find_domain(o, info);

    return rc == EXIT_OK && info->id == 0
               ? say(EXIT_USAGE, "%s is the privileged domain itself.", o->words[0])
               : rc;
}

int find_access(const struct options *o, struct vm_info *info, struct vm_access *a)
{
    int rc = find_guest(o, info);

    if (rc)
        return rc;
    rc = vmctl_access(handle, info->id, a);
    return rc ? failed(rc) : EXIT_OK;
}

/* ---- the commands ---- */

/* Each command's options, by name and by letter; the letters mean what struct options says. */
#define FLAG(name, letter)              \
    {                                   \
        name, no_argument, NULL, letter \
    }
#define VALUE(name, letter)                   \
    {                                         \
        name, required_argument, NULL, letter \
    }
#define JSON FLAG("json", 'j')
#define END              \
    FLAG("help", 'h'),   \
    {                    \
        NULL, 0, NULL, 0 \
    }
#define MAX_OPTIONS 8

static const struct option no_options[] = {END};
static const struct option json_only[] = {JSON, END};
static const struct option create_options[] = {FLAG("paused", 'p'), FLAG("dry-run", 'n'),
                                               FLAG("verbose", 'v'), JSON, END};
static const struct option shutdown_options[] = {FLAG("button", 'b'), FLAG("wait", 'w'),
                                                 VALUE("timeout", 't'), END};
static const struct option reboot_options[] = {FLAG("force", 'f'), END};
static const struct option console_options[] = {FLAG("pv", 'p'), FLAG("output", 'o'), END};
static const struct option key_options[] = {FLAG("text", 't'), VALUE("delay", 'd'), END};
static const struct option cd_options[] = {FLAG("eject", 'e'), FLAG("force", 'f'),
                                           VALUE("drive", 'd'), JSON, END};
static const struct option top_options[] = {VALUE("delay", 'd'), VALUE("rounds", 'n'), JSON, END};
static const struct option dmesg_options[] = {FLAG("follow", 'f'), END};

static const struct command {
    const char *name;
    const struct option *options;
    int least, most; /* words behind it; most -1: any number */
    bool opens;      /* is started with an open handle */
    command_fn *run;
    const char *usage, *help;
} commands[] = {
    {"create", create_options, 1, -1, false, do_create,
     "[-p] [-n] [-v] [--json] CONFIG [KEY=VALUE]...",
     "make a guest and let it run (-p: leave it paused; -n: only check the configuration; -v: tell "
     "how long each phase takes)"},
    {"list", json_only, 0, 0, true, do_list, "[--json]", "all domains"},
    {"info", json_only, 1, 1, true, do_info, "[--json] DOMAIN",
     "one domain, and where its screen and serial port are"},
    {"pause", no_options, 1, 1, true, do_pause, "DOMAIN", "stop its vcpus until unpause"},
    {"unpause", no_options, 1, 1, true, do_unpause, "DOMAIN", "let its vcpus run again"},
    {"shutdown", shutdown_options, 1, 1, true, do_shutdown, "[-b] [-w] [-t SECONDS] DOMAIN",
     "ask a guest to shut down (-b: by the power button; -w: wait until it has; -t: for so long)"},
    {"reboot", reboot_options, 1, 1, true, do_reboot, "[-f] DOMAIN",
     "ask a guest to reboot (-f: end it and start it again at once)"},
    {"destroy", no_options, 1, 1, true, do_destroy, "DOMAIN",
     "end a guest at once and remove all of it"},
    {"console", console_options, 1, 1, true, do_console, "[-p] [-o] DOMAIN",
     "its serial port here, until Ctrl-] (-p: its paravirtual console; -o: only what it says)"},
    {"vnc", json_only, 1, 1, true, do_vnc, "[--json] DOMAIN", "the address of its screen"},
    {"screenshot", no_options, 2, 2, true, do_screenshot, "DOMAIN FILE",
     "its screen as a PNG picture (FILE -: to standard output)"},
    {"key", key_options, 2, -1, true, do_key, "[-t] [-d MS] DOMAIN KEYS...",
     "press keys, as in ctrl-alt-delete (-t: type texts instead; -d: how long each is held)"},
    {"cd", cd_options, 1, 2, true, do_cd, "[--json] [-e] [-f] [-d DRIVE] DOMAIN [IMAGE]",
     "put in another CD (-e: take it out; neither: show the drives; -f: even if it is in use; "
     "-d: of this drive)"},
    {"stats", json_only, 1, 1, true, do_stats, "[--json] DOMAIN",
     "its exits, run time and requests to device models"},
    {"top", top_options, 0, 0, true, do_top, "[--json] [-d SECONDS] [-n ROUNDS]",
     "who runs how much, again and again (-d: how long a look takes; -n: how many)"},
    {"dmesg", dmesg_options, 0, 0, true, do_dmesg, "[-f]",
     "the hypervisor's log (-f: go on with what is added)"},
};
#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

/* ---- help ---- */

static int usage(FILE *f, int code)
{
    fprintf(f, "usage: vmctl COMMAND ...\n\n");
    for (size_t i = 0; i < COMMANDS; i++)
        fprintf(f, "  %s %s\n      %s\n", commands[i].name, commands[i].usage, commands[i].help);
    fprintf(f,
            "\nDOMAIN is a name or a number. vmctl COMMAND --help shows the options' long names; "
            "vmctl(1) says more.\n");
    return code;
}

static int wrong_usage(const struct command *c)
{
    fprintf(stderr, "usage: vmctl %s %s\n", c->name, c->usage);
    return EXIT_USAGE;
}

static int help(const struct command *c)
{
    printf("usage: vmctl %s %s\n\n%s\n\n", c->name, c->usage, c->help);
    for (const struct option *o = c->options; o->name; o++)
        printf("  -%c, --%s\n", o->val, o->name);
    return EXIT_OK;
}

/* ---- options ---- */

/* As getopt() takes them. */
static void letters_of(const struct option *o, char letters[2 * MAX_OPTIONS + 1])
{
    for (; o->name; o++) {
        *letters++ = (char)o->val;
        if (o->has_arg)
            *letters++ = ':';
    }
    *letters = 0;
}

static bool read_number(const char *text, unsigned *n)
{
    char *end;
    unsigned long value = strtoul(text, &end, 10);

    *n = (unsigned)value;
    return *text >= '0' && *text <= '9' && !*end && value > 0 && value <= INT_MAX / 1000;
}

/* hda to hdd. */
static bool read_drive(const char *text, int *drive)
{
    *drive = strlen(text) == 3 && strncmp(text, "hd", 2) == 0 ? text[2] - 'a' : -1;
    return *drive >= 0 && *drive < VM_MAX_DISKS;
}

static void take_flag(int letter, struct options *o)
{
    o->help |= letter == 'h';
    o->json |= letter == 'j';
    o->paused |= letter == 'p';
    o->pv |= letter == 'p';
    o->output |= letter == 'o';
    o->dry_run |= letter == 'n';
    o->verbose |= letter == 'v';
    o->follow |= letter == 'f';
    o->force |= letter == 'f';
    o->wait |= letter == 'w';
    o->button |= letter == 'b';
    o->text |= letter == 't';
    o->eject |= letter == 'e';
}

static bool take_option(const struct command *c, int letter, const char *value, struct options *o)
{
    if (letter == '?')
        return false;
    if (!value) {
        take_flag(letter, o);
        return true;
    }
    switch (letter) {
    case 'd':
        return c->run == do_cd ? read_drive(value, &o->drive) : read_number(value, &o->delay);
    case 'n':
        return read_number(value, &o->rounds);
    default:
        return read_number(value, &o->timeout);
    }
}

/* argv[0] is the command. false: wrong options, or words too many or too few. */
static bool parse_options(const struct command *c, int argc, char **argv, struct options *o)
{
    char letters[2 * MAX_OPTIONS + 1];
    int letter;

    letters_of(c->options, letters);
    opterr = 0;
    while ((letter = getopt_long(argc, argv, letters, c->options, NULL)) != -1)
        if (!take_option(c, letter, optarg, o))
            return false;
    o->words = argv + optind;
    o->count = argc - optind;
    return o->help || (o->count >= c->least && (c->most < 0 || o->count <= c->most));
}

static int run(const struct command *c, int argc, char **argv)
{
    struct options o = {.drive = -1};
    int rc = EXIT_OK;

    if (!parse_options(c, argc, argv, &o))
        return wrong_usage(c);
    if (o.help)
        return help(c);
    if (c->opens)
        rc = open_handle();
    if (rc == EXIT_OK)
        rc = c->run(&o);
    vmctl_free(handle);
    return rc;
}

int main(int argc, char **argv)
{
    if (argc < 2)
        return usage(stderr, EXIT_USAGE);
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
        strcmp(argv[1], "help") == 0)
        return usage(stdout, EXIT_OK);
    for (size_t i = 0; i < COMMANDS; i++)
        if (strcmp(argv[1], commands[i].name) == 0)
            return run(&commands[i], argc - 1, argv + 1);
    return say(EXIT_USAGE, "%s is not a command; vmctl --help lists them.", argv[1]);
}
