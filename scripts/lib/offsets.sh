#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# offsets.sh FILE...: prints the ->NAME value lines of assembly listings as NASM definitions.
set -eu
sed -n 's/^[[:space:]]*->\([A-Za-z0-9_]*\) \$\{0,1\}\(-\{0,1\}[0-9]*\).*/%define \1 \2/p' "$@"
