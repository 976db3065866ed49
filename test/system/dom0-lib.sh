# SPDX-License-Identifier: BSD-2-Clause
# What the dom0 system tests share: the image, the disk to boot from, a file server, and the judging of
# a run's serial line. Source it after lib.sh.

DOM0=$HELIUM_BUILD/dom0
TESTS=/opt/helium/tests
# Seconds of a run with a guest: a little less than scripts/lib/system.py gives a script.
case $VENDOR in
    svm) BOOT_PATH=${DOM0_PATH:-svm-uefi} GUEST_TIMEOUT=${GUEST_TIMEOUT:-1750} ;;
    vmx) BOOT_PATH=${DOM0_PATH:-vmx-grub} GUEST_TIMEOUT=${GUEST_TIMEOUT:-5300} ;;
esac

# make_dom0 [OPTIONS of mkdom0]: the image, made again only if something it is made of is newer.
make_dom0()
{
    "$HELIUM_ROOT/scripts/mkdom0" --if-outdated -o "$DOM0" "$@" || { not_ok image "mkdom0 could not make it"; exit 1; }
}

# dom0_disk NAME "HYPERVISOR WORDS" "DOM0 WORDS": a bootable disk with hypervisor and dom0; prints where.
# DOM0_WORDS in the environment are more words for dom0's kernel.
dom0_disk()
{
    make_disk "$1" <<END
hypervisor = $HELIUM_BUILD/helium.elf
efi = $HELIUM_BUILD/helium.efi
cmdline = $2
kernel = $DOM0/vmlinux console=hvc0 ${DOM0_WORDS-} $3
ramdisk = $DOM0/initrd.img
END
}

# start_server: serves $LOGS/served on loopback; sets PORT, SUM (of /file) and SERVER (to be killed).
start_server()
{
    mkdir -p "$LOGS/served"
    head -c 10000000 /dev/urandom >"$LOGS/served/file"
    SUM=$(sha256sum "$LOGS/served/file" | cut -d' ' -f1)
    rm -f "$LOGS/port"
    python3 -u - "$LOGS/served" >"$LOGS/port" 2>"$LOGS/server.log" <<'END' &
import functools, http.server, sys
handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=sys.argv[1])
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
print(server.server_port)
server.serve_forever()
END
    SERVER=$!
    trap 'kill $SERVER' EXIT
    until [ -s "$LOGS/port" ]; do sleep 0.1; done
    PORT=$(cat "$LOGS/port")
}

# exits LOG: "STATUS PROGRAM" for each program that ended.
exits()
{
    tr -d '\r' <"$1" | sed -n 's/.*HELIUM-DOM0 EXIT \([0-9]*\) \([^ ,]*\).*/\1 \2/p'
}

# judge_run WHAT LOG PROGRAM...: every program ended, and well. Its own bad lines are printed first.
judge_run()
{
    local what=$1 log=$2 program status
    shift 2
    grep -a 'not ok: ' "$log" | sed 's/.*not ok: /    not ok: /' | head -n 20
    for program in "$@"; do
        status=$(exits "$log" | awk -v p="$program" '$2 ~ "/" p "$" { print $1; exit }')
        case $status in
            0) ok "$what-$program" ;;
            '') not_ok "$what-$program" "did not come to its end; the last line: $(tail -n 1 "$log" | cut -c1-150)" ;;
            *) not_ok "$what-$program" "ended with status $status" ;;
        esac
    done
}

# run_full NAME: the program NAME.sh, which makes guests, in one boot of the image that has all they need; its serial
# line is $LOGS/NAME.log.
run_full()
{
    local name=$1 image
    make_dom0
    image=$(make_disk "$name" <<END
hypervisor = $HELIUM_BUILD/helium.elf
efi = $HELIUM_BUILD/helium.efi
cmdline = dom0_mem=640M
kernel = $DOM0/vmlinux console=hvc0 helium.guests=yes helium.run=$TESTS/$name.sh
ramdisk = $DOM0/full.img
END
    ) || { not_ok "$name" "no disk"; exit 1; }
    boot "$name" "$BOOT_PATH" "$image" --memory 1280 --marker 'HELIUM-DOM0 DONE .*failed' \
        --fail 'Kernel panic' --timeout "$GUEST_TIMEOUT" >"$LOGS/$name.said" ||
        tail -n 1 "$LOGS/$name.said"
    judge_run "$name" "$LOGS/$name.log" "$name.sh"
}

# prompt WORD LOG: the value (tsc, uptime) announced with the prompt.
prompt()
{
    tr -d '\r' <"$2" | sed -n "s/.*HELIUM-DOM0 PROMPT.* $1=\([0-9.]*\).*/\1/p" | head -n 1
}
