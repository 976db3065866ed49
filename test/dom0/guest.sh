#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# guest KIND [SECONDS]: one of scripts/mkguest's guests from the test volume, from its creation to its end, as its
# serial line and its screen show it. The kinds are the functions kind_* below. SECONDS is how long clocks are
# compared.

. "${0%/*}/lib.sh"
clock_seconds=${2:-30}
volume=/mnt/test
work=/run/guest
vnc=${0%/*}/vnc
patience=900 # seconds for each thing waited for

# ---- a guest's life ----

# write_config NAME LINE...: its configuration, with what all of them have.
write_config()
{
    local name=$1
    shift
    {
        printf 'name = "%s"\ntype = "hvm"\nserial = "pty"\n' "$name"
        printf '%s\n' "$@"
    } >"$work/$name.cfg"
}

direct() # ARCHITECTURE "WORDS": the lines for direct boot
{
    printf 'kernel = "%s"\nramdisk = "%s"\n' "$volume/$1/vmlinuz" "$volume/$1/initrd.img"
    printf 'extra = "console=tty0 console=ttyS0 quiet %s"\n' "$2"
}

disk() # ARCHITECTURE
{
    echo "disk = [ '$volume/$1/disk.img,raw,hda,rw' ]"
}

card() # [MODEL]
{
    echo "vif = [ 'bridge=guestbr0,model=${1:-rtl8139}' ]"
}

# start NAME: makes the guest and follows its serial line, through restarts, into $work/NAME.log; what is
# written to $work/NAME.in is typed there.
start()
{
    local name=$1
    : >"$work/$name.log"
    mkfifo "$work/$name.in"
    sleep 1000000 >"$work/$name.in" & # holds the pipe open
    holders="$holders $!"
    follow "$name" &
    holders="$holders $!"
    succeeds "$name-created" vmctl create "$work/$name.cfg"
}

follow()
{
    while :; do
        vmctl console "$1" <>"$work/$1.in" >>"$work/$1.log" 2>/dev/null
        usleep 500000
    done
}

type_line() # NAME TEXT
{
    echo "$2" >"$work/$1.in"
}

seconds_up()
{
    cut -d. -f1 /proc/uptime
}

# sees NAME REGEX: the serial line has it, or will within $patience, while the guest lives.
sees()
{
    local until=$(($(seconds_up) + patience))
    until grep -aqE "$2" "$work/$1.log"; do
        [ "$(seconds_up)" -lt $until ] || return 1
        sleep 1
    done
}

# expect CHECK NAME REGEX
expect()
{
    if sees "$2" "$3"; then
        ok "$1"
        tr -d '\r' <"$work/$2.log" | grep -aE "$3" | tail -n 1 | sed 's/^.*HELIUM-GUEST/GUEST '"$2"':/'
    else
        not_ok "$1" "no line '$3'; the last ones: $(tail -n 3 "$work/$2.log" | tr -d '\r' | tr '\n' '|')"
    fi
}

# gone NAME: it ends by itself, or will within $patience.
gone()
{
    local until=$(($(seconds_up) + patience))
    while vmctl info "$1" >/dev/null 2>&1; do
        [ "$(seconds_up)" -lt $until ] || return 1
        sleep 1
    done
}

# shut_down NAME: by its power button.
shut_down()
{
    succeeds "$1-button" vmctl shutdown -b "$1"
    expect "$1-power" "$1" 'HELIUM-GUEST POWER button'
    succeeds "$1-gone" gone "$1"
}

# ---- its screen and its input ----

port() # NAME: of its VNC server
{
    vmctl vnc "$1" | sed 's/.*://'
}

# keep NAME WHAT: a screenshot for people, on the test volume.
keep()
{
    succeeds "$1-screenshot-$2" vmctl screenshot "$1" "$volume/$1-$2.png"
}

# Text in grey on black, and not only a cursor.
text_mode()
{
    local black grey
    black=$("$vnc" "$(port "$1")" share 000000)
    grey=$("$vnc" "$(port "$1")" share a8a8a8)
    at_least "$1-text-is-on-black" 700 "$black"
    at_least "$1-text-is-there" 5 "$grey"
    keep "$1" text
}

bands() # NAME: the colours of the picture's bands from top to bottom
{
    echo $("$vnc" "$(port "$1")" $(for y in 60 185 310 435 560 685 810 935; do echo "pixel 500,$y"; done))
}

# graphics_mode NAME DRIVER: as the driver calls its frame buffer. It draws with a delay.
graphics_mode()
{
    local tries=0 expected="ffffff ffff00 00ffff 00ff00 ff00ff ff0000 0000ff 000000"
    type_line "$1" picture
    expect "$1-picture" "$1" "^[0-9]+x[0-9]+x[0-9]+ $2"
    while [ "$(bands "$1")" != "$expected" ] && [ $tries -lt 30 ]; do
        tries=$((tries + 1))
        sleep 1
    done
    is "$1-bands" "$expected" "$(bands "$1")"
    keep "$1" picture
    change_of_picture "$1"
}

# What the guest draws reaches a viewer who asks only for changes, by dirty tracking: a white stripe, a twentieth of the
# screen, in the black band.
change_of_picture()
{
    local seen
    type_line "$1" "n=\$((\$(cat /sys/class/graphics/fb0/stride) * \$(cut -d, -f2 /sys/class/graphics/fb0/virtual_size) / 20))"
    type_line "$1" "head -c \$n /dev/zero | tr '\\000' '\\377' >/tmp/stripe; announce STR''IPE ready; sleep 20"
    type_line "$1" "dd if=/tmp/stripe of=/dev/fb0 bs=\$n seek=18"
    expect "$1-stripe" "$1" 'HELIUM-GUEST STRIPE ready'
    seen=$("$vnc" "$(port "$1")" watch 60000 pixel 500,925 pixel 500,685)
    is "$1-stripe-is-seen" "ffffff ff0000" "$(echo $(echo "$seen" | tail -n +2))"
    at_least "$1-stripe-is-sent" 45 "${seen%%[!0-9]*}"
    succeeds "$1-only-the-stripe" test "${seen%%[!0-9]*}" -le 200
}

input_through_vnc()
{
    type_line "$1" "input $patience"
    expect "$1-input-waits" "$1" 'INPUT waiting'
    "$vnc" "$(port "$1")" key 0x61 wait 500 pointer 100,100,0 wait 300 pointer 140,120,0 wait 300 \
        pointer 140,120,1 wait 300 pointer 140,120,0
    expect "$1-input" "$1" '^key=a button=left moved='
}

# ---- the kinds ----

boots_and_checks() # NAME
{
    expect "$1-userland" "$1" 'HELIUM-GUEST USERLAND'
    expect "$1-prompt" "$1" 'HELIUM-GUEST PROMPT'
    expect "$1-disk" "$1" 'HELIUM-GUEST DISK ok'
    expect "$1-net" "$1" 'HELIUM-GUEST NET ok'
    expect "$1-done" "$1" 'HELIUM-GUEST DONE 0 failed'
}

reboots_and_remembers() # NAME
{
    type_line "$1" reboot
    expect "$1-boots-again" "$1" 'HELIUM-GUEST DISK ok .*boot=2 '
    expect "$1-kept-its-disk" "$1" \
        "verified=$(grep -a 'DISK ok .*boot=1 ' "$work/$1.log" | sed 's/.* sum=\([0-9a-f]*\).*/\1/')"
}

# The kernel handed over by vmctl; screen, input and clock as well.
kind_direct()
{
    write_config direct 'memory = 256' 'vga = "stdvga"' "$(direct amd64 guest.run=disk,net,clock:$clock_seconds)" "$(disk amd64)" "$(card)"
    start direct
    expect direct-prompt direct 'HELIUM-GUEST PROMPT'
    text_mode direct
    boots_and_checks direct
    expect direct-clock direct 'HELIUM-GUEST CLOCK ok'
    type_line direct 'announce SERIAL $((6 * 7))'
    expect direct-serial direct 'HELIUM-GUEST SERIAL 42'
    graphics_mode direct bochs
    input_through_vnc direct
    shut_down direct
}

# GRUB from the IDE disk, through SeaBIOS.
kind_disk()
{
    write_config disk 'memory = 256' "$(disk amd64)" "$(card)"
    start disk
    boots_and_checks disk
    reboots_and_remembers disk
    shut_down disk
}

# The same with 32 bits, and Cirrus VGA.
kind_i386()
{
    write_config i386 'memory = 256' 'vga = "cirrus"' "$(disk i386)" "$(card)"
    start i386
    boots_and_checks i386
    text_mode i386
    graphics_mode i386 cirrus
    reboots_and_remembers i386
    shut_down i386
}

kind_cd()
{
    write_config cd 'memory = 256' 'boot = "d"' "$(card)" \
        "disk = [ '$volume/amd64/disk.img,raw,hda,rw', '$volume/amd64/cd.iso,,hdc:cdrom,r' ]"
    start cd
    expect cd-files cd 'HELIUM-GUEST CD ok'
    boots_and_checks cd
    shut_down cd
}

kind_ovmf()
{
    write_config ovmf 'memory = 512' 'bios = "ovmf"' "$(disk amd64)" "$(card)"
    start ovmf
    boots_and_checks ovmf
    type_line ovmf "announce BARS \$(dmesg | grep -c \"BAR.*can't claim\")" # where ACPI does not allow them
    expect ovmf-bars ovmf 'HELIUM-GUEST BARS 0'
    reboots_and_remembers ovmf
    shut_down ovmf
}

# One after the other, the other two cards.
kind_cards()
{
    local model
    for model in ne2k_pci e1000; do
        write_config $model 'memory = 256' "$(direct amd64 guest.run=net)" "$(card $model)"
        start $model
        expect $model-driver $model "HELIUM-GUEST NET ok eth0 $(echo $model | tr _ .)"
        shut_down $model
    done
}

# Its screen is blue, has text, and goes on changing.
kind_memtest()
{
    local before blue=0 until=$(($(seconds_up) + patience))
    write_config memtest 'memory = 64' 'boot = "d"' "disk = [ '$volume/memtest/memtest.iso,,hdc:cdrom,r' ]"
    start memtest
    while [ "$blue" -lt 500 ] && [ "$(seconds_up)" -lt $until ]; do
        sleep 2
        blue=$("$vnc" "$(port memtest)" share 0000a8 2>/dev/null || echo 0)
    done
    at_least memtest-is-blue 500 "$blue"
    before=$("$vnc" "$(port memtest)" sum)
    while [ "$before" = "$("$vnc" "$(port memtest)" sum)" ] && [ "$(seconds_up)" -lt $until ]; do sleep 2; done
    fails memtest-goes-on test "$before" = "$("$vnc" "$(port memtest)" sum)"
    keep memtest screen
    succeeds memtest-destroyed vmctl destroy memtest
}

# iPXE in the card's option ROM: DHCP, its script by TFTP, kernel and initramfs by HTTP.
kind_ipxe()
{
    cat >/run/guest-network/guestbr0/www/boot.ipxe <<END
#!ipxe
kernel http://10.77.0.1/files/i386/vmlinuz console=tty0 console=ttyS0 quiet guest.run=net
initrd http://10.77.0.1/files/i386/initrd.img
boot
END
    write_config ipxe 'memory = 256' 'boot = "n"' "$(card)"
    start ipxe
    expect ipxe-net ipxe 'HELIUM-GUEST NET ok'
    shut_down ipxe
}

# Two at once, each with its own disk; neither notices the other.
kind_two()
{
    write_config one 'memory = 192' "$(direct amd64 guest.run=disk,net,clock:$clock_seconds)" "$(disk amd64)" "$(card)"
    write_config other 'memory = 192' "$(direct i386 guest.run=disk,net,clock:$clock_seconds)" "$(disk i386)" "$(card)"
    start one
    start other
    for name in one other; do
        boots_and_checks $name
        expect $name-clock $name 'HELIUM-GUEST CLOCK ok'
    done
    shut_down other
    type_line one 'announce SERIAL $((6 * 7))'
    expect one-goes-on one 'HELIUM-GUEST SERIAL 42'
    shut_down one
}

holders=
mkdir -p "$work"
succeeds network /opt/helium/lib/guest-network guestbr0 "$volume"
"kind_$1"
is nothing-left 1 "$(vmctl list --json | grep -c '"id"')"
kill $holders 2>/dev/null
for log in "$work"/*.log; do
    cp "$log" "$volume/"
done
sync
finish
