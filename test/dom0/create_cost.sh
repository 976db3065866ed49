#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# What it costs to make a guest of 256 MiB with a disk and a network card: microseconds by phase, as vmctl tells
# them, and the memory that the guest takes beyond its RAM, in root mode and in dom0's processes.

. "${0%/*}/lib.sh"
ram_mib=256
truncate -s 16M /run/create_cost.img
cat >/run/create_cost.cfg <<END
name = "create_cost"
type = "hvm"
memory = $ram_mib
disk = [ '/run/create_cost.img,raw,hda,rw' ]
vif = [ 'bridge=guestbr0,model=rtl8139' ]
END

free_kib()
{
    vmctl top --json -n 1 -d 1 | sed -n 's/.*"free_kib": \([0-9]*\).*/\1/p' | head -n 1
}

# The proportional shares of all processes whose arguments match.
process_kib() # PATTERN
{
    local pid
    for pid in $(ps | awk -v want="$1" '$0 ~ want { print $1 }'); do
        awk '/^Pss:/ { print $2 }' "/proc/$pid/smaps_rollup"
    done | awk '{ sum += $1 } END { print sum + 0 }'
}

succeeds network /opt/helium/lib/guest-network guestbr0
# The first guests leave tables behind that the privileged domain maps guests' memory by.
for i in 1 2 3; do
    succeeds created-$i vmctl create -p /run/create_cost.cfg
    succeeds destroyed-$i vmctl destroy create_cost
done
before=$(free_kib)
vmctl create -p -v /run/create_cost.cfg 2>/run/create_cost.said
is created 0 $?
after=$(free_kib)
sed -n 's/^create: \(.*\) \([0-9]*\) us$/COST us \1 \2/p' /run/create_cost.said
echo "COST KiB root mode, beyond its RAM $((before - after - ram_mib * 1024))"
echo "COST KiB QEMU $(process_kib '[x]en-domid')"
echo "COST KiB devmodel $(process_kib '[h]elium/devmodel')"
at_least phases 7 "$(grep -c '^create: .* us$' /run/create_cost.said)"
succeeds destroyed vmctl destroy create_cost
is nothing-kept "$before" "$(free_kib)"
echo "COST DONE"
finish
