/* SPDX-License-Identifier: BSD-2-Clause */
#include "libvmctl/model.h"
#include "libvmctl/qemu_args.h"
#include "libvmctl/store.h"
#include "libvmctl/tap.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define START_SECONDS 120 /* an emulated machine takes its time */
#define STOP_MS       5000
#define POLL_MS       200
#define PID_KEY       "image/device-model-pid"
#define LINE_MAX_SIZE 256

void model_qmp_path(uint16_t id, char *path, size_t size)
{
    snprintf(path, size, MODEL_RUN_DIR "/qmp-%u", id);
}

static void log_path(const char *name, char *path, size_t size)
{
    snprintf(path, size, MODEL_LOG_DIR "/qemu-%s.log", name);
}

/* ---- network ---- */

static int open_taps(struct vmctl *v, const struct vm_config *c, uint16_t id, int fd[VM_MAX_NICS])
{
    for (unsigned i = 0; i < c->nics; i++) {
        const struct vm_nic *n = &c->nic[i];
        char name[16];

        if (n->ifname)
            snprintf(name, sizeof(name), "%s", n->ifname);
        else
            snprintf(name, sizeof(name), "vif%u.%u-emu", id, i);
        fd[i] = tap_open(name, n->bridge);
        if (fd[i] < 0 && n->bridge)
            return vm_fail(
                v, -fd[i],
                "The network card's tap %s cannot be made and put into the bridge %s: %s.", name,
                n->bridge, strerror(-fd[i]));
        if (fd[i] < 0)
            return vm_fail(v, -fd[i], "The network card's tap %s cannot be made: %s.", name,
                           strerror(-fd[i]));
    }
    return 0;
}

static void close_taps(const int fd[VM_MAX_NICS])
{
    for (unsigned i = 0; i < VM_MAX_NICS; i++)
        if (fd[i] >= 0)
            close(fd[i]);
}

/* ---- the process ---- */

static void run_child(char *const *argv, int log)
{
    int null = open("/dev/null", O_RDONLY);

    setsid();
    dup2(null, 0);
    dup2(log, 1);
    dup2(log, 2);
    signal(SIGPIPE, SIG_DFL);
    execv(argv[0], argv);
    dprintf(2, "%s cannot be started: %s\n", argv[0], strerror(errno));
    _exit(127);
}

static int open_log(struct vmctl *v, const char *name)
{
    char path[128];
    int fd;

    mkdir(MODEL_LOG_DIR, 0750);
    mkdir(MODEL_RUN_DIR, 0750);
    log_path(name, path, sizeof(path));
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
    return fd < 0 ? vm_fail(v, errno, "The log %s cannot be written: %s.", path, strerror(errno))
                  : fd;
}

static int spawn(struct vmctl *v, const struct vm_config *c, uint16_t id, const int *taps,
                 pid_t *pid)
{
    struct qemu_args args;
    char qmp[108];
    int log = open_log(v, c->name);

    if (log < 0)
        return log;
    model_qmp_path(id, qmp, sizeof(qmp));
    if (qemu_args_build(&args, c, id, qmp, taps)) {
        qemu_args_free(&args);
        close(log);
        return vm_fail(v, E2BIG, "QEMU's command line is too long.");
    }
    for (unsigned i = 0; i < args.count; i++)
        dprintf(log, "%s%c", args.arg[i], i + 1 < args.count ? ' ' : '\n');
    *pid = fork();
    if (*pid == 0)
        run_child(args.arg, log);
    close(log);
    qemu_args_free(&args);
    return *pid < 0 ? vm_fail(v, errno, "No process for QEMU: %s.", strerror(errno)) : 0;
}

/* The last line that is not empty. */
static void last_line(const char *name, char line[LINE_MAX_SIZE])
{
    char path[128], text[LINE_MAX_SIZE];
    FILE *f;

    snprintf(line, LINE_MAX_SIZE, "nothing");
    log_path(name, path, sizeof(path));
    f = fopen(path, "re");
    if (!f)
        return;
    if (!fgets(text, sizeof(text), f)) /* the command line */
        text[0] = 0;
    while (!strchr(text, '\n') && fgets(text, sizeof(text), f))
        ;
    while (fgets(text, sizeof(text), f))
        if (text[strspn(text, " \t\n")])
            snprintf(line, LINE_MAX_SIZE, "%.*s", (int)strcspn(text, "\n"), text);
    fclose(f);
}

static bool serves(struct vmctl *v, uint16_t id)
{
    char key[64], state[32];

    snprintf(key, sizeof(key), "device-model/%u/state", id);
    return store_get(v, 0, key, state, sizeof(state)) && strcmp(state, "running") == 0;
}

static time_t seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec;
}

/* The store tells of changes by its descriptor; a process that ended is looked for now and then. */
static int wait_ready(struct vmctl *v, const struct vm_config *c, uint16_t id, pid_t pid)
{
    struct pollfd p = {.fd = xs_fileno(v->store), .events = POLLIN};
    time_t end = seconds() + START_SECONDS;
    char line[LINE_MAX_SIZE];
    unsigned n;
    int status;

    while (!serves(v, id)) {
        if (waitpid(pid, &status, WNOHANG) == pid) {
            last_line(c->name, line);
            return vm_fail(v, EIO, "QEMU ended at once; its last words: %s.", line);
        }
        if (seconds() > end) {
            last_line(c->name, line);
            return vm_fail(v, ETIMEDOUT, "QEMU is not ready after %d seconds; its last words: %s.",
                           START_SECONDS, line);
        }
        if (poll(&p, 1, POLL_MS) > 0)
            free(xs_read_watch(v->store, &n));
    }
    return 0;
}

static int start(struct vmctl *v, const struct vm_config *c, uint16_t id, const int *taps)
{
    char path[64], number[16];
    pid_t pid;
    int rc = spawn(v, c, id, taps, &pid);

    if (rc)
        return rc;
    snprintf(number, sizeof(number), "%d", pid);
    rc = store_set(v, id, PID_KEY, number);
    if (rc)
        vm_fail(v, -rc, "The store does not take QEMU's process number: %s.", strerror(-rc));
    snprintf(path, sizeof(path), "/local/domain/0/device-model/%u", id);
    xs_watch(v->store, path, "model");
    if (rc == 0)
        rc = wait_ready(v, c, id, pid);
    xs_unwatch(v->store, path, "model");
    if (rc) {
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
    }
    return rc;
}

int model_start(struct vmctl *v, const struct vm_config *c, uint16_t id)
{
    int taps[VM_MAX_NICS];
    int rc;

    for (unsigned i = 0; i < VM_MAX_NICS; i++)
        taps[i] = -1;
    rc = open_taps(v, c, id, taps);
    if (rc == 0)
        rc = start(v, c, id, taps);
    close_taps(taps);
    return rc;
}

/* A process number may have been given to somebody else since: it is QEMU's if its arguments say
 * so. */
static bool is_model(int pid, uint16_t id)
{
    char path[64], text[4096], want[32];
    bool flag = false, found = false;
    ssize_t n = 0;
    int fd;

    snprintf(path, sizeof(path), "/proc/%d/cmdline", pid);
    snprintf(want, sizeof(want), "%u", id);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0)
        n = read(fd, text, sizeof(text) - 1);
    if (fd >= 0)
        close(fd);
    text[n > 0 ? n : 0] = 0;
    for (const char *p = text; p < text + n && !found; p += strlen(p) + 1) {
        found = flag && strcmp(p, want) == 0;
        flag = strcmp(p, "-xen-domid") == 0;
    }
    return found;
}

int model_pid(struct vmctl *v, uint16_t id, bool *lost)
{
    char number[16];
    int pid = store_get(v, id, PID_KEY, number, sizeof(number)) ? atoi(number) : 0;

    *lost = pid > 0 && !is_model(pid, id);
    return pid > 0 && !*lost ? pid : 0;
}

void model_stop(struct vmctl *v, uint16_t id)
{
    char path[108];
    bool lost;
    int pid = model_pid(v, id, &lost);
    int fd = pid ? (int)syscall(SYS_pidfd_open, pid, 0) : -1;
    struct pollfd p = {.fd = fd, .events = POLLIN};

    /* Once it is held by its descriptor the number cannot change its meaning. */
    if (fd >= 0 && is_model(pid, id)) {
        syscall(SYS_pidfd_send_signal, fd, SIGTERM, NULL, 0);
        if (poll(&p, 1, STOP_MS) == 0) {
            syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0);
            poll(&p, 1, STOP_MS);
        }
    }
    if (fd >= 0)
        close(fd);
    waitpid(pid ? pid : -2, NULL, WNOHANG); /* a child of ours, if we started it */
    model_qmp_path(id, path, sizeof(path));
    unlink(path);
}
