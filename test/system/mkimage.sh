#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# What scripts/mkimage makes for real hosts starts its guest: as a USB stick, and on QEMU as a CD, each by UEFI and by
# BIOS.
set -uo pipefail
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/dom0-lib.sh"

# starts WHAT PATH DISK OPTIONS...
starts()
{
    local what=$1 said
    shift
    said=$(boot "$what" "$@" --memory 2048 --marker 'HELIUM-RUN guest: USERLAND' \
        --fail 'HELIUM-RUN FAILED|Kernel panic' --timeout "$GUEST_TIMEOUT") &&
        ok "$what" || not_ok "$what" "$(tail -n 1 <<<"$said")"
}

# make NAME: the image, or the end.
make()
{
    "$HELIUM_ROOT/scripts/mkimage" -o "$LOGS/$1" >"$LOGS/mkimage.log" 2>&1 ||
        { not_ok "$1" "mkimage failed: $(tail -n 1 "$LOGS/mkimage.log")"; exit 1; }
}

make stick.img
starts stick-bios "$VENDOR-grub" "$LOGS/stick.img"
if [ "$VENDOR" = svm ]; then # the UEFI firmware that Bochs runs has no ACPI tables, and dom0 no disks then
    starts stick-uefi svm-uefi "$LOGS/stick.img"
    make cd.iso
    truncate -s 1M "$LOGS/empty.img"
    cd_words=(--qemu-arg=-drive "--qemu-arg=if=none,id=cd,media=cdrom,format=raw,readonly=on,file=$LOGS/cd.iso"
        --qemu-arg=-device --qemu-arg=ide-cd,drive=cd,bus=ide.1,bootindex=9)
    starts cd-bios svm-grub "$LOGS/empty.img" "${cd_words[@]}"
    starts cd-uefi svm-uefi "$LOGS/empty.img" "${cd_words[@]}"
fi
rm -f "$LOGS"/{stick.img,cd.iso,empty.img}
