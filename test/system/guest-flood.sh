#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# What a guest that floods the machine leaves to another one (test/dom0/flood.sh).
set -uo pipefail
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/dom0-lib.sh"

make_dom0
image=$(make_disk flood <<END
hypervisor = $HELIUM_BUILD/helium.elf
efi = $HELIUM_BUILD/helium.efi
cmdline = dom0_mem=640M
kernel = $DOM0/vmlinux console=hvc0 helium.guests=yes helium.run=$TESTS/flood.sh
ramdisk = $DOM0/full.img
END
) || { not_ok flood "no disk"; exit 1; }
boot flood "$BOOT_PATH" "$image" --memory 1280 --marker 'HELIUM-DOM0 DONE .*failed' \
    --fail 'Kernel panic|[Hh]elium: panic' --timeout "$GUEST_TIMEOUT" >"$LOGS/flood.said" ||
    tail -n 1 "$LOGS/flood.said"
tr -d '\r' <"$LOGS/flood.log" | sed -n 's/^FLOOD /    /p'
judge_run flood "$LOGS/flood.log" flood.sh
