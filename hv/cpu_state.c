/* SPDX-License-Identifier: BSD-2-Clause */
#include "hv/cpu_state.h"
#include "hv/x86.h"

void cpu_state_reset(struct cpu_state *s, u64 cr0_cache)
{
    const struct segment data = {.attr = 0x93, .limit = 0xffff};

    for (unsigned i = 0; i < SEG_COUNT; i++)
        s->seg[i] = data;
    s->seg[SEG_CS] =
        (struct segment){.selector = 0xf000, .base = 0xffff0000, .attr = 0x9b, .limit = 0xffff};
    s->seg[SEG_LDTR].attr = 0x82;
    s->seg[SEG_TR].attr = 0x8b;
    s->gdtr = s->idtr = (struct dtable){.limit = 0xffff};
    s->cr0 = CR0_ET | cr0_cache;
    s->cr2 = s->cr3 = s->cr4 = s->efer = 0;
    s->dr[0] = s->dr[1] = s->dr[2] = s->dr[3] = 0;
    s->dr6 = DR6_FIXED;
    s->dr7 = DR7_FIXED;
    s->nmi_blocked = false;
    s->activity = ACTIVITY_RUN;
    s->pending_dbg = s->debugctl = 0;
}

struct cpu_state cpu_state_power_up(void)
{
    struct cpu_state s = {.pat = PAT_RESET};

    cpu_state_reset(&s, CR0_CD | CR0_NW);
    return s;
}
