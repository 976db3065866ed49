#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Root mode in trouble, provoked by a guest of helium-test.elf (test/hv/upset.h): it says what and where, and every
# CPU stops.
set -uo pipefail
. "$(dirname "$0")/lib.sh"

SETTLE=2 # seconds in which a CPU that went on would be heard
PATIENCE=180
END='all CPUs stopped'

case $VENDOR in
svm) path=svm-grub state='VMCB at' ;;
vmx) path=vmx-grub state='VT-x vcpu 0: launched' ;;
esac

# make_image NAME OPTIONS: helium-test.elf with the guest; prints where it is.
make_image()
{
    make_disk "$1" <<END
hypervisor = $HELIUM_BUILD/helium-test.elf
efi = $HELIUM_BUILD/helium.efi
module = $HELIUM_BUILD/test/guests/upset.elf upset $2
END
}

# complaint LOG REGEX...: why the log is not that of a panic that says all of this; nothing if it is.
complaint()
{
    local text regex last
    text=$(tr -d '\r\0' <"$1")
    shift
    for regex in '^\(HV\) PANIC on CPU [01]: ' "$@"; do
        grep -aqE "$regex" <<<"$text" || { printf 'no line matches "%s"' "$regex"; return; }
    done
    [ "$(grep -ac 'PANIC' <<<"$text")" -eq 1 ] || { printf 'it panicked more than once'; return; }
    last=$(tail -n 1 <<<"$text")
    [ "$last" = "(HV) $END" ] || printf 'behind its end the log goes on: "%s"' "$last"
}

judge()
{
    local name=$1 why
    why=$(complaint "$LOGS/$@")
    if [ -n "$why" ]; then
        not_ok "${name%.log}" "$why"
        tail -n 60 "$LOGS/$name"
    else
        ok "${name%.log}"
    fi
}

# panics NAME OPTIONS REGEX...: the guest, with these options, brings a panic that says this.
panics()
{
    local name=$1 options=$2 image
    shift 2
    image=$(make_image "$name" "vcpus=2 $options") || { not_ok "$name" 'mkdisk could not make the image'; return; }
    boot "$name" "$path" "$image" --cpus 2 --may-panic --marker "$END" --timeout "$PATIENCE" --settle "$SETTLE" >/dev/null
    [ "$name" = both ] || set -- '^upset: beat' "$@"
    judge "$name.log" "$@"
}

# A machine check from outside, while root mode is idle: QEMU's monitor makes one.
machine_check()
{
    local name=machine-check image monitor=$LOGS/monitor pid
    image=$(make_image "$name" 'halt=1') || { not_ok "$name" 'mkdisk could not make the image'; return; }
    rm -f "$monitor" "$LOGS/$name.log"
    boot "$name" "$path" "$image" --may-panic --marker "$END" --timeout "$PATIENCE" --settle "$SETTLE" \
        --qemu-arg=-monitor --qemu-arg="unix:$monitor,server=on,wait=off" >/dev/null &
    pid=$!
    for ((i = 0; i < PATIENCE * 2; i++)); do
        grep -aqs '^upset: halted' "$LOGS/$name.log" && break
        sleep 0.5
    done
    python3 - "$monitor" <<'END'
import socket, sys, time
with socket.socket(socket.AF_UNIX) as monitor:
    monitor.connect(sys.argv[1])
    time.sleep(0.5)
    monitor.sendall(b"mce 0 3 0xbd00000000000000 0x5 0x12345000 0x8c\n")
    time.sleep(1)
END
    wait "$pid"
    judge "$name.log" 'machine check in root mode' 'global status 5$' \
        'bank 3: status bd00000000000000 address 12345000 misc 8c$' 'vector 18 ' ' run_cpu\+0x'
}

registers='rip [0-9a-f]{16} rsp [0-9a-f]{16} rflags'
trace=(' test_hypercall\+0x' ' run_cpu\+0x' '^\(HV\) vcpu d1v0: rip [0-9a-f]{16} rsp [0-9a-f]{16}, last exit' "$state")

panics panic upset=panic 'asked for by a guest' ' by_panic\+0x' "${trace[@]}"
panics assert upset=assert 'upset.c:[0-9]+: data == 0' ' by_assert\+0x' "${trace[@]}"
panics smash upset=smash 'stack smashed'
panics undefined upset=ud 'vector 6 ' "$registers" ' by_ud\+0x' "${trace[@]}"
panics general-protection upset=gp 'vector 13 ' "$registers" ' by_gp\+0x' "${trace[@]}"
panics read upset=read 'vector 14 error 0 cr2 ffffc07ffffff000 ' "$registers" ' by_read\+0x' "${trace[@]}"
panics write-to-text upset=write 'vector 14 error 3 ' "$registers" ' by_write\+0x' "${trace[@]}"
panics execute-data upset=exec 'vector 14 error 11 ' "$registers" "${trace[@]}"
panics stack-overflow upset=stack 'stack overflow in root mode' 'vector 8 ' ' deeper\+0x' "$state"
panics stack-pointer upset=rsp 'double fault in root mode' 'vector 8 ' "$state"
panics machine-check-gate upset=mc 'machine check in root mode' 'vector 18 ' ' by_mc\+0x' "${trace[@]}"
panics both 'both=1 upset=panic' 'asked for by a guest'
[ "$VENDOR" != svm ] || machine_check
