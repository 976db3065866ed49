/* SPDX-License-Identifier: BSD-2-Clause */
#include "fake_qmp.h"
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define LINE_ROOM 4096

static const struct qmp_rule *rules;
static char socket_path[108], asked[65536];
static pthread_t thread;
static int listener = -1;

void (*fake_qmp_hook)(const char *line);

static void send_line(int s, const char *text)
{
    if (send(s, text, strlen(text), MSG_NOSIGNAL) > 0)
        send(s, "\r\n", 2, MSG_NOSIGNAL);
}

static bool read_line(int s, char line[LINE_ROOM])
{
    size_t n = 0;

    while (n + 1 < LINE_ROOM && recv(s, line + n, 1, 0) == 1)
        if (line[n++] == '\n') {
            line[n - 1] = 0;
            return true;
        }
    return false;
}

static const struct qmp_rule *rule_for(const char *line)
{
    char name[64];

    for (const struct qmp_rule *r = rules; r->command; r++) {
        snprintf(name, sizeof(name), "{\"execute\":\"%s\"", r->command);
        if (strncmp(line, name, strlen(name)) == 0)
            return r;
    }
    return NULL;
}

static bool answer(int s, const char *line)
{
    const struct qmp_rule *r = rule_for(line);

    if (!strstr(line, "qmp_capabilities"))
        strcat(strcat(asked, line), "\n");
    if (fake_qmp_hook)
        fake_qmp_hook(line);
    if (r && !r->reply)
        return false;
    send_line(s, r ? r->reply : "{\"return\": {}}");
    return true;
}

static void *serve(void *arg)
{
    char line[LINE_ROOM];
    int s;

    (void)arg;
    while ((s = accept(listener, NULL, NULL)) >= 0) {
        send_line(s, "{\"QMP\": {\"version\": {}, \"capabilities\": []}}");
        while (read_line(s, line) && answer(s, line))
            ;
        close(s);
    }
    return NULL;
}

void fake_qmp_start(const char *path, const struct qmp_rule *with)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};

    rules = with;
    asked[0] = 0;
    snprintf(socket_path, sizeof(socket_path), "%s", path);
    strcpy(a.sun_path, socket_path);
    unlink(path);
    listener = socket(AF_UNIX, SOCK_STREAM, 0);
    if (bind(listener, (struct sockaddr *)&a, sizeof(a)) || listen(listener, 1) ||
        pthread_create(&thread, NULL, serve, NULL))
        abort();
}

/* Whoever asked has gone: nothing but accept() is left to end. */
void fake_qmp_stop(void)
{
    shutdown(listener, SHUT_RDWR);
    pthread_join(thread, NULL);
    close(listener);
    unlink(socket_path);
    fake_qmp_hook = NULL;
}

const char *fake_qmp_asked(void)
{
    return asked;
}
