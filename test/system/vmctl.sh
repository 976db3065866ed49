#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# The tools in the privileged domain: Debian's xl and xenhypfs, untouched; a guest made and served through the stock
# Xen libraries; vmctl, which makes guests and does to them all it can.
#
# DOM0_MEMORY is the machine's MiB.
set -uo pipefail
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/dom0-lib.sh"
. "$(dirname "$0")/guest-lib.sh"

# run CPUS "DOM0 WORDS" PROGRAM[,ARGUMENT]...: the programs one after the other in one boot.
run()
{
    local cpus=$1 words="helium.guests=yes $2" what=cpus$1 program image said
    local programs=()
    shift 2
    for program in "$@"; do
        words+=" helium.run=$TESTS/$program"
        programs+=("${program%%,*}")
    done
    image=$(dom0_disk "$what" "dom0_mem=512M" "$words") || { not_ok "$what" "no disk"; return; }
    said=$(boot "$what" "$BOOT_PATH" "$image" --cpus "$cpus" --memory "${DOM0_MEMORY:-1536}" \
        --marker 'HELIUM-DOM0 DONE .*failed' --fail 'Kernel panic' --timeout "$GUEST_TIMEOUT" \
        "${volumes[@]}") || echo "$said"
    judge_run "$what" "$LOGS/$what.log" "${programs[@]}"
}

make_dom0
attach_volumes 32 amd64
run 2 "" tools.sh,2 hvm_tiny
run 1 helium.test=yes tools.sh,1 hvm_tiny vmctl.sh
drop_volumes
