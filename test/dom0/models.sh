#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# models: a guest's device models, with a guest that has nothing to boot: that they are confined, what is said and
# what is left when one of them is killed, and that nobody else is concerned.

. "${0%/*}/lib.sh"

# create NAME [LINE]: a guest; sets id, and the processes supervisor, qemu and worker.
create()
{
    printf 'name = "%s"\ntype = "hvm"\nmemory = 48\nhpet = 1\nvnc = 0\n%s\n' "$1" "$2" >/run/models.cfg
    succeeds "create-$1" vmctl create /run/models.cfg
    id=$(xl_number "$1")
    supervisor=$(xenstore-read "/local/domain/$id/image/clocks-pid")
    qemu=$(xenstore-read "/local/domain/$id/image/device-model-pid")
    worker=$(children "$supervisor" | grep -vx "$qemu")
}

xl_number()
{
    vmctl info --json "$1" | sed -n 's/^{"id": \([0-9]*\),.*/\1/p'
}

children()
{
    cat "/proc/$1/task/$1/children" 2>/dev/null | tr ' ' '\n' | grep .
}

# field PROCESS NAME: of its status.
field()
{
    sed -n "s/^$2:[[:space:]]*//p" "/proc/$1/status" | cut -f1
}

is_confined()
{
    is "$1-user" $((0x7f0000 + id)) "$(field "$2" Uid)"
    is "$1-capabilities" 0000000000000000 "$(field "$2" CapEff)"
    is "$1-no-new-privileges" 1 "$(field "$2" NoNewPrivs)"
    is "$1-system-calls-filtered" 2 "$(field "$2" Seccomp)"
    is "$1-root" /run/vmctl/empty "$(readlink "/proc/$2/root")"
}

# within SECONDS COMMAND...: it succeeds by then.
within()
{
    tries=$1
    shift
    until "$@"; do
        tries=$((tries - 1))
        [ "$tries" -gt 0 ] || return 1
        sleep 1
    done
}

listed()
{
    vmctl list | grep -q "$1"
}

gone()
{
    ! kill -0 "$1" 2>/dev/null
}

# What is left of the guest that was made last, after destroy: nothing.
is_destroyed()
{
    succeeds "$1-destroy" vmctl destroy "$1"
    for process in $supervisor $worker $qemu; do
        succeeds "$1-process-gone" within 20 gone "$process"
    done
    fails "$1-not-listed" listed " $1 "
    fails "$1-socket-gone" test -e "/run/vmctl/qmp-$id"
    fails "$1-not-in-the-store" xenstore-read "/local/domain/0/device-model/$id"
}

# killed WHAT PROCESS SENTENCE: a guest pauses and its list line says why.
killed()
{
    kill -9 "$2"
    succeeds "$1-listed" within 20 listed "paused, $3"
    is "$1-in-the-store" "$3" "$(xenstore-read "/local/domain/0/device-model/$id/reason")"
    is "$1-state" failed "$(xenstore-read "/local/domain/0/device-model/$id/state")"
}

create calm
is state running "$(xenstore-read "/local/domain/0/device-model/$id/state")"
is_confined worker "$worker"
is_confined qemu "$qemu"

create lost-qemu
killed qemu-killed "$qemu" 'QEMU was killed by signal 9 (Killed)'
is_destroyed lost-qemu

create lost-clocks
killed clocks-killed "$worker" 'devmodel was killed by signal 9 (Killed)'
is_destroyed lost-clocks

create lost-both
kill -9 "$supervisor"
succeeds worker-follows within 20 gone "$worker"
succeeds supervisor-listed within 20 listed 'device model gone'
is_destroyed lost-both

# By another tool: they notice and go.
create by-xl
succeeds xl-destroy xl destroy by-xl
for process in $supervisor $worker $qemu; do
    succeeds by-xl-process-gone within 20 gone "$process"
done
fails by-xl-not-in-the-store xenstore-read "/local/domain/0/device-model/$id/state"

printf 'name = "none"\ntype = "hvm"\nmemory = 48\ndevice_model_override = "/bin/false"\n' >/run/models.cfg
fails no-qemu vmctl create /run/models.cfg
succeeds no-qemu-said sh -c "vmctl create /run/models.cfg 2>&1 | grep -q 'QEMU does not serve the guest'"
fails no-qemu-left listed ' none '

succeeds others-go-on sh -c "vmctl list | grep -Eq ' calm .*(running|blocked)\$'"
finish
