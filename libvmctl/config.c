/* SPDX-License-Identifier: BSD-2-Clause */
#include "libvmctl/config.h"
#include "libvmctl/layout.h"
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOADER_PATH       "/usr/lib/xen-4.17/boot/hvmloader"
#define SEABIOS_PATH      "/usr/share/seabios/bios-256k.bin"
#define OVMF_PATH         "/usr/share/ovmf/OVMF.fd"
#define MODEL_PATH        "/usr/libexec/xen-qemu-system-i386"

#define DEFAULT_VIDEO_KIB (8u << 10) /* of Cirrus VGA */
#define MIN_RAM_KIB       (8u << 10) /* hvmloader, firmware and a boot sector */
#define NAME_MAX_LENGTH   63
#define CMDLINE_MAX       2047 /* of Linux on x86 */

static const uint8_t xen_oui[3] = {0x00, 0x16, 0x3e};

void vm_config_init(struct vm_config *c)
{
    *c = (struct vm_config){
        .memory_kib = 128u << 10,
        .vga = VM_VGA_CIRRUS,
        .video_kib = DEFAULT_VIDEO_KIB,
        .vcpus = 1,
        .acpi = true,
        .acpi_s3 = true,
        .acpi_s4 = true,
        .hpet = true,
        .vnc = true,
        .vnc_find_unused = true,
        .on_reboot = VM_RESTART,
    };
}

void vm_config_fini(struct vm_config *c)
{
    for (unsigned i = 0; i < c->disks; i++)
        free(c->disk[i].path);
    for (unsigned i = 0; i < c->nics; i++) {
        free(c->nic[i].model);
        free(c->nic[i].bridge);
        free(c->nic[i].ifname);
    }
    for (unsigned i = 0; i < c->serials; i++)
        free(c->serial[i]);
    for (unsigned i = 0; i < c->model_arg_count; i++)
        free(c->model_args[i]);
    char *strings[] = {c->name,       c->bios_path,    c->loader_path, c->model_path,
                       c->kernel,     c->initrd,       c->cmdline,     c->boot,
                       c->vnc_listen, c->vnc_password, c->keymap,      c->usb_device};
    for (size_t i = 0; i < sizeof(strings) / sizeof(strings[0]); i++)
        free(strings[i]);
    *c = (struct vm_config){0};
}

static bool all_zero(const uint8_t *p, size_t n)
{
    while (n && !*p)
        p++, n--;
    return n == 0;
}

static int random_bytes(void *to, size_t n)
{
    return getrandom(to, n, 0) == (ssize_t)n ? 0 : -EIO;
}

int vm_config_complete(struct vm_config *c)
{
    int rc = 0;

    if (all_zero(c->uuid, sizeof(c->uuid))) {
        rc = random_bytes(c->uuid, sizeof(c->uuid));
        c->uuid[6] = (uint8_t)((c->uuid[6] & 0x0f) | 0x40); /* RFC 4122: version 4, variant 1 */
        c->uuid[8] = (uint8_t)((c->uuid[8] & 0x3f) | 0x80);
    }
    for (unsigned i = 0; i < c->nics && rc == 0; i++) {
        uint8_t *mac = c->nic[i].mac;

        if (!all_zero(mac, sizeof(c->nic[i].mac)))
            continue;
        memcpy(mac, xen_oui, sizeof(xen_oui));
        rc = random_bytes(mac + 3, 3);
        mac[3] &= 0x7f;
    }
    return rc;
}

uint64_t vm_config_ram(const struct vm_config *c)
{
    return (c->memory_kib - c->video_kib) << 10;
}

long long vm_config_time_offset(const struct vm_config *c, time_t now)
{
    struct tm local;

    if (!c->local_time || !localtime_r(&now, &local))
        return c->time_offset;
    return (long long)c->time_offset + local.tm_gmtoff;
}

const char *vm_config_loader(const struct vm_config *c)
{
    return c->loader_path ? c->loader_path : LOADER_PATH;
}

const char *vm_config_boot(const struct vm_config *c)
{
    return c->boot ? c->boot : "cd";
}

const char *vm_config_bios(const struct vm_config *c)
{
    if (c->bios_path)
        return c->bios_path;
    return c->bios == VM_OVMF ? OVMF_PATH : SEABIOS_PATH;
}

const char *vm_config_model(const struct vm_config *c)
{
    return c->model_path ? c->model_path : MODEL_PATH;
}

__attribute__((format(printf, 4, 5))) static int wrong(char *why, size_t size, int error,
                                                       const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    vsnprintf(why, size, format, ap);
    va_end(ap);
    return -error;
}

static int check_name(const struct vm_config *c, char *why, size_t size)
{
    if (!c->name || !*c->name)
        return wrong(why, size, EINVAL, "The configuration has no name for the guest.");
    if (strlen(c->name) > NAME_MAX_LENGTH)
        return wrong(why, size, EINVAL, "The name %s is longer than %d characters.", c->name,
                     NAME_MAX_LENGTH);
    if (isdigit((unsigned char)c->name[0]) && !c->name[strspn(c->name, "0123456789")])
        return wrong(why, size, EINVAL, "The name %s would be taken for a domain's number.",
                     c->name);
    for (const char *p = c->name; *p; p++)
        if (!isalnum((unsigned char)*p) && !strchr("-_.+:", *p))
            return wrong(why, size, EINVAL,
                         "The name %s has a character other than letters, digits and -_.+: in it.",
                         c->name);
    return 0;
}

static int check_machine(const struct vm_config *c, char *why, size_t size)
{
    if (c->vcpus < 1 || c->vcpus > VM_MAX_VCPUS)
        return wrong(why, size, EINVAL, "A guest has 1 to %d vcpus, not %u.", VM_MAX_VCPUS,
                     c->vcpus);
    if (c->memory_kib < c->video_kib + MIN_RAM_KIB)
        return wrong(why, size, EINVAL, "%llu MiB of memory is too little: %llu MiB is the least.",
                     (unsigned long long)c->memory_kib >> 10,
                     (unsigned long long)(c->video_kib + MIN_RAM_KIB) >> 10);
    if (c->memory_kib > LAYOUT_MAX_RAM >> 10)
        return wrong(why, size, EINVAL,
                     "%llu MiB of memory is more than a guest's address space takes.",
                     (unsigned long long)c->memory_kib >> 10);
    if ((c->initrd || c->cmdline) && !c->kernel)
        return wrong(why, size, EINVAL,
                     "A ramdisk or a kernel command line is given without a kernel.");
    if (c->kernel && c->bios == VM_OVMF)
        return wrong(
            why, size, EINVAL,
            "OVMF takes no kernel on Xen: leave out the kernel, or take bios = \"seabios\".");
    if (c->cmdline && strlen(c->cmdline) > CMDLINE_MAX)
        return wrong(why, size, EINVAL, "The kernel command line is longer than %d characters.",
                     CMDLINE_MAX);
    return 0;
}

static int check_file(const char *what, const char *path, int mode, char *why, size_t size)
{
    struct stat st;

    if (stat(path, &st) || access(path, mode))
        return wrong(why, size, errno, "The %s %s cannot be used: %s.", what, path,
                     strerror(errno));
    if (S_ISDIR(st.st_mode))
        return wrong(why, size, EISDIR, "The %s %s is a directory.", what, path);
    return 0;
}

static int check_disks(const struct vm_config *c, char *why, size_t size)
{
    unsigned used = 0;
    int rc = 0;

    for (unsigned i = 0; i < c->disks && rc == 0; i++) {
        const struct vm_disk *d = &c->disk[i];

        if (used & 1u << d->unit)
            return wrong(why, size, EINVAL, "Two disks are both hd%c.", 'a' + (int)d->unit);
        used |= 1u << d->unit;
        if (!d->cdrom && !d->path)
            return wrong(why, size, EINVAL, "hd%c has no image: only a CD drive can be empty.",
                         'a' + (int)d->unit);
        if (!d->cdrom && d->readonly)
            return wrong(why, size, EINVAL, "hd%c is read-only, which an IDE disk cannot be.",
                         'a' + (int)d->unit);
        if (d->path)
            rc = check_file("disk image", d->path, d->cdrom ? R_OK : R_OK | W_OK, why, size);
    }
    return rc;
}

static int check_files(const struct vm_config *c, char *why, size_t size)
{
    int rc = check_file("firmware loader", vm_config_loader(c), R_OK, why, size);

    if (rc == 0)
        rc = check_file("firmware", vm_config_bios(c), R_OK, why, size);
    if (rc == 0)
        rc = check_file("device model", vm_config_model(c), X_OK, why, size);
    if (rc == 0 && c->kernel)
        rc = check_file("kernel", c->kernel, R_OK, why, size);
    if (rc == 0 && c->initrd)
        rc = check_file("ramdisk", c->initrd, R_OK, why, size);
    return rc;
}

int vm_config_check(const struct vm_config *c, char *why, size_t size)
{
    int rc = check_name(c, why, size);

    if (rc == 0)
        rc = check_machine(c, why, size);
    if (rc == 0)
        rc = check_disks(c, why, size);
    return rc ? rc : check_files(c, why, size);
}
