/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include "devmodel/qmp_proxy.h"

#define GREETING "{\"QMP\": {\"version\": {\"qemu\": {\"major\": 7}}, \"capabilities\": []}}"

static struct proxy *proxy;
static int qemu;   /* QEMU's end */
static int handed; /* the descriptor that came with what was read last; -1: none */
static unsigned ups;
static char answered[256];

static enum proxy_verdict command(void *ctx, const char *name, char *result, size_t size)
{
    assert_ptr_equal(ctx, &ups);
    if (strcmp(name, "system_powerdown") == 0) {
        snprintf(result, size, "{}");
        return PROXY_DONE;
    }
    if (strcmp(name, "quit") == 0) {
        snprintf(result, size, "Not that way");
        return PROXY_REFUSED;
    }
    return PROXY_FORWARD;
}

static void up(void *ctx)
{
    assert_ptr_equal(ctx, &ups);
    ups++;
}

static void serve(void)
{
    struct pollfd fds[PROXY_FDS];
    size_t n;

    do {
        n = proxy_poll(proxy, fds);
        assert_true(n <= PROXY_FDS);
        proxy_serve(proxy, fds, poll(fds, n, 0) > 0 ? n : 0);
    } while (poll(fds, n = proxy_poll(proxy, fds), 0) > 0);
}

static void say(int fd, const char *text)
{
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
    serve();
}

/* Everything that has come. */
static const char *hear(int fd)
{
    static char text[8192];
    char room[CMSG_SPACE(sizeof(int))];
    struct iovec data = {text, sizeof(text) - 1};
    struct msghdr m = {.msg_iov = &data, .msg_iovlen = 1, .msg_control = room};
    size_t used = 0;
    ssize_t n;

    handed = -1;
    for (;;) {
        data = (struct iovec){text + used, sizeof(text) - 1 - used};
        m.msg_controllen = sizeof(room);
        n = recvmsg(fd, &m, MSG_DONTWAIT);
        if (n <= 0)
            break;
        used += (size_t)n;
        if (CMSG_FIRSTHDR(&m)) {
            if (handed >= 0)
                close(handed);
            memcpy(&handed, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof(handed));
        }
    }
    text[used] = 0;
    return text;
}

static int start(void **state)
{
    static const struct proxy_ops ops = {command, up};
    int pair[2];

    (void)state;
    ups = 0;
    answered[0] = 0;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    qemu = pair[1];
    proxy = proxy_new(pair[0], &ops, &ups);
    return proxy ? 0 : -1;
}

static int end(void **state)
{
    (void)state;
    proxy_free(proxy);
    close(qemu);
    return 0;
}

static void start_qemu(void)
{
    say(qemu, GREETING "\r\n");
    assert_string_equal(hear(qemu), "{\"execute\": \"qmp_capabilities\"}\n");
    assert_int_equal(ups, 1);
    say(qemu, "{\"return\": {}}\r\n");
}

static int join(void)
{
    int pair[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    proxy_add(proxy, pair[0]);
    serve();
    return pair[1];
}

/* A client that has had its greeting. */
static int client(void)
{
    int c = join();

    assert_string_equal(hear(c), GREETING "\r\n");
    say(c, "{\"execute\": \"qmp_capabilities\", \"id\": [1]}\n");
    assert_string_equal(hear(c), "{\"return\": {}, \"id\": [1]}\r\n");
    assert_string_equal(hear(qemu), "");
    return c;
}

static void test_forward(void **state)
{
    int a, b;

    (void)state;
    start_qemu();
    a = client();
    b = client();
    say(a, "{\"execute\": \"query-status\",");
    assert_string_equal(hear(qemu), "");
    say(a, "\"id\": 5}");
    say(b, "{\"execute\": \"query-vnc\"}{\"execute\":\"x\"}");
    assert_string_equal(hear(qemu), "{\"execute\": \"query-status\",\"id\": 5}\n"
                                    "{\"execute\": \"query-vnc\"}\n{\"execute\":\"x\"}\n");
    say(qemu, "{\"return\": {\"running\": true}, \"id\": 5}\r\n{\"return\"");
    say(qemu, ": 1}\r\n{\"error\": {}}\r\n");
    assert_string_equal(hear(a), "{\"return\": {\"running\": true}, \"id\": 5}\r\n");
    assert_string_equal(hear(b), "{\"return\": 1}\r\n{\"error\": {}}\r\n");
    close(a);
    close(b);
}

static void test_early_client(void **state)
{
    int c = join();

    (void)state;
    assert_string_equal(hear(c), "");
    start_qemu();
    assert_string_equal(hear(c), GREETING "\r\n");
    close(c);
}

static void test_events(void **state)
{
    int a, b;

    (void)state;
    start_qemu();
    a = client();
    b = join(); /* which has not negotiated */
    hear(b);
    say(a, "{\"execute\": \"stop\"}");
    say(qemu, "{\"timestamp\": {}, \"event\": \"STOP\"}\r\n{\"return\": {}}\r\n");
    assert_string_equal(hear(a),
                        "{\"timestamp\": {}, \"event\": \"STOP\"}\r\n{\"return\": {}}\r\n");
    assert_string_equal(hear(b), "");
    close(a);
    close(b);
}

/* Somebody who leaves before the answer: it is nobody else's. */
static void test_leaver(void **state)
{
    int a, b;

    (void)state;
    start_qemu();
    a = client();
    b = client();
    say(a, "{\"execute\": \"first\"}");
    say(b, "{\"execute\": \"second\"}");
    hear(qemu);
    close(a);
    serve();
    a = client(); /* in its place */
    say(qemu, "{\"return\": 1}\r\n{\"return\": 2}\r\n");
    assert_string_equal(hear(a), "");
    assert_string_equal(hear(b), "{\"return\": 2}\r\n");
    close(a);
    close(b);
}

static void test_own_commands(void **state)
{
    int c;

    (void)state;
    start_qemu();
    c = client();
    hear(qemu);
    say(c, "{\"execute\": \"system_powerdown\", \"id\": \"x\"}");
    assert_string_equal(hear(c), "{\"return\": {}, \"id\": \"x\"}\r\n");
    say(c, "{\"execute\": \"quit\"}");
    assert_string_equal(
        hear(c), "{\"error\": {\"class\": \"GenericError\", \"desc\": \"Not that way\"}}\r\n");
    say(c, "{\"arguments\": {\"execute\": \"stop\"}}");
    assert_non_null(strstr(hear(c), "This is not a command"));
    assert_string_equal(hear(qemu), "");
    close(c);
}

/* A file is opened here, and QEMU is told the descriptor's name. */
static void test_file(void **state)
{
    static const char name[] = "/tmp/devmodel-test-medium";
    char text[256];
    struct stat a, b;
    int c, fd = open(name, O_CREAT | O_RDWR | O_TRUNC, 0600);

    (void)state;
    start_qemu();
    c = client();
    hear(qemu);
    snprintf(text, sizeof(text),
             "{\"execute\": \"blockdev-change-medium\", \"arguments\": {\"id\": \"ide2\", "
             "\"filename\": \"%s\", \"format\": \"raw\"}, \"id\": 7}",
             name);
    say(c, text);
    assert_string_equal(
        hear(qemu), "{\"execute\": \"add-fd\", \"arguments\": {\"fdset-id\": 1}}\n"
                    "{\"execute\": \"add-fd\", \"arguments\": {\"fdset-id\": 1}}\n"
                    "{\"execute\": \"blockdev-change-medium\", \"arguments\": {\"id\": "
                    "\"ide2\", \"filename\": \"/dev/fdset/1\", \"format\": \"raw\"}, \"id\": 7}\n"
                    "{\"execute\": \"remove-fd\", \"arguments\": {\"fdset-id\": 1}}\n");
    assert_true(handed >= 0);
    assert_int_equal(fstat(fd, &a) | fstat(handed, &b), 0);
    assert_int_equal(a.st_ino, b.st_ino);
    assert_int_equal(fcntl(handed, F_GETFL) & O_ACCMODE, O_RDWR);
    say(qemu, "{\"return\": {\"fdset-id\": 1}}{\"return\": {}}{\"return\": {}, \"id\": "
              "7}{\"return\": {}}");
    assert_string_equal(hear(c), "{\"return\": {}, \"id\": 7}\r\n");
    close(handed);
    close(fd);
    unlink(name);
    close(c);
}

static void test_file_written(void **state)
{
    static const char name[] = "/tmp/devmodel-test-screen";
    char text[256];
    int c;

    (void)state;
    unlink(name);
    start_qemu();
    c = client();
    hear(qemu);
    snprintf(text, sizeof(text),
             "{\"execute\": \"screendump\", \"arguments\": {\"filename\": \"%s\"}}", name);
    say(c, text);
    assert_non_null(strstr(hear(qemu), "{\"filename\": \"/dev/fdset/1\"}"));
    assert_int_equal(fcntl(handed, F_GETFL) & O_ACCMODE, O_WRONLY);
    assert_int_equal(write(handed, "P6", 2), 2);
    assert_int_equal(access(name, F_OK), 0);
    close(handed);
    unlink(name);
    close(c);
}

static void test_no_file(void **state)
{
    int c;

    (void)state;
    start_qemu();
    c = client();
    hear(qemu);
    say(c, "{\"execute\": \"screendump\", \"arguments\": {\"filename\": \"/no/such/place\"}}");
    assert_non_null(strstr(hear(c), "The file cannot be opened"));
    assert_string_equal(hear(qemu), "");
    close(c);
}

static void answer(void *ctx, struct text t)
{
    assert_ptr_equal(ctx, &ups);
    snprintf(answered, sizeof(answered), "%.*s", t.at ? (int)t.length : 4, t.at ? t.at : "gone");
}

static void test_ask(void **state)
{
    (void)state;
    start_qemu();
    assert_true(proxy_ask(proxy, "{\"execute\": \"query-status\"}\n", answer));
    assert_string_equal(hear(qemu), "{\"execute\": \"query-status\"}\n");
    say(qemu, "{\"return\": {\"running\": true}}");
    assert_string_equal(answered, "{\"return\": {\"running\": true}}");
}

static void test_gone(void **state)
{
    int c;

    (void)state;
    start_qemu();
    c = client();
    say(c, "{\"execute\": \"stop\"}");
    assert_true(proxy_ask(proxy, "{\"execute\": \"query-status\"}\n", answer));
    shutdown(qemu, SHUT_RDWR);
    serve();
    assert_non_null(strstr(hear(c), "QEMU is gone"));
    assert_string_equal(answered, "gone");
    say(c, "{\"execute\": \"cont\", \"id\": 2}");
    assert_non_null(strstr(hear(c), "QEMU is gone"));
    say(c, "{\"execute\": \"system_powerdown\"}");
    assert_string_equal(hear(c), "{\"return\": {}}\r\n");
    assert_false(proxy_ask(proxy, "{\"execute\": \"query-status\"}\n", answer));
    close(c);
}

/* Neither too many clients, nor too much of one, nor too many commands take more than their place.
 */
static void test_limits(void **state)
{
    static char spaces[4096];
    int c[PROXY_CLIENTS], more;
    char byte;

    (void)state;
    memset(spaces, ' ', sizeof(spaces) - 1);
    start_qemu();
    for (unsigned i = 0; i < PROXY_CLIENTS; i++)
        c[i] = client();
    more = join();
    assert_int_equal(recv(more, &byte, 1, MSG_DONTWAIT), 0); /* closed */
    for (unsigned i = 0; i < 40; i++)
        say(c[0], "{\"execute\": \"stop\"}");
    assert_non_null(strstr(hear(c[0]), "QEMU does not take commands"));
    for (unsigned i = 0; i < 64; i++)
        if (send(c[1], spaces, sizeof(spaces) - 1, MSG_NOSIGNAL) > 0)
            serve();
    assert_int_equal(send(c[1], &byte, 1, MSG_NOSIGNAL), -1);
    close(more);
    for (unsigned i = 0; i < PROXY_CLIENTS; i++)
        close(c[i]);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, start, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_forward),      TEST(test_early_client), TEST(test_events),
        TEST(test_leaver),       TEST(test_own_commands), TEST(test_file),
        TEST(test_file_written), TEST(test_no_file),      TEST(test_ask),
        TEST(test_gone),         TEST(test_limits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
