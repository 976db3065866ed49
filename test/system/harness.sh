#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# What the scripts themselves notice, with stand-ins for what takes long: seconds, and no emulator.
set -uo pipefail
. "$(dirname "$0")/lib.sh"
work=$LOGS/work
rm -rf "$work"
mkdir -p "$work"

# A Bochs that says $SAYS on its serial line and stays.
cat >"$work/bochs" <<'END'
#!/bin/sh
printf '%s\n' "$SAYS" >"$(sed -n 's/^com1: .*dev=//p' "$3")"
exec sleep 60
END
chmod +x "$work/bochs"
touch "$work/disk.img"

# judge WHAT REGEX SAID: what a command said matches, whole lines.
judge()
{
    grep -qxE "$2" <<<"$3" && ok "$1" || not_ok "$1" "it said: $3"
}

# machine_says WHAT LINE REGEX OPTIONS...: a machine whose serial line has LINE ends in a sentence that matches.
machine_says()
{
    local what=$1 says=$2 regex=$3
    shift 3
    judge "$what" "vmx-grub: $regex, after .*" \
        "$(SAYS=$says HELIUM_BOCHS=$work/bochs boot "$what" vmx-grub "$work/disk.img" --timeout 20 "$@")"
}

machine_says marker 'all is well' "saw 'is well'" --marker 'is well'
machine_says panic-ends-a-run '(HV) PANIC on CPU 0: x' "the serial line says 'PANIC on CPU'" --marker 'is well'
machine_says panic-wanted '(HV) PANIC on CPU 0: x' "saw 'CPU 0: x'" --may-panic --marker 'CPU 0: x'

# run_refuses WHAT REGEX ARGUMENT...
run_refuses()
{
    local what=$1 regex=$2
    shift 2
    judge "$what" "run: $regex" "$("$HELIUM_ROOT/scripts/run" --no-setup "$@" 2>&1)"
}

run_refuses no-number '--memory takes a number from .*' --memory 2G
run_refuses leading-zero 'a machine of 1000 MiB is too small for a guest of 800 MiB\.' --memory 01000 --guest-memory 0800
run_refuses no-cpu '--cpus takes a number from 1 to .*' --cpus 0
run_refuses no-port '--vnc takes a number from 1 to 65535, not .*' --vnc 99999

# A volume of what there is not.
if (
    . "$HELIUM_ROOT/scripts/lib/volumes.sh"
    make_test_volume "$work/test.img" 8 "$work/nothing"
) 2>/dev/null; then
    not_ok volume "it was made"
else
    ok volume
fi

# An image that cannot be made leaves what was there; a device is not written to.
echo precious >"$work/keep.img"
judge image-not-made 'mkdisk: .*/nowhere.*' "$("$HELIUM_ROOT/scripts/mkdisk" -o "$work/keep.img" /nowhere 2>&1)"
judge image-is-kept precious "$(cat "$work/keep.img")"
judge image-no-device 'mkdisk: /dev/null is no file: .*' "$("$HELIUM_ROOT/scripts/mkdisk" -o /dev/null /nowhere 2>&1)"

# A package that is cut off is not taken for an unpacked one.
mkdir -p "$work/cache/files"
echo cut >"$work/cut_1_all.deb"
if (
    . "$HELIUM_ROOT/scripts/lib/common.sh"
    . "$HELIUM_ROOT/scripts/lib/packages.sh"
    PACKAGES_CACHE=$work/cache
    dir=$(unpacked "$work/cut_1_all.deb")
) >/dev/null 2>&1; then
    not_ok package "it was taken"
else
    ok package
fi

# Two builds in one directory: the second waits, and says so.
mkdir -p "$work/build" "$work/bin"
ln -s /bin/true "$work/bin/cmake"
flock "$work/build/build.lock" sleep 3 &
sleep 1
judge one-build-at-a-time '==> another build runs in .*: waiting for its end' \
    "$(PATH=$work/bin:$PATH HELIUM_BUILD=$work/build "$HELIUM_ROOT/scripts/lib/build" "$work/build.log" 2>&1)"

# tests_nothing WHAT ARGUMENT...: scripts/test, asked for what there is not, fails.
tests_nothing()
{
    local what=$1
    shift
    judge "$what" '0 passed, 1 failed' "$("$HELIUM_ROOT/scripts/test" "$@")"
}

tests_nothing no-such-program unit --only 'no such name'
tests_nothing no-such-guest guests --only 'no such name'
tests_nothing no-such-path guests --vendor svm --path vmx-uefi
tests_nothing no-such-script system --only 'no such name'
rm -rf "$work"
