/* SPDX-License-Identifier: BSD-2-Clause */
/* What a guest is made of. */
#ifndef LIBVMCTL_CONFIG_H
#define LIBVMCTL_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#define VM_MAX_DISKS 4 /* PIIX3 IDE has two channels of two drives */
#define VM_MAX_NICS  8
#define VM_FIRST_NIC_SLOT \
    4 /* of PCI bus 0, behind bridge, PIIX3, screen and USB; the next card in the next */
#define VM_MAX_SERIALS 4
#define VM_MAX_ARGS    64
#define VM_MAX_VCPUS   64
#define VM_MAX_WEIGHT  65535

enum vm_format { VM_RAW, VM_QCOW2, VM_VHD, VM_QED, VM_NO_MEDIUM };
enum vm_bios { VM_SEABIOS, VM_OVMF };
enum vm_vga { VM_VGA_STD, VM_VGA_CIRRUS, VM_VGA_NONE };
enum vm_action { VM_DESTROY, VM_RESTART, VM_PRESERVE };

struct vm_disk {
    char *path; /* NULL: no medium */
    enum vm_format format;
    unsigned unit; /* 0 to 3: primary master and slave, secondary master and slave */
    bool cdrom;
    bool readonly;
};

struct vm_nic {
    uint8_t mac[6];
    char *model;  /* of QEMU's: rtl8139, ne2k_pci, e1000, ... */
    char *bridge; /* NULL: the card's other end is in no bridge */
    char *ifname; /* NULL: vifDOMAIN.NUMBER-emu */
};

struct vm_config {
    char *name;
    uint8_t uuid[16];
    uint64_t memory_kib; /* all of it, the card's video memory included */
    uint64_t video_kib;
    unsigned vcpus;
    unsigned cpu_weight; /* of 256 that others have; 0: that */
    enum vm_bios bios;
    char *bios_path;   /* NULL: the distribution's */
    char *loader_path; /* NULL: the distribution's hvmloader */
    char *model_path;  /* NULL: the distribution's QEMU */
    char *kernel;      /* for a direct boot, with initrd and command line; or NULL */
    char *initrd;
    char *cmdline;
    char *boot; /* letters of boot devices in order, NULL: cd */
    bool acpi, acpi_s3, acpi_s4, hpet;
    bool local_time; /* its clock shows this machine's local time, not UTC */
    int time_offset; /* in seconds, and that much more */

    struct vm_disk disk[VM_MAX_DISKS];
    unsigned disks;
    struct vm_nic nic[VM_MAX_NICS];
    unsigned nics;
    char *serial[VM_MAX_SERIALS]; /* as QEMU's -serial takes them */
    unsigned serials;

    enum vm_vga vga;
    bool vnc;
    char *vnc_listen; /* an address */
    unsigned vnc_display;
    bool vnc_find_unused; /* the next free display if that one is taken */
    char *vnc_password;   /* NULL or "": none */
    char *keymap;
    bool usb;
    char *usb_device; /* tablet, mouse, keyboard */

    char *model_args[VM_MAX_ARGS]; /* handed to QEMU as they are */
    unsigned model_arg_count;

    enum vm_action on_poweroff, on_reboot, on_crash;
};

/* Defaults for everything; what is pointed to later is freed by vm_config_fini(). */
void vm_config_init(struct vm_config *c);
void vm_config_fini(struct vm_config *c);

/* Fills in what was left open (uuid, MAC addresses) with random numbers. -errno. */
int vm_config_complete(struct vm_config *c);
/* Writes one sentence to why if the guest could not be made like that. 0 or -EINVAL, -ENOENT, ...
 */
int vm_config_check(const struct vm_config *c, char *why, size_t size);

/* Its RAM in bytes: without the video memory. */
uint64_t vm_config_ram(const struct vm_config *c);

/* How far the guest's clock is from UTC when it starts at time now, in seconds. */
long long vm_config_time_offset(const struct vm_config *c, time_t now);

/* The file that is used for each, the default where none was named. */
const char *vm_config_loader(const struct vm_config *c);
const char *vm_config_bios(const struct vm_config *c);
/* The order of boot devices, in letters as boot= has them. */
const char *vm_config_boot(const struct vm_config *c);
const char *vm_config_model(const struct vm_config *c);

#endif
