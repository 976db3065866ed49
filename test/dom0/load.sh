#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# load SECONDS [URL SHA256]: keeps every CPU, the test volume (/mnt/test, helium.test=yes) and, where an
# address is given, the network busy for so long, checks every result, and looks at the counters
# afterwards: nothing lost, nothing stuck, clocks in step.

. "${0%/*}/lib.sh"
seconds=${1:-60} url=$2 url_sum=$3
work=/tmp/load.$$
mkdir -p $work

uptime_seconds()
{
    cut -d. -f1 /proc/uptime
}

rtc_seconds()
{
    cat /sys/class/rtc/rtc0/since_epoch
}

# run_worker NAME COMMAND...: repeats the command until the time is over, and counts right and wrong.
run_worker()
{
    good=0 bad=0 worker=$1
    shift
    while [ "$(uptime_seconds)" -lt "$end" ]; do
        if "$@"; then good=$((good + 1)); else bad=$((bad + 1)); fi
    done
    echo "$good $bad" >"$work/$worker"
}

# The same megabytes, digested again and again on one CPU, with memory that comes and goes.
compute()
{
    [ "$(taskset -c "$1" head -c 2000000 /tmp/load.input | taskset -c "$1" sha256sum)" = "$digest" ]
}

# Random bytes written through, dropped from the cache and read back.
disk_round()
{
    dd if=/dev/urandom of=/mnt/test/load bs=64k count=64 conv=fsync 2>/dev/null || return 1
    written=$(sha256sum </mnt/test/load)
    echo 1 >/proc/sys/vm/drop_caches
    [ "$(sha256sum </mnt/test/load)" = "$written" ]
}

net_round()
{
    [ "$(wget -q -O - "$url" | sha256sum | cut -d' ' -f1)" = "$url_sum" ]
}

# judge NAME: what a worker counted.
judge()
{
    read -r good bad <"$work/$1"
    echo "LOAD $1: $good rounds"
    at_least "$1-worked" 1 "$good"
    is "$1-all-right" 0 "$bad"
}

errors_of_cards()
{
    cat /sys/class/net/*/statistics/rx_errors /sys/class/net/*/statistics/tx_errors |
        awk '{ sum += $1 } END { print sum + 0 }'
}

busy_ticks()
{
    awk -v cpu="cpu$1" '$1 == cpu { print $2 + $3 + $4 + $7 + $8 }' /proc/stat
}

cpus=$(grep -c '^processor' /proc/cpuinfo)
yes "a line of the load's input" | head -c 2000000 >/tmp/load.input
digest=$(sha256sum </tmp/load.input)
start=$(uptime_seconds)
rtc_start=$(rtc_seconds)
end=$((start + seconds))
interrupts_bad=$(awk '/^ *(ERR|MIS):/ { sum += $2 } END { print sum + 0 }' /proc/interrupts)

cpu=0 workers=
while [ $cpu -lt "$cpus" ]; do
    busy_ticks $cpu >"$work/busy$cpu"
    run_worker compute$cpu compute $cpu &
    workers="$workers compute$cpu"
    cpu=$((cpu + 1))
done
if grep -q ' /mnt/test ' /proc/mounts; then
    run_worker disk disk_round &
    workers="$workers disk"
fi
if [ -n "$url" ]; then
    run_worker net net_round &
    workers="$workers net"
fi
wait
took=$(($(uptime_seconds) - start))
rtc_took=$(($(rtc_seconds) - rtc_start))

for worker in $workers; do judge "$worker"; done
cpu=0
while [ $cpu -lt "$cpus" ]; do
    busy=$(($(busy_ticks $cpu) - $(cat "$work/busy$cpu")))
    # 100 ticks a second, of which an emulator on a busy machine loses many.
    at_least cpu$cpu-busy $((seconds * 25)) "$busy"
    cpu=$((cpu + 1))
done
drift=$((took - rtc_took))
echo "LOAD took $took s by the kernel, $rtc_took s by the real-time clock"
at_least clocks-in-step 0 $((2 + seconds / 100 - ${drift#-}))
is interrupts-spurious-or-missed "$interrupts_bad" \
    "$(awk '/^ *(ERR|MIS):/ { sum += $2 } END { print sum + 0 }' /proc/interrupts)"
is network-errors 0 "$(errors_of_cards)"
is tasks-blocked-for-long 0 "$(dmesg | grep -c -E 'blocked for more|rcu.*stall|lockup|nobody cared|reset.*timed out')"
rm -rf $work /tmp/load.input /mnt/test/load
finish
