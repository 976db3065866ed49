#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# iPXE over RTL8139: DHCP and TFTP, then the i386 guest by HTTP.
set -uo pipefail
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/dom0-lib.sh"
. "$(dirname "$0")/guest-lib.sh"

run_guest ipxe i386
