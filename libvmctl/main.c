/* SPDX-License-Identifier: BSD-2-Clause */
/* vmctl: the command line. Each command is one function in one table. */
#include "libvmctl/json.h"
#include "libvmctl/keeper.h"
#include "libvmctl/store.h"
#include "libvmctl/vmctl.h"
#include "libvmctl/xlcfg.h"
#include "libvmctl/image.h"
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum exit_code {
    EXIT_OK = 0,
    EXIT_FAILED = 1,    /* it was right to ask, but it did not work */
    EXIT_USAGE = 2,     /* wrong arguments, or a configuration that is not supported */
    EXIT_NO_DOMAIN = 3, /* there is no such domain */
};

#define CONFIG_MAX (1u << 20)

struct options {
    bool json;
    bool paused;
    bool dry_run;
    bool follow;
    char **words; /* behind the command and its options */
    int count;
};

static struct vmctl *handle;

static int say(enum exit_code code, const char *format, ...) __attribute__((format(printf, 2, 3)));
static int say(enum exit_code code, const char *format, ...)
{
    va_list ap;

    fprintf(stderr, "vmctl: ");
    va_start(ap, format);
    vfprintf(stderr, format, ap);
    va_end(ap);
    fprintf(stderr, "\n");
    return code;
}

/* The library's sentence, and the exit code that goes with its error. */
static int failed(int rc)
{
    return say(rc == -ESRCH    ? EXIT_NO_DOMAIN
               : rc == -EINVAL ? EXIT_USAGE
                               : EXIT_FAILED,
               "%s", vmctl_error(handle));
}

static int open_handle(void)
{
    int rc;

    handle = vmctl_new();
    if (!handle)
        return say(EXIT_FAILED, "No memory.");
    rc = vmctl_connect(handle);
    return rc ? failed(rc) : EXIT_OK;
}

/* ---- create ---- */

/* The file's text, and behind it what the command line adds to it, a line each. */
static char *config_text(const char *path, char *const *more, int count)
{
    size_t length, size;
    struct file f;
    char *text;
    int rc = file_read(&f, path, CONFIG_MAX);

    if (rc) {
        say(EXIT_USAGE, "The configuration %s cannot be read: %s.", path, strerror(-rc));
        return NULL;
    }
    size = f.size + 2;
    for (int i = 0; i < count; i++)
        size += strlen(more[i]) + 1;
    text = malloc(size);
    if (text) {
        memcpy(text, f.data, f.size);
        length = f.size;
        text[length++] = '\n';
        for (int i = 0; i < count; i++)
            length += (size_t)sprintf(text + length, "%s\n", more[i]);
        text[length] = 0;
    }
    free(f.data);
    return text;
}

static int read_config(const struct options *o, struct vm_config *c)
{
    char *text = config_text(o->words[0], o->words + 1, o->count - 1);
    char why[512];
    int rc;

    if (!text)
        return EXIT_USAGE;
    rc = xlcfg_parse(text, o->words[0], c, why, sizeof(why));
    free(text);
    if (rc == 0)
        rc = vm_config_check(c, why, sizeof(why));
    if (rc == 0 && vm_config_complete(c))
        return say(EXIT_FAILED, "No random numbers are to be had.");
    return rc ? say(EXIT_USAGE, "%s", why) : EXIT_OK;
}

static int create_from(const struct options *o, const struct vm_config *c)
{
    uint16_t id;
    int rc = open_handle();

    if (rc)
        return rc;
    rc = vmctl_create(handle, c, &id);
    if (rc)
        return failed(rc);
    if (keeper_start(c, id)) {
        vmctl_destroy(handle, id);
        return say(EXIT_FAILED, "There is no process to watch the guest with.");
    }
    if (!o->paused)
        rc = vmctl_unpause(handle, id);
    if (rc) {
        rc = failed(rc);
        vmctl_destroy(handle, id);
        return rc;
    }
    if (o->json)
        printf("{\"id\": %u}\n", id);
    else
        printf("%s is domain %u.\n", c->name, id);
    return EXIT_OK;
}

static int do_create(const struct options *o)
{
    struct vm_config c;
    int rc;

    vm_config_init(&c);
    rc = read_config(o, &c);
    if (rc == EXIT_OK && !o->dry_run)
        rc = create_from(o, &c);
    else if (rc == EXIT_OK)
        printf("%s can be created.\n", c.name);
    vm_config_fini(&c);
    return rc;
}

/* ---- list and info ---- */

static const char *state_text(const struct vm_info *i)
{
    return i->state == VM_SHUTDOWN ? vm_shutdown_name(i->reason) : vm_state_name(i->state);
}

static void info_json(const struct vm_info *i)
{
    char uuid[UUID_TEXT];

    uuid_format(i->uuid, uuid);
    printf("{\"id\": %u, \"name\": ", i->id);
    json_string(stdout, i->name);
    printf(", \"uuid\": \"%s\", \"state\": \"%s\"", uuid, vm_state_name(i->state));
    if (i->state == VM_SHUTDOWN)
        printf(", \"reason\": \"%s\"", vm_shutdown_name(i->reason));
    printf(", \"memory_kib\": %llu, \"vcpus\": %u, \"cpu_seconds\": %.3f",
           (unsigned long long)i->memory_kib, i->vcpus, (double)i->cpu_ns / 1e9);
    if (i->model_pid)
        printf(", \"device_model_pid\": %d", i->model_pid);
    if (i->id)
        printf(", \"device_model_lost\": %s", i->model_lost ? "true" : "false");
}

static void list_json(const struct vm_info *list, size_t count)
{
    printf("[");
    for (size_t i = 0; i < count; i++) {
        printf("%s\n  ", i ? "," : "");
        info_json(&list[i]);
        printf("}");
    }
    printf("\n]\n");
}

static void list_text(const struct vm_info *list, size_t count)
{
    printf("%-5s %-24s %8s %6s %10s  %s\n", "ID", "NAME", "MiB", "VCPUS", "CPU s", "STATE");
    for (size_t i = 0; i < count; i++)
        printf("%-5u %-24s %8llu %6u %10.1f  %s%s\n", list[i].id,
               *list[i].name ? list[i].name : "-", (unsigned long long)list[i].memory_kib >> 10,
               list[i].vcpus, (double)list[i].cpu_ns / 1e9, state_text(&list[i]),
               list[i].model_lost ? ", device model gone" : "");
}

static int do_list(const struct options *o)
{
    struct vm_info *list;
    size_t count;
    int rc = vmctl_list(handle, &list, &count);

    if (rc)
        return failed(rc);
    (o->json ? list_json : list_text)(list, count);
    free(list);
    return EXIT_OK;
}

static void access_json(const struct vm_access *a)
{
    const struct {
        const char *key, *value;
    } entries[] = {{"vnc", a->vnc}, {"console", a->console}, {"qmp", a->qmp}};

    for (size_t i = 0; i < sizeof(entries) / sizeof(entries[0]); i++) {
        if (!*entries[i].value)
            continue;
        printf(", \"%s\": ", entries[i].key);
        json_string(stdout, entries[i].value);
    }
}

static void info_text(const struct vm_info *i, const struct vm_access *a)
{
    char uuid[UUID_TEXT];

    uuid_format(i->uuid, uuid);
    printf("Name:         %s\n", i->name);
    printf("Domain:       %u\n", i->id);
    printf("UUID:         %s\n", uuid);
    printf("State:        %s%s%s\n", vm_state_name(i->state), i->state == VM_SHUTDOWN ? ": " : "",
           i->state == VM_SHUTDOWN ? vm_shutdown_name(i->reason) : "");
    printf("Memory:       %llu MiB\n", (unsigned long long)i->memory_kib >> 10);
    printf("Vcpus:        %u\n", i->vcpus);
    printf("Run time:     %.3f s\n", (double)i->cpu_ns / 1e9);
    if (i->model_pid)
        printf("Device model: process %d\n", i->model_pid);
    else if (i->model_lost)
        printf("Device model: a process of it is gone\n");
    if (*a->vnc)
        printf("VNC:          %s\n", a->vnc);
    if (*a->console)
        printf("Serial port:  %s\n", a->console);
}

static int do_info(const struct options *o)
{
    struct vm_access a;
    struct vm_info i;
    int rc = vmctl_find(handle, o->words[0], &i);

    if (rc == 0)
        rc = vmctl_access(handle, i.id, &a);
    if (rc)
        return failed(rc);
    if (!o->json) {
        info_text(&i, &a);
        return EXIT_OK;
    }
    info_json(&i);
    access_json(&a);
    printf("}\n");
    return EXIT_OK;
}

/* ---- the others ---- */

static int on_domain(const struct options *o, int (*fn)(struct vmctl *v, uint16_t id))
{
    struct vm_info i;
    int rc = vmctl_find(handle, o->words[0], &i);

    if (rc == 0 && i.id == 0)
        return say(EXIT_USAGE, "%s is the privileged domain itself.", o->words[0]);
    if (rc == 0)
        rc = fn(handle, i.id);
    return rc ? failed(rc) : EXIT_OK;
}

static int do_pause(const struct options *o)
{
    return on_domain(o, vmctl_pause);
}

static int do_unpause(const struct options *o)
{
    return on_domain(o, vmctl_unpause);
}

static int do_destroy(const struct options *o)
{
    return on_domain(o, vmctl_destroy);
}

static int do_dmesg(const struct options *o)
{
    uint32_t index = 0;
    char *text;

    do {
        int rc = vmctl_log(handle, &index, &text);

        if (rc)
            return failed(rc);
        fputs(text, stdout);
        fflush(stdout);
        free(text);
    } while (o->follow && sleep(1) == 0);
    return EXIT_OK;
}

static const struct command {
    const char *name;
    const char *options; /* letters of getopt() */
    int least, most;     /* words behind it; most -1: any number */
    bool opens;          /* is started with an open handle */
    int (*run)(const struct options *o);
    const char *usage, *help;
} commands[] = {
    {"create", "jnp", 1, -1, false, do_create, "[-p] [-n] [--json] CONFIG [KEY=VALUE]...",
     "make a guest and let it run (-p: leave it paused; -n: only check the configuration)"},
    {"list", "j", 0, 0, true, do_list, "[--json]", "all domains"},
    {"info", "j", 1, 1, true, do_info, "[--json] DOMAIN",
     "one domain, and where its screen and serial port are"},
    {"pause", "", 1, 1, true, do_pause, "DOMAIN", "stop its vcpus until unpause"},
    {"unpause", "", 1, 1, true, do_unpause, "DOMAIN", "let its vcpus run again"},
    {"destroy", "", 1, 1, true, do_destroy, "DOMAIN", "end a guest at once and remove all of it"},
    {"dmesg", "f", 0, 0, true, do_dmesg, "[-f]",
     "the hypervisor's log (-f: go on with what is added)"},
};
#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

static int usage(FILE *f, int code)
{
    fprintf(f, "usage: vmctl COMMAND ...\n\n");
    for (size_t i = 0; i < COMMANDS; i++)
        fprintf(f, "  %s %s\n      %s\n", commands[i].name, commands[i].usage, commands[i].help);
    fprintf(f, "\nDOMAIN is a name or a number. vmctl(1) says more.\n");
    return code;
}

static int wrong_usage(const struct command *c)
{
    fprintf(stderr, "usage: vmctl %s %s\n", c->name, c->usage);
    return EXIT_USAGE;
}

/* The letters of this command's options; --json is -j. false: another one. */
static bool parse_options(const struct command *c, int argc, char **argv, struct options *o)
{
    int i = 0;

    for (; i < argc && argv[i][0] == '-' && argv[i][1]; i++) {
        const char *letters = strcmp(argv[i], "--json") == 0 ? "j" : argv[i] + 1;

        if (strcmp(argv[i], "--") == 0) {
            i++;
            break;
        }
        for (; *letters; letters++) {
            if (!strchr(c->options, *letters))
                return false;
            o->json |= *letters == 'j';
            o->paused |= *letters == 'p';
            o->dry_run |= *letters == 'n';
            o->follow |= *letters == 'f';
        }
    }
    o->words = argv + i;
    o->count = argc - i;
    return o->count >= c->least && (c->most < 0 || o->count <= c->most);
}

static int run(const struct command *c, int argc, char **argv)
{
    struct options o = {0};
    int rc = EXIT_OK;

    if (!parse_options(c, argc, argv, &o))
        return wrong_usage(c);
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
            return run(&commands[i], argc - 2, argv + 2);
    return say(EXIT_USAGE, "%s is not a command; vmctl --help lists them.", argv[1]);
}
