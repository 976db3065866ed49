#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# A machine that cannot carry Helium is told so by one sentence, and stopped without a panic.
set -uo pipefail
. "$(dirname "$0")/lib.sh"

SETTLE=2    # seconds in which nothing more may be said
PATIENCE=180 # for the sentence: seconds on a machine that others load, too

# refuses WHAT PATH CPU REGEX: booting by PATH on CPU ends in one line that matches REGEX.
refuses()
{
    local what=$1 path=$2 cpu=$3 regex=$4 log=$LOGS/$1-$2.log said
    if ! said=$(boot "$what-$path" "$path" "$image" --cpu "$cpu" --marker "$regex" --timeout "$PATIENCE" --settle "$SETTLE"); then
        not_ok "$what-$path" "no line matches '$regex': $said"
        tail -n 20 "$log"
        return
    fi
    if grep -aqiE 'panic|#[A-Z]{2} at|double fault' "$log"; then
        not_ok "$what-$path" "it panicked instead of stopping"
        tail -n 20 "$log"
    elif [ "$(grep -acE "$regex" "$log")" -ne 1 ]; then
        not_ok "$what-$path" "it said so more than once"
    else
        ok "$what-$path"
    fi
}

image=$(make_disk refuse <<END
hypervisor = $HELIUM_BUILD/helium.elf
efi = $HELIUM_BUILD/helium.efi
END
) || { not_ok image "mkdisk could not make it"; exit 1; }

steady=-smap,-rdtscp,-avx,-avx2
case $VENDOR in
svm)
    for path in svm-grub svm-uefi; do
        refuses no-svm "$path" "max,-svm,$steady" 'no (AMD-V|SVM)'
        refuses no-npt "$path" "max,-npt,$steady" 'no nested paging'
    done
    refuses no-long-mode svm-grub qemu32 '(64-bit|long mode)'
    ;;
vmx)
    refuses no-vmx vmx-grub 'broadwell_ult, exclude_features="vmx"' 'no (VT-x|VMX)'
    refuses no-vmx vmx-uefi 'broadwell_ult, exclude_features="vmx"' 'no (VT-x|VMX)'
    refuses no-ept vmx-grub core2_penryn_t9600 'no nested paging'
    refuses no-unrestricted-guest vmx-grub corei5_lynnfield_750 'no unrestricted guest'
    refuses no-long-mode vmx-grub atom_n270 '(64-bit|long mode)'
    ;;
esac
