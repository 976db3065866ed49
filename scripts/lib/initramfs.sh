# SPDX-License-Identifier: BSD-2-Clause
# What an initramfs from a Debian kernel's package needs: its modules by name, and the archive. Source it
# after common.sh.

# modules_open KERNEL_DIR ROOT: modules come from the unpacked kernel package and go below ROOT; sets
# `version`, the kernel's.
modules_open()
{
    local image=("$1"/boot/vmlinuz-*)
    need_tool xz xz-utils
    need_tool objcopy binutils
    need_tool depmod kmod
    version=${image[0]##*/vmlinuz-}
    modules_root=$2
    source_modules=$1/lib/modules/$version
    mkdir -p "$modules_root/usr/lib/modules/$version"
    cp "$source_modules"/modules.builtin "$source_modules"/modules.order "$modules_root/usr/lib/modules/$version/"
    module_index
}

# stage_modules LIST: those that the file names, a line each, with what they depend on. `absent` collects
# what the kernel has not.
stage_modules()
{
    local name directory=$modules_root/usr/lib/modules/$version
    while read -r name; do
        stage_module "${name%\?}" "${name#"${name%\?}"}"
    done < <(sed 's/#.*//; s/ //g; /^$/d' "$1")
    : >"$directory/modules.builtin.modinfo" # depmod asks for it; what is built in needs no alias here
    depmod -b "$modules_root/usr" "$version"
    # Busybox reads the text, not kmod's index.
    rm -f "$modules_root/modinfo" "$directory"/modules.builtin.* "$directory"/modules.*.bin
}

# Module files by name; the kernel takes - and _ for the same.
declare -A module_file
module_index()
{
    local path name
    module_file=()
    while read -r path; do
        name=${path##*/}
        name=${name%%.ko*}
        module_file[${name//-/_}]=$path
    done < <(cd "$source_modules" && find kernel -name '*.ko*'; sed 's/^/builtin:/' modules.builtin)
}

# stage_module NAME [?|soft]: the module and what it depends on, decompressed. One marked ? may be absent;
# soft marks a dependency, which may also be an alias and says nothing when it is absent.
stage_module()
{
    local path=${module_file[$1]-} target name
    case $path in
        '') [ -n "$2" ] || die "kernel $version has no module $1."
            [ "$2" = soft ] || absent+=" $1"
            return 0 ;;
        builtin:*) return 0 ;;
    esac
    target=$modules_root/usr/lib/modules/$version/${path%.[xz]*}
    [ ! -e "$target" ] || return 0
    mkdir -p "${target%/*}"
    case $path in
        *.xz) xz -dc "$source_modules/$path" ;;
        *.zst) zstd -dcq "$source_modules/$path" ;;
        *) cat "$source_modules/$path" ;;
    esac >"$target"
    for name in $(module_dependencies "$target"); do
        stage_module "${name//-/_}" soft
    done
}

# Hard dependencies, and the soft ones to load before (crc32c for file systems, for one).
module_dependencies()
{
    local file=$modules_root/modinfo
    objcopy -O binary --only-section=.modinfo "$1" "$file"
    tr '\0' '\n' <"$file" | sed -n 's/^depends=//p; s/^softdep=pre: //p' | tr ', ' '\n\n'
}

# archive DIR OUT: an initramfs that is the same, byte for byte, whenever its contents are.
archive()
{
    need_tool cpio cpio
    find "$1" -exec touch -h -d @0 {} +
    (cd "$1" && find . -mindepth 1 | LC_ALL=C sort | cpio -o -H newc -R 0:0 --reproducible --quiet) >"$2"
}
