/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * helium.cfg: lines of `key = value`; `#` at the start of a word begins a comment. Pure.
 *
 *   hypervisor = \EFI\helium\helium.elf    required
 *   cmdline    = loglvl=debug              the hypervisor's own
 *   kernel     = \vmlinux root=/dev/sda2   path, then arguments
 *   ramdisk    = \initrd.img               the same; needs a kernel
 *   module     = \extra.bin name=x         the same; any number of them
 *   video      = keep | 1024x768
 */
#ifndef BOOT_EFI_CONFIG_H
#define BOOT_EFI_CONFIG_H

#include "hv/boot_info.h"
#include "hv/compiler.h"
#include "hv/types.h"

#define CONFIG_MAX_SIZE 0x10000 /* bytes of a configuration file */
#define CONFIG_MAX_PATH 255     /* characters of a path */

/* A piece of the file's text; not NUL-terminated. */
struct slice {
    const char *at;
    size_t len;
};

struct config_file {
    struct slice path; /* printable ASCII, 1 to CONFIG_MAX_PATH characters */
    struct slice args; /* may be empty */
    u32 line;
};

struct config {
    struct config_file hypervisor;
    struct slice cmdline;
    u32 video_width, video_height; /* 0: leave the video mode alone */
    u32 file_count;
    struct config_file file[BOOT_MAX_MODULES]; /* kernel, ramdisk, modules as they came */
};

struct config_error {
    u32 line; /* from 1; 0: the file as a whole */
    const char *reason;
    struct slice word; /* what the reason is about; may be empty */
};

/* Reads the size bytes of text, which must outlive *config. Returns true, or false with *error
 * filled and *config of no use. */
bool config_parse(const char *text, size_t size, struct config *config,
                  struct config_error *error) __must_check;

/*
 * The path behind `config=` in a load option's text of n UTF-16 units, in a word of its own: copied
 * to path, which has room for CONFIG_MAX_PATH characters and a NUL. Returns false if there is none,
 * or if it is too long or not printable ASCII.
 */
bool config_path_option(const u16 *text, size_t n, char *path) __must_check;

#endif
