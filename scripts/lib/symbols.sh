#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# symbols.sh [ELF]: prints the NASM source of a symbol table for backtraces: every function of ELF, sorted
# by address. Without ELF: an empty table, for the first of the two links.
set -eu
echo 'section .symtab_blob progbits alloc noexec nowrite align=8'
echo 'global symbol_count, symbol_table, symbol_names'
if [ $# -eq 0 ]; then
    printf 'symbol_count: dq 0\nsymbol_table:\nsymbol_names:\n'
    exit
fi
# Each entry: offset from IMAGE_BASE (hv/layout.h), offset of the name.
nm -n "$1" | awk '
    $2 ~ /^[tT]$/ && $1 ~ /^ffffffff8/ {
        rows = rows "dd 0x" substr($1, 9) " - 0x80000000, " names_len "\n"
        names = names "db \"" $3 "\", 0\n"
        names_len += length($3) + 1
        count++
    }
    BEGIN { names_len = 0 }
    END { printf "symbol_count: dq %d\nsymbol_table:\n%ssymbol_names:\n%s", count, rows, names }'
