/* SPDX-License-Identifier: BSD-2-Clause */
#include "libvmctl/console.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#define CHUNK 4096

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

        if (n < 0 && errno != EINTR)
            return -errno;
        data += n > 0 ? n : 0;
        size -= n > 0 ? (size_t)n : 0;
    }
    return 0;
}

/* 1: it is over. A terminal whose other side has gone says EIO. */
static int pump_in(int guest)
{
    char text[CHUNK], *escape;
    ssize_t n = read(0, text, sizeof(text));
    int rc;

    if (n <= 0)
        return n && errno != EIO ? (errno == EINTR ? 0 : -errno) : 1;
    escape = memchr(text, CONSOLE_ESCAPE, (size_t)n);
    rc = write_all(guest, text, (size_t)(escape ? escape - text : n));
    return rc ? rc : escape != NULL;
}

static int pump_out(int guest)
{
    char text[CHUNK];
    ssize_t n = read(guest, text, sizeof(text));

    if (n <= 0)
        return n && errno != EIO ? (errno == EINTR ? 0 : -errno) : 1;
    return write_all(1, text, (size_t)n);
}

static int pump(int guest, bool watch)
{
    struct pollfd p[] = {{.fd = guest, .events = POLLIN}, {.fd = watch ? -1 : 0, .events = POLLIN}};
    int rc = 0;

    while (rc == 0 && !ended) {
        if (poll(p, 2, -1) < 0)
            return errno == EINTR ? 0 : -errno;
        if (p[0].revents)
            rc = pump_out(guest);
        if (rc == 0 && p[1].revents)
            rc = pump_in(guest);
    }
    return rc < 0 ? rc : 0;
}

int console_run(const char *path, bool watch)
{
    struct termios was, guest_was;
    int fd = open(path, O_RDWR | O_NOCTTY | O_CLOEXEC), rc;
    bool raw;

    if (fd < 0)
        return -errno;
    catch_signals();
    make_raw(fd, &guest_was);
    raw = !watch && isatty(0) && make_raw(0, &was);
    if (raw)
        dprintf(2, "Ctrl-] leaves %s.\r\n", path);
    rc = pump(fd, watch);
    if (raw) {
        tcsetattr(0, TCSANOW, &was);
        dprintf(2, "\n");
    }
    close(fd);
    return rc;
}
