/* SPDX-License-Identifier: BSD-2-Clause */
/* In a child each, which tells by its exit status. Only root has anything to give up. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include "devmodel/confine.h"

#define USER 0x7f1234

/* The line of the first thing that is not as it should be; 0: none. */
#define WANT(condition)      \
    do {                     \
        if (!(condition))    \
            return __LINE__; \
    } while (0)

static void in_child(int (*fn)(void))
{
    int line[2], wrong = -1, status;
    pid_t pid;

    if (geteuid())
        skip();
    assert_int_equal(pipe(line), 0);
    pid = fork();
    if (pid == 0) {
        wrong = fn();
        if (write(line[1], &wrong, sizeof(wrong)) != sizeof(wrong))
            _exit(1);
        _exit(0);
    }
    close(line[1]);
    assert_int_equal(read(line[0], &wrong, sizeof(wrong)), sizeof(wrong));
    close(line[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(wrong, 0);
}

static void *thread(void *arg)
{
    return arg;
}

static bool refused(long result)
{
    return result == -1 && errno == EPERM;
}

static int drop(void)
{
    struct rlimit l;
    pthread_t t;
    void *got = NULL;

    WANT(confine_drop(USER));
    WANT(getuid() == USER && geteuid() == USER && getegid() == USER);
    WANT(getgroups(0, NULL) == 0);
    WANT(setuid(0) == -1);
    WANT(open("/etc/passwd", O_RDONLY) == -1);
    WANT(open("/", O_RDONLY) == -1);
    WANT(mkdir("/x", 0777) == -1);
    WANT(refused(ptrace(PTRACE_TRACEME, 0, NULL, NULL)));
    WANT(refused(mount("none", "/", "tmpfs", 0, NULL)));
    WANT(refused(unshare(CLONE_NEWUSER)));
    WANT(refused(syscall(SYS_fork)));
    WANT(refused(syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0)));
    WANT(syscall(SYS_clone3, NULL, 0) == -1 && errno == ENOSYS);
    WANT(refused(syscall(SYS_bpf, 0, NULL, 0)));
    WANT(getrlimit(RLIMIT_CORE, &l) == 0 && l.rlim_max == 0);
    WANT(pthread_create(&t, NULL, thread, &l) == 0);
    WANT(pthread_join(t, &got) == 0 && got == &l);
    return 0;
}

static void test_drop(void **state)
{
    (void)state;
    in_child(drop);
}

/* Still root, as QEMU is while it starts, but without most of what root can do, and able to become
 * somebody else. */
static int program(void)
{
    WANT(confine_program());
    WANT(geteuid() == 0);
    WANT(refused(mount("none", "/mnt", "tmpfs", 0, NULL)));
    WANT(refused(ptrace(PTRACE_TRACEME, 0, NULL, NULL)));
    WANT(chroot(CONFINE_ROOT) == 0);
    WANT(setgid(USER) == 0 && setuid(USER) == 0);
    WANT(setuid(0) == -1);
    return 0;
}

static void test_program(void **state)
{
    (void)state;
    in_child(program);
}

static int descriptors(void)
{
    int a = open("/dev/null", O_RDONLY), b = open("/dev/null", O_RDONLY);
    int c = open("/dev/null", O_RDONLY);

    confine_descriptors((const int[]){b, -1});
    WANT(fcntl(0, F_GETFD) >= 0 && fcntl(2, F_GETFD) >= 0);
    WANT(fcntl(a, F_GETFD) == -1);
    WANT(fcntl(b, F_GETFD) >= 0);
    WANT(fcntl(c, F_GETFD) == -1);
    return 0;
}

/* No pipe is left to tell by. */
static void test_descriptors(void **state)
{
    pid_t pid = fork();
    int status;

    (void)state;
    if (pid == 0)
        _exit(descriptors() ? 1 : 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_drop),
        cmocka_unit_test(test_program),
        cmocka_unit_test(test_descriptors),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
