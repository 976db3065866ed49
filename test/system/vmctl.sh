#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# The tools in the privileged domain: Debian's xl and xenhypfs, untouched, and vmctl, which makes guests and
# does to them all it can.
#
# DOM0_MEMORY is the machine's MiB.
set -uo pipefail
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/dom0-lib.sh"

DONE='HELIUM-DOM0 DONE .*failed'
DEAD='Kernel panic|[Hh]elium: panic'

# The guest volume and the test volume as further disks.
disk()
{
    printf '%s\n' --qemu-arg=-drive "--qemu-arg=if=none,id=$1,format=raw,snapshot=on,file=$2" \
        --qemu-arg=-device "--qemu-arg=ide-hd,drive=$1,bus=ide.$3"
}
case $VENDOR in
    svm) mapfile -t volumes < <(disk guests "$DOM0/guests.img" 1; disk test "$LOGS/test.img" 2) ;;
    vmx) volumes=(--bochs-line "ata0-slave: type=disk, path=$DOM0/guests.img, mode=flat") ;;
esac

# The Linux guest that vmctl.sh starts.
make_test_volume()
{
    local from=$HELIUM_BUILD/guests/amd64
    [ -e "$from/cd.iso" ] || "$HELIUM_ROOT/scripts/mkguest" amd64 || { not_ok guest "mkguest could not make it"; exit 1; }
    rm -rf "$LOGS/test" "$LOGS/test.img"
    mkdir "$LOGS/test"
    cp "$from/vmlinuz" "$from/initrd.img" "$from/cd.iso" "$LOGS/test"
    truncate -s 96M "$LOGS/test.img"
    mke2fs -q -L HELIUM-TEST -d "$LOGS/test" "$LOGS/test.img"
}

# run CPUS TIMEOUT "DOM0 WORDS" PROGRAM[,ARGUMENT]...: the programs one after the other in one boot.
run()
{
    local cpus=$1 timeout=$2 words="helium.guests=yes $3" what=cpus$1 program image said
    local programs=()
    shift 3
    for program in "$@"; do
        words+=" helium.run=$TESTS/$program"
        programs+=("${program%%,*}")
    done
    image=$(dom0_disk "$what" "console=com1 dom0_mem=512M" "$words") || { not_ok "$what" "no disk"; return; }
    said=$(boot "$what" "$BOOT_PATH" "$image" --cpus "$cpus" --memory "${DOM0_MEMORY:-1536}" --marker "$DONE" \
        --fail "$DEAD" --timeout "$timeout" "${volumes[@]}") || echo "$said"
    judge_run "$what" "$LOGS/$what.log" "${programs[@]}"
}

make_dom0
if [ "$VENDOR" = svm ]; then
    make_test_volume
    run 1 3600 helium.test=yes tools.sh,1 vmctl.sh
    run 2 600 "" tools.sh,2
else
    run 1 1800 "" tools.sh,1
fi
