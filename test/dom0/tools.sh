#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# tools CPUS: Debian's xl and xenhypfs, untouched, and vmctl, where no guest runs: what they say of the
# machine, of the privileged domain and of the hypervisor, and that they agree with each other.

. "${0%/*}/lib.sh"
cpus=$1

# value NAME: of xl info's lines.
value()
{
    sed -n "s/^$1 *: //p" /tmp/info
}

# field KEY FILE: a number from JSON, or the first of a list.
field()
{
    sed -n "s/.*\"$1\": \[*\([0-9]*\).*/\1/p" "$2" | head -n 1
}

test_xl()
{
    succeeds xl-info sh -c "xl info >/tmp/info"
    is xl-info-version "4.17.0-helium" "$(value xen_version)"
    is xl-info-cpus "$cpus" "$(value nr_cpus)"
    is xl-info-scheduler credit "$(value xen_scheduler)"
    at_least xl-info-memory 512 "$(value total_memory)"
    at_least xl-info-free 100 "$(value free_memory)"
    succeeds xl-info-numa xl info -n
    succeeds xl-list sh -c "xl list >/tmp/list"
    is xl-list-lines 2 "$(wc -l </tmp/list)"
    is xl-list-dom0 "Domain-0 0 $cpus" "$(awk '$2 == 0 { print $1, $2, $4 }' /tmp/list)"
    is xl-list-runs r "$(awk '$2 == 0 { print substr($5, 1, 1) }' /tmp/list)"
    succeeds xl-list-long xl list -l
    fails xl-list-nobody xl list 77
    succeeds xl-vcpu-list sh -c "xl vcpu-list >/tmp/vcpus"
    is xl-vcpu-list-lines $((cpus + 1)) "$(wc -l </tmp/vcpus)"
    succeeds xl-dmesg sh -c "xl dmesg >/tmp/dmesg"
    is xl-dmesg-says 1 "$(grep -c -i -m 1 helium /tmp/dmesg)"
    succeeds xl-uptime xl uptime
    succeeds xl-domid xl domid Domain-0
}

test_hypfs()
{
    succeeds hypfs-tree sh -c "xenhypfs tree >/tmp/tree"
    is hypfs-domains 0 "$(xenhypfs ls /domain | awk '{ print $NF }' | tr '\n' ' ' | sed 's/ $//')"
    is hypfs-files "exits ioreqs" "$(xenhypfs ls /domain/0 | awk '{ print $NF }' | tr '\n' ' ' | sed 's/ $//')"
    at_least hypfs-hypercalls 100 "$(xenhypfs cat /domain/0/exits | awk '$1 == "hypercall" { print $2 }')"
    is hypfs-each-vcpu "$((cpus + 1))" "$(xenhypfs cat /domain/0/exits | awk '$1 == "hypercall" { print NF }')"
    fails hypfs-nobody xenhypfs cat /domain/1/exits
    fails hypfs-write xenhypfs write /domain/0/exits x
}

test_vmctl()
{
    succeeds vmctl-list sh -c "vmctl list --json >/tmp/list.json"
    is vmctl-list-id 0 "$(field id /tmp/list.json)"
    is vmctl-list-vcpus "$cpus" "$(field vcpus /tmp/list.json)"
    is vmctl-info-name 1 "$(vmctl info 0 | grep -c '^Name: *Domain-0$')"
    # The log is a ring, and what this test says goes there too: its first lines may be gone by now.
    last=$(tail -n 2 /tmp/dmesg | head -n 1)
    is vmctl-dmesg "$last" "$(vmctl dmesg | grep -x -F -m 1 -e "$last")"
    succeeds vmctl-stats sh -c "vmctl stats --json 0 >/tmp/stats.json"
    is vmctl-stats-exits 1 "$(grep -c '"hypercall": \[' /tmp/stats.json)"
    at_least vmctl-stats-time 100 "$(($(field run_ns /tmp/stats.json) / 1000000))"
    succeeds vmctl-top sh -c "vmctl top --json -n 2 -d 1 >/tmp/top.json"
    is vmctl-top-lines 2 "$(grep -c '"domains"' /tmp/top.json)"
    is vmctl-top-cpus "$cpus" "$(field cpus /tmp/top.json)"
    at_least vmctl-top-exits 1 "$(field exits_per_second /tmp/top.json)"
}

test_refusals()
{
    says 3 "There is no domain nobody." vmctl info nobody
    says 3 "There is no domain 77." vmctl destroy 77
    says 2 "Domain-0 is the privileged domain itself." vmctl destroy Domain-0
    says 2 "0 is the privileged domain itself." vmctl shutdown 0
    says 2 "The configuration /nowhere cannot be read: No such file or directory." vmctl create /nowhere
    echo 'name = "g"' >/tmp/g.cfg
    says 1 "Not enough memory is free for a guest of 100000 MiB: the hypervisor has $(value free_memory) MiB left." \
        vmctl create /tmp/g.cfg memory=100000
    says 2 "/tmp/g.cfg, line 2: memroy is not a key that vmctl knows." vmctl create /tmp/g.cfg memroy=1
    says 2 "The disk image /nowhere cannot be used: No such file or directory." \
        vmctl create /tmp/g.cfg "disk=['/nowhere,raw,hda,rw']"
    is nothing-is-left 1 "$(vmctl list --json | grep -c '"id"')"
    is store-is-clean "" "$(xenstore-list /local/domain | grep -v '^0$')"
}

test_xl
test_hypfs
test_vmctl
test_refusals
finish
