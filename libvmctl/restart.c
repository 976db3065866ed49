/* SPDX-License-Identifier: BSD-2-Clause */
/* What a guest that is started again finds as it was, although all else is made anew. */
#include "libvmctl/ask.h"
#include "libvmctl/json.h"
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

static void take_medium(struct vm_disk *disk, const struct vm_drive *drive)
{
    char *path;

    if (strcmp(drive->medium, disk->path ? disk->path : "") == 0)
        return;
    path = *drive->medium ? strdup(drive->medium) : NULL;
    if (*drive->medium && !path)
        return;
    free(disk->path);
    disk->path = path;
    disk->format = VM_RAW; /* as vmctl_insert() has it */
}

static void take_media(struct vmctl *v, uint16_t id, struct vm_config *c)
{
    struct vm_drive drive[VM_MAX_DISKS];
    unsigned count;

    if (vmctl_drives(v, id, drive, &count))
        return;
    for (unsigned i = 0; i < c->disks; i++)
        for (unsigned n = 0; n < count; n++)
            if (c->disk[i].cdrom && drive[n].unit == c->disk[i].unit &&
                strcmp(drive[n].medium, VM_MEDIUM_UNKNOWN))
                take_medium(&c->disk[i], &drive[n]);
}

static void take_time(struct vmctl *v, uint16_t id, struct vm_config *c)
{
    char number[24], *end;
    const char *reply;
    struct qmp *q;
    long long ahead;

    if (ask_open(v, id, &q))
        return;
    if (ask(v, q, &reply, "devmodel-status", "{}") == 0 &&
        json_find(reply, "clock-ahead", number, sizeof(number))) {
        ahead = strtoll(number, &end, 10);
        if (!*end && ahead >= INT_MIN && ahead <= INT_MAX) {
            c->local_time = false;
            c->time_offset = (int)ahead;
        }
    }
    qmp_close(q);
}

void vmctl_take_over(struct vmctl *v, uint16_t id, struct vm_config *c)
{
    take_media(v, id, c);
    take_time(v, id, c);
}
