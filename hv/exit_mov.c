/* SPDX-License-Identifier: BSD-2-Clause */
#include "hv/decode.h"
#include "hv/domain.h"
#include "hv/emulate.h"
#include "hv/exit_mov.h"
#include "hv/fetch.h"
#include "hv/mmio.h"
#include "hv/mov.h"
#include "hv/vcpu.h"
#include "hv/vendor.h"

static u64 mask(unsigned size)
{
    return ~0ull >> (64 - 8 * size);
}

static u64 source(const struct vcpu *v, const struct mov *m)
{
    u64 value = m->immediate ? m->value : v->gpr[m->reg] >> (m->high ? 8 : 0);

    return value & mask(m->size);
}

/* SDM 1 3.4.1.1: 32 bits clear what is above, 8 and 16 keep it. */
static void load(struct vcpu *v, const struct mov *m, u64 value)
{
    unsigned shift = m->high ? 8 : 0;
    u64 *reg = &v->gpr[m->reg];

    if (m->reg_size >= 4)
        *reg = value;
    else
        *reg = (*reg & ~(mask(m->reg_size) << shift)) | value << shift;
}

/* The exit tells where the device's part of the operand begins: at the start of a page it may be
 * the second part, behind one that is RAM. */
static bool in_one_page(gpa_t gpa, unsigned size)
{
    u64 offset = gpa.v & (PAGE_SIZE - 1);

    return offset + size <= PAGE_SIZE && (offset || size == 1);
}

static bool parse(struct vcpu *v, struct mov *m)
{
    const struct exit_npf *npf = &v->exit.npf;
    struct cpu_state s;
    enum cpu_mode mode;

    vendor->state_get(v, STATE_CR | STATE_CS_SS, &s);
    mode = emu_mode(s.efer, &s.seg[SEG_CS]);
    if (mode == MODE_16)
        return false;
    fetch_insn(v, &s);
    return v->exit.bytes_len >= MOV_LONGEST && mov_parse(m, v->exit.bytes, mode == MODE_64) &&
           m->store == !!(npf->access & ACCESS_WRITE) && in_one_page(npf->gpa, m->size);
}

/* The CPU has translated and checked the operand: the exit tells where it lies. */
bool exit_mov(struct vcpu *v)
{
    struct mov m;
    u64 value;

    if (v->exit.npf.in_walk || v->dr_loaded || !parse(v, &m))
        return false;
    value = m.store ? source(v, &m) : 0;
    if (v->replay.done) {
        value = v->replay.value[0];
        v->replay = (struct replay){0};
    } else if (mmio_access(v, v->exit.npf.gpa, m.size, m.store, &value)) {
        return true; /* a device model was asked; this runs again when it has answered */
    }
    if (!m.store)
        load(v, &m, value & mask(m.size));
    vcpu_skip(v, m.length);
    return true;
}
