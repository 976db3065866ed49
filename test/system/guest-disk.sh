#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# The amd64 guest by GRUB from its IDE disk through SeaBIOS, and again after a reboot.
set -uo pipefail
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/dom0-lib.sh"
. "$(dirname "$0")/guest-lib.sh"

run_guest disk amd64
