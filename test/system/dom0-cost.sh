#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# What the hypervisor costs dom0's way to the prompt: instructions (QEMU's icount; waiting counts too) from
# the kernel's first look at its clock to the prompt, against the same kernel, image and devices on bare
# QEMU under the same settings. DOM0_COST is the highest ratio that passes (default 1.05).
#
# Bochs has no way to start the kernel without a hypervisor by the same protocol: nothing is judged there
# but that the prompt is reached; the ticks are printed.
set -uo pipefail
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/dom0-lib.sh"

highest=${DOM0_COST:-1.05}
words=quiet
options=(--memory 1024 --marker 'HELIUM-DOM0 PROMPT' --timeout 900)

# The disk's content does not matter, that there is one does: the driver looks at it.
bare()
{
    boot bare svm-pvh "$DOM0/vmlinux" "${options[@]}" --icount --qemu-arg=-initrd "--qemu-arg=$DOM0/initrd.img" \
        --qemu-arg=-drive "--qemu-arg=if=none,id=disk,format=raw,snapshot=on,file=$1" \
        --qemu-arg=-device --qemu-arg=ide-hd,drive=disk \
        --cmdline "quiet console=ttyS0" >"$LOGS/bare.said" || not_ok bare-prompt "$(tail -n 1 "$LOGS/bare.said")"
}

make_dom0
image=$(dom0_disk cost "loglvl=info" "$words") || { not_ok cost "no disk"; exit 1; }
if [ "$VENDOR" = svm ]; then
    bare "$image"
    options+=(--icount)
fi
if said=$(boot helium "$BOOT_PATH" "$image" "${options[@]}"); then
    ok prompt
else
    not_ok prompt "$(tail -n 1 <<<"$said")"
    exit 1
fi
[ "$VENDOR" = svm ] || { echo "ticks to the prompt: $(prompt tsc "$LOGS/helium.log")"; exit 0; }
with=$(prompt uptime "$LOGS/helium.log") without=$(prompt uptime "$LOGS/bare.log")
ratio=$(awk -v a="$with" -v b="$without" 'BEGIN { printf "%.3f", b ? a / b : 99 }')
echo "prompt after $with s of 10^9 instructions, on bare QEMU after $without s: ratio $ratio"
if awk -v r="$ratio" -v h="$highest" 'BEGIN { exit !(r <= h) }'; then
    ok cost
else
    not_ok cost "ratio $ratio is above $highest"
fi
