/* SPDX-License-Identifier: BSD-2-Clause */
/* A guest's terminal, here a pseudo terminal of ours; vmctl's side runs in a child. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>
#include "libvmctl/console.h"

#define PATIENCE_MS 20000

static int guest;           /* QEMU's side */
static char guest_path[64]; /* the other one */
static int held;            /* so that it does not count as gone before vmctl comes */
static pid_t child;
static bool watching;
static int in, out; /* what vmctl reads and writes, from outside */

static int start(void **state)
{
    struct termios raw;

    (void)state;
    assert_int_equal(openpty(&guest, &held, guest_path, NULL, NULL), 0);
    tcgetattr(held, &raw);
    cfmakeraw(&raw);
    tcsetattr(held, TCSANOW, &raw);
    return 0;
}

/* With these ends as standard input and output. */
static void run_child(int new_in, int new_out)
{
    fflush(NULL);
    child = fork();
    if (child == 0) {
        dup2(new_in, 0);
        dup2(new_out, 1);
        close(in);
        close(out);
        close(guest);
        _exit(console_run(guest_path, watching) ? 1 : 0);
    }
    close(new_in);
    close(new_out);
}

static void run_by_pipes(void)
{
    int to[2], from[2];

    assert_int_equal(pipe(to), 0);
    assert_int_equal(pipe(from), 0);
    in = to[1];
    out = from[0];
    run_child(to[0], from[1]);
}

/* Comes there exactly that, before patience ends? */
static void arrives(int fd, const char *text)
{
    char got[64] = "";
    size_t n = 0;

    while (n < strlen(text)) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        ssize_t more;

        assert_int_equal(poll(&p, 1, PATIENCE_MS), 1);
        more = read(fd, got + n, sizeof(got) - 1 - n);
        assert_true(more > 0);
        n += (size_t)more;
    }
    assert_string_equal(got, text);
}

static void ends(void)
{
    int status;

    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    close(in);
    close(out);
    close(guest);
    close(held);
}

static void both_ways(void **state)
{
    (void)state;
    run_by_pipes();
    assert_int_equal(write(guest, "login: \r\n", 9), 9);
    arrives(out, "login: \r\n");
    assert_int_equal(write(in, "root\r\x03\x04\xff", 8), 8); /* bytes, not lines */
    arrives(guest, "root\r\x03\x04\xff");
    assert_int_equal(write(in, "last\x1dnever", 10), 10);
    arrives(guest, "last");
    ends();
}

static void end_of_input(void **state)
{
    (void)state;
    run_by_pipes();
    assert_int_equal(write(in, "poweroff\n", 9), 9);
    arrives(guest, "poweroff\n");
    close(in);
    ends();
}

/* Nothing is read, not even that there is nothing. */
static void only_watching(void **state)
{
    struct pollfd p = {.events = POLLIN};

    (void)state;
    watching = true;
    run_by_pipes();
    watching = false;
    assert_int_equal(write(in, "x\x1d", 2), 2);
    close(in);
    assert_int_equal(write(guest, "goes on", 7), 7);
    arrives(out, "goes on");
    p.fd = guest;
    assert_int_equal(poll(&p, 1, 200), 0);
    close(guest);
    ends();
}

static void the_guest_goes(void **state)
{
    (void)state;
    run_by_pipes();
    assert_int_equal(write(guest, "bye", 3), 3);
    arrives(out, "bye");
    close(guest);
    ends();
}

/* A person's terminal is raw meanwhile, and as it was afterwards, whatever ended it. */
static void terminal_is_given_back(int signal)
{
    struct termios before, meanwhile, after;
    int master, slave, copy;

    start(NULL);
    assert_int_equal(openpty(&master, &slave, NULL, NULL, NULL), 0);
    assert_int_equal(tcgetattr(slave, &before), 0);
    in = dup(master);
    out = dup(master);
    copy = dup(slave);
    run_child(slave, dup(copy));
    assert_int_equal(write(guest, "prompt", 6), 6);
    arrives(out, "prompt");
    assert_int_equal(tcgetattr(copy, &meanwhile), 0);
    assert_int_equal(meanwhile.c_lflag & (ICANON | ECHO | ISIG), 0);
    if (signal)
        kill(child, signal);
    else
        assert_int_equal(write(in, "\x1d", 1), 1);
    ends();
    assert_int_equal(tcgetattr(copy, &after), 0);
    assert_memory_equal(&after, &before, sizeof(before));
    close(copy);
    close(master);
}

static void terminal(void **state)
{
    (void)state;
    terminal_is_given_back(0);
    terminal_is_given_back(SIGTERM);
    terminal_is_given_back(SIGHUP);
}

static void no_terminal(void **state)
{
    (void)state;
    assert_int_equal(console_run("/nowhere/pts", false), -ENOENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(both_ways, start),
        cmocka_unit_test_setup(end_of_input, start),
        cmocka_unit_test_setup(only_watching, start),
        cmocka_unit_test_setup(the_guest_goes, start),
        cmocka_unit_test(terminal),
        cmocka_unit_test(no_terminal),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
