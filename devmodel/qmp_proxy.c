/* SPDX-License-Identifier: BSD-2-Clause */
#include "devmodel/qmp_proxy.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CHUNK        16384u
#define CLIENT_MAX   (64u << 10) /* of one command */
#define QEMU_MAX     (4u << 20)  /* of one answer */
#define WAITING      32          /* commands under way */
#define PATIENCE     1000        /* ms for a client to take its answer */
#define COMMAND_NAME 64
#define FILE_MAX     1024

struct stream {
    int fd; /* -1: none */
    char *data;
    size_t used, size;
};

struct client {
    struct stream in;
    bool greeted;
    bool negotiated;
};

/* Who waits for an answer: a client, the daemon, or nobody (both NULL). */
struct waiter {
    struct client *client;
    void (*fn)(void *ctx, struct text answer);
};

struct proxy {
    const struct proxy_ops *ops;
    void *ctx;
    struct stream qemu;
    struct client client[PROXY_CLIENTS];
    struct waiter waiter[WAITING]; /* in the order of the answers */
    unsigned waiting;
    bool broken;    /* QEMU has not taken what was sent to it */
    char *greeting; /* QEMU's */
    unsigned sets;  /* of descriptors that QEMU has been handed */
};

struct proxy *proxy_new(int qemu, const struct proxy_ops *ops, void *ctx)
{
    struct proxy *p = calloc(1, sizeof(*p));

    if (!p)
        return NULL;
    p->ops = ops;
    p->ctx = ctx;
    p->qemu.fd = qemu;
    for (unsigned i = 0; i < PROXY_CLIENTS; i++)
        p->client[i].in.fd = -1;
    return p;
}

static void close_stream(struct stream *s)
{
    if (s->fd >= 0)
        close(s->fd);
    free(s->data);
    *s = (struct stream){.fd = -1};
}

void proxy_free(struct proxy *p)
{
    if (!p)
        return;
    for (unsigned i = 0; i < PROXY_CLIENTS; i++)
        close_stream(&p->client[i].in);
    close_stream(&p->qemu);
    free(p->greeting);
    free(p);
}

/* ---- streams ---- */

/* What has come, behind what there is. False: the other end is closed, or says too much. */
static bool receive(struct stream *s, size_t most)
{
    ssize_t n;

    if (s->size - s->used < CHUNK) {
        char *more = s->size < most ? realloc(s->data, s->size + CHUNK) : NULL;

        if (!more)
            return false;
        s->data = more;
        s->size += CHUNK;
    }
    n = recv(s->fd, s->data + s->used, s->size - s->used, MSG_DONTWAIT);
    if (n < 0)
        return errno == EAGAIN || errno == EINTR;
    s->used += (size_t)n;
    return n > 0;
}

static void drop(struct stream *s, struct text object)
{
    size_t n = (size_t)(object.at - s->data) + object.length;

    memmove(s->data, s->data + n, s->used - n);
    s->used -= n;
}

/* All of it, within the time that whoever reads there is given. */
static bool send_all(int fd, const char *data, size_t length, int patience)
{
    while (length) {
        struct pollfd p = {.fd = fd, .events = POLLOUT};
        ssize_t n = send(fd, data, length, MSG_NOSIGNAL | MSG_DONTWAIT);

        if (n < 0 && errno == EAGAIN && poll(&p, 1, patience) == 1)
            continue;
        if (n < 0)
            return false;
        data += n;
        length -= (size_t)n;
    }
    return true;
}

/* ---- clients ---- */

static void drop_client(struct proxy *p, struct client *c)
{
    for (unsigned i = 0; i < p->waiting; i++)
        if (p->waiter[i].client == c)
            p->waiter[i].client = NULL;
    close_stream(&c->in);
    *c = (struct client){.in.fd = -1};
}

static void tell(struct proxy *p, struct client *c, const char *data, size_t length)
{
    if (!send_all(c->in.fd, data, length, PATIENCE) || !send_all(c->in.fd, "\r\n", 2, PATIENCE))
        drop_client(p, c);
}

static void greet(struct proxy *p, struct client *c)
{
    if (c->greeted || !p->greeting)
        return;
    c->greeted = true;
    tell(p, c, p->greeting, strlen(p->greeting));
}

void proxy_add(struct proxy *p, int client)
{
    for (unsigned i = 0; i < PROXY_CLIENTS; i++) {
        struct client *c = &p->client[i];

        if (c->in.fd >= 0)
            continue;
        *c = (struct client){.in.fd = client};
        greet(p, c);
        return;
    }
    close(client);
}

/* The answer to a command that is not forwarded, with the command's id. */
static void answer(struct proxy *p, struct client *c, struct text command, const char *key,
                   const char *value)
{
    struct text id = qmp_member(command, "id");
    char *s = NULL;
    int n = asprintf(&s, "{\"%s\": %s%s%.*s}", key, value, id.at ? ", \"id\": " : "",
                     (int)id.length, id.at ? id.at : "");

    if (n < 0) {
        drop_client(p, c);
        return;
    }
    tell(p, c, s, (size_t)n);
    free(s);
}

static void refuse(struct proxy *p, struct client *c, struct text command, const char *why)
{
    char *s = NULL;

    if (asprintf(&s, "{\"class\": \"GenericError\", \"desc\": \"%s\"}", why) < 0) {
        drop_client(p, c);
        return;
    }
    answer(p, c, command, "error", s);
    free(s);
}

/* ---- to QEMU ---- */

static bool wait_for(struct proxy *p, struct client *c, void (*fn)(void *ctx, struct text answer))
{
    if (p->qemu.fd < 0 || p->broken || p->waiting == WAITING)
        return false;
    p->waiter[p->waiting++] = (struct waiter){c, fn};
    return true;
}

/* A QEMU that lets so much pile up that no more can be sent has lost its wits. */
static bool put(struct proxy *p, const char *data, size_t length)
{
    if (!p->broken)
        p->broken = !send_all(p->qemu.fd, data, length, 0);
    return !p->broken;
}

static bool forward(struct proxy *p, struct client *c, const char *data, size_t length)
{
    return wait_for(p, c, NULL) && put(p, data, length) && put(p, "\n", 1);
}

bool proxy_ask(struct proxy *p, const char *command, void (*fn)(void *ctx, struct text answer))
{
    return wait_for(p, NULL, fn) && put(p, command, strlen(command));
}

/* ---- files ---- */

static const struct {
    const char *command, *member;
    bool writes;
} with_file[] = {{"blockdev-change-medium", "filename", false},
                 {"change", "target", false},
                 {"screendump", "filename", true},
                 {"pmemsave", "filename", true},
                 {"xen-save-devices-state", "filename", true}};
#define WITH_FILE (sizeof(with_file) / sizeof(with_file[0]))

/* The descriptor travels with the command's first byte. */
static bool hand_over(struct proxy *p, int fd, unsigned set)
{
    char text[96];
    struct iovec data = {text, 0};
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(sizeof(int))];
    } control = {.header = {CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS}};
    struct msghdr m = {.msg_iov = &data,
                       .msg_iovlen = 1,
                       .msg_control = control.room,
                       .msg_controllen = sizeof(control.room)};

    data.iov_len = (size_t)snprintf(
        text, sizeof(text), "{\"execute\": \"add-fd\", \"arguments\": {\"fdset-id\": %u}}\n", set);
    memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
    if (!wait_for(p, NULL, NULL))
        return false;
    p->broken = sendmsg(p->qemu.fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT) != (ssize_t)data.iov_len;
    return !p->broken;
}

static bool open_and_hand_over(struct proxy *p, const char *path, int flags, unsigned set)
{
    int fd = open(path, flags | O_CLOEXEC, 0600);
    bool done = fd >= 0 && hand_over(p, fd, set);

    if (fd >= 0)
        close(fd);
    return done;
}

/* QEMU takes from a set the descriptor that is open the way it wants. */
static bool make_set(struct proxy *p, const char *path, bool writes, unsigned set)
{
    bool any;

    if (writes)
        return open_and_hand_over(p, path, O_WRONLY | O_CREAT | O_TRUNC, set);
    any = open_and_hand_over(p, path, O_RDONLY, set);
    return open_and_hand_over(p, path, O_RDWR, set) || any;
}

static bool forget_set(struct proxy *p, unsigned set)
{
    char text[96];

    snprintf(text, sizeof(text),
             "{\"execute\": \"remove-fd\", \"arguments\": {\"fdset-id\": %u}}\n", set);
    return proxy_ask(p, text, NULL);
}

/* The command, with another name for its file. QEMU keeps what it has opened when the set is
 * forgotten. */
static bool forward_with_file(struct proxy *p, struct client *c, struct text command,
                              struct text file, bool writes)
{
    size_t before = (size_t)(file.at - command.at);
    const char *after = file.at + file.length;
    unsigned set = ++p->sets;
    char path[FILE_MAX], *s = NULL;
    bool done;
    int n;

    if (!qmp_string(file, path, sizeof(path)) || !make_set(p, path, writes, set))
        return false;
    n = asprintf(&s, "%.*s\"/dev/fdset/%u\"%.*s", (int)before, command.at, set,
                 (int)(command.length - before - file.length), after);
    done = n >= 0 && forward(p, c, s, (size_t)n) && forget_set(p, set);
    free(s);
    return done;
}

/* The name of the file that the command is about; at is NULL: it is about none. */
static struct text file_of(struct text command, const char *name, bool *writes)
{
    for (unsigned i = 0; i < WITH_FILE; i++) {
        if (strcmp(name, with_file[i].command))
            continue;
        *writes = with_file[i].writes;
        return qmp_member(qmp_member(command, "arguments"), with_file[i].member);
    }
    return (struct text){0};
}

static void pass_on(struct proxy *p, struct client *c, struct text command, const char *name)
{
    bool writes = false;
    struct text file = file_of(command, name, &writes);

    if (p->qemu.fd < 0)
        refuse(p, c, command, "QEMU is gone");
    else if (file.at && !forward_with_file(p, c, command, file, writes))
        refuse(p, c, command, "The file cannot be opened");
    else if (!file.at && !forward(p, c, command.at, command.length))
        refuse(p, c, command, "QEMU does not take commands");
}

/* ---- commands ---- */

static void take_command(struct proxy *p, struct client *c, struct text command)
{
    char name[COMMAND_NAME], result[512];

    if (!qmp_string(qmp_member(command, "execute"), name, sizeof(name))) {
        refuse(p, c, command, "This is not a command");
        return;
    }
    if (strcmp(name, "qmp_capabilities") == 0) {
        c->negotiated = true;
        answer(p, c, command, "return", "{}");
        return;
    }
    switch (p->ops->command(p->ctx, name, result, sizeof(result))) {
    case PROXY_DONE:
        answer(p, c, command, "return", result);
        break;
    case PROXY_REFUSED:
        refuse(p, c, command, result);
        break;
    default:
        pass_on(p, c, command, name);
    }
}

static void serve_client(struct proxy *p, struct client *c)
{
    struct text command;

    if (!receive(&c->in, CLIENT_MAX)) {
        drop_client(p, c);
        return;
    }
    while (c->in.fd >= 0 && (command = qmp_object(c->in.data, c->in.used)).at) {
        int fd = c->in.fd;

        take_command(p, c, command);
        if (c->in.fd == fd)
            drop(&c->in, command);
    }
}

/* ---- from QEMU ---- */

static void take_greeting(struct proxy *p, struct text message)
{
    p->greeting = strndup(message.at, message.length);
    for (unsigned i = 0; i < PROXY_CLIENTS; i++)
        if (p->client[i].in.fd >= 0)
            greet(p, &p->client[i]);
}

static void spread(struct proxy *p, struct text event)
{
    for (unsigned i = 0; i < PROXY_CLIENTS; i++)
        if (p->client[i].in.fd >= 0 && p->client[i].negotiated)
            tell(p, &p->client[i], event.at, event.length);
}

static void take_answer(struct proxy *p, struct text message)
{
    struct waiter w = p->waiter[0];

    if (p->waiting == 0)
        return;
    p->waiting--;
    memmove(p->waiter, p->waiter + 1, p->waiting * sizeof(w));
    if (w.client)
        tell(p, w.client, message.at, message.length);
    if (w.fn)
        w.fn(p->ctx, message);
}

static void take_message(struct proxy *p, struct text message)
{
    if (qmp_member(message, "QMP").at && !p->greeting) {
        take_greeting(p, message);
        if (proxy_ask(p, "{\"execute\": \"qmp_capabilities\"}\n", NULL))
            p->ops->up(p->ctx);
    } else if (qmp_member(message, "event").at) {
        spread(p, message);
    } else {
        take_answer(p, message);
    }
}

void proxy_qemu_gone(struct proxy *p)
{
    static const char gone[] =
        "{\"error\": {\"class\": \"GenericError\", \"desc\": \"QEMU is gone\"}}";

    close_stream(&p->qemu);
    p->broken = false;
    while (p->waiting) {
        bool ours = p->waiter[0].fn;

        take_answer(p, ours ? (struct text){0} : (struct text){gone, sizeof(gone) - 1});
    }
}

static void serve_qemu(struct proxy *p)
{
    struct text message;

    if (!receive(&p->qemu, QEMU_MAX)) {
        proxy_qemu_gone(p);
        return;
    }
    while (p->qemu.fd >= 0 && (message = qmp_object(p->qemu.data, p->qemu.used)).at) {
        take_message(p, message);
        if (p->qemu.fd >= 0)
            drop(&p->qemu, message);
    }
}

/* ---- both ---- */

size_t proxy_poll(const struct proxy *p, struct pollfd *fds)
{
    size_t n = 0;

    if (p->qemu.fd >= 0)
        fds[n++] = (struct pollfd){.fd = p->qemu.fd, .events = POLLIN};
    for (unsigned i = 0; i < PROXY_CLIENTS; i++)
        if (p->client[i].in.fd >= 0)
            fds[n++] = (struct pollfd){.fd = p->client[i].in.fd, .events = POLLIN};
    return n;
}

void proxy_serve(struct proxy *p, const struct pollfd *fds, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!fds[i].revents)
            continue;
        if (fds[i].fd == p->qemu.fd)
            serve_qemu(p);
        for (unsigned j = 0; j < PROXY_CLIENTS; j++)
            if (fds[i].fd == p->client[j].in.fd)
                serve_client(p, &p->client[j]);
    }
    if (p->broken)
        proxy_qemu_gone(p);
}
