/* SPDX-License-Identifier: BSD-2-Clause */
#include "libvmctl/model.h"
#include "libvmctl/boot_order.h"
#include "libvmctl/layout.h"
#include "libvmctl/plain.h"
#include "libvmctl/qemu_args.h"
#include "libvmctl/store.h"
#include "libvmctl/tap.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define START_SECONDS 120 /* an emulated machine takes its time */
#define STOP_MS       10000
#define CLOCKS_PATH   "/usr/libexec/helium/devmodel"
#define LINE_MAX_SIZE 256

void model_qmp_path(uint16_t id, char *path, size_t size)
{
    snprintf(path, size, MODEL_RUN_DIR "/qmp-%u", id);
}

void model_reason(struct vmctl *v, uint16_t id, char *reason, size_t size)
{
    char key[64];

    snprintf(key, sizeof(key), "device-model/%u/reason", id);
    if (!store_get(v, 0, key, reason, size))
        *reason = 0;
    make_plain(reason); /* it may quote QEMU */
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

/* Once a process is held by its descriptor its number cannot change its meaning. */
static void end_process(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};

    syscall(SYS_pidfd_send_signal, fd, SIGTERM, NULL, 0);
    if (poll(&p, 1, STOP_MS) == 0) {
        syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0);
        poll(&p, 1, STOP_MS);
    }
}

static void end_child(pid_t pid)
{
    int fd = (int)syscall(SYS_pidfd_open, pid, 0);

    if (fd >= 0) {
        end_process(fd);
        close(fd);
    }
    waitpid(pid, NULL, WNOHANG);
}

/* ---- devmodel ---- */

struct arguments {
    char *arg[QEMU_MAX_ARGS + 32];
    char text[16 + VM_MAX_NICS + BOOT_MAX_DEVICES][128]; /* of those that are not QEMU's */
    unsigned count, texts;
};

__attribute__((format(printf, 2, 3))) static void add(struct arguments *a, const char *format, ...)
{
    char *text = a->text[a->texts++];
    va_list ap;

    va_start(ap, format);
    vsnprintf(text, sizeof(a->text[0]), format, ap);
    va_end(ap);
    a->arg[a->count++] = text;
}

static void build_arguments(struct arguments *a, const struct vm_config *c, uint16_t id,
                            const int *taps, int log, const struct qemu_args *q)
{
    char socket[108], device[BOOT_MAX_DEVICES][BOOT_PATH_MAX];
    unsigned devices = boot_order(c, device);
    struct layout l;

    layout_compute(&l, vm_config_ram(c));
    model_qmp_path(id, socket, sizeof(socket));
    add(a, "%s", CLOCKS_PATH);
    add(a, "%u", id);
    add(a, "vcpus=%u", c->vcpus);
    add(a, "ram=%llu", (unsigned long long)l.low_end >> 10);
    add(a, "high-ram=%llu", (unsigned long long)(l.high_end ? l.high_end - LAYOUT_4G : 0) >> 10);
    add(a, "hpet=%d", c->hpet);
    add(a, "boot=%s", vm_config_boot(c));
    add(a, "uefi=%d", c->bios == VM_OVMF);
    for (unsigned i = 0; i < devices; i++)
        add(a, "boot-device=%s", device[i]);
    add(a, "time-offset=%lld", vm_config_time_offset(c, time(NULL)));
    add(a, "uid=%u", MODEL_FIRST_UID + id);
    add(a, "socket=%s", socket);
    add(a, "qemu-log=%d", log);
    for (unsigned i = 0; i < c->nics; i++)
        add(a, "tap=%d", taps[i]);
    add(a, "--");
    for (unsigned i = 0; i < q->count; i++)
        a->arg[a->count++] = q->arg[i];
    a->arg[a->count] = NULL;
}

/* The command line is what a log begins with. */
static void log_arguments(int log, char *const *arg)
{
    for (; *arg; arg++)
        dprintf(log, "%s%c", *arg, arg[1] ? ' ' : '\n');
}

/* Descriptor out is its standard output. */
static void run_child(char *const *argv, int log, int qemu_log, int out)
{
    int null = open("/dev/null", O_RDONLY);

    setsid();
    dup2(null, 0);
    dup2(out, 1);
    dup2(log, 2);
    fcntl(qemu_log, F_SETFD, 0);
    signal(SIGPIPE, SIG_DFL);
    execv(argv[0], argv);
    dprintf(2, "%s cannot be started: %s\n", argv[0], strerror(errno));
    _exit(127);
}

static int spawn(struct vmctl *v, const struct vm_config *c, uint16_t id, const int *taps, int out,
                 const int log[2], pid_t *pid)
{
    struct arguments *a = calloc(1, sizeof(*a));
    struct qemu_args q;
    int rc = qemu_args_build(&q, c, id, taps);

    if (rc || !a) {
        rc = vm_fail(v, E2BIG, "QEMU's command line is too long.");
    } else {
        build_arguments(a, c, id, taps, log[1], &q);
        log_arguments(log[0], a->arg);
        log_arguments(log[1], q.arg);
        *pid = fork();
        if (*pid == 0)
            run_child(a->arg, log[0], log[1], out);
        if (*pid < 0)
            rc = vm_fail(v, errno, "No process for devmodel: %s.", strerror(errno));
    }
    qemu_args_free(&q);
    free(a);
    return rc;
}

static int spawn_with_logs(struct vmctl *v, const struct vm_config *c, uint16_t id, const int *taps,
                           int out, pid_t *pid)
{
    int log[2] = {open_log(v, clocks.what, c->name), -1};
    int rc = log[0] < 0 ? log[0] : 0;

    if (rc == 0)
        log[1] = open_log(v, qemu.what, c->name);
    if (rc == 0 && log[1] < 0)
        rc = log[1];
    if (rc == 0)
        rc = spawn(v, c, id, taps, out, log, pid);
    for (unsigned i = 0; i < 2; i++)
        if (log[i] >= 0)
            close(log[i]);
    return rc;
}

/* Until there is something to read; or an error with its sentence. */
static int wait_for_word(struct vmctl *v, int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};

    for (unsigned i = 0; i < START_SECONDS; i++) {
        if (poll(&p, 1, 1000) == 1)
            return 0;
        if (v->cancel && *v->cancel)
            return vm_fail(v, EINTR, "It was interrupted.");
    }
    return vm_fail(v, ETIMEDOUT, "The device models are not ready after %d seconds.",
                   START_SECONDS);
}

/* devmodel says one word: that both serve the guest, or who does not. */
static int wait_ready(struct vmctl *v, const struct vm_config *c, int fd)
{
    char word[16] = "", line[LINE_MAX_SIZE];
    const char *who = clocks.what;
    int rc = wait_for_word(v, fd);

    if (rc)
        return rc;
    if (read(fd, word, sizeof(word) - 1) > 0 && strcmp(word, "ready\n") == 0)
        return 0;
    if (strncmp(word, qemu.what, strlen(qemu.what)) == 0)
        who = qemu.what;
    last_line(who, c->name, line);
    return vm_fail(v, EIO, "%s does not serve the guest; its last words: %s", who, line);
}

static int start(struct vmctl *v, const struct vm_config *c, uint16_t id, const int *taps)
{
    int ends[2], rc;
    pid_t pid;

    if (pipe2(ends, O_CLOEXEC))
        return vm_fail(v, errno, "No pipe: %s.", strerror(errno));
    rc = spawn_with_logs(v, c, id, taps, ends[1], &pid);
    close(ends[1]);
    if (rc == 0) {
        rc = keep_pid(v, id, &clocks, pid);
        if (rc == 0)
            rc = wait_ready(v, c, ends[0]);
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

    if (fd < 0)
        return;
    if (is_model(process, pid, id))
        end_process(fd);
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
    if (rc == 0)
        rc = start(v, c, id, taps);
    close_taps(taps);
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

    stop_process(v, id, &clocks); /* it ends QEMU */
    stop_process(v, id, &qemu);   /* unless it was gone itself */
    model_qmp_path(id, path, sizeof(path));
    unlink(path);
}
