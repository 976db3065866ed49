/* SPDX-License-Identifier: BSD-2-Clause */
#include "libvmctl/model.h"
#include "libvmctl/layout.h"
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
#define CLOCKS_PATH   "/usr/libexec/helium/devmodel"
#define LINE_MAX_SIZE 256

void model_qmp_path(uint16_t id, char *path, size_t size)
{
    snprintf(path, size, MODEL_RUN_DIR "/qmp-%u", id);
}

static void log_path(const char *what, const char *name, char *path, size_t size)
{
    snprintf(path, size, MODEL_LOG_DIR "/%s-%s.log", strcmp(what, "QEMU") ? what : "qemu", name);
}

/* The two processes of a guest, and how each is told from whoever has its number later: by the
 * argument before the guest's number. */
static const struct process {
    const char *what, *key, *flag;
} qemu = {"QEMU", "image/device-model-pid", "-xen-domid"},
  clocks = {"devmodel", "image/clocks-pid", CLOCKS_PATH};

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

/* Descriptor out, or -1, is its standard output instead of the log. */
static void run_child(char *const *argv, int log, int out)
{
    int null = open("/dev/null", O_RDONLY);

    setsid();
    dup2(null, 0);
    dup2(out >= 0 ? out : log, 1);
    dup2(log, 2);
    signal(SIGPIPE, SIG_DFL);
    execv(argv[0], argv);
    dprintf(2, "%s cannot be started: %s\n", argv[0], strerror(errno));
    _exit(127);
}

static int open_log(struct vmctl *v, const char *what, const char *name)
{
    char path[128];
    int fd;

    mkdir(MODEL_LOG_DIR, 0750);
    mkdir(MODEL_RUN_DIR, 0750);
    log_path(what, name, path, sizeof(path));
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
    return fd < 0 ? vm_fail(v, errno, "The log %s cannot be written: %s.", path, strerror(errno))
                  : fd;
}

static int spawn(struct vmctl *v, const struct vm_config *c, uint16_t id, const int *taps,
                 pid_t *pid)
{
    struct qemu_args args;
    char qmp[108];
    int log = open_log(v, qemu.what, c->name);

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
        run_child(args.arg, log, -1);
    close(log);
    qemu_args_free(&args);
    return *pid < 0 ? vm_fail(v, errno, "No process for QEMU: %s.", strerror(errno)) : 0;
}

/* The last line that is not empty. */
static void last_line(const char *what, const char *name, char line[LINE_MAX_SIZE])
{
    char path[128], text[LINE_MAX_SIZE];
    FILE *f;

    snprintf(line, LINE_MAX_SIZE, "nothing");
    log_path(what, name, path, sizeof(path));
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
            last_line(qemu.what, c->name, line);
            return vm_fail(v, EIO, "QEMU ended at once; its last words: %s.", line);
        }
        if (seconds() > end) {
            last_line(qemu.what, c->name, line);
            return vm_fail(v, ETIMEDOUT, "QEMU is not ready after %d seconds; its last words: %s.",
                           START_SECONDS, line);
        }
        if (poll(&p, 1, POLL_MS) > 0)
            free(xs_read_watch(v->store, &n));
    }
    return 0;
}

static int keep_pid(struct vmctl *v, uint16_t id, const struct process *p, pid_t pid)
{
    char number[16];
    int rc;

    snprintf(number, sizeof(number), "%d", pid);
    rc = store_set(v, id, p->key, number);
    return rc ? vm_fail(v, -rc, "The store does not take the number of %s's process: %s.", p->what,
                        strerror(-rc))
              : 0;
}

static void end_child(pid_t pid)
{
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

static int start_qemu(struct vmctl *v, const struct vm_config *c, uint16_t id, const int *taps)
{
    char path[64];
    pid_t pid;
    int rc = spawn(v, c, id, taps, &pid);

    if (rc)
        return rc;
    rc = keep_pid(v, id, &qemu, pid);
    snprintf(path, sizeof(path), "/local/domain/0/device-model/%u", id);
    xs_watch(v->store, path, "model");
    if (rc == 0)
        rc = wait_ready(v, c, id, pid);
    xs_unwatch(v->store, path, "model");
    if (rc)
        end_child(pid);
    return rc;
}

/* ---- devmodel ---- */

static int spawn_clocks(struct vmctl *v, const struct vm_config *c, uint16_t id, int out,
                        pid_t *pid)
{
    char number[4][24];
    char *argv[] = {CLOCKS_PATH, number[0], number[1], number[2], number[3], NULL};
    struct layout l;
    int log = open_log(v, clocks.what, c->name);

    if (log < 0)
        return log;
    layout_compute(&l, (c->memory_kib - c->video_kib) << 10);
    snprintf(number[0], sizeof(number[0]), "%u", id);
    snprintf(number[1], sizeof(number[1]), "%u", c->vcpus);
    snprintf(number[2], sizeof(number[2]), "%llu", (unsigned long long)l.low_end >> 10);
    snprintf(number[3], sizeof(number[3]), "%llu",
             (unsigned long long)(l.high_end ? l.high_end - LAYOUT_4G : 0) >> 10);
    dprintf(log, "%s %s %s %s %s\n", argv[0], argv[1], argv[2], argv[3], argv[4]);
    *pid = fork();
    if (*pid == 0)
        run_child(argv, log, out);
    close(log);
    return *pid < 0 ? vm_fail(v, errno, "No process for devmodel: %s.", strerror(errno)) : 0;
}

/* It says one line when it serves the guest, and closes the pipe in any case. */
static bool says_ready(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    char c;

    return poll(&p, 1, START_SECONDS * 1000) == 1 && read(fd, &c, 1) == 1;
}

static int start_clocks(struct vmctl *v, const struct vm_config *c, uint16_t id)
{
    char line[LINE_MAX_SIZE];
    int ends[2], rc;
    pid_t pid;

    if (pipe2(ends, O_CLOEXEC))
        return vm_fail(v, errno, "No pipe: %s.", strerror(errno));
    rc = spawn_clocks(v, c, id, ends[1], &pid);
    close(ends[1]);
    if (rc == 0) {
        rc = keep_pid(v, id, &clocks, pid);
        if (rc == 0 && !says_ready(ends[0])) {
            last_line(clocks.what, c->name, line);
            rc = vm_fail(v, EIO, "devmodel does not serve the guest; its last words: %s", line);
        }
        if (rc)
            end_child(pid);
    }
    close(ends[0]);
    return rc;
}

/* ---- both ---- */

/* A process number may have been given to somebody else since: it is QEMU's if its arguments say
 * so. */
static bool is_model(const struct process *process, int pid, uint16_t id)
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
        flag = strcmp(p, process->flag) == 0;
    }
    return found;
}

static int find_pid(struct vmctl *v, uint16_t id, const struct process *p, bool *lost)
{
    char number[16];
    int pid = store_get(v, id, p->key, number, sizeof(number)) ? atoi(number) : 0;

    *lost = pid > 0 && !is_model(p, pid, id);
    return pid > 0 && !*lost ? pid : 0;
}

static void stop_process(struct vmctl *v, uint16_t id, const struct process *process)
{
    bool lost;
    int pid = find_pid(v, id, process, &lost);
    int fd = pid ? (int)syscall(SYS_pidfd_open, pid, 0) : -1;
    struct pollfd p = {.fd = fd, .events = POLLIN};

    if (fd < 0)
        return;
    /* Once it is held by its descriptor the number cannot change its meaning. */
    if (is_model(process, pid, id)) {
        syscall(SYS_pidfd_send_signal, fd, SIGTERM, NULL, 0);
        if (poll(&p, 1, STOP_MS) == 0) {
            syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0);
            poll(&p, 1, STOP_MS);
        }
    }
    close(fd);
    waitpid(pid, NULL, WNOHANG); /* a child of ours, if we started it */
}

int model_start(struct vmctl *v, const struct vm_config *c, uint16_t id)
{
    int taps[VM_MAX_NICS];
    int rc;

    for (unsigned i = 0; i < VM_MAX_NICS; i++)
        taps[i] = -1;
    rc = open_taps(v, c, id, taps);
    /* First: of two servers that claim a port, the one that was there first gets it. */
    if (rc == 0)
        rc = start_clocks(v, c, id);
    if (rc == 0)
        rc = start_qemu(v, c, id, taps);
    close_taps(taps);
    if (rc)
        stop_process(v, id, &clocks);
    return rc;
}

int model_pid(struct vmctl *v, uint16_t id, bool *lost)
{
    bool clocks_lost;
    int pid = find_pid(v, id, &qemu, lost);

    find_pid(v, id, &clocks, &clocks_lost);
    *lost |= clocks_lost;
    return pid;
}

void model_stop(struct vmctl *v, uint16_t id)
{
    char path[108];

    stop_process(v, id, &qemu);
    stop_process(v, id, &clocks);
    model_qmp_path(id, path, sizeof(path));
    unlink(path);
}
