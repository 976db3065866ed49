/* SPDX-License-Identifier: BSD-2-Clause */
/* A guest's screen: who may see it, and a picture of it. */
#include "libvmctl/screen.h"
#include "libvmctl/ask.h"
#include "libvmctl/json.h"
#include "libvmctl/png.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

int screen_lock(struct vmctl *v, const struct vm_config *c, uint16_t id)
{
    char *quoted, arguments[128];

    if (!c->vnc || !c->vnc_password || !*c->vnc_password)
        return 0;
    quoted = json_quoted(c->vnc_password);
    if (!quoted)
        return vm_fail(v, ENOMEM, "There is no memory.");
    snprintf(arguments, sizeof(arguments), "{\"protocol\":\"vnc\",\"password\":%s}", quoted);
    free(quoted);
    return ask_once(v, id, "set_password", arguments);
}

/* It is written into memory of ours, in QEMU's own form, by a name that any process may open it by:
 * so there is no file that could stay behind. */
static int dump(struct vmctl *v, uint16_t id, int fd)
{
    char arguments[64];

    snprintf(arguments, sizeof(arguments), "{\"filename\":\"/proc/%d/fd/%d\"}", getpid(), fd);
    return ask_once(v, id, "screendump", arguments);
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
