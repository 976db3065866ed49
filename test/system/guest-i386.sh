#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# The i386 guest from its IDE disk through SeaBIOS, on Cirrus VGA, and again after a reboot.
set -uo pipefail
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/dom0-lib.sh"
. "$(dirname "$0")/guest-lib.sh"

run_guest i386 i386
