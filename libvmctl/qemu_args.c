/* SPDX-License-Identifier: BSD-2-Clause */
#include "libvmctl/qemu_args.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* In an option of QEMU's a comma ends a value, and two of them are one of the value's own. */
static char *escaped(const char *s)
{
    char *to = malloc(2 * strlen(s) + 1), *p = to;

    if (!to)
        return NULL;
    for (; *s; s++) {
        if (*s == ',')
            *p++ = ',';
        *p++ = *s;
    }
    *p = 0;
    return to;
}

__attribute__((format(printf, 2, 3))) static void add(struct qemu_args *a, const char *format, ...)
{
    char *s = NULL;
    va_list ap;
    int rc;

    va_start(ap, format);
    rc = vasprintf(&s, format, ap);
    va_end(ap);
    if (rc < 0 || a->count == QEMU_MAX_ARGS) {
        if (rc >= 0)
            free(s);
        a->failed = true;
        return;
    }
    a->arg[a->count++] = s;
    a->arg[a->count] = NULL;
}

#define add_option(a, option, ...) (add(a, "%s", option), add(a, __VA_ARGS__))

/* Machine "pc" and not "xenfv": without the platform device, an unmodified Linux keeps the emulated
 * disks and cards and does not look for paravirtual ones. The HPET is devmodel's, or nobody's. */
static void add_machine(struct qemu_args *a, const struct vm_config *c)
{
    add_option(a, "-machine", "pc,accel=xen,suppress-vmdesc=on,hpet=off%s",
               c->acpi ? "" : ",acpi=off");
    add_option(a, "-m", "%llu", (unsigned long long)(c->memory_kib - c->video_kib) >> 10);
    if (c->vcpus > 1)
        add_option(a, "-smp", "%u,maxcpus=%u", c->vcpus, c->vcpus);
    add_option(a, "-boot", "order=%s", vm_config_boot(c));
    if (!c->kernel)
        return;
    add_option(a, "-kernel", "%s", c->kernel);
    if (c->initrd)
        add_option(a, "-initrd", "%s", c->initrd);
    if (c->cmdline)
        add_option(a, "-append", "%s", c->cmdline);
}

static const char *format_name(enum vm_format f)
{
    static const char *const names[] = {
        [VM_RAW] = "raw", [VM_QCOW2] = "qcow2", [VM_VHD] = "vpc", [VM_QED] = "qed"};

    return names[f];
}

/* A disk that fails does so for its guest: by default QEMU would stop all devices where no space is
 * left, and wait for somebody to notice. */
static void add_disk(struct qemu_args *a, const struct vm_disk *d)
{
    char *path = d->path ? escaped(d->path) : NULL;
    const char *kind = d->cdrom ? "cd" : "hd";
    unsigned bus = d->unit / 2, unit = d->unit % 2;

    if (!d->path) {
        add_option(a, "-device", "ide-cd,id=ide%u,bus=ide.%u,unit=%u", d->unit, bus, unit);
        return;
    }
    if (path) {
        add_option(a, "-drive", "if=none,id=disk%u,file=%s,format=%s,%s", d->unit, path,
                   format_name(d->format),
                   d->cdrom ? "readonly=on" : "cache=writeback,werror=report,rerror=report");
        add_option(a, "-device", "ide-%s,id=ide%u,drive=disk%u,bus=ide.%u,unit=%u", kind, d->unit,
                   d->unit, bus, unit);
    }
    a->failed |= !path;
    free(path);
}

static void add_nic(struct qemu_args *a, const struct vm_nic *n, unsigned i, int tap_fd)
{
    const uint8_t *m = n->mac;

    add_option(a, "-netdev", "tap,id=net%u,fd=%d", i, tap_fd);
    add_option(a, "-device", "%s,id=nic%u,netdev=net%u,addr=%u,mac=%02x:%02x:%02x:%02x:%02x:%02x",
               n->model ? n->model : "rtl8139", i, i, VM_FIRST_NIC_SLOT + i, m[0], m[1], m[2], m[3],
               m[4], m[5]);
}

static void add_screen(struct qemu_args *a, const struct vm_config *c)
{
    unsigned mib = (unsigned)(c->video_kib >> 10);

    add_option(a, "-display", "none");
    if (c->vga == VM_VGA_STD)
        add_option(a, "-device", "VGA,vgamem_mb=%u", mib);
    if (c->vga == VM_VGA_CIRRUS)
        add_option(a, "-device", "cirrus-vga,vgamem_mb=%u", mib);
    if (!c->vnc)
        return;
    add_option(a, "-vnc", "%s:%u%s%s", c->vnc_listen ? c->vnc_listen : "127.0.0.1", c->vnc_display,
               c->vnc_find_unused ? ",to=99" : "",
               c->vnc_password && *c->vnc_password ? ",password=on" : "");
    if (c->keymap)
        add_option(a, "-k", "%s", c->keymap);
}

static void add_usb(struct qemu_args *a, const struct vm_config *c)
{
    static const char *const devices[][2] = {
        {"tablet", "usb-tablet"}, {"mouse", "usb-mouse"}, {"keyboard", "usb-kbd"}};

    if (!c->usb && !c->usb_device)
        return;
    add_option(a, "-device", "piix3-usb-uhci,id=usb");
    for (size_t i = 0; c->usb_device && i < sizeof(devices) / sizeof(devices[0]); i++)
        if (strcmp(c->usb_device, devices[i][0]) == 0)
            add_option(a, "-device", "%s,bus=usb.0", devices[i][1]);
}

int qemu_args_build(struct qemu_args *a, const struct vm_config *c, unsigned domid,
                    const int *tap_fd)
{
    *a = (struct qemu_args){0};
    add(a, "%s", vm_config_model(c));
    add_option(a, "-xen-domid", "%u", domid);
    add_option(a, "-name", "%s", c->name);
    add(a, "-nodefaults");
    add(a, "-no-user-config");
    add(a, "-no-shutdown");
    add_machine(a, c);
    add_screen(a, c);
    for (unsigned i = 0; i < c->serials; i++)
        add_option(a, "-serial", "%s", c->serial[i]);
    add_usb(a, c);
    for (unsigned i = 0; i < c->nics; i++)
        add_nic(a, &c->nic[i], i, tap_fd[i]);
    for (unsigned i = 0; i < c->disks; i++)
        add_disk(a, &c->disk[i]);
    for (unsigned i = 0; i < c->model_arg_count; i++)
        add(a, "%s", c->model_args[i]);
    return a->failed ? -1 : 0;
}

void qemu_args_free(struct qemu_args *a)
{
    for (unsigned i = 0; i < a->count; i++)
        free(a->arg[i]);
    *a = (struct qemu_args){0};
}
