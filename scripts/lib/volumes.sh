# SPDX-License-Identifier: BSD-2-Clause
# Disks for a run with guests, beside the one it boots from. Source it after common.sh.

CYLINDER=516096 # bytes: Bochs wants whole ones (16 heads, 63 sectors)

# make_test_volume FILE MIB DIRECTORY...: a file system labelled HELIUM-TEST with these directories and MIB more.
make_test_volume()
{
    local file=$1 spare=$2 directory=$1.d used
    shift 2
    rm -rf "$directory" "$file"
    mkdir -p "$directory" && { [ $# -eq 0 ] || cp -a --sparse=always "$@" "$directory/"; } &&
        used=$(du -sm "$directory" | cut -f1) && truncate -s $((used * 5 / 4 + spare))M "$file" &&
        mke2fs -q -L HELIUM-TEST -d "$directory" "$file" && truncate -s %$CYLINDER "$file" && rm -rf "$directory"
}

# copy_guest_volume DIRECTORY FILE: dom0's guest volume from where mkdom0 has put it, as a disk.
copy_guest_volume()
{
    cp --sparse=always "$1/guests.img" "$2" && truncate -s %$CYLINDER "$2"
}

# disk_words VENDOR FILE...: the words that make scripts/lib/emulator attach them, one a line. The Nth calls itself
# HELIUM-DISKN (the model in /sys/block): Linux gives names in the order in which disks happen to answer. A machine with
# VT-x is described to both QEMU, for nested KVM, and Bochs: each takes its own words.
disk_words()
{
    local vendor=$1 number=1 file model bochs
    shift
    for file in "$@"; do
        model=model=HELIUM-DISK$number
        bochs="type=disk, path=$file, mode=flat, $model"
        printf '%s\n' --qemu-arg=-drive "--qemu-arg=if=none,id=disk$number,format=raw,cache=unsafe,file=$file" \
            --qemu-arg=-device "--qemu-arg=ide-hd,drive=disk$number,bus=ide.$number,$model"
        case $vendor-$number in
            vmx-1) printf '%s\n' --bochs-line "ata0-slave: $bochs" ;;
            vmx-2) printf '%s\n' --bochs-line "ata1: enabled=1, ioaddr1=0x170, ioaddr2=0x370, irq=15" \
                --bochs-line "ata1-master: $bochs" ;;
            vmx-3) printf '%s\n' --bochs-line "ata1-slave: $bochs" ;;
        esac
        number=$((number + 1))
    done
}
