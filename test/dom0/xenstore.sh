#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# xenstore [WRITES]: Debian's xenstored and its clients on top of the hypervisor: write, read, list,
# permissions, removal, watches from another process, two writers at once.

. "${0%/*}/lib.sh"
writes=${1:-100}
base=/tool/helium-test-$$
watched=/tmp/watched.$$

wait_for_lines()
{
    tries=0
    until [ "$(cat "$watched" 2>/dev/null | wc -l)" -ge "$1" ]; do
        tries=$((tries + 1))
        [ "$tries" -le 100 ] || return 1
        usleep 100000
    done
}

# Every write below the watched node is reported, and one line more for setting the watch.
test_watch()
{
    xenstore-watch -n 4 $base/w >"$watched" &
    watcher=$!
    if ! wait_for_lines 1; then
        not_ok watch-set "xenstore-watch says nothing at all"
        kill $watcher
        return
    fi
    xenstore-write $base/w/a 1
    xenstore-write $base/elsewhere 1
    xenstore-write $base/w/b 2
    xenstore-rm $base/w/a
    wait_for_lines 4 || kill $watcher
    wait $watcher
    is watch-events "$base/w $base/w/a $base/w/b $base/w/a" "$(tr '\n' ' ' <"$watched" | sed 's/ $//')"
}

writer()
{
    i=0
    while [ $i -lt "$writes" ]; do
        xenstore-write "$base/$1/$i" "$1-$i" || return 1
        i=$((i + 1))
    done
}

test_two_writers()
{
    writer left &
    left=$!
    writer right
    is writer-right 0 $?
    wait $left
    is writer-left 0 $?
    is values-left "$writes" "$(xenstore-ls $base/left | grep -c '= "left-')"
    is values-right "$writes" "$(xenstore-ls $base/right | grep -c '= "right-')"
}

long=$(yes 0123456789abcdef | head -n 125 | tr -d '\n')

succeeds write xenstore-write $base/one first
is read first "$(xenstore-read $base/one)"
succeeds overwrite xenstore-write $base/one second
is read-again second "$(xenstore-read $base/one)"
succeeds write-2000-bytes xenstore-write $base/long "$long"
is read-2000-bytes "$long" "$(xenstore-read $base/long)"
succeeds write-two xenstore-write $base/two/a 1 $base/two/b 2
is list "a b" "$(xenstore-list $base/two | sort | tr '\n' ' ' | sed 's/ $//')"
fails read-absent xenstore-read $base/absent
fails write-relative-nowhere xenstore-write "$base/with space" 1
succeeds permissions xenstore-chmod $base/one r0
is permissions-shown 1 "$(xenstore-ls -p $base | grep -c 'one = "second".*(r0)')"
test_watch
test_two_writers
succeeds remove xenstore-rm $base
fails read-removed xenstore-read $base/one
rm -f "$watched"
finish
