/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>
#include "devmodel/child.h"

static void ended(struct child *c, char *why, size_t size)
{
    struct pollfd p = {.fd = c->fd, .events = POLLIN};

    assert_int_equal(poll(&p, 1, 60000), 1);
    child_reap(c, why, size);
    assert_int_equal(c->pid, 0);
    assert_int_equal(c->fd, -1);
}

static void test_exits(void **state)
{
    struct child c;
    char why[128];

    (void)state;
    assert_true(child_fork(&c, "QEMU"));
    if (c.pid == 0)
        _exit(getsid(0) == getpid() ? 3 : 4);
    ended(&c, why, sizeof(why));
    assert_string_equal(why, "QEMU ended by itself, with status 3");
}

static void test_killed(void **state)
{
    struct child c;
    struct pollfd p;
    char why[128];

    (void)state;
    assert_true(child_fork(&c, "QEMU"));
    if (c.pid == 0)
        for (;;)
            pause();
    p = (struct pollfd){.fd = c.fd, .events = POLLIN};
    assert_int_equal(poll(&p, 1, 0), 0); /* it lives */
    kill(c.pid, SIGKILL);
    ended(&c, why, sizeof(why));
    assert_string_equal(why, "QEMU was killed by signal 9 (Killed)");
}

/* Signals that the daemon blocks or ignores are as usual for the program. */
static void test_signals(void **state)
{
    struct child c;
    sigset_t all, old;
    char why[128];

    (void)state;
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, &old);
    signal(SIGPIPE, SIG_IGN);
    assert_true(child_fork(&c, "QEMU"));
    if (c.pid == 0) {
        raise(SIGPIPE);
        _exit(0);
    }
    sigprocmask(SIG_SETMASK, &old, NULL);
    ended(&c, why, sizeof(why));
    assert_string_equal(why, "QEMU was killed by signal 13 (Broken pipe)");
}

static void test_end(void **state)
{
    struct child c;
    int ready[2];
    char byte;

    (void)state;
    assert_int_equal(pipe(ready), 0);
    assert_true(child_fork(&c, "QEMU"));
    if (c.pid == 0) { /* it does not listen */
        signal(SIGTERM, SIG_IGN);
        if (write(ready[1], "r", 1) == 1)
            for (;;)
                pause();
        _exit(1);
    }
    assert_int_equal(read(ready[0], &byte, 1), 1);
    child_end(&c, 50);
    assert_int_equal(c.pid, 0);
    assert_int_equal(c.fd, -1);
    child_end(&c, 50); /* nothing to end */
    close(ready[0]);
    close(ready[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exits),
        cmocka_unit_test(test_killed),
        cmocka_unit_test(test_signals),
        cmocka_unit_test(test_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
