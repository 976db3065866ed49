#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# What a guest that floods the machine leaves to the others. On one CPU, one guest computes, and a second one does in
# turn nothing but ports of QEMU's, device memory, hypercalls, interrupts (flood.asm). What QEMU does for the second
# counts as the second's: the first one's share of the CPU has to stay near a half.

. "${0%/*}/lib.sh"
kernel=${0%.sh}

make() # NAME LETTER
{
    cat >/run/$1.cfg <<END
name = "$1"
type = "hvm"
memory = 32
kernel = "$kernel"
extra = "$2"
serial = "file:/run/$1.log"
END
    succeeds "$1-created" vmctl create /run/$1.cfg
}

# percent NAME FILE: of the CPU, in what vmctl top has printed.
percent()
{
    sed 's/{/\n/g' "$2" | sed -n "s/.*\"name\": \"$1\".*\"cpu_percent\": \([0-9]*\).*/\1/p"
}

# Its firmware has ended, and it has the CPU.
computing()
{
    local tries=60
    while [ $tries -gt 0 ]; do
        vmctl top --json -n 1 -d 2 >/run/top
        [ "$(percent victim /run/top)" -ge 85 ] && return
        tries=$((tries - 1))
    done
    return 1
}

# floods NAME LETTER EXIT: many exits of that reason tell that it has flooded.
floods()
{
    local share
    make "$1" "$2"
    sleep 15
    vmctl top --json -n 1 -d 20 >/run/top
    share=$(percent victim /run/top)
    echo "FLOOD of $1: victim $share %, flood $(percent "$1" /run/top) %, dom0 $(percent Domain-0 /run/top) %"
    at_least "$1-leaves-the-victim" 40 "$share"
    vmctl stats "$1" >/run/stats
    at_least "$1-floods" 1000 "$(awk -v reason="$3" '$1 == reason { print $2 }' /run/stats)"
    succeeds "$1-destroyed" vmctl destroy "$1"
}

make victim c
succeeds victim-computes computing
echo "FLOOD of nobody: victim $(percent victim /run/top) %, dom0 $(percent Domain-0 /run/top) %"
floods ports p io
floods memory m page-fault
floods hypercalls h hypercall
floods interrupts i page-fault
succeeds victim-destroyed vmctl destroy victim
finish
