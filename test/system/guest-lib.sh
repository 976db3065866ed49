# SPDX-License-Identifier: BSD-2-Clause
# What the guests' system tests share: Helium, dom0 and one kind of guest (test/dom0/guest.sh) in one run of the
# emulator. Source it after lib.sh and dom0-lib.sh.
#
# GUEST_MEMORY is the machine's MiB, GUEST_TIMEOUT the seconds it may take, GUEST_CLOCK the seconds for which
# clocks are compared, GUEST_WORDS more words for dom0's kernel.

. "$HELIUM_ROOT/scripts/lib/volumes.sh"
GUESTS=$HELIUM_BUILD/guests

# The guest's images, made again only if something they are made of is newer.
make_guest()
{
    "$HELIUM_ROOT/scripts/mkguest" --if-outdated -o "$GUESTS" "$1" >"$LOGS/mkguest-$1.log" 2>&1 ||
        { not_ok image "mkguest could not make $1: $(tail -n 1 "$LOGS/mkguest-$1.log")"; exit 1; }
}

# attach_volumes MIB GUEST...: makes dom0's two volumes, that of its programs and one with these guests' images and MIB
# to spare; sets `volumes` to the emulator's words for them. drop_volumes removes them.
attach_volumes()
{
    local spare=$1 guest
    shift
    for guest in "$@"; do make_guest "$guest"; done
    make_test_volume "$LOGS/test.img" "$spare" "${@/#/$GUESTS/}" || { not_ok volume "it could not be made"; exit 1; }
    copy_guest_volume "$DOM0" "$LOGS/guests.img" || { not_ok volume "the guest volume could not be copied"; exit 1; }
    mapfile -t volumes < <(disk_words "$VENDOR" "$LOGS/guests.img" "$LOGS/test.img")
}

drop_volumes()
{
    rm -f "$LOGS/guests.img" "$LOGS/test.img"
}

# keep_results: what the run has left on the volume: logs and screenshots.
keep_results()
{
    local file
    for file in $(debugfs -R 'ls -p /' "$LOGS/test.img" 2>/dev/null | cut -d/ -f6 | grep -E '\.(log|png)$'); do
        debugfs -R "dump /$file $LOGS/guest-$file" "$LOGS/test.img" 2>/dev/null
    done
}

# run_guest KIND GUEST...: the kind, with these guests' images on the volume.
run_guest()
{
    local kind=$1 image said
    shift
    make_dom0
    attach_volumes 120 "$@"
    image=$(dom0_disk "$kind" "dom0_mem=${DOM0_MEM:-512M}" "helium.guests=yes helium.test=yes \
${GUEST_WORDS-} helium.run=$TESTS/guest.sh,$kind,${GUEST_CLOCK:-30}") || { not_ok "$kind" "no disk"; exit 1; }
    said=$(boot "$kind" "$BOOT_PATH" "$image" --memory "${GUEST_MEMORY:-1536}" --marker 'HELIUM-DOM0 DONE .*failed' \
        --fail 'Kernel panic' --timeout "$GUEST_TIMEOUT" --settle 3 "${volumes[@]}") || echo "$said"
    keep_results
    drop_volumes
    tr -d '\r' <"$LOGS/$kind.log" | sed -n 's/^GUEST /    /p; s/.*PASS \('"$kind"'-\)/    pass \1/p'
    judge_run "$kind" "$LOGS/$kind.log" guest.sh
}
