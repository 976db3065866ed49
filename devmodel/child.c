/* SPDX-License-Identifier: BSD-2-Clause */
#include "devmodel/child.h"
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void be_child(void)
{
    sigset_t none;

    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGPIPE, SIG_DFL);
    setsid();
}

bool child_fork(struct child *c, const char *name)
{
    *c = (struct child){name, fork(), -1};
    if (c->pid == 0) {
        be_child();
        return true;
    }
    if (c->pid > 0)
        c->fd = (int)syscall(SYS_pidfd_open, c->pid, 0);
    if (c->pid > 0 && c->fd >= 0)
        return true;
    fprintf(stderr, "devmodel: no process for %s: %s.\n", name, strerror(errno));
    if (c->pid > 0) {
        kill(c->pid, SIGKILL);
        waitpid(c->pid, NULL, 0);
    }
    *c = (struct child){name, 0, -1};
    return false;
}

static int wait_for(struct child *c)
{
    int status = 0;

    waitpid(c->pid, &status, 0);
    close(c->fd);
    c->pid = 0;
    c->fd = -1;
    return status;
}

void child_reap(struct child *c, char *why, size_t size)
{
    int status = wait_for(c);

    if (WIFSIGNALED(status))
        snprintf(why, size, "%s was killed by signal %d (%s)", c->name, WTERMSIG(status),
                 strsignal(WTERMSIG(status)));
    else
        snprintf(why, size, "%s ended by itself, with status %d", c->name, WEXITSTATUS(status));
}

void child_end(struct child *c, int patience)
{
    struct pollfd p = {.fd = c->fd, .events = POLLIN};

    if (!c->pid)
        return;
    kill(c->pid, SIGTERM);
    if (poll(&p, 1, patience) == 0)
        kill(c->pid, SIGKILL);
    wait_for(c);
}
