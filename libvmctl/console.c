/* SPDX-License-Identifier: BSD-2-Clause */
#include "libvmctl/console.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#define CHUNK        4096u
#define PENDING_ROOM (1u << 20)

/* This terminal joined with a guest's. What was typed waits here for a guest that is slow, so that
 * an escape behind it is seen all the same; none of it is dropped. */
struct console {
    int guest;       /* does not block */
    bool reading;    /* standard input, which has not ended yet */
    bool left;       /* by the escape */
    size_t from, to; /* what of pending the guest has not taken */
    char pending[PENDING_ROOM];
};

static volatile sig_atomic_t ended;

static void end(int signal)
{
    (void)signal;
    ended = 1;
}

/* This terminal must be as it was, however we end. */
static void catch_signals(void)
{
    const struct sigaction a = {.sa_handler = end};

    sigaction(SIGTERM, &a, NULL);
    sigaction(SIGHUP, &a, NULL);
    sigaction(SIGINT, &a, NULL);
}

static bool make_raw(int fd, struct termios *was)
{
    struct termios raw;

    if (tcgetattr(fd, was))
        return false;
    raw = *was;
    cfmakeraw(&raw);
    return tcsetattr(fd, TCSANOW, &raw) == 0;
}

int write_all(int fd, const char *data, size_t size)
{
    while (size) {
        ssize_t n = write(fd, data, size);

        if (n < 0 && (errno != EINTR || ended))
            return -errno;
        data += n > 0 ? n : 0;
        size -= n > 0 ? (size_t)n : 0;
    }
    return 0;
}

/* Of a read() or write(): 1: it is over. A terminal whose other side has gone says EIO. */
static int result_of(ssize_t n)
{
    if (n > 0 || (n < 0 && (errno == EINTR || errno == EAGAIN)))
        return 0;
    return n == 0 || errno == EIO ? 1 : -errno;
}

/* As much to the guest as it takes now. */
static int give(struct console *c)
{
    ssize_t n;

    if (c->from == c->to)
        return 0;
    n = write(c->guest, c->pending + c->from, c->to - c->from);
    if (n > 0)
        c->from += (size_t)n;
    if (c->from == c->to)
        c->from = c->to = 0;
    return result_of(n);
}

/* Room for what is typed next, if need be by moving what waits to the front. */
static size_t room(struct console *c)
{
    if (c->to == PENDING_ROOM) {
        memmove(c->pending, c->pending + c->from, c->to - c->from);
        c->to -= c->from;
        c->from = 0;
    }
    return PENDING_ROOM - c->to;
}

static int pump_in(struct console *c)
{
    size_t most = room(c);
    char *text = c->pending + c->to, *escape;
    ssize_t n = read(0, text, most < CHUNK ? most : CHUNK);
    int rc = result_of(n);

    if (n <= 0) {
        c->reading = rc == 0;
        return rc < 0 ? rc : 0;
    }
    escape = memchr(text, CONSOLE_ESCAPE, (size_t)n);
    c->left = escape != NULL;
    c->to += (size_t)(escape ? escape - text : n);
    return give(c);
}

static int pump_out(struct console *c)
{
    char text[CHUNK];
    ssize_t n = read(c->guest, text, sizeof(text));

    return n > 0 ? write_all(1, text, (size_t)n) : result_of(n);
}

/* A signal comes either before the look at `ended` or while it waits, and never in between. */
static int wait_for(struct pollfd *p, nfds_t count)
{
    sigset_t all, before;
    int rc = 0;

    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, &before);
    if (!ended)
        rc = ppoll(p, count, NULL, &before);
    rc = rc < 0 ? -errno : rc;
    sigprocmask(SIG_SETMASK, &before, NULL);
    return rc;
}

static int pump_once(struct console *c)
{
    bool waits = c->from != c->to;
    struct pollfd p[] = {{.fd = c->guest, .events = (short)(POLLIN | (waits ? POLLOUT : 0))},
                         {.fd = c->reading && room(c) ? 0 : -1, .events = POLLIN}};
    int rc = wait_for(p, 2);

    if (rc <= 0)
        return rc == -EINTR ? 0 : rc;
    rc = 0;
    if (p[0].revents & ~POLLOUT)
        rc = pump_out(c);
    if (rc == 0 && p[0].revents & POLLOUT)
        rc = give(c);
    if (rc == 0 && p[1].revents)
        rc = pump_in(c);
    return rc;
}

/* Until one side ends; what was read before the end of the input still gets there. */
static int pump(struct console *c, bool watch)
{
    int rc = 0;

    c->reading = !watch;
    while (rc == 0 && !ended && !c->left && (watch || c->reading || c->from != c->to))
        rc = pump_once(c);
    return rc < 0 && rc != -EINTR ? rc : 0;
}

static int run(struct console *c, const char *path, bool watch)
{
    struct termios was, guest_was;
    bool raw;
    int rc;

    catch_signals();
    make_raw(c->guest, &guest_was);
    raw = !watch && isatty(0) && make_raw(0, &was);
    if (raw)
        dprintf(2, "Ctrl-] leaves %s.\r\n", path);
    rc = pump(c, watch);
    if (raw) {
        tcsetattr(0, TCSANOW, &was);
        dprintf(2, "\n");
    }
    return rc;
}

/* Its descriptor or -errno. */
static int open_terminal(const char *path)
{
    int fd = open(path, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    struct stat st;

    if (fd < 0)
        return -errno;
    if (fstat(fd, &st) == 0 && S_ISCHR(st.st_mode))
        return fd;
    close(fd);
    return -ENOTTY;
}

int console_run(const char *path, bool watch)
{
    struct console *c = calloc(1, sizeof(*c));
    int rc;

    if (!c)
        return -ENOMEM;
    rc = c->guest = open_terminal(path);
    if (rc >= 0) {
        rc = run(c, path, watch);
        close(c->guest);
    }
    free(c);
    return rc;
}
