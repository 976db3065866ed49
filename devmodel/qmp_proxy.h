/* SPDX-License-Identifier: BSD-2-Clause */
/* QMP for any number of clients in front of the one monitor of a confined QEMU.
 *
 * A client speaks QMP as if to QEMU: greeting, qmp_capabilities, commands, each answered in turn.
 * Commands are forwarded as they are, QEMU's events go to every client, and two things are done
 * here: commands that are the daemon's own (proxy_ops), and names of files. QEMU sees no file
 * system, so a file that a command names is opened here, with the client's own rights (it is who
 * may connect), and QEMU is handed the descriptor. */
#ifndef DEVMODEL_QMP_PROXY_H
#define DEVMODEL_QMP_PROXY_H

#include "devmodel/qmp_message.h"
#include <poll.h>
#include <stdbool.h>
#include <stddef.h>

#define PROXY_CLIENTS 8
#define PROXY_FDS     (PROXY_CLIENTS + 1)

struct proxy;

enum proxy_verdict {
    PROXY_FORWARD, /* it is QEMU's */
    PROXY_DONE,    /* result is what "return" is, as JSON */
    PROXY_REFUSED, /* result is why, in words */
};

struct proxy_ops {
    enum proxy_verdict (*command)(void *ctx, const char *name, char *result, size_t size);
    /* QEMU takes commands. */
    void (*up)(void *ctx);
};

/* NULL: no memory. QEMU's end of a socket pair is qemu's peer; the descriptor is the proxy's. */
struct proxy *proxy_new(int qemu, const struct proxy_ops *ops, void *ctx);
void proxy_free(struct proxy *p);

/* A client has connected; if there are too many it is turned away. */
void proxy_add(struct proxy *p, int client);

/* What to poll, at most PROXY_FDS; and what came of it. */
size_t proxy_poll(const struct proxy *p, struct pollfd *fds);
void proxy_serve(struct proxy *p, const struct pollfd *fds, size_t count);

/* A command of the daemon's own; fn gets the whole answer, or a NULL text if QEMU goes. */
bool proxy_ask(struct proxy *p, const char *command, void (*fn)(void *ctx, struct text answer));

/* QEMU has ended: whoever waits for an answer gets an error. */
void proxy_qemu_gone(struct proxy *p);

#endif
