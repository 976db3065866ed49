/* SPDX-License-Identifier: BSD-2-Clause */
#include "libvmctl/command.h"
#include "libvmctl/image.h"
#include "libvmctl/keeper.h"
#include "libvmctl/xlcfg.h"
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define CONFIG_MAX (1u << 20)

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
        if (text[length - 1] != '\n') /* a file that can be read is not empty */
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

static volatile sig_atomic_t interrupted;

static void interrupt(int signal)
{
    (void)signal;
    interrupted = 1;
}

static void on_signals(void (*fn)(int signal))
{
    const struct sigaction a = {.sa_handler = fn};

    sigaction(SIGINT, &a, NULL);
    sigaction(SIGTERM, &a, NULL);
    sigaction(SIGHUP, &a, NULL);
}

/* A guest that is there, paused: watched, and let run. */
static int start(const struct options *o, struct vm_config *c, uint16_t id)
{
    int rc;

    if (keeper_start(c, id))
        return say(EXIT_FAILED, "There is no process to watch the guest with.");
    rc = o->paused ? 0 : vmctl_unpause(handle, id);
    return rc ? failed(rc) : EXIT_OK;
}

/* The phase that runs, and since when. */
struct phase {
    const char *name; /* NULL: none yet */
    struct timespec since;
};

/* "create: memory 1234 us" on standard error when the phase is over. */
static void next_phase(const char *name, void *arg)
{
    struct phase *p = arg;
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    if (p->name)
        fprintf(stderr, "create: %s %lld us\n", p->name,
                (now.tv_sec - p->since.tv_sec) * 1000000LL +
                    (now.tv_nsec - p->since.tv_nsec) / 1000);
    *p = (struct phase){name, now};
}

static int create_from(const struct options *o, struct vm_config *c)
{
    struct phase phase = {0};
    uint16_t id;
    int rc = open_handle();

    if (rc)
        return rc;
    on_signals(interrupt);
    vmctl_cancel_by(handle, &interrupted);
    if (o->verbose)
        vmctl_phases_to(handle, next_phase, &phase);
    rc = vmctl_create(handle, c, &id);
    if (o->verbose)
        next_phase(NULL, &phase);
    on_signals(SIG_DFL);
    if (rc)
        return failed(rc);
    rc = start(o, c, id);
    if (rc)
        vmctl_destroy(handle, id);
    else if (o->json)
        printf("{\"id\": %u}\n", id);
    else
        printf("%s is domain %u.\n", c->name, id);
    return rc;
}

int do_create(const struct options *o)
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
