#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# A privileged domain that cannot be started: one sentence on the serial line that says why, no panic.
set -uo pipefail
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/dom0-lib.sh"

# elf OUT NOTE ADDRESS: a tiny kernel linked at ADDRESS, with (yes) or without a PVH entry note.
elf()
{
    local note=
    [ "$2" = no ] || note='.section .note.Xen,"a",@note
        .align 4
        .long 4, 4, 18
        .asciz "Xen"
        .long _start'
    printf '%s\n.text\n.globl _start\n_start: hlt\njmp _start\n' "$note" >"$LOGS/kernel.s"
    as --64 -o "$LOGS/kernel.o" "$LOGS/kernel.s" && ld -o "$1" -Ttext="$3" -e _start "$LOGS/kernel.o"
}

# description "HYPERVISOR WORDS" KERNEL [RAMDISK]
description()
{
    echo "hypervisor = $HELIUM_BUILD/helium.elf"
    echo "efi = $HELIUM_BUILD/helium.efi"
    echo "cmdline = loglvl=info $1"
    [ -z "$2" ] || echo "kernel = $2 console=hvc0"
    [ -z "${3-}" ] || echo "ramdisk = $3"
}

# says WHAT PATH IMAGE REGEX [TIMES]: booting ends in a sentence that matches, on the serial line TIMES
# times at most. helium.efi speaks to the firmware's console and to the serial line, which under OVMF are one.
says()
{
    local what=$1 log=$LOGS/$1.log said
    if ! said=$(boot "$what" "$2" "$3" --marker "$4" --timeout 300 --settle 2 --memory 1024); then
        not_ok "$what" "no line matches '$4': $(tail -n 1 <<<"$said")"
        tail -n 15 "$log"
    elif grep -aqiE 'panic|#[A-Z]{2} at|double fault' "$log"; then
        not_ok "$what" "it panicked instead of stopping"
        tail -n 15 "$log"
    elif [ "$(grep -acE "$4" "$log")" -gt "${5:-1}" ]; then
        not_ok "$what" "it said so more than once"
    else
        ok "$what"
    fi
}

# refused WHAT "HYPERVISOR WORDS" KERNEL RAMDISK REGEX
refused()
{
    local image
    image=$(description "$2" "$3" "$4" | make_disk "$1") || { not_ok "$1" "no disk"; return; }
    says "$1" "$BOOT_PATH" "$image" "$5"
}

# On the image's FAT partition, which begins at 1 MiB.
partition=@@1M

make_dom0
printf 'This is not a kernel, only some text that is longer than any header.\n%.0s' {1..100} >"$LOGS/text"
head -c 2000000 "$DOM0/vmlinux" >"$LOGS/truncated"
truncate -s 900M "$LOGS/huge"
elf "$LOGS/no-note" no 0x1000000
elf "$LOGS/high" yes 0xfee00000
elf "$LOGS/bios" yes 0xf0000

refused kernel-absent "" "" "" 'no kernel'
refused kernel-is-text "" "$LOGS/text" "" 'not an ELF'
refused kernel-is-bzimage "" "$DOM0/vmlinuz" "" 'not an ELF'
refused kernel-truncated "" "$LOGS/truncated" "" 'outside the file|too short|ends inside'
refused kernel-without-note "" "$LOGS/no-note" "" 'no PVH entry'
refused kernel-over-lapic "" "$LOGS/high" "" "not the privileged domain's RAM|reserved"
refused kernel-over-bios "" "$LOGS/bios" "" "not the privileged domain's RAM|reserved"
refused memory-too-small-for-kernel "dom0_mem=64M" "$DOM0/vmlinux" "$DOM0/initrd.img" 'no room|not the privileged'
# A wrong size is said, and the domain starts with the usual one.
for size in 1M 4096G 0 nonsense; do
    refused "dom0-mem-$size" "dom0_mem=$size" "$DOM0/vmlinux" "$DOM0/initrd.img" 'dom0_mem.*'"$size|dom0_mem.*does not fit"
done

case $VENDOR in svm) efi_path=svm-uefi ;; vmx) efi_path=vmx-uefi ;; esac
image=$(description "" "$DOM0/vmlinux" "$DOM0/initrd.img" | make_disk files) || { not_ok files "no disk"; exit 1; }
mdel -i "$image$partition" ::initrd.img
says initrd-missing "$efi_path" "$image" 'initrd.img: it does not exist' 2
for wrong in 'kernel' 'colour = blue' 'kernel = \a.elf\nkernel = \b.elf' 'ramdisk = \initrd.img' '\001\002\003'; do
    number=$((${number-0} + 1))
    printf "$wrong\n" >"$LOGS/helium.cfg"
    mcopy -o -i "$image$partition" "$LOGS/helium.cfg" ::helium.cfg
    mcopy -o -i "$image$partition" "$LOGS/helium.cfg" ::EFI/BOOT/helium.cfg
    says "config-wrong-$number" "$efi_path" "$image" 'helium.cfg.*\.' 2
done
