# SPDX-License-Identifier: BSD-2-Clause
# For the scripts beside it: source it. scripts/test sets VENDOR, HELIUM_ROOT, HELIUM_BUILD and LOGS;
# by hand, VENDOR=svm test/system/x.sh is enough.

: "${VENDOR:?set VENDOR to svm or vmx}"
. "$(dirname "${BASH_SOURCE[0]}")/../../scripts/lib/common.sh"
LOGS=${LOGS:-$HELIUM_BUILD/logs/system-$VENDOR-$(basename "$0" .sh)}
export HELIUM_BUILD
mkdir -p "$LOGS"

# ok WHAT; not_ok WHAT WHY...: the lines that scripts/test counts.
ok()
{
    printf 'ok %s\n' "$1"
}

not_ok()
{
    printf 'FAIL %s\n' "$*"
}

# make_disk NAME: an image from the description on standard input; prints where it is.
make_disk()
{
    "$HELIUM_ROOT/scripts/mkdisk" -o "$LOGS/$1.img" - && printf '%s\n' "$LOGS/$1.img"
}

# boot NAME PATH IMAGE OPTIONS...: one run of scripts/lib/emulator, its serial line in $LOGS/NAME.log.
boot()
{
    local name=$1 path=$2 image=$3
    shift 3
    "$HELIUM_ROOT/scripts/lib/emulator" "$path" "$image" --log "$LOGS/$name.log" "$@" 2>&1
}
