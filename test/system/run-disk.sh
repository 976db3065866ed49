#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# scripts/run as a person has it, at a terminal, with a disk image of one's own: the privileged domain's prompt, the
# guest's serial line and its screen, and what the guest wrote is in the image afterwards.
#
# RUN_DISK is another image, whose system says RUN_SAYS on its first serial line.
set -uo pipefail
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/dom0-lib.sh"
. "$(dirname "$0")/guest-lib.sh"
terminal=$LOGS/terminal.log
case $VENDOR in svm) place=$HELIUM_BUILD/run ;; vmx) place=$HELIUM_BUILD/run-vmx ;; esac

# refused WHAT SENTENCE OPTIONS...: run ends at once and says so.
refused()
{
    local what=$1 sentence=$2 said
    shift 2
    if said=$("$HELIUM_ROOT/scripts/run" --no-setup "$@" 2>&1); then
        not_ok "$what" "it was taken"
    elif grep -qF "$sentence" <<<"$said"; then
        ok "$what"
    else
        not_ok "$what" "it said: $said"
    fi
}

# The image by its name alone, from where it is. The terminal is `script`'s; what is written to descriptor 3 is typed
# there.
start()
{
    local directory name
    directory=$(dirname -- "$1") name=$(basename -- "$1")
    rm -f "$LOGS/keys" "$terminal"
    mkfifo "$LOGS/keys"
    (cd -- "$directory" && exec script -qefc "'$HELIUM_ROOT/scripts/run' --no-setup --vendor $VENDOR --disk '$name'" \
        "$terminal" <"$LOGS/keys" >/dev/null 2>&1) &
    running=$!
    exec 3>"$LOGS/keys"
}

# sees WHAT REGEX: the terminal has that, or will, while the machine runs.
sees()
{
    local until=$((SECONDS + GUEST_TIMEOUT))
    until grep -qaE "$2" "$terminal" 2>/dev/null; do
        if [ $SECONDS -ge $until ] || ! kill -0 $running 2>/dev/null; then
            not_ok "$1" "no '$2'; the last line: $(tail -n 1 "$terminal" | tr -d '\r')"
            return 1
        fi
        sleep 1
    done
    ok "$1"
}

# The guest's screen is where run has said: it has text.
screen_at()
{
    local grey
    cc -std=gnu17 -o "$LOGS/vnc" "$HELIUM_ROOT/test/dom0/vnc.c" || { not_ok screen "no viewer"; return; }
    grey=$("$LOGS/vnc" "$1" share a8a8a8)
    [ "${grey:-0}" -ge 5 ] && ok screen || not_ok screen "at port '$1' ${grey:-nothing} in a thousand is text"
}

leave()
{
    printf '\035' >&3 # from the guest's serial line to the prompt
    sleep 2
    printf 'echo back\r' >&3
    sees back-at-the-prompt '^back'
    printf '\001x' >&3
    exec 3>&-
    timeout 60 tail --pid=$running -f /dev/null && ok leaves || not_ok leaves "Ctrl-A x has not ended it"
    pkill -P $running
    wait $running
}

person()
{
    sees guest-is-made 'HELIUM-RUN screen at' && sees prompt 'helium:~# ' || return
    refused one-at-a-time "another one runs in $place:" --vendor "$VENDOR"
    printf 'vmctl console linux\r' >&3
    sees guest "${RUN_SAYS:-HELIUM-GUEST DONE 0 failed}" || return
    screen_at "$(sed -n 's/.*screen will be at localhost:\([0-9]*\).*/\1/p' "$terminal")"
}

refused no-image "/nowhere/a.img does not exist." --disk /nowhere/a.img
refused headless "it does not go with --disk." --headless --disk "$0"
image=${RUN_DISK-}
if [ -z "$image" ]; then
    image=$LOGS/own.img
    make_guest amd64
    cp --sparse=always "$GUESTS/amd64/disk.img" "$image"
fi
start "$image"
person
leave
[ -n "${RUN_DISK-}" ] || {
    grep -qa 'HELIUM-GUEST-DATA 1 ' "$image" && ok image-is-written || not_ok image-is-written "it is as it was"
    rm -f "$image"
}
