/* SPDX-License-Identifier: BSD-2-Clause */
#include "devmodel/debugcon.h"

static void put_line(struct debugcon *d, FILE *log)
{
    if (d->total >= DEBUGCON_MAX)
        return;
    d->total += d->used + 1;
    fprintf(log, "guest: %.*s\n", (int)d->used, d->line);
    if (d->total >= DEBUGCON_MAX)
        fprintf(log, "devmodel: the guest has said enough; nothing more of it is written.\n");
    fflush(log);
}

void debugcon_write(struct debugcon *d, uint8_t c, FILE *log)
{
    if (c == '\n' || d->used == DEBUGCON_LINE) {
        put_line(d, log);
        d->used = 0;
    }
    if (c != '\n' && c != '\r')
        d->line[d->used++] = c >= ' ' && c < 0x7f ? (char)c : '?';
}
