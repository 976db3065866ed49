#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# 10 MB each way over NE2000 and e1000.
set -uo pipefail
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/dom0-lib.sh"
. "$(dirname "$0")/guest-lib.sh"

run_guest cards amd64
