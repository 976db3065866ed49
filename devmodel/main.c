/* SPDX-License-Identifier: BSD-2-Clause */
/* devmodel DOMAIN KEY=VALUE... -- QEMU ARGUMENT...: the device models of one guest, until it goes.
 * Started by libvmctl (libvmctl/model.c), once for each guest. */
#include "devmodel/supervisor.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static unsigned long long number(const char *text)
{
    char *rest;
    unsigned long long n = strtoull(text, &rest, 10);

    if (!*text || *rest) {
        fprintf(stderr, "devmodel: \"%s\" is not a number.\n", text);
        exit(2);
    }
    return n;
}

static void add_tap(struct supervisor_config *c, int fd)
{
    unsigned n = 0;

    while (c->tap[n] >= 0)
        n++;
    if (n < SUPERVISOR_TAPS) {
        c->tap[n] = fd;
        c->tap[n + 1] = -1;
    }
}

/* A line for each. */
static void add_boot_device(struct worker_config *c, const char *path)
{
    size_t used = strlen(c->boot_order);

    snprintf(c->boot_order + used, sizeof(c->boot_order) - used, "%s%s", used ? "\n" : "", path);
}

/* Sizes are in KiB. */
static bool read_word(struct supervisor_config *c, const char *word)
{
    struct machine_config *m = &c->worker.machine;
    const char *value = strchr(word, '=');
    size_t n = value ? (size_t)(++value - word) : 0;

    if (n && strncmp(word, "vcpus=", n) == 0)
        m->vcpus = (unsigned)number(value);
    else if (n && strncmp(word, "ram=", n) == 0)
        m->ram = number(value) * 1024;
    else if (n && strncmp(word, "high-ram=", n) == 0)
        m->high_ram = number(value) * 1024;
    else if (n && strncmp(word, "hpet=", n) == 0)
        m->hpet = number(value);
    else if (n && strncmp(word, "boot=", n) == 0)
        m->boot = value;
    else if (n && strncmp(word, "boot-device=", n) == 0)
        add_boot_device(&c->worker, value);
    else if (n && strncmp(word, "uefi=", n) == 0)
        c->worker.uefi = number(value);
    else if (n && strncmp(word, "time-offset=", n) == 0)
        m->seconds += *value == '-' ? -(int64_t)number(value + 1) : (int64_t)number(value);
    else if (n && strncmp(word, "uid=", n) == 0)
        c->worker.uid = (uid_t)number(value);
    else if (n && strncmp(word, "socket=", n) == 0)
        c->socket = value;
    else if (n && strncmp(word, "qemu-log=", n) == 0)
        c->log = (int)number(value);
    else if (n && strncmp(word, "tap=", n) == 0)
        add_tap(c, (int)number(value));
    else
        return false;
    return true;
}

static int usage(void)
{
    fprintf(
        stderr,
        "usage: devmodel DOMAIN vcpus=N ram=KIB high-ram=KIB hpet=0|1 uid=N socket=PATH "
        "qemu-log=FD [uefi=0|1] [boot=LETTERS] [boot-device=PATH]... [time-offset=SECONDS] [tap=FD]... -- QEMU ARGUMENT...\n");
    return 2;
}

int main(int argc, char **argv)
{
    struct supervisor_config c = {.tap = {-1}, .log = 2};
    struct timespec wall;
    int i = 2;

    if (argc < 2)
        return usage();
    clock_gettime(CLOCK_REALTIME, &wall);
    c.worker.machine.seconds = wall.tv_sec;
    c.worker.machine.ns = (uint32_t)wall.tv_nsec;
    c.worker.domid = (uint16_t)number(argv[1]);
    while (i < argc && strcmp(argv[i], "--"))
        if (!read_word(&c, argv[i++]))
            return usage();
    if (i + 1 >= argc || !c.socket || !c.worker.uid || !c.worker.machine.vcpus)
        return usage();
    c.qemu = argv + i + 1;
    return supervisor_run(&c);
}
