#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Device models of guests: confined, and killed one after the other (test/dom0/models.sh).
set -uo pipefail
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/dom0-lib.sh"

make_dom0
image=$(make_disk models <<END
hypervisor = $HELIUM_BUILD/helium.elf
efi = $HELIUM_BUILD/helium.efi
cmdline = dom0_mem=640M
kernel = $DOM0/vmlinux console=hvc0 helium.guests=yes helium.run=$TESTS/models.sh
ramdisk = $DOM0/full.img
END
) || { not_ok models "no disk"; exit 1; }
boot models "$BOOT_PATH" "$image" --memory 1280 --marker 'HELIUM-DOM0 DONE .*failed' \
    --fail 'Kernel panic|[Hh]elium: panic' --timeout "$GUEST_TIMEOUT" >"$LOGS/models.said" ||
    tail -n 1 "$LOGS/models.said"
judge_run models "$LOGS/models.log" models.sh
