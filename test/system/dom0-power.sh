#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# The privileged domain's ends: power-off by ACPI, reboots by every way a PC has, and a kernel crash. Each
# ends the machine, and the log is out on the serial line before.
set -uo pipefail
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/dom0-lib.sh"

# ends WHAT "DOM0 WORDS" REGEX [reset]: the machine goes by itself, and REGEX stands on the serial line before.
# QEMU ends at a reset as at power-off; Bochs does as it is told, and the hypervisor is seen to start again.
ends()
{
    local what=$1 regex=$3 log=$LOGS/$1.log again=() end='the emulator ended by itself' image said
    image=$(dom0_disk "$what" "loglvl=info" "$2") || { not_ok "$what" "no disk"; return; }
    if [ "$VENDOR" = vmx ] && [ -n "${4-}" ]; then
        again=(--marker "(?s)($regex).*Helium, loaded by")
        end="saw '"
    fi
    said=$(boot "$what" "$BOOT_PATH" "$image" --memory 1024 --timeout "${DOM0_POWER_TIMEOUT:-300}" "${again[@]}")
    if ! grep -q "$end" <<<"$said"; then
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
ends power-off "helium.run=/bin/true" 'dom0 (powered off|switches the machine off)'
for way in acpi kbd triple; do
    ends "reboot-$way" "reboot=$way helium.run=/bin/true helium.then=reboot" 'HELIUM-DOM0 DONE 0 failed' reset
done
ends crash "panic=1 helium.run=/bin/true helium.then=crash" 'Kernel panic - not syncing: sysrq triggered crash' reset
