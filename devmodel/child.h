/* SPDX-License-Identifier: BSD-2-Clause */
/* A process that is watched by its descriptor. */
#ifndef DEVMODEL_CHILD_H
#define DEVMODEL_CHILD_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct child {
    const char *name;
    pid_t pid; /* 0: none */
    int fd;    /* readable when it has ended; -1: none */
};

/* Forks. True in the child as well, where pid is 0; there the signals are as they are by default,
 * and it has a session of its own. False: there is none, and a sentence. */
bool child_fork(struct child *c, const char *name);

/* When fd is readable: writes how it ended, as a sentence without its point. The child is
 * forgotten. */
void child_reap(struct child *c, char *why, size_t size);

/* Asks it to end, and makes it after that many milliseconds. */
void child_end(struct child *c, int patience);

#endif
