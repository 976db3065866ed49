#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# What a guest's accesses to its devices cost, as device_cost.asm measures: its lines are shown.

. "${0%/*}/lib.sh"
log=/run/device_cost.log
cat >/run/device_cost.cfg <<END
name = "device_cost"
type = "hvm"
memory = 32
kernel = "${0%.sh}"
serial = "file:$log"
on_poweroff = "destroy"
END

# gone SECONDS: the guest ends by itself.
gone()
{
    local ticks=$1
    while vmctl info device_cost >/dev/null 2>&1; do
        ticks=$((ticks - 1))
        [ "$ticks" -gt 0 ] || return 1
        sleep 1
    done
}

succeeds create vmctl create /run/device_cost.cfg
succeeds ends-by-itself gone 300
tr -d '\r' <$log | grep '^COST '
is measured 10 "$(grep -c '^COST .* [0-9]' $log)"
finish
