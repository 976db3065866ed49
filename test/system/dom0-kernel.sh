#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# The other kernel that a privileged domain may have: bookworm-backports' (6.12). It gets to its prompt, has its
# disk and its store, and event channels and grants work.
set -uo pipefail
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/dom0-lib.sh"

DOM0=$HELIUM_BUILD/dom0-backports
make_dom0 --kernel backports
image=$(dom0_disk backports "loglvl=info" "quiet helium.run=$TESTS/machine.sh,1,sda,none helium.run=$TESTS/xenstore.sh \
helium.run=$TESTS/evtchn_gnttab") || { not_ok backports "no disk"; exit 1; }
said=$(boot backports "$BOOT_PATH" "$image" --memory 1024 --marker 'HELIUM-DOM0 DONE .*failed' \
    --fail 'Kernel panic' --timeout 1100) || echo "$said"
judge_run backports "$LOGS/backports.log" machine.sh xenstore.sh evtchn_gnttab
