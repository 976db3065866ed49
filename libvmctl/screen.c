/* SPDX-License-Identifier: BSD-2-Clause */
/* A picture of a guest's screen. QEMU writes it into memory of ours, in its own form; the file is
 * ours too. */
#include "libvmctl/ask.h"
#include "libvmctl/png.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* QEMU only takes a file that can be written and not read, as it would have opened it. */
static int write_end(int fd)
{
    char path[32];

    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    return open(path, O_WRONLY | O_CLOEXEC);
}

static int dump_to(struct vmctl *v, struct qmp *q, int fd)
{
    unsigned set;
    int rc = ask_give_file(v, q, fd, "screen", &set);

    if (rc)
        return rc;
    rc = ask(v, q, -1, NULL, "screendump", "{\"filename\":\"/dev/fdset/%u\"}", set);
    if (rc)
        qmp_ask(q, -1, NULL, "remove-fd", "{\"fdset-id\":%u}", set);
    else
        rc = ask_drop_file(v, q, set);
    return rc;
}

static int dump(struct vmctl *v, uint16_t id, int fd)
{
    struct qmp *q;
    int out = write_end(fd), rc;

    if (out < 0)
        return vm_fail(v, errno, "There is no memory for the picture: %s.", strerror(errno));
    rc = ask_open(v, id, &q);
    if (rc == 0) {
        rc = dump_to(v, q, out);
        qmp_close(q);
    }
    close(out);
    return rc;
}

static int convert(struct vmctl *v, int fd, void **png, size_t *size)
{
    struct stat st;
    void *ppm = MAP_FAILED;
    int rc = -EINVAL;

    if (fstat(fd, &st) == 0 && st.st_size > 0)
        ppm = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (ppm != MAP_FAILED) {
        rc = png_from_ppm(ppm, (size_t)st.st_size, png, size);
        munmap(ppm, (size_t)st.st_size);
    }
    if (rc == -EINVAL)
        return vm_fail(v, EPROTO, "QEMU's picture of the screen is none.");
    return rc ? vm_fail(v, -rc, "The picture cannot be packed: %s.", strerror(-rc)) : 0;
}

int vmctl_screenshot(struct vmctl *v, uint16_t id, void **png, size_t *size)
{
    int fd = memfd_create("screen", MFD_CLOEXEC), rc;

    *png = NULL;
    if (fd < 0)
        return vm_fail(v, errno, "There is no memory for the picture: %s.", strerror(errno));
    rc = dump(v, id, fd);
    if (rc == 0)
        rc = convert(v, fd, png, size);
    close(fd);
    return rc;
}
