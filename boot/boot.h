/* SPDX-License-Identifier: BSD-2-Clause */
/* From the entry code to hv_main(): what each way in does to arrive with a struct boot_info. */
#ifndef BOOT_BOOT_H
#define BOOT_BOOT_H

#include "hv/boot_info.h"
#include "hv/compiler.h"
#include "hv/types.h"

/* Called by entry.asm on the boot page tables and the boot stack; docs/boot.md has the full state.
 */
void boot_multiboot2(u32 magic, u32 mbi) __noreturn;
void boot_efi(u32 boot_info) __noreturn;

/* Where both end. bi lies in memory that is not called usable and is mapped by the boot page
 * tables. */
void hv_main(const struct boot_info *bi) __noreturn;

/* Shows "Helium: " and the sentence on COM1, the debug port and the VGA text screen, and stops. For
 * what goes wrong before hv_main(). */
void boot_fail(const char *sentence) __noreturn;

#endif
