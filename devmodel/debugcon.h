/* SPDX-License-Identifier: BSD-2-Clause */
/* Port e9h, where hvmloader and SeaBIOS say what they do: whole lines go to the log, unprintable
 * characters as '?', and no more than DEBUGCON_MAX bytes of them, since a guest must not fill the
 * disk. */
#ifndef DEVMODEL_DEBUGCON_H
#define DEVMODEL_DEBUGCON_H

#include <stdint.h>
#include <stdio.h>

#define DEBUGCON_PORT 0xe9
#define DEBUGCON_MAX  (256u << 10)
#define DEBUGCON_LINE 160

struct debugcon {
    char line[DEBUGCON_LINE];
    unsigned used;
    unsigned total;
};

void debugcon_write(struct debugcon *d, uint8_t c, FILE *log);

#endif
