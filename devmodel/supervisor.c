/* SPDX-License-Identifier: BSD-2-Clause */
#include "devmodel/supervisor.h"
#include "devmodel/child.h"
#include "devmodel/confine.h"
#include "devmodel/phase.h"
#include "devmodel/qmp_proxy.h"
#include "libvmctl/handle.h"
#include "libvmctl/store.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define QEMU_PATIENCE   5000 /* ms, to write its disks' data and end */
#define WORKER_PATIENCE 1000
#define ANSWER_PATIENCE 1000
#define MORE_ARGS       16
#define REASON          128
#define NAME_QEMU       "QEMU"
#define NAME_WORKER     "devmodel"

enum state { STARTING, RUNNING, FAILED };

struct supervisor {
    const struct supervisor_config *config;
    struct vmctl *xen;
    struct proxy *proxy;
    struct child worker, qemu;
    int orders;   /* to the worker */
    int listener; /* for clients */
    int signals;
    enum state state;
    char reason[REASON]; /* of FAILED */
    bool hotplug;        /* a device comes or goes: the guest is to be told */
    bool done;
};

static bool complain(const char *what)
{
    fprintf(stderr, "devmodel: %s: %s.\n", what, strerror(errno));
    return false;
}

static bool complain_xen(struct supervisor *s)
{
    fprintf(stderr, "devmodel: %s\n", vmctl_error(s->xen));
    return false;
}

/* ---- what others are told ---- */

/* Whoever started this process waits for one word. */
static void say(const char *word)
{
    dprintf(1, "%s\n", word);
    dup2(2, 1);
}

static void put_store(struct supervisor *s, const char *key, const char *value)
{
    char path[64];

    snprintf(path, sizeof(path), "device-model/%u/%s", s->config->worker.domid, key);
    if (store_set(s->xen, 0, path, value))
        fprintf(stderr, "devmodel: the store does not take that %s is \"%s\".\n", key, value);
}

static const char *state_name(enum state state)
{
    static const char *const names[] = {
        [STARTING] = "starting", [RUNNING] = "running", [FAILED] = "failed"};

    return names[state];
}

static void set_state(struct supervisor *s, enum state state)
{
    s->state = state;
    put_store(s, "state", state_name(state));
}

/* The guest cannot go on, and nobody else is concerned: it stays as it is, to be looked at and
 * destroyed. Paused beside whoever has paused it: the hypervisor counts, and vmctl_pause() refuses
 * a second time. */
static void fail(struct supervisor *s)
{
    fprintf(stderr, "devmodel: %s.\n", s->reason);
    if (s->state == FAILED)
        return;
    if (xen_domctl_simple(s->xen, XEN_DOMCTL_pausedomain, s->config->worker.domid))
        complain("The guest cannot be paused");
    put_store(s, "reason", s->reason);
    set_state(s, FAILED);
}

/* ---- the worker ---- */

static bool start_worker(struct supervisor *s)
{
    struct worker_config c = s->config->worker;
    struct worker_status status;
    int pair[2];

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
        return complain("No sockets");
    s->orders = pair[0];
    if (!child_fork(&s->worker, NAME_WORKER))
        return false;
    if (s->worker.pid == 0) {
        dup2(2, 1);
        phase_get(s->xen, c.domid, &c.machine.pm_timer); /* or it begins with 0 */
        /* Restricting replaces the descriptor of every handle there is, and these numbers come
         * again. */
        vmctl_free(s->xen);
        confine_descriptors((const int[]){pair[1], -1});
        worker_run(&c, pair[1]);
    }
    close(pair[1]);
    return recv(s->orders, &status, sizeof(status), 0) == (ssize_t)sizeof(status);
}

static bool order(struct supervisor *s, enum worker_order_kind kind, unsigned event,
                  struct worker_status *status)
{
    struct worker_order o = {(uint8_t)kind, (uint8_t)event};
    struct pollfd p = {.fd = s->orders, .events = POLLIN};

    return send(s->orders, &o, sizeof(o), MSG_NOSIGNAL) == (ssize_t)sizeof(o) &&
           poll(&p, 1, ANSWER_PATIENCE) == 1 &&
           recv(s->orders, status, sizeof(*status), 0) == (ssize_t)sizeof(*status);
}

/* ---- QEMU ---- */

/* With its monitor, and what makes it give up its privileges once it is set up: it is then no
 * longer root, sees an empty file system, and has this guest and no other. */
static void exec_qemu(struct supervisor *s, int monitor)
{
    char *const *from = s->config->qemu;
    char chardev[48], user[32];
    char *const more[] = {"-chardev", chardev,   "-mon",       "chardev=qmp,mode=control", "-runas",
                          user,       "-chroot", CONFINE_ROOT, "-xen-domid-restrict",      NULL};
    unsigned n = 0;
    char **argv;

    while (from[n])
        n++;
    argv = calloc(n + MORE_ARGS, sizeof(*argv));
    if (!argv)
        return;
    memcpy(argv, from, n * sizeof(*argv));
    memcpy(argv + n, more, sizeof(more));
    snprintf(chardev, sizeof(chardev), "socket,id=qmp,fd=%d", monitor);
    snprintf(user, sizeof(user), "%u:%u", s->config->worker.uid, s->config->worker.uid);
    execv(argv[0], argv);
}

_Noreturn static void be_qemu(struct supervisor *s, int monitor)
{
    int keep[SUPERVISOR_TAPS + 2] = {monitor};

    memcpy(keep + 1, s->config->tap, sizeof(s->config->tap));
    fcntl(monitor, F_SETFD, 0);
    dup2(s->config->log, 1);
    dup2(s->config->log, 2);
    confine_descriptors(keep);
    if (confine_program())
        exec_qemu(s, monitor);
    complain("QEMU cannot be started");
    _exit(127);
}

static enum proxy_verdict command(void *ctx, const char *name, char *result, size_t size);
static void ask_status(void *ctx);

static bool start_qemu(struct supervisor *s)
{
    static const struct proxy_ops ops = {command, ask_status};
    int pair[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
        return complain("No sockets");
    if (!child_fork(&s->qemu, NAME_QEMU))
        return false;
    if (s->qemu.pid == 0)
        be_qemu(s, pair[1]);
    close(pair[1]);
    s->proxy = proxy_new(pair[0], &ops, s);
    return s->proxy || complain("No memory");
}

/* An answer comes from its main loop: it serves the guest then. */
static void take_status(void *ctx, struct text answer)
{
    struct supervisor *s = ctx;

    if (s->state != STARTING || !answer.at || !qmp_member(answer, "return").at)
        return;
    set_state(s, RUNNING);
    say("ready");
}

static void ask_status(void *ctx)
{
    struct supervisor *s = ctx;

    proxy_ask(s->proxy, "{\"execute\": \"query-status\"}\n", take_status);
}

/* ---- commands ---- */

static enum proxy_verdict press(struct supervisor *s, enum worker_order_kind kind, char *result,
                                size_t size)
{
    struct worker_status status;

    if (order(s, kind, 0, &status)) {
        snprintf(result, size, "{}");
        return PROXY_DONE;
    }
    snprintf(result, size, "The guest's power management does not answer");
    return PROXY_REFUSED;
}

static enum proxy_verdict tell_status(struct supervisor *s, char *result, size_t size)
{
    struct worker_status status = {0};

    order(s, WORKER_TELL, 0, &status);
    snprintf(result, size,
             "{\"state\": \"%s\", \"reason\": \"%s\", \"requests\": %llu, "
             "\"dropped-interrupts\": %llu, \"clock-ahead\": %lld}",
             state_name(s->state), s->reason, (unsigned long long)status.requests,
             (unsigned long long)status.dropped, (long long)status.ahead);
    return PROXY_DONE;
}

static enum proxy_verdict command(void *ctx, const char *name, char *result, size_t size)
{
    struct supervisor *s = ctx;

    if (strcmp(name, "system_powerdown") == 0)
        return press(s, WORKER_POWER_BUTTON, result, size);
    if (strcmp(name, "devmodel-sleep-button") == 0)
        return press(s, WORKER_SLEEP_BUTTON, result, size);
    if (strcmp(name, "system_reset") == 0)
        return press(s, WORKER_RESET, result, size);
    if (strcmp(name, "devmodel-status") == 0)
        return tell_status(s, result, size);
    if (strcmp(name, "device_add") == 0 || strcmp(name, "device_del") == 0)
        s->hotplug = true;
    return PROXY_FORWARD;
}

/* QEMU has answered whatever came before. */
static void raise_hotplug(void *ctx, struct text answer)
{
    struct worker_status status;

    if (answer.at)
        order(ctx, WORKER_GPE, PM_GPE_PCI, &status);
}

static void follow_hotplug(struct supervisor *s)
{
    if (s->hotplug)
        proxy_ask(s->proxy, "{\"execute\": \"query-version\"}\n", raise_hotplug);
    s->hotplug = false;
}

/* ---- clients ---- */

static bool listen_for_clients(struct supervisor *s)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};

    if (strlen(s->config->socket) >= sizeof(a.sun_path))
        return false;
    strcpy(a.sun_path, s->config->socket);
    unlink(a.sun_path);
    umask(0077);
    s->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    return (s->listener >= 0 && !bind(s->listener, (struct sockaddr *)&a, sizeof(a)) &&
            !listen(s->listener, PROXY_CLIENTS)) ||
           complain(s->config->socket);
}

static void accept_client(struct supervisor *s)
{
    int fd = accept4(s->listener, NULL, NULL, SOCK_CLOEXEC);

    if (fd >= 0)
        proxy_add(s->proxy, fd);
}

/* ---- the guest ---- */

static bool guest_is_there(struct supervisor *s)
{
    struct xen_domctl op = {.cmd = XEN_DOMCTL_getdomaininfo, .domain = s->config->worker.domid};
    int rc = xen_domctl(s->xen, &op);

    if (rc)
        return rc != -ESRCH;
    return op.domain == s->config->worker.domid && !(op.u.getdomaininfo.flags & XEN_DOMINF_dying);
}

/* Some domain is gone. False: the store is. */
static bool look_for_guest(struct supervisor *s)
{
    char **event;

    while ((event = xs_check_watch(s->xen->store)))
        free(event);
    if (errno != EAGAIN)
        return false;
    s->done = !guest_is_there(s);
    return true;
}

static bool open_xen(struct supervisor *s)
{
    s->xen = vmctl_new();
    return s->xen && (!vmctl_connect(s->xen) || complain_xen(s));
}

/* The watch makes a thread: no process is started after it. */
static bool watch_xen(struct supervisor *s)
{
    char number[16];

    snprintf(number, sizeof(number), "%d", s->qemu.pid);
    if (store_set(s->xen, s->config->worker.domid, "image/device-model-pid", number))
        return complain("The store does not take the number of QEMU's process");
    return xs_watch(s->xen->store, "@releaseDomain", "guest") || complain("The store");
}

/* ---- start, life, end ---- */

static bool catch_signals(struct supervisor *s)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigprocmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    s->signals = signalfd(-1, &set, SFD_CLOEXEC);
    return s->signals >= 0 || complain("No signals");
}

/* NULL, or who could not be started. */
static const char *start(struct supervisor *s)
{
    if (!catch_signals(s) || !open_xen(s) || !start_worker(s))
        return NAME_WORKER;
    if (!start_qemu(s))
        return NAME_QEMU;
    return watch_xen(s) && listen_for_clients(s) ? NULL : NAME_WORKER;
}

/* One of the two has ended. While they start, that ends all. */
static void take_end(struct supervisor *s, struct child *c)
{
    bool starting = s->state == STARTING;

    child_reap(c, s->reason, sizeof(s->reason));
    if (c == &s->qemu)
        proxy_qemu_gone(s->proxy);
    if (starting) {
        fprintf(stderr, "devmodel: %s.\n", s->reason);
        say(c->name);
        s->done = true;
    } else {
        fail(s);
    }
}

enum source { SIGNALS, WORKER, QEMU, LISTENER, STORE, SOURCES };

static void live(struct supervisor *s)
{
    struct pollfd p[SOURCES + PROXY_FDS] = {[SIGNALS] = {.fd = s->signals},
                                            [LISTENER] = {.fd = s->listener},
                                            [STORE] = {.fd = xs_fileno(s->xen->store)}};

    while (!s->done) {
        size_t n = proxy_poll(s->proxy, p + SOURCES);

        p[WORKER].fd = s->worker.fd;
        p[QEMU].fd = s->qemu.fd;
        for (unsigned i = 0; i < SOURCES; i++)
            p[i].events = POLLIN;
        if (poll(p, SOURCES + n, -1) < 0)
            continue;
        proxy_serve(s->proxy, p + SOURCES, n);
        follow_hotplug(s);
        if (p[LISTENER].revents)
            accept_client(s);
        if (p[WORKER].revents)
            take_end(s, &s->worker);
        if (p[QEMU].revents)
            take_end(s, &s->qemu);
        if (p[STORE].revents && !look_for_guest(s))
            p[STORE].fd = -1;
        s->done |= p[SIGNALS].revents != 0;
    }
}

/* QEMU first: it may have data to write. The worker ends with its socket. */
static void end(struct supervisor *s)
{
    child_end(&s->qemu, QEMU_PATIENCE);
    if (s->orders >= 0)
        close(s->orders);
    child_end(&s->worker, WORKER_PATIENCE);
    proxy_free(s->proxy);
    if (s->listener >= 0)
        unlink(s->config->socket);
    vmctl_free(s->xen);
}

int supervisor_run(const struct supervisor_config *c)
{
    struct supervisor s = {.config = c,
                           .worker = {NAME_WORKER, 0, -1},
                           .qemu = {NAME_QEMU, 0, -1},
                           .orders = -1,
                           .listener = -1};
    const char *failed = start(&s);

    if (failed)
        say(failed);
    else
        live(&s);
    end(&s);
    return s.state == STARTING ? 1 : 0;
}
