/* SPDX-License-Identifier: BSD-2-Clause */
#include "hv/domain.h"
#include "hv/exit_cr.h"
#include "hv/guest_mem.h"
#include "hv/inject.h"
#include "hv/insn.h"
#include "hv/vcpu.h"
#include "hv/vendor.h"
#include "hv/x86.h"

#define CR0_KNOWN                                                                              \
    (CR0_PE | CR0_MP | CR0_EM | CR0_TS | CR0_ET | CR0_NE | CR0_WP | CR0_AM | CR0_NW | CR0_CD | \
     CR0_PG)
#define CR4_PAGING (CR4_PSE | CR4_PAE | CR4_PGE | CR4_PCIDE | CR4_SMEP | CR4_SMAP | CR4_PKE)

static bool refuse(struct vcpu *v)
{
    inject_exception_error(v, TRAP_GP, 0);
    return false;
}

/* SDM 3A 4.4.1: PAE paging keeps its four PDPTEs in the CPU from here on. */
static bool load_pdptes(struct vcpu *v, struct cpu_state *s)
{
    u64 reserved = ~0ull << v->domain->policy->phys_bits | 0x1e6;

    if (guest_read_phys(v->domain, s->pdpte, GPA(s->cr3 & 0xffffffe0), sizeof(s->pdpte)))
        return false;
    for (unsigned i = 0; i < 4; i++) {
        s->pdpte[i] &= ~PTE_A; /* QEMU's TCG, as bare metal below us, may have set it */
        if ((s->pdpte[i] & PTE_P) && (s->pdpte[i] & reserved))
            return false;
    }
    return vendor->state_set(v, STATE_PDPTE, s) == 0;
}

static bool uses_pae(const struct cpu_state *s)
{
    return (s->cr0 & CR0_PG) && (s->cr4 & CR4_PAE) && !(s->efer & EFER_LMA);
}

bool cr_load_pdptes(struct vcpu *v, struct cpu_state *s)
{
    return !uses_pae(s) || load_pdptes(v, s);
}

/* Puts checked control registers in force. */
static bool apply(struct vcpu *v, struct cpu_state *s, bool pdptes, bool flush)
{
    if (pdptes && !cr_load_pdptes(v, s))
        return refuse(v);
    if (vendor->state_set(v, STATE_CR, s))
        return refuse(v);
    if (flush)
        vendor->tlb_flush(v, FLUSH_GUEST);
    return true;
}

static bool cr0_valid(const struct cpu_state *s, u64 value)
{
    if (value >> 32)
        return false;
    if ((value & CR0_PG) && !(value & CR0_PE))
        return false;
    if ((value & CR0_NW) && !(value & CR0_CD))
        return false;
    if (!(value & CR0_PG) && (s->cr4 & CR4_PCIDE))
        return false;
    if ((value & CR0_PG) && !(s->cr0 & CR0_PG) && (s->efer & EFER_LME))
        return (s->cr4 & CR4_PAE) && !(s->seg[SEG_CS].attr & SEG_L);
    return value & CR0_PG || !(s->efer & EFER_LMA) || !(s->seg[SEG_CS].attr & SEG_L);
}

/* SDM 3A 9.8.5: long mode goes on with paging, and off with it. */
static void update_lma(struct cpu_state *s)
{
    if ((s->cr0 & CR0_PG) && (s->efer & EFER_LME))
        s->efer |= EFER_LMA;
    else
        s->efer &= ~EFER_LMA;
}

/* SDM 3A 9.8.5: not with a task register that holds a 16-bit TSS. */
static bool long_mode_fits(struct vcpu *v, const struct cpu_state *s, u64 value)
{
    struct cpu_state segs;

    if (!(value & CR0_PG) || (s->cr0 & CR0_PG) || !(s->efer & EFER_LME))
        return true;
    vendor->state_get(v, STATE_SEGS, &segs);
    return SEG_TYPE(segs.seg[SEG_TR].attr) & 8;
}

bool cr0_write(struct vcpu *v, u64 value)
{
    struct cpu_state s;
    u64 changed;

    vendor->state_get(v, STATE_CR | STATE_CS_SS, &s);
    if (!cr0_valid(&s, value) || !long_mode_fits(v, &s, value))
        return refuse(v);
    value = (value & CR0_KNOWN) | CR0_ET;
    changed = s.cr0 ^ value;
    s.cr0 = value;
    update_lma(&s);
    return apply(v, &s, changed & (CR0_PG | CR0_CD | CR0_NW), changed & (CR0_PG | CR0_WP | CR0_PE));
}

static bool cr4_valid(struct vcpu *v, const struct cpu_state *s, u64 value)
{
    if (value & ~v->cr_guest_mask)
        return false;
    if ((s->efer & EFER_LMA) && !(value & CR4_PAE))
        return false;
    if ((value & CR4_PCIDE) && !(s->cr4 & CR4_PCIDE))
        return (s->efer & EFER_LMA) && !(s->cr3 & 0xfff);
    return true;
}

bool cr4_write(struct vcpu *v, u64 value)
{
    struct cpu_state s;
    u64 changed;

    vendor->state_get(v, STATE_CR, &s);
    if (!cr4_valid(v, &s, value))
        return refuse(v);
    changed = s.cr4 ^ value;
    s.cr4 = value;
    return apply(v, &s, changed & (CR4_PAE | CR4_PGE | CR4_PSE | CR4_SMEP), changed & CR4_PAGING);
}

bool cr3_write(struct vcpu *v, u64 value)
{
    struct cpu_state s;
    bool noflush;

    vendor->state_get(v, STATE_CR, &s);
    noflush = (s.cr4 & CR4_PCIDE) && (value & CR3_NOFLUSH);
    if (s.cr4 & CR4_PCIDE)
        value &= ~CR3_NOFLUSH;
    if ((s.efer & EFER_LMA) && value >> v->domain->policy->phys_bits)
        return refuse(v);
    s.cr3 = s.efer & EFER_LMA ? value : value & 0xffffffff;
    return apply(v, &s, true, !noflush);
}

static bool cr8_write(struct vcpu *v, u64 value)
{
    if (value > 15)
        return refuse(v);
    vlapic_set_cr8(&v->vlapic, value);
    return true;
}

bool efer_write(struct vcpu *v, u64 value)
{
    struct cpu_state s;

    vendor->state_get(v, STATE_CR, &s);
    if (value & ~(v->domain->policy->efer_mask | EFER_LMA))
        return false;
    if ((s.cr0 & CR0_PG) && ((s.efer ^ value) & EFER_LME))
        return false;
    s.efer = (value & ~EFER_LMA) | (s.efer & EFER_LMA);
    if (vendor->state_set(v, STATE_CR, &s))
        return false;
    vendor->tlb_flush(v, FLUSH_GUEST); /* NXE changes what entries mean */
    return true;
}

static u64 cr_value(struct vcpu *v, unsigned cr)
{
    struct cpu_state s;

    vendor->state_get(v, STATE_CR, &s);
    switch (cr) {
    case 0:
        return s.cr0;
    case 2:
        return s.cr2;
    case 3:
        return s.cr3;
    case 4:
        return s.cr4;
    default:
        return vlapic_cr8(&v->vlapic);
    }
}

static bool long_mode(struct vcpu *v)
{
    struct cpu_state s;

    vendor->state_get(v, STATE_CR | STATE_CS_SS, &s);
    return (s.efer & EFER_LMA) && (s.seg[SEG_CS].attr & SEG_L);
}

static bool cr_write(struct vcpu *v, unsigned cr, u64 value)
{
    if (!long_mode(v))
        value &= 0xffffffff;
    switch (cr) {
    case 0:
        return cr0_write(v, value);
    case 3:
        return cr3_write(v, value);
    case 4:
        return cr4_write(v, value);
    case 8:
        return cr8_write(v, value);
    default:
        inject_exception(v, TRAP_UD);
        return false;
    }
}

/* What the instruction says, for CPUs that do not. */
static bool decode_cr(struct vcpu *v, struct exit_cr *cr)
{
    struct insn insn;

    if (insn_decode(v, &insn))
        return false;
    v->exit.insn_len = insn.length;
    cr->decoded = true;
    switch (insn.op) {
    case OP_MOV_TO_CR:
        *cr = (struct exit_cr){
            .decoded = true, .cr = insn.dst.reg, .access = CR_WRITE, .gpr = insn.src.reg};
        return true;
    case OP_MOV_FROM_CR:
        *cr = (struct exit_cr){
            .decoded = true, .cr = insn.src.reg, .access = CR_READ, .gpr = insn.dst.reg};
        return true;
    case OP_CLTS:
        *cr = (struct exit_cr){.decoded = true, .access = CR_CLTS};
        return true;
    case OP_LMSW:
    case OP_SMSW:
        insn_emulate(v); /* may have a memory operand */
        return false;
    default:
        inject_exception(v, TRAP_UD);
        return false;
    }
}

/* SDM 2A LMSW: the low four bits; PE can be set but not cleared. */
static u64 lmsw_value(u64 cr0, u16 source)
{
    return (cr0 & ~0xeull) | (source & 0xf);
}

void exit_cr(struct vcpu *v)
{
    struct exit_cr cr = v->exit.cr;
    bool done = true;
    u64 value;

    if (!cr.decoded && !decode_cr(v, &cr))
        return;
    switch (cr.access) {
    case CR_READ:
        value = cr_value(v, cr.cr);
        v->gpr[cr.gpr] = long_mode(v) ? value : (v->gpr[cr.gpr] & ~0xffffffffull) | (u32)value;
        break;
    case CR_WRITE:
        done = cr_write(v, cr.cr, v->gpr[cr.gpr]);
        break;
    case CR_CLTS:
        done = cr0_write(v, cr_value(v, 0) & ~CR0_TS);
        break;
    default:
        done = cr0_write(v, lmsw_value(cr_value(v, 0), cr.lmsw));
    }
    if (done)
        insn_skip(v);
}

static bool decode_dr(struct vcpu *v, struct exit_dr *dr)
{
    struct insn insn;

    if (insn_decode(v, &insn))
        return false;
    if (insn.op != OP_MOV_TO_DR &&
        insn.op != OP_MOV_FROM_DR) { /* another vcpu has changed it meanwhile */
        inject_exception(v, TRAP_UD);
        return false;
    }
    v->exit.insn_len = insn.length;
    dr->decoded = true;
    dr->write = insn.op == OP_MOV_TO_DR;
    dr->dr = dr->write ? insn.dst.reg : insn.src.reg;
    dr->gpr = dr->write ? insn.src.reg : insn.dst.reg;
    return true;
}

static u64 *dr_slot(struct cpu_state *s, unsigned dr)
{
    if (dr < 4)
        return &s->dr[dr];
    return dr & 1 ? &s->dr7 : &s->dr6; /* 4 and 5 are 6 and 7 without CR4.DE */
}

/* What the CPU checks before it accesses a debug register (SDM 3A 17.2.2, 17.2.4); VT-x exits
 * before even the privilege is (SDM 3C 26.1.3). */
static bool dr_allowed(struct vcpu *v, unsigned dr, struct cpu_state *s)
{
    if (SEG_DPL(s->seg[SEG_SS].attr) != 0)
        return refuse(v);
    if ((s->cr4 & CR4_DE) && (dr == 4 || dr == 5)) {
        inject_exception(v, TRAP_UD);
        return false;
    }
    if (!(s->dr7 & DR7_GD))
        return true;
    s->dr6 |= DR6_BD;
    s->dr7 &= ~DR7_GD;
    if (vendor->state_set(v, STATE_DR, s) == 0)
        inject_exception(v, TRAP_DB);
    return false;
}

static u64 dr_fixed(unsigned dr, u64 value)
{
    if (dr == 4 || dr == 6)
        return (value & 0x1e00f) | DR6_FIXED;
    if (dr == 5 || dr == 7)
        return (value & 0xffff2fff) | DR7_FIXED;
    return value;
}

void exit_dr(struct vcpu *v)
{
    struct exit_dr dr = v->exit.dr;
    struct cpu_state s;
    u64 value;

    if (!dr.decoded && !decode_dr(v, &dr))
        return;
    vendor->state_get(v, STATE_DR | STATE_CR | STATE_CS_SS, &s);
    if (!dr_allowed(v, dr.dr, &s))
        return;
    if (!dr.write) {
        v->gpr[dr.gpr] = *dr_slot(&s, dr.dr);
        insn_skip(v);
        return;
    }
    value = v->gpr[dr.gpr];
    if (dr.dr >= 4 && long_mode(v) && value >> 32) {
        refuse(v);
        return;
    }
    *dr_slot(&s, dr.dr) = dr_fixed(dr.dr, long_mode(v) ? value : (u32)value);
    if (vendor->state_set(v, STATE_DR, &s))
        refuse(v);
    else
        insn_skip(v);
}
