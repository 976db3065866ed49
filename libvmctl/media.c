/* SPDX-License-Identifier: BSD-2-Clause */
/* What is in a guest's drives, and changing a CD. */
#include "libvmctl/ask.h"
#include "libvmctl/json.h"
#include "libvmctl/store.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BY_DESCRIPTOR "/dev/fdset/"

/* ---- what there is ---- */

/* A confined QEMU is handed open files and knows no names: what was put in stands in the store. */
static void medium_key(uint16_t id, unsigned unit, char *key, size_t size)
{
    snprintf(key, size, "device-model/%u/medium/hd%c", id, 'a' + (int)unit);
}

static void name_medium(struct vmctl *v, uint16_t id, struct vm_drive *d)
{
    char key[64];

    medium_key(id, d->unit, key, sizeof(key));
    if (strncmp(d->medium, BY_DESCRIPTOR, strlen(BY_DESCRIPTOR)) == 0 &&
        !store_get(v, 0, key, d->medium, sizeof(d->medium)))
        snprintf(d->medium, sizeof(d->medium), VM_MEDIUM_UNKNOWN);
}

struct drives {
    struct vm_drive *drive;
    unsigned count;
};

static bool is_true(const char *object, const char *key)
{
    char value[8];

    return json_find(object, key, value, sizeof(value)) && strcmp(value, "true") == 0;
}

/* One of query-block's answers; the drives are those called ide0 to ide3 (qemu_args.c). */
static bool add_drive(void *arg, const char *object)
{
    struct drives *all = arg;
    struct vm_drive *d = &all->drive[all->count];
    char name[32];

    if (!json_find(object, "qdev", name, sizeof(name)) || strncmp(name, "ide", 3) ||
        name[3] < '0' || name[3] >= '0' + VM_MAX_DISKS || name[4])
        return true;
    *d = (struct vm_drive){.unit = (unsigned)(name[3] - '0'),
                           .removable = is_true(object, "removable"),
                           .locked = is_true(object, "locked"),
                           .open = is_true(object, "tray_open")};
    if (!json_find(object, "file", d->medium, sizeof(d->medium)))
        d->medium[0] = 0;
    all->count++;
    return all->count < VM_MAX_DISKS;
}

static int list(struct vmctl *v, uint16_t id, struct qmp *q, struct drives *all)
{
    const char *reply;
    int rc = ask(v, q, &reply, "query-block", "{}");

    if (rc == 0)
        json_each(reply, add_drive, all);
    for (unsigned i = 0; i < all->count; i++)
        name_medium(v, id, &all->drive[i]);
    return rc;
}

int vmctl_drives(struct vmctl *v, uint16_t id, struct vm_drive drive[VM_MAX_DISKS], unsigned *count)
{
    struct drives all = {.drive = drive};
    struct qmp *q;
    int rc = ask_open(v, id, &q);

    if (rc == 0) {
        rc = list(v, id, q, &all);
        qmp_close(q);
    }
    *count = all.count;
    return rc;
}

/* ---- another CD ---- */

static int no_drive(struct vmctl *v, int unit)
{
    return unit < 0 ? vm_fail(v, ENODEV, "The guest has no CD drive.")
                    : vm_fail(v, ENODEV, "The guest has no CD drive hd%c.", 'a' + unit);
}

/* The drive of that number, or with -1 the only one. */
static int choose(struct vmctl *v, uint16_t id, struct qmp *q, int unit, struct vm_drive *chosen)
{
    struct vm_drive drive[VM_MAX_DISKS];
    struct drives all = {.drive = drive};
    unsigned found = 0;
    int rc = list(v, id, q, &all);

    for (unsigned i = 0; i < all.count && rc == 0; i++) {
        if (!drive[i].removable || (unit >= 0 && drive[i].unit != (unsigned)unit))
            continue;
        *chosen = drive[i];
        found++;
    }
    if (rc == 0 && found > 1)
        return vm_fail(v, EINVAL, "The guest has more than one CD drive: say which.");
    return rc || found ? rc : no_drive(v, unit);
}

static int check_lock(struct vmctl *v, const struct vm_drive *d, bool force)
{
    if (!d->locked || d->open || force)
        return 0;
    return vm_fail(v, EBUSY, "The guest has locked its drive hd%c: it uses the CD.",
                   'a' + (int)d->unit);
}

static int check_image(struct vmctl *v, const char *path)
{
    struct stat st;

    if (stat(path, &st) || access(path, R_OK))
        return vm_fail(v, errno, "The image %s cannot be opened: %s.", path, strerror(errno));
    if (S_ISREG(st.st_mode) || S_ISBLK(st.st_mode))
        return 0;
    return vm_fail(v, EINVAL, "%s is no image: neither a file nor a block device.", path);
}

static int change(struct vmctl *v, struct qmp *q, unsigned unit, const char *path, bool force)
{
    char *quoted = json_quoted(path);
    int rc = -ENOMEM;

    if (quoted)
        rc = ask(v, q, NULL, "blockdev-change-medium",
                 "{\"id\":\"ide%u\",\"filename\":%s,\"format\":\"raw\","
                 "\"read-only-mode\":\"read-only\",\"force\":%s}",
                 unit, quoted, force ? "true" : "false");
    free(quoted);
    return rc;
}

static int keep_name(struct vmctl *v, uint16_t id, unsigned unit, const char *path)
{
    char key[64];
    int rc;

    medium_key(id, unit, key, sizeof(key));
    rc = store_set(v, 0, key, path);
    return rc ? vm_fail(v, -rc, "The store does not take the name of the image: %s.", strerror(-rc))
              : 0;
}

/* The connection, and the drive with its lock looked at. */
static int open_drive(struct vmctl *v, uint16_t id, int unit, bool force, struct qmp **q,
                      struct vm_drive *d)
{
    int rc = ask_open(v, id, q);

    if (rc)
        return rc;
    rc = choose(v, id, *q, unit, d);
    if (rc == 0)
        rc = check_lock(v, d, force);
    if (rc)
        qmp_close(*q);
    return rc;
}

int vmctl_insert(struct vmctl *v, uint16_t id, int unit, const char *path, bool force)
{
    struct vm_drive d = {0};
    struct qmp *q;
    int rc = check_image(v, path);

    if (rc == 0)
        rc = open_drive(v, id, unit, force, &q, &d);
    if (rc)
        return rc;
    rc = change(v, q, d.unit, path, force);
    qmp_close(q);
    return rc ? rc : keep_name(v, id, d.unit, path);
}

int vmctl_eject(struct vmctl *v, uint16_t id, int unit, bool force)
{
    struct vm_drive d = {0};
    struct qmp *q;
    int rc = open_drive(v, id, unit, force, &q, &d);

    if (rc)
        return rc;
    rc = ask(v, q, NULL, "eject", "{\"id\":\"ide%u\",\"force\":%s}", d.unit,
             force ? "true" : "false");
    qmp_close(q);
    return rc;
}
