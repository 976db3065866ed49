#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# warnings: what the kernel logged at level "warning" or worse, one per line behind "WARNING: ", with
# what differs from run to run (times, addresses, numbers) replaced. The outer machine compares the list
# with the one of the same kernel without a hypervisor.

dmesg -r | sed -n 's/^<[0-4]>\[[ .0-9]*\] //p' |
    sed 's/0x[0-9a-fA-F]*/#/g; s/\b[0-9a-f]\{8,\}\b/#/g; s/[0-9][0-9]*/#/g' | sort -u | sed 's/^/WARNING: /'
if dmesg | grep -q -E 'BUG:|Oops|Call Trace|WARNING: CPU|soft lockup|rcu.*stall|nobody cared|hung_task|blocked for more'; then
    echo "FAIL warnings"
    echo "0 passed, 1 failed"
    exit 1
fi
echo "PASS warnings"
echo "1 passed, 0 failed"
