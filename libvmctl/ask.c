/* SPDX-License-Identifier: BSD-2-Clause */
#include "libvmctl/ask.h"
#include "libvmctl/model.h"
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int ask_open(struct vmctl *v, uint16_t id, struct qmp **q)
{
    char path[108];
    int rc;

    model_qmp_path(id, path, sizeof(path));
    rc = qmp_open(q, path);
    if (rc == -ENOENT || rc == -ECONNREFUSED)
        return vm_fail(v, -rc, "Domain %u has no QEMU that runs.", id);
    if (rc)
        return vm_fail(v, -rc, "The QEMU of domain %u does not answer: %s.", id, strerror(-rc));
    return 0;
}

/* QEMU's own sentences may end with a full stop, or not. */
static int refused(struct vmctl *v, const char *text)
{
    size_t length = strlen(text);

    while (length && (text[length - 1] == '.' || text[length - 1] == '\n'))
        length--;
    return vm_fail(v, EREMOTEIO, "QEMU refuses: %.*s.", (int)length, text);
}

int ask(struct vmctl *v, struct qmp *q, const char **reply, const char *command,
        const char *arguments, ...)
{
    const char *answer = "";
    char *object = NULL;
    va_list ap;
    int rc = -ENOMEM;

    va_start(ap, arguments);
    if (vasprintf(&object, arguments, ap) >= 0)
        rc = qmp_ask(q, &answer, command, "%s", object);
    else
        object = NULL;
    va_end(ap);
    free(object);
    if (reply)
        *reply = answer;
    if (rc == -EREMOTEIO)
        return refused(v, answer);
    return rc ? vm_fail(v, -rc, "QEMU does not answer: %s.", strerror(-rc)) : 0;
}

int ask_once(struct vmctl *v, uint16_t id, const char *command, const char *arguments)
{
    struct qmp *q;
    int rc = ask_open(v, id, &q);

    if (rc)
        return rc;
    rc = ask(v, q, NULL, command, "%s", arguments);
    qmp_close(q);
    return rc;
}
