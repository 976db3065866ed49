/* SPDX-License-Identifier: BSD-2-Clause */
/* A QEMU that only speaks: it listens on a socket and answers commands by rules. */
#ifndef TEST_FAKE_QMP_H
#define TEST_FAKE_QMP_H

/* The first rule of a command's name is its answer. reply NULL: the connection ends. */
struct qmp_rule {
    const char *command, *reply;
};

/* rules end with a NULL command; a command without one gets an empty answer. */
void fake_qmp_start(const char *path, const struct qmp_rule *rules);
void fake_qmp_stop(void);

/* All it was asked since the start but for the greeting, a line each. */
const char *fake_qmp_asked(void);
/* Called in its thread for each command, before the answer. */
extern void (*fake_qmp_hook)(const char *line);

#endif
