#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# The amd64 guest by GRUB from an IDE CD drive through SeaBIOS.
set -uo pipefail
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/dom0-lib.sh"
. "$(dirname "$0")/guest-lib.sh"

run_guest cd amd64
