#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# What a guest that floods the machine leaves to another one (test/dom0/flood.sh).
set -uo pipefail
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/dom0-lib.sh"

run_full flood
tr -d '\r' <"$LOGS/flood.log" | sed -n 's/^FLOOD /    /p'
