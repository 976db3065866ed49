/* SPDX-License-Identifier: BSD-2-Clause */
#include "libvmctl/stats.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *next_line(const char *text)
{
    text += strcspn(text, "\n");
    return *text ? text + 1 : text;
}

/* A name and at least one number. */
static bool parse_reason(const char *line, struct vm_exits *e, unsigned vcpus)
{
    size_t length = strcspn(line, " \n");
    unsigned n = 0;
    char *end;

    *e = (struct vm_exits){0};
    if (length == 0 || length >= sizeof(e->reason))
        return false;
    memcpy(e->reason, line, length);
    for (line += length; *line == ' ' && n < vcpus; line = end, n++)
        e->count[n] = strtoull(line, &end, 10);
    return n > 0;
}

void stats_parse_exits(const char *text, struct vm_stats *s)
{
    for (s->reasons = 0; *text && s->reasons < VM_MAX_REASONS; text = next_line(text))
        if (parse_reason(text, &s->exits[s->reasons], s->vcpus))
            s->reasons++;
}

void stats_parse_ioreqs(const char *text, struct vm_stats *s)
{
    for (s->servers = 0; *text && s->servers < VM_MAX_SERVERS; text = next_line(text)) {
        struct vm_ioreqs *q = &s->ioreqs[s->servers];

        if (sscanf(text, "%u %" SCNu64 " %" SCNu64, &q->server, &q->sent, &q->posted) == 3)
            s->servers++;
    }
}
