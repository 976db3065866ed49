/* SPDX-License-Identifier: BSD-2-Clause */
/* Where a running guest's screen and consoles are. */
#include "libvmctl/ask.h"
#include "libvmctl/json.h"
#include "libvmctl/model.h"
#include "libvmctl/plain.h"
#include "libvmctl/store.h"
#include <stdio.h>
#include <string.h>

#define PTY  "pty:"
#define PTYS "/dev/pts/"

/* A pseudo terminal's name. Others open it as root, and QEMU, which says it, may be the guest's by
 * now. */
static bool is_pty(const char *path)
{
    const char *number = path + strlen(PTYS);

    return strncmp(path, PTYS, strlen(PTYS)) == 0 && *number &&
           !number[strspn(number, "0123456789")];
}

/* One of query-chardev's: the first serial port, if it is a terminal of this machine. */
static bool find_serial(void *arg, const char *object)
{
    struct vm_access *a = arg;
    char label[32], file[sizeof(a->serial)];

    if (!json_find(object, "label", label, sizeof(label)) || strcmp(label, "serial0") ||
        !json_find(object, "filename", file, sizeof(file)))
        return true;
    if (strncmp(file, PTY, strlen(PTY)) == 0 && is_pty(file + strlen(PTY)))
        snprintf(a->serial, sizeof(a->serial), "%s", file + strlen(PTY));
    return false;
}

static void find_vnc(const char *reply, struct vm_access *a)
{
    char host[48], port[16];

    if (json_find(reply, "host", host, sizeof(host)) &&
        json_find(reply, "service", port, sizeof(port)))
        snprintf(a->vnc, sizeof(a->vnc), strchr(host, ':') ? "[%s]:%s" : "%s:%s", host, port);
    make_plain(a->vnc);
}

int vmctl_access(struct vmctl *v, uint16_t id, struct vm_access *a)
{
    const char *reply;
    struct qmp *q;
    bool lost;
    int rc;

    *a = (struct vm_access){0};
    if (!store_get(v, id, "console/tty", a->console, sizeof(a->console)) || !is_pty(a->console))
        a->console[0] = 0;
    if (!model_pid(v, id, &lost))
        return 0;
    model_qmp_path(id, a->qmp, sizeof(a->qmp));
    rc = ask_open(v, id, &q);
    if (rc)
        return rc;
    if (qmp_ask(q, &reply, "query-vnc", "{}") == 0) /* refused: it was built without */
        find_vnc(reply, a);
    rc = ask(v, q, &reply, "query-chardev", "{}");
    if (rc == 0)
        json_each(reply, find_serial, a);
    qmp_close(q);
    return rc;
}
