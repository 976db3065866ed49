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
#include <time.h>
#include <unistd.h>
#include "libvmctl/console.h"

#define PATIENCE_MS 20000
#define MUCH        (64u << 10) /* more than a terminal holds */

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
    memset(&before, 0, sizeof(before)); /* what lies between its members too */
    memset(&after, 0, sizeof(after));
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

/* Byte by byte another than a while ago, so that a loss is seen; never the escape. */
static char typed(size_t i)
{
    return (char)('a' + i % 23);
}

static void type_much(size_t size)
{
    char text[1024];

    for (size_t i = 0; i < size; i += sizeof(text)) {
        for (size_t n = 0; n < sizeof(text); n++)
            text[n] = typed(i + n);
        assert_int_equal(write(in, text, sizeof(text)), sizeof(text));
    }
}

static long long now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000ll + t.tv_nsec / 1000000;
}

/* A guest that does not read must not keep anybody here. */
static void nobody_reads(void **state)
{
    long long since;

    (void)state;
    run_by_pipes();
    type_much(MUCH);
    since = now_ms();
    assert_int_equal(write(in, "\x1d", 1), 1);
    ends();
    assert_true(now_ms() - since < 1000);
    start(NULL);
    run_by_pipes();
    type_much(2 * MUCH); /* it was taken from the pipe, so vmctl is at it */
    since = now_ms();
    kill(child, SIGTERM);
    ends();
    assert_true(now_ms() - since < 1000);
}

/* And neither must somebody who does not look at what the guest says. */
static void nobody_looks(void **state)
{
    struct pollfd p = {.events = POLLOUT};

    (void)state;
    run_by_pipes();
    p.fd = guest;
    fcntl(guest, F_SETFL, O_NONBLOCK);
    while (poll(&p, 1, 500) == 1)
        if (write(guest, "much to say ", 12) < 0)
            break;
    kill(child, SIGTERM);
    ends();
}

/* All of it gets to a guest that takes its time, though the input has ended. */
static void slow_guest(void **state)
{
    size_t got = 0;
    char text[777];

    (void)state;
    run_by_pipes();
    type_much(4 * MUCH);
    close(in);
    while (got < 4 * MUCH) {
        struct pollfd p = {.fd = guest, .events = POLLIN};
        ssize_t n;

        assert_int_equal(poll(&p, 1, PATIENCE_MS), 1);
        n = read(guest, text, sizeof(text));
        assert_true(n > 0);
        for (ssize_t i = 0; i < n; i++)
            assert_int_equal(text[i], typed(got++));
    }
    ends();
}

static void no_terminal(void **state)
{
    char file[] = "/tmp/test_vmctl_console.XXXXXX";

    (void)state;
    close(mkstemp(file));
    assert_int_equal(console_run("/nowhere/pts", false), -ENOENT);
    assert_int_equal(console_run("/tmp", false), -EISDIR);
    assert_int_equal(console_run(file, false), -ENOTTY);
    assert_int_equal(unlink(file), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(both_ways, start),
        cmocka_unit_test_setup(end_of_input, start),
        cmocka_unit_test_setup(only_watching, start),
        cmocka_unit_test_setup(the_guest_goes, start),
        cmocka_unit_test_setup(nobody_reads, start),
        cmocka_unit_test_setup(nobody_looks, start),
        cmocka_unit_test_setup(slow_guest, start),
        cmocka_unit_test(terminal),
        cmocka_unit_test(no_terminal),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
