/* SPDX-License-Identifier: BSD-2-Clause */
#include "devmodel/worker.h"
#include "devmodel/clock.h"
#include "devmodel/confine.h"
#include "devmodel/debugcon.h"
#include "devmodel/firmware.h"
#include "devmodel/request.h"
#include "devmodel/server.h"
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>
#include <xen/xen.h>
#include <xen/hvm/ioreq.h>
#include <xen/sched.h>

#define SAY_AGAIN (60 * CLOCK_SECOND) /* about dropped interrupts */

struct worker {
    pthread_mutex_t lock; /* guards all below but server and the descriptors */
    struct machine machine;
    struct debugcon console;
    struct firmware firmware;
    bool has_firmware; /* the guest is to see the firmware configuration device */
    uint32_t lines;    /* as the guest's interrupt controllers have been told */
    uint64_t armed;    /* what the timer is set to */
    uint64_t now;      /* of the request that is being served */
    uint64_t requests;
    uint64_t said; /* dropped interrupts that the log knows of */
    uint64_t said_at;
    struct server *server;
    int timer;
    int socket;
};

static uint64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * CLOCK_SECOND + (uint64_t)t.tv_nsec;
}

static void arm(struct worker *w, uint64_t at)
{
    struct itimerspec t = {0};

    if (at == w->armed)
        return;
    w->armed = at;
    if (at != CLOCK_NEVER) { /* all zero disarms it */
        t.it_value.tv_sec = (time_t)(at / CLOCK_SECOND);
        t.it_value.tv_nsec = (long)(at % CLOCK_SECOND);
    }
    timerfd_settime(w->timer, TFD_TIMER_ABSTIME, &t, NULL);
}

/* ---- lines and wishes ---- */

/* A line rises anew by falling first, or falls again. */
static void set_line(struct worker *w, unsigned line, bool was, bool is, bool pulse)
{
    if (pulse && was)
        server_set_line(w->server, line, false);
    if (pulse || is != was)
        server_set_line(w->server, line, pulse || is);
    if (pulse && !is)
        server_set_line(w->server, line, false);
}

static void tell_lines(struct worker *w)
{
    uint32_t pulses, is = machine_lines(&w->machine, &pulses), todo = (is ^ w->lines) | pulses;

    for (unsigned i = 0; todo; i++, todo >>= 1)
        if (todo & 1)
            set_line(w, i, w->lines >> i & 1, is >> i & 1, pulses >> i & 1);
    w->lines = is;
}

static void grant_wish(struct worker *w)
{
    enum pm_wish wish = machine_wish(&w->machine);

    if (wish == PM_POWER_OFF)
        server_shutdown(w->server, SHUTDOWN_poweroff);
    if (wish == PM_RESET)
        server_shutdown(w->server, SHUTDOWN_reboot);
}

static void say_dropped(struct worker *w, uint64_t now)
{
    uint64_t n = machine_dropped(&w->machine) - w->said;

    if (n == 0 || (w->said && now - w->said_at < SAY_AGAIN))
        return;
    fprintf(stderr,
            "devmodel: %llu periodic interrupts were dropped: the guest was not served for more "
            "than a second, or asks for more than %u a second.\n",
            (unsigned long long)n, TICKS_PER_SECOND);
    w->said += n;
    w->said_at = now;
}

/* What an access or the time has changed reaches the guest before it goes on. The lines are told
 * before time passes, too: one that an access lowered may rise again by that. */
static void settle(struct worker *w, uint64_t now)
{
    if (now < w->machine.deadline)
        return;
    tell_lines(w);
    machine_run(&w->machine, now);
    tell_lines(w);
    grant_wish(w);
    say_dropped(w, now);
    if (w->machine.deadline < w->armed)
        arm(w, w->machine.deadline);
}

/* ---- requests ---- */

static void access_console(struct worker *w, bool write, uint64_t *value)
{
    if (write)
        debugcon_write(&w->console, (uint8_t)*value, stderr);
    else
        *value = DEBUGCON_PORT; /* somebody is there */
}

static bool do_copy(void *arg, uint64_t gpa, void *data, size_t size, bool write)
{
    struct worker *w = arg;

    return server_copy(w->server, gpa, data, size, write);
}

static bool read_guest(void *arg, uint64_t gpa, void *to, size_t size)
{
    for (size_t n; size; gpa += n, to = (char *)to + n, size -= n) {
        n = SERVER_PAGE - gpa % SERVER_PAGE;
        n = n < size ? n : size;
        if (!do_copy(arg, gpa, to, n, false))
            return false;
    }
    return true;
}

static void access_firmware(struct worker *w, uint16_t port, unsigned size, bool write,
                            uint64_t *value)
{
    const struct guest_reader g = {w, read_guest};

    if (write)
        firmware_write(&w->firmware, port, size, (uint32_t)*value, &g);
    else
        *value = firmware_read(&w->firmware, size);
}

static bool is_firmware(const struct worker *w, uint64_t port)
{
    return w->has_firmware && port >= FW_CFG_PORT && port <= FW_CFG_LAST_PORT;
}

static void do_access(void *arg, bool memory, uint64_t addr, unsigned size, bool write,
                      uint64_t *value)
{
    struct worker *w = arg;
    struct machine *m = &w->machine;

    if (memory && write)
        machine_write_memory(m, addr, size, *value, w->now);
    else if (memory)
        *value = machine_read_memory(m, addr, size, w->now);
    else if (addr == DEBUGCON_PORT)
        access_console(w, write, value);
    else if (is_firmware(w, addr))
        access_firmware(w, (uint16_t)addr, size, write, value);
    else if (write)
        machine_write(m, (uint16_t)addr, size, (uint32_t)*value, w->now);
    else
        *value = machine_read(m, (uint16_t)addr, size, w->now);
}

static void handle(void *arg, struct ioreq *r)
{
    struct worker *w = arg;
    const struct request_target t = {w, do_access, do_copy};

    pthread_mutex_lock(&w->lock);
    w->now = now_ns();
    w->requests++;
    request_serve(&t, r);
    settle(w, w->now);
    pthread_mutex_unlock(&w->lock);
}

static void *serve(void *arg)
{
    struct worker *w = arg;

    server_run(w->server, handle, w);
    exit(1);
}

/* ---- time and orders ---- */

static void pass_time(struct worker *w)
{
    pthread_mutex_lock(&w->lock);
    settle(w, now_ns());
    arm(w, w->machine.deadline);
    pthread_mutex_unlock(&w->lock);
}

static void obey(struct worker *w, const struct worker_order *o)
{
    struct pm *pm = &w->machine.pm;

    switch (o->kind) {
    case WORKER_POWER_BUTTON:
        pm_power_button(pm);
        break;
    case WORKER_SLEEP_BUTTON:
        pm_sleep_button(pm);
        break;
    case WORKER_GPE:
        pm_general(pm, o->event % 16);
        break;
    case WORKER_RESET:
        pm->wish = PM_RESET;
        break;
    default:
        break;
    }
    w->machine.deadline = 0;
}

static bool tell_status(struct worker *w)
{
    struct worker_status s = {w->requests, machine_dropped(&w->machine), 0};
    struct timespec wall;

    clock_gettime(CLOCK_REALTIME, &wall);
    s.ahead = rtc_ahead(&w->machine.rtc, now_ns(), &wall);
    return send(w->socket, &s, sizeof(s), MSG_NOSIGNAL) == (ssize_t)sizeof(s);
}

/* False: nobody gives orders any more. */
static bool take_order(struct worker *w)
{
    struct worker_order o;
    bool told;

    if (recv(w->socket, &o, sizeof(o), 0) != (ssize_t)sizeof(o))
        return false;
    pthread_mutex_lock(&w->lock);
    obey(w, &o);
    settle(w, now_ns());
    told = tell_status(w);
    pthread_mutex_unlock(&w->lock);
    return told;
}

static void live(struct worker *w)
{
    struct pollfd p[] = {{.fd = w->timer, .events = POLLIN}, {.fd = w->socket, .events = POLLIN}};

    for (;;) {
        if (poll(p, 2, -1) < 0 && errno != EINTR)
            return;
        if (p[0].revents)
            pass_time(w);
        if (p[1].revents && !take_order(w))
            return;
    }
}

/* ---- start ---- */

static bool claim_all(struct worker *w)
{
    for (size_t i = 0; i < machine_port_ranges; i++)
        if (!server_claim_ports(w->server, machine_ports[i].first, machine_ports[i].last))
            return false;
    if (w->machine.has_hpet &&
        !server_claim_memory(w->server, HPET_BASE, HPET_BASE + HPET_LENGTH - 1))
        return false;
    if (w->has_firmware && !server_claim_ports(w->server, FW_CFG_PORT, FW_CFG_LAST_PORT))
        return false;
    return server_claim_ports(w->server, DEBUGCON_PORT, DEBUGCON_PORT);
}

static bool start(struct worker *w, const struct worker_config *c)
{
    pthread_t thread;

    w->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
    w->server = server_open(c->domid, c->machine.vcpus);
    if (!w->server || w->timer < 0)
        return false;
    machine_init(&w->machine, &c->machine, now_ns());
    firmware_init(&w->firmware, c->machine.vcpus, c->boot_order);
    w->has_firmware = c->uefi;
    if (!claim_all(w) || !server_enable(w->server) || !server_restrict(w->server))
        return false;
    if (c->uid && !confine_drop(c->uid))
        return false;
    return pthread_create(&thread, NULL, serve, w) == 0 && tell_status(w);
}

_Noreturn void worker_run(const struct worker_config *c, int socket)
{
    static struct worker w = {.lock = PTHREAD_MUTEX_INITIALIZER, .armed = CLOCK_NEVER};

    w.socket = socket;
    if (!start(&w, c))
        exit(1);
    live(&w);
    exit(0); /* the server stays: a guest that is still there waits at its next access */
}
