#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Whose the serial line is. It is root mode's unless it is told com1=off: then dom0's hvc0 speaks and listens
# through it, and dom0 finds no UART. With com1=off dom0 has the UART, and a shell on ttyS0.
set -uo pipefail
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/dom0-lib.sh"

# answers WHAT "HYPERVISOR WORDS" "DOM0 WORDS" TERMINAL UARTS: what is typed at the prompt reaches TERMINAL's shell,
# in a dom0 that finds this many UARTs.
answers()
{
    local what=$1 log=$LOGS/$1.log image said
    image=$(dom0_disk "$what" "$2" "quiet $3") || { not_ok "$what" "no disk"; return; }
    if said=$(boot "$what" "$BOOT_PATH" "$image" --memory 1024 --timeout 400 --marker "^$4-$5-42" \
        --type 'helium:~# ' 'echo $(tty | cut -d/ -f3)-$(grep -c "uart:1" /proc/tty/driver/serial)-$((6*7))'); then
        ok "$what"
    else
        not_ok "$what" "$(tail -n 1 <<<"$said")"
        tail -n 15 "$log"
    fi
}

make_dom0
answers hvc0 "loglvl=info" "" hvc0 0
answers ttyS0 "com1=off" "console=ttyS0" ttyS0 1
