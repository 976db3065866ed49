/* SPDX-License-Identifier: BSD-2-Clause */
#include "hv/breakpoint.h"
#include "hv/vcpu.h"
#include "hv/vendor.h"
#include "hv/x86.h"

enum { RW_FETCH, RW_WRITE, RW_IO, RW_ACCESS };

static bool is_watched(const struct cpu_state *s, unsigned n, enum watched kind)
{
    if (!(s->dr7 & (DR7_L(n) | DR7_G(n))))
        return false;
    switch (s->dr7 >> DR7_RW(n) & 3) {
    case RW_WRITE:
        return kind == WATCHED_WRITE;
    case RW_IO:
        return kind == WATCHED_IO && s->cr4 & CR4_DE;
    case RW_ACCESS:
        return kind != WATCHED_IO;
    default:
        return false;
    }
}

u64 breakpoint_hits(struct vcpu *v, enum watched kind, u64 address, unsigned len)
{
    static const u8 lengths[] = {1, 2, 8, 4}; /* by DR7.LEN */
    struct cpu_state s;
    u64 hits = 0;

    vendor->state_get(v, STATE_DR | STATE_CR, &s);
    for (unsigned n = 0; n < 4; n++) {
        u64 size = lengths[s.dr7 >> DR7_LEN(n) & 3], at = s.dr[n] & ~(size - 1);

        if (is_watched(&s, n, kind) && (at - address < len || address - at < size))
            hits |= DR6_B(n);
    }
    return hits;
}
