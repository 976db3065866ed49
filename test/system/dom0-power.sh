#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# The privileged domain's ends: power-off by ACPI, reboots by every way a PC has, and a kernel crash. Each
# ends the machine, and the log is out on the serial line before.
set -uo pipefail
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/dom0-lib.sh"

# ends WHAT "DOM0 WORDS" REGEX: the machine goes by itself, and REGEX stands on the serial line before.
# No marker is given, so the emulator's own end is what the run waits for.
ends()
{
    local what=$1 regex=$3 log=$LOGS/$1.log image said
    image=$(dom0_disk "$what" "console=com1" "$2") || { not_ok "$what" "no disk"; return; }
    said=$(boot "$what" "$BOOT_PATH" "$image" --memory 1024 --timeout 300)
    if ! grep -q 'the emulator ended by itself' <<<"$said"; then
        not_ok "$what" "the machine goes on: $(tail -n 1 <<<"$said")"
        tail -n 20 "$log"
    elif ! grep -aqE "$regex" "$log"; then
        not_ok "$what" "no line matches '$regex'"
        tail -n 20 "$log"
    else
        ok "$what"
    fi
}

make_dom0
ends power-off "helium.run=/bin/true" 'dom0 powered off|HELIUM-DOM0 DONE 0 failed'
for way in acpi kbd triple; do
    ends "reboot-$way" "reboot=$way helium.run=/bin/true helium.then=reboot" 'HELIUM-DOM0 DONE 0 failed'
done
ends crash "panic=1 helium.run=/bin/true helium.then=crash" 'Kernel panic - not syncing: sysrq triggered crash'
