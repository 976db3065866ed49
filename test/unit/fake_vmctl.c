/* SPDX-License-Identifier: BSD-2-Clause */
#include "fake_vmctl.h"
#include "libvmctl/plain.h"
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ENTRIES 256

unsigned fake_steps_left;

bool fake_fails(void)
{
    if (fake_steps_left == 0 || --fake_steps_left > 0)
        return false;
    errno = EIO;
    return true;
}

bool fake_is_sentence(const char *text)
{
    size_t n = strlen(text);

    return n > 1 && !islower((unsigned char)text[0]) && text[n - 1] == '.' && text[n - 2] != '.' &&
           !strchr(text, '\n');
}

int vm_fail(struct vmctl *v, int error, const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    vsnprintf(v->error, sizeof(v->error), format, ap);
    va_end(ap);
    make_plain(v->error);
    return -error;
}

const char *vmctl_error(const struct vmctl *v)
{
    return v->error;
}

/* ---- libxenstore ---- */

struct entry {
    char path[128], value[128];
};

static struct entry entry[ENTRIES], before[ENTRIES];
static unsigned entries, entries_before; /* the transaction */

static void drop(unsigned i)
{
    entry[i] = entry[--entries];
}

void fake_store_clear(void)
{
    entries = 0;
}

static bool below(const char *path, const char *top)
{
    size_t n = strlen(top);

    return strncmp(path, top, n) == 0 && (path[n] == 0 || path[n] == '/');
}

unsigned fake_store_count(const char *path)
{
    unsigned n = 0;

    for (unsigned i = 0; i < entries; i++)
        n += below(entry[i].path, path);
    return n;
}

void fake_store_put(const char *path, const char *value)
{
    unsigned i = 0;

    while (i < entries && strcmp(entry[i].path, path))
        i++;
    if (i < entries)
        drop(i);
    if (entries == ENTRIES)
        abort();
    snprintf(entry[entries].path, sizeof(entry->path), "%s", path);
    snprintf(entry[entries++].value, sizeof(entry->value), "%s", value);
}

const char *fake_store_value(const char *path)
{
    for (unsigned i = 0; i < entries; i++)
        if (strcmp(entry[i].path, path) == 0)
            return entry[i].value;
    return NULL;
}

bool xs_write(struct xs_handle *h, xs_transaction_t t, const char *path, const void *data,
              unsigned length)
{
    char *value;

    (void)h, (void)t;
    if (fake_fails())
        return false;
    value = strndup(data, length);
    fake_store_put(path, value);
    free(value);
    return true;
}

void *xs_read(struct xs_handle *h, xs_transaction_t t, const char *path, unsigned *length)
{
    const char *value = fake_store_value(path);

    (void)h, (void)t;
    *length = value ? (unsigned)strlen(value) : 0;
    errno = ENOENT;
    return value ? strdup(value) : NULL;
}

bool xs_rm(struct xs_handle *h, xs_transaction_t t, const char *path)
{
    (void)h, (void)t;
    for (unsigned i = entries; i-- > 0;)
        if (below(entry[i].path, path))
            drop(i);
    return true;
}

bool xs_set_permissions(struct xs_handle *h, xs_transaction_t t, const char *path,
                        struct xs_permissions *perms, unsigned count)
{
    (void)h, (void)t, (void)path, (void)perms, (void)count;
    return !fake_fails();
}

xs_transaction_t xs_transaction_start(struct xs_handle *h)
{
    (void)h;
    memcpy(before, entry, sizeof(entry));
    entries_before = entries;
    return fake_fails() ? XBT_NULL : 1;
}

bool xs_transaction_end(struct xs_handle *h, xs_transaction_t t, bool abort)
{
    bool failed = fake_fails();

    (void)h, (void)t;
    if (abort || failed) {
        memcpy(entry, before, sizeof(entry));
        entries = entries_before;
    }
    return !failed;
}
