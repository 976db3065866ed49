#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# memtest86+ from its CD image: its screen.
set -uo pipefail
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/dom0-lib.sh"
. "$(dirname "$0")/guest-lib.sh"

run_guest memtest memtest
