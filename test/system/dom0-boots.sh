#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Boots in a row reach the prompt, with 1 and 2 CPUs in turn: DOM0_BOOTS of them (default 4).
set -uo pipefail
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/dom0-lib.sh"

boots=${DOM0_BOOTS:-4}
make_dom0
image=$(dom0_disk boots "loglvl=info" "quiet") || { not_ok boots "no disk"; exit 1; }
for ((i = 1; i <= boots; i++)); do
    if said=$(boot "boot-$i" "$BOOT_PATH" "$image" --cpus $((2 - i % 2)) --memory "${DOM0_MEMORY:-1536}" \
        --marker 'HELIUM-DOM0 PROMPT' --timeout 600); then
        ok "boot-$i"
    else
        not_ok "boot-$i" "$(tail -n 1 <<<"$said")"
        tail -n 15 "$LOGS/boot-$i.log"
    fi
done
