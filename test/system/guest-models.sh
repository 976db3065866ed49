#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Device models of guests: confined, and killed one after the other (test/dom0/models.sh).
set -uo pipefail
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/dom0-lib.sh"

run_full models
