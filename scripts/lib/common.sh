# SPDX-License-Identifier: BSD-2-Clause
# Shared by every script: where things are, and how to speak. Source it, do not run it.

HELIUM_ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
HELIUM_BUILD=$(realpath -m -- "${HELIUM_BUILD:-$HELIUM_ROOT/build}") # absolute: emulators run elsewhere
HELIUM_LOGS=$HELIUM_BUILD/logs
HELIUM_CACHE=${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/helium

# say TEXT...: progress, on stdout.
say()
{
    printf '==> %s\n' "$*"
}

# die TEXT...: one sentence on stderr, and the end.
die()
{
    printf '%s: %s\n' "${0##*/}" "$*" >&2
    exit 1
}

# need FILE PACKAGE: the file is there, or one sentence says where it comes from.
need()
{
    [ -e "$1" ] || die "$1 is missing: it comes from $2, which scripts/setup installs."
}

# need_tool COMMAND PACKAGE: the same for a command.
need_tool()
{
    command -v "$1" >/dev/null || die "$1 is not installed: it comes from $2, which scripts/setup installs."
}

# outdated PRODUCT SOURCE...: it is not there, or something at or below a source is newer.
outdated()
{
    local product=$1
    shift
    [ -n "$(find "$@" -newer "$product" -print -quit 2>&1)" ]
}

# lowercase hex digest of standard input, short enough for a directory name.
short_hash()
{
    sha256sum | cut -c1-12
}
