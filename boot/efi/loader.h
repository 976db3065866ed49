/* SPDX-License-Identifier: BSD-2-Clause */
/* The UEFI application's rooms: what they share, and who offers what. */
#ifndef BOOT_EFI_LOADER_H
#define BOOT_EFI_LOADER_H

#include <efi.h>
#include "boot/efi/config.h"
#include "boot/efi/elf.h"
#include "hv/boot_info.h"
#include "hv/types.h"

#define MAX_ALLOCATIONS (BOOT_MAX_MODULES + 8)
#define MAX_SENTENCE    1024
#define BELOW_4G        0xffffffffull

struct allocation {
    EFI_PHYSICAL_ADDRESS base;
    UINTN pages;
};

struct loader {
    EFI_HANDLE self;
    EFI_SYSTEM_TABLE *st;
    EFI_BOOT_SERVICES *bs;
    EFI_LOADED_IMAGE *image;
    EFI_FILE_HANDLE volume; /* the root directory of where we were loaded from */

    char config_path[CONFIG_MAX_PATH + 1];
    struct config config;

    struct boot_info *info;
    struct hv_image hv;
    u64 hv_base;

    struct allocation allocation[MAX_ALLOCATIONS]; /* given back if we return */
    UINTN allocations;

    char why[MAX_SENTENCE]; /* once something failed: the sentence that says what */
    EFI_STATUS status;      /* and what efi_main returns */
};

/* console.c */

/* Shows text on the firmware's console. */
void console_say(struct loader *l, const char *text);
/* Shows the sentence l->why on the firmware's console and COM1, and waits for a key or 5 seconds.
 */
void console_fail(struct loader *l);
/* COM1 and the debug port: for when there is no firmware any more. */
void serial_say(const char *text);

/* Notes status and the sentence made of the strings up to NULL. Returns false, for `return
 * fail(...)`. */
bool fail(struct loader *l, EFI_STATUS status, ...) __attribute__((sentinel));
/* What a status means, in words. */
const char *status_text(EFI_STATUS status);

/* memory.c: all return false after fail(). */

/* Pages below 4 GiB if need_low or if there are any there, else anywhere; align is a power of two
 * of at least a page. As high as possible. Not cleared. `what` ends the sentence "there is no
 * memory for". */
bool memory_alloc(struct loader *l, u64 size, u64 align, bool need_low, EFI_MEMORY_TYPE type,
                  const char *what, u64 *base) __must_check;
void memory_free(struct loader *l, u64 base);
void memory_free_all(struct loader *l);
/* Takes the memory map into l->info, takes out what we hold, and ends the firmware's boot services.
 * When this returns false, *gone says whether they have ended all the same. */
bool memory_hand_over(struct loader *l, bool *gone) __must_check;

/* file.c */

bool file_open_volume(struct loader *l) __must_check;
/* Reads the file into fresh pages. A path without leading \ is looked for beside helium.cfg. *base
 * has room for the file rounded up to whole pages, at least one, the rest cleared. */
bool file_load(struct loader *l, const char *path, bool need_low, u64 *base,
               u64 *size) __must_check;
/* Whether there is such a file. */
bool file_exists(struct loader *l, const char *path);

/* mem.c: what C means by them. */

void *memcpy(void *to, const void *from, size_t n);
void *memset(void *to, int value, size_t n);

/* video.c: sets the mode that was asked for if there is one, and describes the framebuffer. */
void video_describe(struct loader *l);

#endif
