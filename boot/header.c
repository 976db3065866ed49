/* SPDX-License-Identifier: BSD-2-Clause */
#include "boot/header.h"
#include "hv/boot_info.h"

extern const char __image_start[], __image_end[], boot_entry64[];

const struct helium_header helium_header __section(".boot.header") = {
    .magic = HELIUM_HEADER_MAGIC,
    .version = HELIUM_HEADER_VERSION,
    .size = sizeof(struct helium_header),
    .boot_info_version = BOOT_INFO_VERSION,
    .boot_info_size = sizeof(struct boot_info),
    .link_base = (u64)__image_start,
    .link_end = (u64)__image_end,
    .entry64 = (u64)boot_entry64,
};
