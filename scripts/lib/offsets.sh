#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# offsets.sh "FILE;FILE...": prints the ->NAME value lines of assembly listings as NASM definitions.
set -eu
IFS=';'
# shellcheck disable=SC2086 # the list is meant to be split
sed -n 's/^[[:space:]]*->\([A-Za-z0-9_]*\) \$\{0,1\}\(-\{0,1\}[0-9]*\).*/%define \1 \2/p' $1
