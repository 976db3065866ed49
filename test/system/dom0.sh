#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# The stock Debian kernel as privileged domain, with 1 and with 2 CPUs: its devices, the store, event
# channels, grants, abuse of hypercalls, load, and no kernel warning that the bare machine has not.
#
# DOM0_LOAD=SECONDS sets how long the load runs (virtual time; default 20), DOM0_MIPS=N makes the machine so slow
# that N million instructions are a second of it, DOM0_CALLS is the number of random hypercalls, DOM0_MEMORY the
# machine's MiB, DOM0_CPUS the runs' numbers of CPUs (default "1 2").
set -uo pipefail
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/dom0-lib.sh"
. "$HELIUM_ROOT/scripts/lib/volumes.sh"

load_seconds=${DOM0_LOAD:-20}
calls=${DOM0_CALLS:-5000}
DONE='HELIUM-DOM0 DONE .*failed'
DEAD='Kernel panic'

# options CPUS NAME TIMEOUT: the words every run shares, to the array `options`.
set_options()
{
    options=(--cpus "$1" --memory "${DOM0_MEMORY:-1536}" --marker "$DONE" --fail "$DEAD" --timeout "$3"
        --mips "${DOM0_MIPS:-0}" "${volume[@]}")
    [ "$VENDOR" = vmx ] || options+=(--qemu-arg=-netdev --qemu-arg=user,id=net --qemu-arg=-device "--qemu-arg=$2,netdev=net")
}

# The same kernel and image, and a short load, without a hypervisor: which warnings are the machine's own. At the usual
# speed: with counted instructions QEMU 7.2 does not get a second CPU started.
reference()
{
    local words
    DOM0_MIPS=0 set_options 2 e1000e 300
    words="console=ttyS0 helium.net=dhcp helium.test=yes \
helium.run=$TESTS/load.sh,20,http://10.0.2.2:$PORT/file,$SUM helium.run=$TESTS/warnings.sh"
    boot bare svm-pvh "$DOM0/vmlinux" "${options[@]}" --qemu-arg=-initrd "--qemu-arg=$DOM0/initrd.img" \
        --cmdline "$words" >"$LOGS/bare.said" || not_ok bare-reference "$(tail -n 1 "$LOGS/bare.said")"
    judge_run bare "$LOGS/bare.log" load.sh warnings.sh
}

warnings()
{
    tr -d '\r' <"$1" | sed -n 's/.*WARNING: //p' | sort -u
}

# New warnings are those that neither the bare machine has nor Xen's own drivers say on every Xen.
judge_warnings()
{
    local new
    exits "$2" | grep -q 'warnings.sh$' || return # said already that it did not end
    new=$(comm -13 <(warnings "$LOGS/bare.log") <(warnings "$2") | grep -vxF -f "$HELIUM_ROOT/test/dom0/expected-warnings")
    if [ -z "$new" ]; then
        ok "$1-no-new-warning"
    else
        not_ok "$1-no-new-warning" "$(wc -l <<<"$new") new: $(head -n 1 <<<"$new")"
        sed 's/^/    /' <<<"$new"
    fi
}

# What dom0 read from its disk against the disk's image.
judge_disk()
{
    local expected
    expected=$(head -c 4194304 "$3" | sha256sum | cut -d' ' -f1)
    if tr -d '\r' <"$2" | grep -q "^DISK .* $expected\$"; then
        ok "$1-disk-contents"
    else
        not_ok "$1-disk-contents" "dom0 read other bytes than the image has"
    fi
}

# full CPUS: every test program in one boot.
full()
{
    local cpus=$1 what=cpus$1 net=none fetch= load_url= programs image said
    programs=(machine.sh xenstore.sh evtchn_gnttab hypercall_abuse load.sh warnings.sh)
    if [ "$VENDOR" = svm ]; then
        net=e1000e
        fetch="helium.net=dhcp helium.run=$TESTS/fetch.sh,http://10.0.2.2:$PORT/file,$SUM"
        load_url=",http://10.0.2.2:$PORT/file,$SUM"
        programs+=(fetch.sh)
    fi
    image=$(dom0_disk "$what" "loglvl=info" "helium.run=$TESTS/machine.sh,$cpus,sda,$net \
helium.test=yes helium.run=$TESTS/xenstore.sh helium.run=$TESTS/evtchn_gnttab helium.run=$TESTS/hypercall_abuse,-n,$calls \
$fetch helium.run=$TESTS/load.sh,$load_seconds$load_url helium.run=$TESTS/warnings.sh") ||
        { not_ok "$what" "no disk"; return; }
    set_options "$cpus" e1000e $((900 + load_seconds * 20))
    said=$(boot "$what" "$BOOT_PATH" "$image" "${options[@]}") || echo "$said"
    judge_run "$what" "$LOGS/$what.log" "${programs[@]}"
    # A volume, the store or a lease that is not there would make the others prove less.
    ! grep -qa 'HELIUM-DOM0 WARNING' "$LOGS/$what.log" ||
        not_ok "$what-all-there" "dom0 says: $(grep -ao 'HELIUM-DOM0 WARNING.*' "$LOGS/$what.log" | head -n 1)"
    judge_disk "$what" "$LOGS/$what.log" "$image"
    [ "$VENDOR" != svm ] || judge_warnings "$what" "$LOGS/$what.log"
}

# other_devices: NVMe and virtio disks and a virtio card beside the AHCI disk it boots from.
other_devices()
{
    local image said device name
    head -c 16777216 /dev/urandom >"$LOGS/other.img"
    for name in nvme virtio; do
        device="nvme,serial=1" disk=nvme0n1
        [ $name = nvme ] || device="virtio-blk-pci" disk=vda
        image=$(dom0_disk "$name" "loglvl=info" "helium.net=dhcp helium.run=$TESTS/machine.sh,1,$disk,virtio_net \
helium.run=$TESTS/fetch.sh,http://10.0.2.2:$PORT/file,$SUM") || { not_ok "$name" "no disk"; continue; }
        set_options 1 virtio-net-pci 300
        options+=(--qemu-arg=-drive "--qemu-arg=if=none,id=other,format=raw,snapshot=on,file=$LOGS/other.img"
            --qemu-arg=-device "--qemu-arg=$device,drive=other")
        said=$(boot "$name" "$BOOT_PATH" "$image" "${options[@]}") || echo "$said"
        judge_run "$name" "$LOGS/$name.log" machine.sh fetch.sh
        judge_disk "$name" "$LOGS/$name.log" "$LOGS/other.img"
    done
}

make_dom0
make_test_volume "$LOGS/test.img" 64 || { not_ok volume "it could not be made"; exit 1; }
mapfile -t volume < <(disk_words "$VENDOR" "$LOGS/test.img")
if [ "$VENDOR" = svm ]; then
    start_server
    reference
fi
for cpus in ${DOM0_CPUS:-1 2}; do full "$cpus"; done
[ "$VENDOR" != svm ] || other_devices
