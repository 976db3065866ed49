/* SPDX-License-Identifier: BSD-2-Clause */
#include "libvmctl/qmp.h"
#include "libvmctl/json.h"
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define ANSWER_MS 10000 /* for one command or greeting, events included */
#define LINE_ROOM 65536

struct qmp {
    int fd;
    int64_t deadline; /* of what is asked now */
    size_t used;      /* bytes of line */
    bool at_hand;     /* line begins with a message that ends with 0 */
    char line[LINE_ROOM];
    char text[1024]; /* QEMU's sentence */
};

static int64_t now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000ll + t.tv_nsec / 1000000;
}

static int wait_for(const struct qmp *q, short events)
{
    struct pollfd p = {.fd = q->fd, .events = events};
    int64_t left;
    int n;

    do {
        left = q->deadline - now_ms();
        n = left > 0 ? poll(&p, 1, (int)left) : 0;
    } while (n < 0 && errno == EINTR);
    if (n < 0)
        return -errno;
    return n ? 0 : -ETIMEDOUT;
}

static int read_more(struct qmp *q)
{
    ssize_t n;
    int rc;

    if (q->used == sizeof(q->line))
        return -EMSGSIZE;
    rc = wait_for(q, POLLIN);
    if (rc)
        return rc;
    n = read(q->fd, q->line + q->used, sizeof(q->line) - q->used);
    if (n <= 0)
        return n ? -errno : -EPIPE;
    q->used += (size_t)n;
    return 0;
}

/* The next line, which is one message, to the front. The one before it is forgotten. */
static int next_line(struct qmp *q)
{
    size_t n = q->at_hand ? strlen(q->line) + 1 : 0;
    char *end;
    int rc = 0;

    memmove(q->line, q->line + n, q->used - n);
    q->used -= n;
    q->at_hand = false;
    while (rc == 0 && !(end = memchr(q->line, '\n', q->used)))
        rc = read_more(q);
    if (rc)
        return rc;
    *end = 0;
    q->at_hand = true;
    return 0;
}

/* How much of it went, or -errno. */
static ssize_t send_some(struct qmp *q, const char *text, size_t length)
{
    int rc = wait_for(q, POLLOUT);
    ssize_t n;

    if (rc)
        return rc;
    n = send(q->fd, text, length, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0)
        return errno == EAGAIN ? 0 : -errno;
    return n;
}

static int send_text(struct qmp *q, const char *text)
{
    size_t length = strlen(text);

    while (length) {
        ssize_t n = send_some(q, text, length);

        if (n < 0)
            return (int)n;
        text += n;
        length -= (size_t)n;
    }
    return 0;
}

static bool starts_with(const char *s, const char *prefix)
{
    return strncmp(s, prefix, strlen(prefix)) == 0;
}

/* Sends one command and stands before its answer; events come in between, and win no time. */
static int ask(struct qmp *q, const char *text)
{
    int rc = send_text(q, text);

    while (rc == 0) {
        rc = next_line(q);
        if (rc == 0 && starts_with(q->line, "{\"return\""))
            return 0;
        if (rc == 0 && starts_with(q->line, "{\"error\""))
            return -EREMOTEIO;
    }
    return rc;
}

/* Whoever listens and does not accept is given up as well. */
static int connect_to(struct qmp *q, const char *path)
{
    const struct timeval patience = {.tv_sec = ANSWER_MS / 1000};
    struct sockaddr_un a = {.sun_family = AF_UNIX};

    if (strlen(path) >= sizeof(a.sun_path))
        return -ENAMETOOLONG;
    strcpy(a.sun_path, path);
    q->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (q->fd < 0 || setsockopt(q->fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)))
        return -errno;
    if (connect(q->fd, (struct sockaddr *)&a, sizeof(a)) == 0)
        return 0;
    return errno == EAGAIN ? -ETIMEDOUT : -errno;
}

static int greet(struct qmp *q, const char *path)
{
    int rc = connect_to(q, path);

    q->deadline = now_ms() + ANSWER_MS;
    if (rc == 0)
        rc = next_line(q);
    return rc ? rc : ask(q, "{\"execute\":\"qmp_capabilities\"}\n");
}

int qmp_open(struct qmp **q, const char *path)
{
    int rc;

    *q = malloc(sizeof(**q));
    if (!*q)
        return -ENOMEM;
    (*q)->fd = -1;
    (*q)->used = 0;
    (*q)->at_hand = false;
    rc = greet(*q, path);
    if (rc) {
        qmp_close(*q);
        *q = NULL;
    }
    return rc;
}

void qmp_close(struct qmp *q)
{
    if (q && q->fd >= 0)
        close(q->fd);
    free(q);
}

static int exchange(struct qmp *q, const char *text, const char **reply)
{
    int rc;

    q->deadline = now_ms() + ANSWER_MS;
    rc = ask(q, text);
    q->text[0] = 0;
    if (rc == -EREMOTEIO)
        json_find(q->line, "desc", q->text, sizeof(q->text));
    if (reply)
        *reply = rc ? q->text : q->line;
    return rc;
}

int qmp_ask(struct qmp *q, const char **reply, const char *command, const char *arguments, ...)
{
    char *object = NULL, *text = NULL;
    int rc = -ENOMEM;
    va_list ap;

    va_start(ap, arguments);
    if (vasprintf(&object, arguments, ap) < 0)
        object = NULL;
    va_end(ap);
    if (object &&
        asprintf(&text, "{\"execute\":\"%s\",\"arguments\":%s}\n", command, object) >= 0) {
        rc = exchange(q, text, reply);
        free(text);
    }
    free(object);
    return rc;
}

int qmp_command(const char *path, const char *command, const char *arguments, char *reply,
                size_t size)
{
    const char *answer = "";
    struct qmp *q;
    int rc = qmp_open(&q, path);

    *reply = 0;
    if (rc)
        return rc;
    rc = qmp_ask(q, &answer, command, "%s", arguments ? arguments : "{}");
    snprintf(reply, size, "%s", answer);
    qmp_close(q);
    return rc;
}
