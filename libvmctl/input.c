/* SPDX-License-Identifier: BSD-2-Clause */
/* Pressing a guest's keys. */
#include "libvmctl/ask.h"
#include "libvmctl/keyboard.h"
#include <errno.h>
#include <time.h>

/* A guest's keyboard holds 16 bytes: what is pressed before the guest took the last is lost. */
static void wait_ms(unsigned ms)
{
    struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000l};

    while (nanosleep(&t, &t) && errno == EINTR)
        ;
}

static int press(struct vmctl *v, struct qmp *q, const struct stroke *s, unsigned hold_ms)
{
    char json[STROKE_JSON];
    int rc;

    if (stroke_json(s, hold_ms, json, sizeof(json)))
        return vm_fail(v, E2BIG, "There are too many keys in one stroke.");
    rc = ask(v, q, NULL, "send-key", "%s", json);
    wait_ms(2 * hold_ms); /* down, and up */
    return rc;
}

static int no_key(struct vmctl *v, char c)
{
    if (c > ' ' && c < 0x7f)
        return vm_fail(v, EINVAL, "No key of a US keyboard types '%c'.", c);
    return vm_fail(v, EINVAL, "No key of a US keyboard types the character %02xh.",
                   (unsigned char)c);
}

int vmctl_type(struct vmctl *v, uint16_t id, const char *text, unsigned hold_ms)
{
    struct stroke s;
    struct qmp *q;
    int rc = 0;

    for (const char *p = text; *p; p++)
        if (stroke_for(&s, *p))
            return no_key(v, *p);
    rc = ask_open(v, id, &q);
    if (rc)
        return rc;
    for (; *text && rc == 0; text++) {
        stroke_for(&s, *text);
        rc = press(v, q, &s, hold_ms);
    }
    qmp_close(q);
    return rc;
}

int vmctl_press(struct vmctl *v, uint16_t id, const char *keys, unsigned hold_ms)
{
    const char *wrong;
    struct stroke s;
    struct qmp *q;
    int rc;

    if (stroke_parse(&s, keys, &wrong))
        return vm_fail(v, EINVAL, "There is no key called %s in %s.", *wrong ? wrong : "nothing",
                       keys);
    rc = ask_open(v, id, &q);
    if (rc)
        return rc;
    rc = press(v, q, &s, hold_ms);
    qmp_close(q);
    return rc;
}
