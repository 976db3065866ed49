/* SPDX-License-Identifier: BSD-2-Clause */
#include "libvmctl/qmp.h"
#include "libvmctl/json.h"
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define ANSWER_MS 10000

struct connection {
    int fd;
    size_t used;
    char line[QMP_REPLY_MAX];
};

/* The next line, which is one message, without its end. The line before it is forgotten. */
static int next_line(struct connection *c)
{
    char *end = memchr(c->line, '\n', c->used);
    struct pollfd p = {.fd = c->fd, .events = POLLIN};
    ssize_t n;

    while (!end) {
        if (c->used == sizeof(c->line))
            return -EMSGSIZE;
        if (poll(&p, 1, ANSWER_MS) <= 0)
            return -ETIMEDOUT;
        n = read(c->fd, c->line + c->used, sizeof(c->line) - c->used);
        if (n <= 0)
            return n ? -errno : -EPIPE;
        c->used += (size_t)n;
        end = memchr(c->line, '\n', c->used);
    }
    *end = 0;
    return 0;
}

static void drop_line(struct connection *c)
{
    size_t n = strlen(c->line) + 1;

    memmove(c->line, c->line + n, c->used - n);
    c->used -= n;
}

static int send_text(struct connection *c, const char *text)
{
    size_t length = strlen(text);

    while (length) {
        ssize_t n = send(c->fd, text, length, MSG_NOSIGNAL);

        if (n < 0)
            return -errno;
        text += n;
        length -= (size_t)n;
    }
    return 0;
}

static bool starts_with(const char *s, const char *prefix)
{
    return strncmp(s, prefix, strlen(prefix)) == 0;
}

/* Sends one command and stands before its answer; events come in between. */
static int ask(struct connection *c, const char *text)
{
    int rc = send_text(c, text);

    while (rc == 0) {
        rc = next_line(c);
        if (rc)
            break;
        if (starts_with(c->line, "{\"return\""))
            return 0;
        if (starts_with(c->line, "{\"error\""))
            return -EREMOTEIO;
        drop_line(c);
    }
    return rc;
}

static int greet(struct connection *c, const char *path)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    int rc;

    if (strlen(path) >= sizeof(a.sun_path))
        return -ENAMETOOLONG;
    strcpy(a.sun_path, path);
    c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&a, sizeof(a)))
        return -errno;
    rc = next_line(c);
    if (rc == 0) {
        drop_line(c);
        rc = ask(c, "{\"execute\":\"qmp_capabilities\"}\n");
    }
    if (rc == 0)
        drop_line(c);
    return rc;
}

static int talk(struct connection *c, const char *path, const char *text, char *reply, size_t size)
{
    int rc = greet(c, path);

    if (rc == 0)
        rc = ask(c, text);
    if (rc == -EREMOTEIO && json_find(c->line, "desc", reply, size))
        return rc;
    if (rc == 0)
        snprintf(reply, size, "%s", c->line);
    return rc;
}

int qmp_command(const char *path, const char *command, const char *arguments, char *reply,
                size_t size)
{
    struct connection *c = malloc(sizeof(*c));
    char *text = NULL;
    int rc;

    *reply = 0;
    rc = asprintf(&text, "{\"execute\":\"%s\",\"arguments\":%s}\n", command,
                  arguments ? arguments : "{}");
    if (!c || rc < 0) {
        if (rc >= 0)
            free(text);
        free(c);
        return -ENOMEM;
    }
    c->fd = -1;
    c->used = 0;
    rc = talk(c, path, text, reply, size);
    if (c->fd >= 0)
        close(c->fd);
    free(text);
    free(c);
    return rc;
}
