/* SPDX-License-Identifier: BSD-2-Clause */
/* The machine protocol, against a QEMU that only speaks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <errno.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>
#include "fake_qmp.h"
#include "libvmctl/qmp.h"

static char path[64];

static int end(void **state)
{
    (void)state;
    fake_qmp_stop();
    return 0;
}

static void start(const struct qmp_rule *rules)
{
    snprintf(path, sizeof(path), "/tmp/test_vmctl_qmp.%d", (int)getpid());
    fake_qmp_start(path, rules);
}

static void answers(void **state)
{
    static const struct qmp_rule rules[] = {{"query-name", "{\"return\": {\"name\": \"guest\"}}"},
                                            {NULL, NULL}};
    const char *reply;
    char copy[16];
    struct qmp *q;

    (void)state;
    start(rules);
    assert_int_equal(qmp_open(&q, path), 0);
    assert_int_equal(qmp_ask(q, &reply, "query-name", "{\"n\":%d}", 5), 0);
    assert_string_equal(reply, "{\"return\": {\"name\": \"guest\"}}\r");
    assert_int_equal(qmp_ask(q, &reply, "stop", "{}"), 0);
    assert_string_equal(reply, "{\"return\": {}}\r");
    qmp_close(q);
    assert_int_equal(qmp_command(path, "query-name", NULL, copy, sizeof(copy)), 0);
    assert_string_equal(copy, "{\"return\": {\"na"); /* cut off */
    assert_string_equal(fake_qmp_asked(), "{\"execute\":\"query-name\",\"arguments\":{\"n\":5}}\n"
                                          "{\"execute\":\"stop\",\"arguments\":{}}\n"
                                          "{\"execute\":\"query-name\",\"arguments\":{}}\n");
}

/* What QEMU tells unasked comes at any time, before an answer or with it. */
static void events(void **state)
{
    static const struct qmp_rule rules[] = {
        {"qmp_capabilities", "{\"event\": \"A\"}\r\n{\"return\": {}}\r\n{\"event\": \"B\"}"},
        {"stop", "{\"event\": \"STOP\"}\r\n{\"event\": \"C\", \"data\": \"{\\\"return\\\"\"}\r\n"
                 "{\"return\": 1}"},
        {NULL, NULL}};
    const char *reply;
    struct qmp *q;

    (void)state;
    start(rules);
    assert_int_equal(qmp_open(&q, path), 0);
    assert_int_equal(qmp_ask(q, &reply, "stop", "{}"), 0);
    assert_string_equal(reply, "{\"return\": 1}\r");
    qmp_close(q);
}

static void refusals(void **state)
{
    static const struct qmp_rule rules[] = {
        {"eject", "{\"error\": {\"class\": \"GenericError\", \"desc\": \"Device 'x' is locked\"}}"},
        {NULL, NULL}};
    const char *reply;
    char copy[64];
    struct qmp *q;

    (void)state;
    start(rules);
    assert_int_equal(qmp_open(&q, path), 0);
    assert_int_equal(qmp_ask(q, &reply, "eject", "{}"), -EREMOTEIO);
    assert_string_equal(reply, "Device 'x' is locked");
    assert_int_equal(qmp_ask(q, NULL, "stop", "{}"), 0); /* it goes on */
    qmp_close(q);
    assert_int_equal(qmp_command(path, "eject", "{}", copy, sizeof(copy)), -EREMOTEIO);
    assert_string_equal(copy, "Device 'x' is locked");
}

static void it_goes(void **state)
{
    static const struct qmp_rule rules[] = {{"quit", NULL}, {NULL, NULL}};
    const char *reply;
    char copy[8] = "x";
    struct qmp *q;

    (void)state;
    start(rules);
    assert_int_equal(qmp_open(&q, path), 0);
    assert_int_equal(qmp_ask(q, &reply, "quit", "{}"), -EPIPE);
    assert_string_equal(reply, "");
    assert_true(qmp_ask(q, &reply, "stop", "{}") < 0); /* and stays away */
    qmp_close(q);
    assert_int_equal(qmp_command("/nowhere/socket", "stop", NULL, copy, sizeof(copy)), -ENOENT);
    assert_string_equal(copy, "");
}

static void too_much(void **state)
{
    static struct qmp_rule rules[] = {{"query-name", NULL}, {NULL, NULL}};
    static char line[200000];
    struct qmp *q;

    (void)state;
    memset(line, ' ', sizeof(line) - 1);
    rules[0].reply = line;
    start(rules);
    assert_int_equal(qmp_open(&q, path), 0);
    assert_int_equal(qmp_ask(q, NULL, "query-name", "{}"), -EMSGSIZE);
    qmp_close(q);
}

/* ---- who talks and does not answer ---- */

/* Time passes faster here, so that patience ends soon. */
int __real_clock_gettime(clockid_t clock, struct timespec *t);
int __wrap_clock_gettime(clockid_t clock, struct timespec *t);

int __wrap_clock_gettime(clockid_t clock, struct timespec *t)
{
    int rc = __real_clock_gettime(clock, t);
    long long ns = (t->tv_sec * 1000000000ll + t->tv_nsec) * 25;

    *t = (struct timespec){.tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000};
    return rc;
}

static const char *greeting;
static int talker;

/* Says one event after the other until nobody listens any more. */
static void *talk(void *arg)
{
    static const char event[] = "{\"event\": \"X\"}\r\n";
    int s = accept(talker, NULL, NULL);

    (void)arg;
    if (send(s, greeting, strlen(greeting), MSG_NOSIGNAL) < 0)
        return NULL;
    while (send(s, event, strlen(event), MSG_NOSIGNAL) > 0)
        usleep(50000);
    close(s);
    return NULL;
}

static pthread_t start_talker(const char *first)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    pthread_t thread;

    greeting = first;
    snprintf(path, sizeof(path), "/tmp/test_vmctl_qmp.%d", (int)getpid());
    strcpy(a.sun_path, path);
    unlink(path);
    talker = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(talker, (struct sockaddr *)&a, sizeof(a)), 0);
    assert_int_equal(listen(talker, 1), 0);
    assert_int_equal(pthread_create(&thread, NULL, talk, NULL), 0);
    return thread;
}

static void end_talker(pthread_t thread)
{
    pthread_join(thread, NULL);
    close(talker);
    unlink(path);
}

static void only_events(void **state)
{
    pthread_t thread = start_talker("{\"QMP\": {}}\r\n{\"return\": {}}\r\n");
    struct qmp *q;

    (void)state;
    assert_int_equal(qmp_open(&q, path), 0);
    assert_int_equal(qmp_ask(q, NULL, "stop", "{}"), -ETIMEDOUT);
    qmp_close(q);
    end_talker(thread);
    thread = start_talker("{\"QMP\": {}}\r\n");
    assert_int_equal(qmp_open(&q, path), -ETIMEDOUT);
    end_talker(thread);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(answers, end),  cmocka_unit_test_teardown(events, end),
        cmocka_unit_test_teardown(refusals, end), cmocka_unit_test_teardown(it_goes, end),
        cmocka_unit_test_teardown(too_much, end), cmocka_unit_test(only_events),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
