#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# fetch URL SHA256: a file comes over the network whole (helium.net=dhcp brought the address).

. "${0%/*}/lib.sh"

at_least has-address 1 "$(ip -4 addr show scope global | grep -c inet)"
succeeds fetched wget -q -O /tmp/fetched "$1"
is checksum "$2" "$(sha256sum /tmp/fetched | cut -d' ' -f1)"
rm -f /tmp/fetched
for card in /sys/class/net/*/device; do
    card=${card%/device}
    for counter in rx_errors tx_errors; do
        is "${card##*/}-$counter" 0 "$(cat "$card/statistics/$counter")"
    done
done
finish
