#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# vmctl [PART]: every command of vmctl, on guests that run. The parts are bios, a guest that has no system and stays in
# its firmware, and linux, the amd64 guest of scripts/mkguest from the test volume; both if none is named.

. "${0%/*}/lib.sh"
volume=/mnt/test/amd64
out=/tmp/console.out

# wait_for SECONDS COMMAND...: until it succeeds.
wait_for()
{
    left=$1
    shift
    until "$@" >/dev/null 2>&1; do
        left=$((left - 1))
        [ "$left" -gt 0 ] || return 1
        sleep 1
    done
}

# eventually NAME SECONDS COMMAND...
eventually()
{
    name_of_wait=$1
    shift
    if wait_for "$@"; then ok "$name_of_wait"; else not_ok "$name_of_wait" "not within $1 s; console: $(tail -n 4 $out 2>/dev/null | tr -d '\r' | tr '\n' '|')"; fi
}

# field KEY COMMAND...: of what a command says by --json, the first of lists.
field()
{
    key=$1
    shift
    "$@" | sed -n "s/.*\"$key\": \[*\"*\([^],\"}]*\).*/\1/p" | head -n 1
}

id_of()
{
    field id vmctl info --json "$1" 2>/dev/null
}

# restarted NAME ID: it is there, and not with the number it had.
restarted()
{
    vmctl list --json | grep -v "\"id\": $2," | grep -q "\"name\": \"$1\""
}

gone()
{
    ! vmctl info "$1"
}

# nothing_left NAME GUEST: no domain, no entry of it in the store, no process, no socket, no network card.
nothing_left()
{
    is "$1-domains" 1 "$(vmctl list --json | grep -c '"id"')"
    is "$1-store" 0 "$(xenstore-list /local/domain | grep -c -v '^0$')"
    is "$1-store-vm" 0 "$(xenstore-list /vm 2>/dev/null | wc -l)"
    is "$1-store-models" 0 "$(xenstore-list /local/domain/0/device-model 2>/dev/null | wc -l)"
    is "$1-processes" 0 "$(ps | grep -c -E '[x]en-qemu|[h]elium/devmodel')"
    is "$1-sockets" 0 "$(ls /run/vmctl 2>/dev/null | grep -c qmp)"
    is "$1-taps" 0 "$(ls /sys/class/net | grep -c '^vif')"
}

# size_of FILE: "WIDTHxHEIGHT" of a PNG picture; of none: nothing.
size_of()
{
    [ "$(head -c 8 "$1" | od -An -tx1 | tr -d ' ')" = 89504e470d0a1a0a ] || return
    set -- $(dd if="$1" bs=1 skip=16 count=8 2>/dev/null | od -An -tu1)
    echo "$(($3 * 256 + $4))x$(($7 * 256 + $8))"
}

# still GUEST: its screen is in text mode and has not changed for five seconds, but for the cursor, which is
# there in every other picture.
still()
{
    vmctl screenshot "$1" /tmp/1.png && [ "$(size_of /tmp/1.png)" = 720x400 ] && sleep 5 &&
        vmctl screenshot "$1" /tmp/2.png && sleep 1 && vmctl screenshot "$1" /tmp/3.png &&
        { cmp -s /tmp/1.png /tmp/2.png || cmp -s /tmp/1.png /tmp/3.png; }
}

# ---- a guest that has no system ----

make_images()
{
    dd if=/dev/urandom of=/tmp/one.iso bs=2048 count=100 2>/dev/null
    dd if=/dev/urandom of=/tmp/two.iso bs=2048 count=100 2>/dev/null
    cat >/tmp/bios.cfg <<'END'
name = "bios"
type = "hvm"
memory = 64
serial = "pty"
cpu_weight = 128
disk = [ '/tmp/one.iso,,hdc:cdrom,r', ',,hdd:cdrom' ]
vif = [ 'mac=00:16:3e:00:00:01' ]
END
}

test_create()
{
    is create-dry "bios can be created." "$(vmctl create -n /tmp/bios.cfg)"
    nothing_left dry bios
    created=$(vmctl create -p --json /tmp/bios.cfg)
    id=$(id_of bios)
    at_least create-id 1 "$id"
    is create-json "{\"id\": $id}" "$created"
    says 1 "The name bios is taken by domain $id." vmctl create /tmp/bios.cfg
    is create-state paused "$(field state vmctl info --json bios)"
    at_least create-memory 65536 "$(field memory_kib vmctl info --json bios)"
    is create-time 0.000 "$(field cpu_seconds vmctl info --json bios)"
    says 1 "Domain $id does not run: it is paused." vmctl shutdown bios
    succeeds unpause vmctl unpause bios
    eventually runs 60 sh -c "vmctl stats --json bios | grep -q '\"io\": \[[1-9]'"
    is xl-lists-it "bios $id 64 1" "$(xl list | awk -v id="$id" '$2 == id { print $1, $2, $3, $4 }')"
    is list-line "$id bios 64 1" "$(vmctl list | awk -v id="$id" '$1 == id { print $1, $2, $3, $4 }')"
    is vnc 127.0.0.1:5900 "$(vmctl vnc bios)"
    is vnc-json '{"vnc": "127.0.0.1:5900"}' "$(vmctl vnc --json bios)"
    is serial-pty 1 "$(ls -d "$(field serial vmctl info --json bios)" | wc -l)"
    is tap 1 "$(ls /sys/class/net | grep -c "^vif$id.0-emu\$")"
}

# Its firmware finds nothing to start and says so, and waits for keys.
test_screen()
{
    eventually firmware-done 120 still bios
    succeeds screenshot vmctl screenshot bios /tmp/a.png
    is screenshot-size 720x400 "$(size_of /tmp/a.png)"
    vmctl screenshot bios - >/tmp/b.png
    is screenshot-stdout 720x400 "$(size_of /tmp/b.png)"
    says 1 "The picture /nowhere/a.png cannot be written: No such file or directory." vmctl screenshot bios /nowhere/a.png
    succeeds key vmctl key bios esc
    says 2 "There is no key called nokey in ctrl-nokey." vmctl key bios ctrl-nokey
}

test_cd()
{
    is cd-list "hdc /tmp/one.iso,hdd empty," "$(vmctl cd bios | awk '{ print $1, $NF }' | tr '\n' ,)"
    says 2 "The guest has more than one CD drive: say which." vmctl cd bios /tmp/two.iso
    succeeds cd-change vmctl cd -d hdc bios /tmp/two.iso
    is cd-changed /tmp/two.iso "$(vmctl cd bios | awk '$1 == "hdc" { print $NF }')"
    succeeds cd-eject vmctl cd -e -d hdc bios
    is cd-ejected "open empty" "$(vmctl cd bios | awk '$1 == "hdc" { print $(NF - 1), $NF }')"
    says 1 "The image /tmp/none.iso cannot be opened: No such file or directory." vmctl cd -d hdd bios /tmp/none.iso
    says 1 "The guest has no CD drive hda." vmctl cd -d hda bios /tmp/two.iso
    is cd-json 2 "$(vmctl cd --json bios | grep -c '"cdrom": true')"
}

test_counters()
{
    at_least stats-exits 100 "$(field io vmctl stats --json bios)"
    at_least stats-devmodel 10 "$(vmctl stats --json bios | sed -n 's/.*"server": 0, "sent": \([0-9]*\).*/\1/p')"
    at_least stats-qemu 10 "$(vmctl stats --json bios | sed -n 's/.*"server": 1, "sent": \([0-9]*\).*/\1/p')"
    is top-guest 1 "$(vmctl top --json -n 1 -d 1 | grep -c '"name": "bios", "state"')"
    succeeds pause vmctl pause bios
    before=$(field run_ns vmctl stats --json bios)
    sleep 2
    is paused-time "$before" "$(field run_ns vmctl stats --json bios)"
    is paused-state paused "$(field state vmctl info --json bios)"
    succeeds unpause-again vmctl unpause bios
}

# One that cannot be asked is reset, and destroyed.
test_end()
{
    says 1 "Domain $id does not listen to requests to reboot." vmctl reboot bios
    says 1 "bios has not shut down within 3 seconds." vmctl shutdown -t 3 bios
    succeeds reset vmctl reboot -f bios
    eventually restarted 120 restarted bios "$id"
    is reset-left-the-cds "hdc empty,hdd empty," "$(vmctl cd bios | awk '{ print $1, $NF }' | tr '\n' ,)"
    eventually restarted-runs 60 sh -c "vmctl stats --json bios | grep -q '\"io\": \[[1-9]'"
    succeeds destroy vmctl destroy bios
    wait_for 20 sh -c '! ps | grep -q "[x]en-qemu"'
    nothing_left destroyed bios
}

test_interrupted()
{
    vmctl create /tmp/bios.cfg >/tmp/interrupted 2>&1 &
    sleep 1
    kill -INT $!
    wait $!
    is interrupted-status 1 $?
    is interrupted-says "vmctl: It was interrupted." "$(cat /tmp/interrupted)"
    nothing_left interrupted bios
}

# ---- a guest with Linux ----

say_to_guest()
{
    echo "$*" >&3
}

# sees TEXT: the guest's serial port has said that, perhaps behind a prompt. What is typed there must be spelled
# otherwise, since it is seen as well.
sees()
{
    grep -q "$1" $out
}

start_linux()
{
    cat >/tmp/linux.cfg <<END
name = "linux"
type = "hvm"
memory = 128
kernel = "$volume/vmlinuz"
ramdisk = "$volume/initrd.img"
extra = "console=ttyS0 quiet guest.run=disk"
serial = "pty"
disk = [ '$volume/cd.iso,,hdc:cdrom,r' ]
END
    succeeds linux-create vmctl create -p /tmp/linux.cfg
    attach
    succeeds linux-unpause vmctl unpause linux
    eventually linux-userland 600 sees "HELIUM-GUEST DONE"
}

# This script's end of the guest's serial port: descriptor 3, and $out.
attach()
{
    rm -f /tmp/console.in
    mkfifo /tmp/console.in
    vmctl console linux </tmp/console.in >$out 2>/tmp/console.err &
    console=$!
    exec 3>/tmp/console.in
}

test_linux_console()
{
    say_to_guest "echo con''sole-\$((6 * 7))"
    eventually console-both-ways 60 sees console-42
    succeeds type vmctl key -t -d 100 linux "echo key''board-\$((6 * 7)) >/dev/ttyS0
"
    eventually keyboard 60 sees keyboard-42
    succeeds press vmctl key -d 100 linux e c h o spc p r e s s e d spc shift-dot slash d e v slash t t y shift-s 0 ret
    eventually keys 60 sees pressed
    succeeds linux-screenshot vmctl screenshot linux /tmp/c.png
    at_least linux-screen-has-text 1000 "$(wc -c </tmp/c.png)"
}

test_linux_cd()
{
    sum=$(head -c 204800 /tmp/two.iso | sha256sum | cut -d' ' -f1)
    say_to_guest "mkdir -p /mnt; modprobe isofs; mount -r /dev/sr0 /mnt && echo mou''nted"
    eventually cd-mounted 60 sees mounted
    is cd-locked 1 "$(vmctl cd linux | grep -c 'hdc.*locked')"
    says 1 "The guest has locked its drive hdc: it uses the CD." vmctl cd linux /tmp/two.iso
    say_to_guest "umount /mnt; echo um''ounted"
    eventually cd-unmounted 60 sees umounted
    eventually cd-unlocked 30 sh -c "vmctl cd linux | grep -v locked"
    succeeds cd-inserted vmctl cd linux /tmp/two.iso
    # Linux fails the first read after a change of disc, if nobody has asked the drive for news before.
    say_to_guest "until dd if=/dev/sr0 of=/tmp/cd bs=2048 count=100; do sleep 1; done; sha256sum </tmp/cd"
    eventually cd-read 60 sees "$sum"
}

test_linux_end()
{
    say_to_guest "mkdir -p /sbin; ln -s /bin/busybox /sbin/poweroff; ln -s /bin/busybox /sbin/reboot; echo re''ady"
    eventually sbin 60 sees ready
    old=$(id_of linux)
    succeeds linux-reboot vmctl reboot linux
    eventually linux-rebooted 240 restarted linux "$old"
    eventually console-ended 20 sh -c "! kill -0 $console 2>/dev/null"
    exec 3>&-
    attach
    eventually linux-userland-again 600 sees "HELIUM-GUEST DONE"
    succeeds linux-shutdown vmctl shutdown -b -t 240 linux
    sees "HELIUM-GUEST POWER" && ok power-button || not_ok power-button "it was not heard"
    eventually linux-gone 30 gone linux
    exec 3>&-
    wait_for 20 sh -c '! ps | grep -q "[x]en-qemu"'
    nothing_left linux linux
}

part_bios()
{
    test_create
    test_screen
    test_cd
    test_counters
    test_end
    test_interrupted
}

part_linux()
{
    start_linux
    test_linux_console
    test_linux_cd
    test_linux_end
}

modprobe tun
make_images
for part in ${1:-bios linux}; do part_$part; done
finish
