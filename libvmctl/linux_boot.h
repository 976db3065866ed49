/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Direct boot of a Linux kernel (Documentation/arch/x86/boot.rst): kernel, command line and ramdisk
 * are written into the guest's memory, and a small program, started by the firmware in the kernel's
 * place, moves them to where a boot loader puts them (linux_stub.asm).
 *
 *   low                                                                     high
 *    | kernel code | setup code | command line |         |   ramdisk          |
 *    ^ stage, all of it one piece                        ^ initrd: stays where it is
 */
#ifndef LIBVMCTL_LINUX_BOOT_H
#define LIBVMCTL_LINUX_BOOT_H

#include "libvmctl/image.h"
#include <stddef.h>
#include <stdint.h>

#define LINUX_STUB_SIZE 1536u

struct linux_boot {
    /* The pieces, in bytes from the start of the stage or of the kernel's file. */
    uint32_t setup_size, code_size, cmdline_size;
    uint32_t setup_at, cmdline_at, stage_size;
    uint16_t vid_mode;
    uint64_t stage;  /* guest-physical, page aligned */
    uint64_t initrd; /* guest-physical, page aligned */
    uint32_t initrd_size;
};

/* Where everything lies for this kernel, between low and high. cmdline may be NULL. -ENOEXEC: no
 * Linux kernel of protocol 2.10 or later that is loaded high, or its header lies; -E2BIG: it takes
 * no command line of that length; -ENOMEM: no room. */
int linux_boot_plan(struct linux_boot *b, const struct file *kernel, const char *cmdline,
                    size_t initrd_size, uint64_t low, uint64_t high);

/* The stage's contents, into stage_size bytes; of a kernel and a cmdline that were planned. */
void linux_boot_stage(const struct linux_boot *b, const struct file *kernel, const char *cmdline,
                      void *to);

/* The program that starts it, LINUX_STUB_SIZE bytes. */
void linux_boot_stub(const struct linux_boot *b, void *to);

#endif
