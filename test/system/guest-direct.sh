#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Debian's amd64 kernel booted directly: disk, network, clock, serial line, screen, input, power button.
set -uo pipefail
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/dom0-lib.sh"
. "$(dirname "$0")/guest-lib.sh"

run_guest direct amd64
