/* SPDX-License-Identifier: BSD-2-Clause */
/* devmodel DOMAIN VCPUS RAM-KIB HIGH-RAM-KIB: the clocks of one guest's PC, until the guest goes.
 * Says "ready" on standard output, and closes that, once the guest's requests are served. */
#include "devmodel/clock.h"
#include "devmodel/debugcon.h"
#include "devmodel/machine.h"
#include "devmodel/server.h"
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <xen/xen.h>
#include <xen/hvm/ioreq.h>

struct lines {
    bool rtc, sci;
};

struct daemon {
    struct machine machine;
    struct server *server;
    struct lines lines;
    struct debugcon console;
};

static volatile sig_atomic_t ended;

static void end(int signal)
{
    (void)signal;
    ended = 1;
}

static uint64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * CLOCK_SECOND + (uint64_t)t.tv_nsec;
}

static void set_line(struct daemon *d, unsigned irq, bool *was, bool is)
{
    if (*was != is && server_set_irq(d->server, irq, is))
        *was = is;
}

static void run(struct daemon *d, uint64_t now)
{
    if (machine_run(&d->machine, now)) {
        server_set_irq(d->server, MACHINE_IRQ_PIT, true);
        server_set_irq(d->server, MACHINE_IRQ_PIT, false);
    }
    set_line(d, MACHINE_IRQ_RTC, &d->lines.rtc, rtc_irq(&d->machine.rtc));
    set_line(d, MACHINE_IRQ_SCI, &d->lines.sci, pm_sci(&d->machine.pm));
}

/* String instructions on these ports are answered as if nothing were there. */
static void handle(void *arg, struct ioreq *r)
{
    struct daemon *d = arg;
    uint64_t now = now_ns();

    if (r->type != IOREQ_TYPE_PIO || r->data_is_ptr)
        return;
    if (r->addr == DEBUGCON_PORT && r->dir == IOREQ_READ) {
        r->data = DEBUGCON_PORT; /* somebody is there */
        return;
    }
    if (r->addr == DEBUGCON_PORT) {
        debugcon_write(&d->console, (uint8_t)r->data, stderr);
        return;
    }
    if (r->dir == IOREQ_READ)
        r->data = machine_read(&d->machine, (uint16_t)r->addr, r->size, now);
    else
        machine_write(&d->machine, (uint16_t)r->addr, r->size, (uint32_t)r->data, now);
    run(d, now); /* lines follow before the guest goes on */
}

static bool wait_for_work(struct daemon *d)
{
    struct pollfd p = {.fd = server_fd(d->server), .events = POLLIN};
    uint64_t now = now_ns(), at = machine_deadline(&d->machine, now), ns = at > now ? at - now : 0;
    struct timespec t = {.tv_sec = (time_t)(ns / CLOCK_SECOND),
                         .tv_nsec = (long)(ns % CLOCK_SECOND)};
    int n = ppoll(&p, 1, at == CLOCK_NEVER ? NULL : &t, NULL);

    if (n < 0)
        return errno == EINTR && !ended;
    return n == 0 || server_serve(d->server, handle, d);
}

static bool start(struct daemon *d)
{
    for (size_t i = 0; i < machine_port_ranges; i++)
        if (!server_claim_ports(d->server, machine_ports[i].first, machine_ports[i].last))
            return false;
    if (!server_claim_ports(d->server, DEBUGCON_PORT, DEBUGCON_PORT) || !server_enable(d->server))
        return false;
    printf("ready\n");
    return fclose(stdout) == 0;
}

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

int main(int argc, char **argv)
{
    struct sigaction on_end = {.sa_handler = end};
    struct machine_config c = {.seconds = time(NULL)};
    static struct daemon d;
    bool started;

    if (argc != 5) {
        fprintf(stderr, "usage: devmodel DOMAIN VCPUS RAM-KIB HIGH-RAM-KIB\n");
        return 2;
    }
    c.vcpus = (unsigned)number(argv[2]);
    c.ram = number(argv[3]) * 1024;
    c.high_ram = number(argv[4]) * 1024;
    sigaction(SIGTERM, &on_end, NULL);
    sigaction(SIGINT, &on_end, NULL);
    d.server = server_open((uint16_t)number(argv[1]), c.vcpus);
    if (!d.server)
        return 1;
    machine_init(&d.machine, &c, now_ns());
    started = start(&d);
    while (started && !ended && wait_for_work(&d))
        run(&d, now_ns());
    server_close(d.server);
    return started ? 0 : 1;
}
