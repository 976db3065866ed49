#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# An amd64 and an i386 guest at once.
set -uo pipefail
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/dom0-lib.sh"
. "$(dirname "$0")/guest-lib.sh"

run_guest two amd64 i386
