#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# machine CPUS DISK NET [bare]: the machine as the privileged domain sees it: so many CPUs, each really
# used; the disk (sda, nvme0n1, vda); the driver of the network card (e1000e, virtio_net; none: no card);
# and, unless "bare", what Linux shows of the hypervisor. A line DISK NAME BYTES SHA256 for every disk
# (their order is not always the same) gives the checksum of its first 4 MiB for the outer machine.

. "${0%/*}/lib.sh"
cpus=$1 disk=$2 net=$3 kind=$4

# Time that a CPU has spent in user mode, in ticks.
user_ticks()
{
    sed -n "s/^cpu$1 \([0-9]*\) .*/\1/p" /proc/stat
}

test_cpus()
{
    cpu=0
    is cpus-online "$cpus" "$(grep -c '^processor' /proc/cpuinfo)"
    while [ $cpu -lt "$cpus" ]; do
        before=$(user_ticks $cpu)
        ran_on=$(taskset -c $cpu sh -c 'i=0; while [ $i -lt 60000 ]; do i=$((i + 1)); done
            sed "s/.*) //" /proc/self/stat | cut -d" " -f37')
        is cpu$cpu-ran-it $cpu "$ran_on"
        at_least cpu$cpu-counted-it $((before + 1)) "$(user_ticks $cpu)"
        cpu=$((cpu + 1))
    done
}

test_disk()
{
    if [ ! -b "/dev/$disk" ]; then
        not_ok disk "there is no /dev/$disk, only: $(ls /sys/block | tr '\n' ' ')"
        return
    fi
    for path in /sys/block/*/device; do
        name=${path%/device}
        name=${name##*/}
        case $name in sr*) continue ;; esac
        sum=$(dd if="/dev/$name" bs=1M count=4 2>/dev/null | sha256sum | cut -d' ' -f1)
        echo "DISK $name $(blockdev --getsize64 "/dev/$name") $sum"
        is "$name-readable" 64 ${#sum}
    done
}

test_net()
{
    [ "$net" != none ] || return
    for card in /sys/class/net/*/device/driver; do
        [ "$(basename "$(readlink "$card")")" = "$net" ] && found=$card
    done
    if [ -n "$found" ]; then
        ok net-driver
    else
        not_ok net-driver "no card of driver $net"
    fi
}

test_xen()
{
    is sys-hypervisor-type xen "$(cat /sys/hypervisor/type)"
    is guest-type PVH "$(cat /sys/hypervisor/guest_type)"
    for file in version/major version/minor version/extra compilation/compiler properties/capabilities \
        properties/features properties/pagesize; do
        succeeds "sys-hypervisor-$file" test -n "$(cat /sys/hypervisor/$file)"
    done
    is proc-xen-capabilities control_d "$(cat /proc/xen/capabilities)"
    for file in privcmd xenbus xsd_port; do succeeds "proc-xen-$file" test -e /proc/xen/$file; done
    for file in evtchn gntdev gntalloc privcmd; do succeeds "dev-xen-$file" test -c /dev/xen/$file; done
    succeeds xenstored-runs pidof xenstored
    is store-knows-us 0 "$(xenstore-read /local/domain/0/domid)"
    succeeds pat-has-write-combining sh -c "dmesg | grep -q 'x86/PAT: .* WC '"
    at_least timer-interrupts-are-xens 1 "$(grep -c 'HYP:\|xen' /proc/interrupts)"
}

test_cpus
test_disk
test_net
[ "$kind" = bare ] || test_xen
finish
