/* SPDX-License-Identifier: BSD-2-Clause */
#include "hv/breakpoint.h"
#include "hv/domain.h"
#include "hv/exit_io.h"
#include "hv/exit_mov.h"
#include "hv/inject.h"
#include "hv/insn.h"
#include "hv/log.h"
#include "hv/mmio.h"
#include "hv/pio.h"
#include "hv/vcpu.h"
#include "hv/vendor.h"

/* Widths of IN: 8 and 16 bits keep what is above, 32 bits clear it (SDM 1 3.4.1.1). */
static void put_rax(struct vcpu *v, u32 value, unsigned size)
{
    if (size == 4)
        v->gpr[RAX] = value;
    else if (size == 2)
        v->gpr[RAX] = (v->gpr[RAX] & ~0xffffull) | (u16)value;
    else
        v->gpr[RAX] = (v->gpr[RAX] & ~0xffull) | (u8)value;
}

static void meet_breakpoints(struct vcpu *v, u16 port, unsigned size)
{
    u64 hits = breakpoint_hits(v, WATCHED_IO, port, size);

    if (hits)
        inject_debug_trap(v, hits);
}

void exit_io(struct vcpu *v)
{
    const struct exit_io *io = &v->exit.io;
    u32 value = (u32)v->gpr[RAX];

    if (io->string) {
        insn_emulate(v);
        return;
    }
    if (v->replay.done) {
        value = (u32)v->replay.value[0];
        v->replay = (struct replay){0};
    } else if (pio_access(v, io->port, io->size, !io->in, &value)) {
        return; /* a device model was asked; the instruction runs again when it has answered */
    }
    if (io->in)
        put_rax(v, value, io->size);
    if (insn_skip(v) && unlikely(v->dr_loaded))
        meet_breakpoints(v, io->port, io->size);
}

/* The entry is fine by now: another vcpu brought it in, or a stale translation caused the exit; or
 * it is code in a large page. */
static bool resolved(struct vcpu *v, const struct exit_npf *npf)
{
    enum p2m_type type;
    u32 attr;
    u32 need = (npf->access & ACCESS_WRITE ? PTAB_W : 0) |
               (npf->access & ACCESS_EXEC ? PTAB_X : 0) | PTAB_R;

    if (mfn_is_none(p2m_lookup(&v->domain->p2m, gpa_gfn(npf->gpa), &type, &attr)))
        return false;
    return (attr & need) == need;
}

static bool is_lapic(struct vcpu *v, gpa_t gpa)
{
    return gpa.v - vlapic_mmio_base(&v->vlapic).v < PAGE_SIZE;
}

void exit_page_fault(struct vcpu *v)
{
    struct exit_npf *npf = &v->exit.npf;

    if (likely(!v->event.valid) && is_lapic(v, npf->gpa) && exit_mov(v))
        return; /* nothing else is ever there */
    if (v->domain->page_fault && v->domain->page_fault(v, npf))
        return;
    if (resolved(v, npf)) {
        if (npf->access & ACCESS_EXEC && p2m_execute(v->domain, gpa_gfn(npf->gpa))) {
            domain_crash(v, "no memory for the page tables of its code");
            return;
        }
        v->replay = (struct replay){0}; /* what was answered belongs to no instruction any more */
        vendor->tlb_flush(v, FLUSH_NESTED);
        return;
    }
    if (npf->in_walk || (npf->access & ACCESS_EXEC) || v->event.valid) {
        log_err("d%uv%u: page tables, code or an event's stack at %llx, where there is no memory",
                v->domain->id, v->id, (unsigned long long)npf->gpa.v);
        domain_crash(v, "it runs outside its memory");
        return;
    }
    if (!exit_mov(v))
        insn_emulate(v);
}
