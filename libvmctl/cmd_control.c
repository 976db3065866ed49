/* SPDX-License-Identifier: BSD-2-Clause */
/* The commands that do something to a guest that is there. */
#include "libvmctl/command.h"
#include "libvmctl/console.h"
#include "libvmctl/json.h"
#include "libvmctl/plain.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SHUTDOWN_SECONDS 300
#define HOLD_MS          50

static int on_guest(const struct options *o, int (*fn)(struct vmctl *v, uint16_t id))
{
    struct vm_info i;
    int rc = find_guest(o, &i);

    if (rc)
        return rc;
    rc = fn(handle, i.id);
    return rc ? failed(rc) : EXIT_OK;
}

int do_pause(const struct options *o)
{
    return on_guest(o, vmctl_pause);
}

int do_unpause(const struct options *o)
{
    return on_guest(o, vmctl_unpause);
}

int do_destroy(const struct options *o)
{
    return on_guest(o, vmctl_destroy);
}

int do_reboot(const struct options *o)
{
    return on_guest(o, o->force ? vmctl_reset : vmctl_reboot);
}

/* Gone is as good as shut down: whoever watches the guest may have been quicker. */
static int wait_for_end(const struct options *o, const struct vm_info *i)
{
    unsigned seconds = o->timeout ? o->timeout : SHUTDOWN_SECONDS;
    struct vm_info now;
    int rc = vmctl_wait(handle, i->id, (int)seconds * 1000, &now);

    if (rc == -ETIMEDOUT)
        return say(EXIT_FAILED, "%s has not shut down within %u seconds.", i->name, seconds);
    return rc && rc != -ESRCH ? failed(rc) : EXIT_OK;
}

int do_shutdown(const struct options *o)
{
    struct vm_info i;
    int rc = find_guest(o, &i);

    if (rc)
        return rc;
    rc = vmctl_shutdown(handle, i.id, o->button);
    if (rc)
        return failed(rc);
    return o->wait || o->timeout ? wait_for_end(o, &i) : EXIT_OK;
}

int do_console(const struct options *o)
{
    struct vm_access a;
    struct vm_info i;
    const char *path;
    int rc = find_access(o, &i, &a);

    if (rc)
        return rc;
    path = o->pv ? a.console : a.serial;
    if (!*path)
        return say(EXIT_FAILED,
                   o->pv ? "%s has no paravirtual console: is xenconsoled running?"
                         : "%s has no serial port that is a terminal here (serial = \"pty\").",
                   i.name);
    rc = console_run(path, o->output);
    return rc ? say(EXIT_FAILED, "The console %s cannot be used: %s.", path, strerror(-rc))
              : EXIT_OK;
}

/* ---- screen and keyboard ---- */

/* All of it, and closed: what a disk has no room for may only be said then. */
static int write_and_close(int fd, const void *data, size_t size)
{
    int rc = write_all(fd, data, size);

    if (close(fd) && rc == 0)
        rc = -errno;
    return rc;
}

/* A new file beside that one; was: whose owner and mode it gets, or NULL. Its descriptor or -errno.
 */
static int open_beside(const char *path, const struct stat *was, char temporary[PATH_MAX])
{
    int fd, rc = 0;

    if (snprintf(temporary, PATH_MAX, "%s.%d", path, (int)getpid()) >= PATH_MAX)
        return -ENAMETOOLONG;
    fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, was ? 0600 : 0644);
    if (fd < 0)
        return -errno;
    if (was && (fchown(fd, was->st_uid, was->st_gid) || fchmod(fd, was->st_mode & 0777)))
        rc = -errno;
    if (rc == 0)
        return fd;
    close(fd);
    unlink(temporary);
    return rc;
}

/* A file is there as a whole, or stays as it was. */
static int replace_file(const char *path, const struct stat *was, const void *data, size_t size)
{
    char temporary[PATH_MAX];
    int fd = open_beside(path, was, temporary), rc;

    if (fd < 0)
        return fd;
    rc = write_and_close(fd, data, size);
    if (rc == 0 && rename(temporary, path))
        rc = -errno;
    if (rc)
        unlink(temporary);
    return rc;
}

/* What is no file (a device, a FIFO) is written to and stays what it is, whatever happens. */
static int write_file(const char *path, const void *data, size_t size)
{
    char real[PATH_MAX];
    struct stat st;
    int fd;

    if (!realpath(path, real) || stat(real, &st))
        return replace_file(path, NULL, data, size);
    if (S_ISREG(st.st_mode))
        return replace_file(real, &st, data, size); /* where a symbolic link leads to */
    fd = open(real, O_WRONLY | O_CLOEXEC);
    return fd < 0 ? -errno : write_and_close(fd, data, size);
}

int do_screenshot(const struct options *o)
{
    const char *path = o->words[1];
    struct vm_info i;
    size_t size;
    void *png;
    int rc = find_guest(o, &i);

    if (rc)
        return rc;
    rc = vmctl_screenshot(handle, i.id, &png, &size);
    if (rc)
        return failed(rc);
    rc = strcmp(path, "-") ? write_file(path, png, size) : write_all(1, png, size);
    free(png);
    return rc ? say(EXIT_FAILED, "The picture %s cannot be written: %s.", path, strerror(-rc))
              : EXIT_OK;
}

int do_key(const struct options *o)
{
    unsigned hold = o->delay ? o->delay : HOLD_MS;
    struct vm_info i;
    int rc = find_guest(o, &i);

    if (rc)
        return rc;
    for (int n = 1; n < o->count && rc == 0; n++)
        rc = (o->text ? vmctl_type : vmctl_press)(handle, i.id, o->words[n], hold);
    return rc ? failed(rc) : EXIT_OK;
}

/* ---- drives ---- */

static void drives_text(const struct vm_drive *d, unsigned count)
{
    for (unsigned i = 0; i < count; i++, d++)
        printf("hd%c  %-4s  %-12s  %s\n", 'a' + (int)d->unit, d->removable ? "CD" : "disk",
               d->open     ? "open"
               : d->locked ? "locked"
                           : "",
               *d->medium ? d->medium : "empty");
}

static void drives_json(const struct vm_drive *d, unsigned count)
{
    printf("[");
    for (unsigned i = 0; i < count; i++, d++) {
        printf("%s\n  {\"drive\": \"hd%c\", \"cdrom\": %s, \"open\": %s, \"locked\": %s",
               i ? "," : "", 'a' + (int)d->unit, d->removable ? "true" : "false",
               d->open ? "true" : "false", d->locked ? "true" : "false");
        if (*d->medium) {
            printf(", \"medium\": ");
            json_string(stdout, d->medium);
        }
        printf("}");
    }
    printf("\n]\n");
}

static int show_drives(const struct options *o, uint16_t id)
{
    struct vm_drive drive[VM_MAX_DISKS];
    unsigned count;
    int rc = vmctl_drives(handle, id, drive, &count);

    if (rc)
        return failed(rc);
    for (unsigned i = 0; i < count && !o->json; i++)
        make_plain(drive[i].medium); /* QEMU names it */
    (o->json ? drives_json : drives_text)(drive, count);
    return EXIT_OK;
}

int do_cd(const struct options *o)
{
    char path[PATH_MAX];
    struct vm_info i;
    int rc;

    if (o->eject && o->count > 1)
        return say(EXIT_USAGE, "A CD is either taken out or put in.");
    rc = find_guest(o, &i);
    if (rc)
        return rc;
    if (!o->eject && o->count == 1)
        return show_drives(o, i.id);
    if (!o->eject && !realpath(o->words[1], path))
        return say(EXIT_FAILED, "The image %s cannot be opened: %s.", o->words[1], strerror(errno));
    rc = o->eject ? vmctl_eject(handle, i.id, o->drive, o->force)
                  : vmctl_insert(handle, i.id, o->drive, path, o->force);
    return rc ? failed(rc) : EXIT_OK;
}
