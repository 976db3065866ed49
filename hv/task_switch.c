/* SPDX-License-Identifier: BSD-2-Clause */
#include "hv/domain.h"
#include "hv/errno.h"
#include "hv/exit_cr.h"
#include "hv/guest_mem.h"
#include "hv/inject.h"
#include "hv/insn.h"
#include "hv/string.h"
#include "hv/task_switch.h"
#include "hv/vcpu.h"
#include "hv/vendor.h"
#include "hv/x86.h"

/* SDM 3A figure 7-2 */
struct tss32 {
    u32 link;
    u32 esp0, ss0, esp1, ss1, esp2, ss2;
    u32 cr3, eip, eflags;
    u32 gpr[8]; /* EAX ECX EDX EBX ESP EBP ESI EDI */
    u32 seg[6]; /* ES CS SS DS FS GS */
    u32 ldtr;
    u16 trap, iomap;
};

_Static_assert(sizeof(struct tss32) == 104, "SDM 3A figure 7-2");
_Static_assert(offsetof(struct tss32, eip) == 0x20 && offsetof(struct tss32, ldtr) == 0x60,
               "SDM 3A figure 7-2");

/* SDM 3A figure 7-10 */
struct tss16 {
    u16 link;
    u16 sp0, ss0, sp1, ss1, sp2, ss2;
    u16 ip, flags;
    u16 gpr[8];
    u16 seg[4]; /* ES CS SS DS */
    u16 ldt;
};

_Static_assert(sizeof(struct tss16) == 44, "SDM 3A figure 7-10");
_Static_assert(offsetof(struct tss16, ip) == 14 && offsetof(struct tss16, ldt) == 42,
               "SDM 3A figure 7-10");

/* Types of TSS descriptors: an available one of 16 bits, and what the others add. */
#define TYPE_TSS  1u
#define TYPE_BUSY 2u
#define TYPE_32   8u
#define TYPE_LDT  2
#define DESC_BUSY BIT(41)
#define TSS_TRAP  1
#define DR7_LOCAL (DR7_L(0) | DR7_L(1) | DR7_L(2) | DR7_L(3) | DR7_LE)

enum source { BY_CALL, BY_IRET, BY_JMP, BY_GATE };

/* One switch: what is loaded, and in whose name a fault is raised. */
struct switching {
    struct vcpu *v;
    struct cpu_state s;
    struct tss32 tss; /* the new task's, whatever its size */
    u64 descriptor;   /* of the new TSS */
    u16 selector;
    u8 source;
};

/* Descriptor tables and TSSs are read and written as the CPU does it: as supervisor. */
static int system_copy(struct switching *t, u64 gva, void *buf, size_t len, bool write)
{
    struct guest_paging g;
    u32 error;

    guest_paging_get(t->v, &g);
    g.cpl = 0;
    g.rflags |=
        RFLAGS_AC; /* implicit supervisor accesses are not SMAP's business on 32-bit tables */
    while (len) {
        size_t n = MIN(len, PAGE_SIZE - (gva & (PAGE_SIZE - 1)));
        gpa_t gpa;

        if (guest_walk(t->v, &g, gva, write ? ACCESS_WRITE : ACCESS_READ, &gpa, &error)) {
            inject_page_fault(t->v, gva, error);
            return -EFAULT;
        }
        if (write ? guest_write_phys(t->v->domain, gpa, buf, n)
                  : guest_read_phys(t->v->domain, buf, gpa, n))
            return -EFAULT;
        gva += n;
        buf = (u8 *)buf + n;
        len -= n;
    }
    return 0;
}

static int raise(struct switching *t, u8 vector, u16 selector)
{
    inject_exception_error(t->v, vector, selector & 0xfffc);
    return -EFAULT;
}

static u64 descriptor_address(const struct switching *t, u16 selector, bool *ok)
{
    const struct segment *ldt = &t->s.seg[SEG_LDTR];
    bool local = selector & SELEC_TI;
    u32 limit = local ? ldt->limit : t->s.gdtr.limit;

    *ok = (selector | 7u) <= limit && (!local || (ldt->attr & SEG_P));
    return (local ? ldt->base : t->s.gdtr.base) + (selector & 0xfff8);
}

static int read_descriptor(struct switching *t, u16 selector, u8 vector, u64 *descriptor)
{
    bool ok;
    u64 at = descriptor_address(t, selector, &ok);

    if (!ok)
        return raise(t, vector, selector);
    return system_copy(t, at, descriptor, sizeof(*descriptor), false);
}

static int set_busy(struct switching *t, u16 selector, bool busy)
{
    bool ok;
    u64 d, at = descriptor_address(t, selector, &ok);

    if (!ok || system_copy(t, at, &d, sizeof(d), false))
        return -EFAULT;
    d = busy ? d | DESC_BUSY : d & ~DESC_BUSY;
    return system_copy(t, at, &d, sizeof(d), true);
}

/* SDM 3A figure 3-8 */
static struct segment to_segment(u16 selector, u64 d)
{
    struct segment s = {
        .selector = selector,
        .attr = (u16)((d >> 40 & 0xff) | (d >> 52 & 0xf) << 8),
        .limit = (u32)((d & 0xffff) | (d >> 32 & 0xf0000)),
        .base = (d >> 16 & 0xffffff) | (d >> 56 & 0xff) << 24,
    };

    if (s.attr & SEG_G)
        s.limit = s.limit << 12 | 0xfff;
    return s;
}

static bool is_32bit(const struct segment *tss)
{
    return SEG_TYPE(tss->attr) & TYPE_32;
}

/* A 16-bit TSS says nothing of CR3, FS, GS and the upper halves: the one stays, the others become
 * 0.
 */
static int read_tss(struct switching *t, const struct segment *s)
{
    struct tss16 old;

    if (is_32bit(s))
        return system_copy(t, s->base, &t->tss, sizeof(t->tss), false);
    if (system_copy(t, s->base, &old, sizeof(old), false))
        return -EFAULT;
    t->tss =
        (struct tss32){.cr3 = (u32)t->s.cr3, .eip = old.ip, .eflags = old.flags, .ldtr = old.ldt};
    for (unsigned i = 0; i < 8; i++)
        t->tss.gpr[i] = old.gpr[i];
    for (unsigned i = 0; i < 4; i++)
        t->tss.seg[i] = old.seg[i];
    return 0;
}

static int open_target(struct switching *t)
{
    u8 wrong = t->source == BY_IRET ? TRAP_TS : TRAP_GP;
    struct segment s;

    if ((t->selector & SELEC_TI) || (t->selector & 0xfffc) == 0)
        return raise(t, wrong, t->selector);
    if (read_descriptor(t, t->selector, wrong, &t->descriptor))
        return -EFAULT;
    s = to_segment(t->selector, t->descriptor);
    if ((SEG_TYPE(s.attr) & ~TYPE_32) != (TYPE_TSS | (t->source == BY_IRET ? TYPE_BUSY : 0)) ||
        (s.attr & SEG_S))
        return raise(t, wrong, t->selector);
    if (!(s.attr & SEG_P))
        return raise(t, TRAP_NP, t->selector);
    if (s.limit < (is_32bit(&s) ? sizeof(struct tss32) : sizeof(struct tss16)) - 1)
        return raise(t, TRAP_TS, t->selector);
    return read_tss(t, &s);
}

/* Where the old task goes on: behind the instruction, unless an interrupt or a fault switched. */
static u32 resume_at(struct vcpu *v, u8 source)
{
    bool instruction = source != BY_GATE || v->exit.vectoring.type >= EVENT_SOFT_INT;

    return (u32)v->rip + (instruction ? insn_length(v) : 0);
}

/* EIP to the last selector. */
static int write_tss32(struct switching *t, u32 eip, u32 eflags)
{
    struct tss32 old = {.eip = eip, .eflags = eflags};

    for (unsigned i = 0; i < 8; i++)
        old.gpr[i] = (u32)t->v->gpr[i];
    for (unsigned i = 0; i < 6; i++)
        old.seg[i] = t->s.seg[i].selector;
    return system_copy(t, t->s.seg[SEG_TR].base + offsetof(struct tss32, eip), &old.eip,
                       offsetof(struct tss32, ldtr) - offsetof(struct tss32, eip), true);
}

static int write_tss16(struct switching *t, u32 eip, u32 eflags)
{
    struct tss16 old = {.ip = (u16)eip, .flags = (u16)eflags};

    for (unsigned i = 0; i < 8; i++)
        old.gpr[i] = (u16)t->v->gpr[i];
    for (unsigned i = 0; i < 4; i++)
        old.seg[i] = t->s.seg[i].selector;
    return system_copy(t, t->s.seg[SEG_TR].base + offsetof(struct tss16, ip), &old.ip,
                       offsetof(struct tss16, ldt) - offsetof(struct tss16, ip), true);
}

static int save_old(struct switching *t)
{
    struct vcpu *v = t->v;
    u32 eip = resume_at(v, t->source);
    u32 eflags = (u32)(t->source == BY_IRET ? v->rflags & ~RFLAGS_NT : v->rflags);

    if (is_32bit(&t->s.seg[SEG_TR]) ? write_tss32(t, eip, eflags) : write_tss16(t, eip, eflags))
        return -EFAULT;
    if (t->source == BY_JMP || t->source == BY_IRET)
        return set_busy(t, t->s.seg[SEG_TR].selector, false);
    return 0;
}

static int link_new(struct switching *t)
{
    u16 old = t->s.seg[SEG_TR].selector;
    u64 base = to_segment(t->selector, t->descriptor).base;

    if (t->source == BY_IRET)
        return 0;
    if (set_busy(t, t->selector, true))
        return -EFAULT;
    if (t->source == BY_JMP)
        return 0;
    t->tss.eflags |= RFLAGS_NT;
    return system_copy(t, base, &old, sizeof(old), true);
}

/* The part of the new task that is loaded before anything can fault in its name (SDM 3A 7.3, step
 * 12). */
static int load_registers(struct switching *t)
{
    struct vcpu *v = t->v;
    u32 mask = STATE_CR | STATE_SEGS;

    for (unsigned i = 0; i < 8; i++)
        v->gpr[i] = t->tss.gpr[i];
    v->rip = t->tss.eip;
    v->rflags = (t->tss.eflags & 0x3f7fd5) | RFLAGS_RESERVED;
    v->intr_shadow = 0;
    t->s.seg[SEG_TR] = to_segment(t->selector, t->descriptor | DESC_BUSY);
    t->s.cr0 |= CR0_TS;
    if (vendor->state_set(v, mask, &t->s))
        return -EINVAL;
    return !(t->s.cr0 & CR0_PG) || cr3_write(v, t->tss.cr3) ? 0 : -EFAULT;
}

static int load_ldtr(struct switching *t)
{
    u16 selector = (u16)t->tss.ldtr;
    struct segment s;
    u64 d;

    t->s.seg[SEG_LDTR] = (struct segment){.selector = selector}; /* unusable */
    if ((selector & 0xfffc) == 0)
        return 0;
    if ((selector & SELEC_TI) || read_descriptor(t, selector, TRAP_TS, &d))
        return raise(t, TRAP_TS, selector);
    s = to_segment(selector, d);
    if ((s.attr & (SEG_S | SEG_P)) != SEG_P || SEG_TYPE(s.attr) != TYPE_LDT)
        return raise(t, TRAP_TS, selector);
    t->s.seg[SEG_LDTR] = s;
    return 0;
}

static struct segment virtual_8086(u16 selector)
{
    return (struct segment){
        .selector = selector, .attr = 0xf3, .limit = 0xffff, .base = (u64)selector << 4};
}

static bool segment_allowed(unsigned reg, const struct segment *s, unsigned cpl)
{
    unsigned type = SEG_TYPE(s->attr), dpl = SEG_DPL(s->attr);

    if (!(s->attr & SEG_S))
        return false;
    if (reg == SEG_CS)
        return (type & 8) && (type & 4 ? dpl <= cpl : dpl == cpl);
    if (reg == SEG_SS)
        return (type & 0xa) == 2 && dpl == cpl && (s->selector & 3) == cpl;
    if ((type & 0xa) == 8)
        return false; /* execute-only */
    return (type & 0xc) == 0xc || dpl >= MAX(cpl, (unsigned)s->selector & 3);
}

static int load_segment(struct switching *t, unsigned reg, unsigned cpl)
{
    u16 selector = (u16)t->tss.seg[reg];
    struct segment s;
    u64 d;

    t->s.seg[reg].selector = selector;
    if (reg == SEG_SS) /* if what follows fails, still a stack of the new privilege */
        t->s.seg[reg].attr = (u16)((t->s.seg[reg].attr & ~(3u << 5)) | cpl << 5);
    if ((selector & 0xfffc) == 0 && (reg == SEG_CS || reg == SEG_SS))
        return raise(t, TRAP_TS, selector);
    if ((selector & 0xfffc) == 0) {
        t->s.seg[reg] = (struct segment){.selector = selector};
        return 0;
    }
    if (read_descriptor(t, selector, TRAP_TS, &d))
        return -EFAULT;
    s = to_segment(selector, d | BIT(40)); /* accessed */
    if (!segment_allowed(reg, &s, cpl))
        return raise(t, TRAP_TS, selector);
    if (!(s.attr & SEG_P))
        return raise(t, reg == SEG_SS ? TRAP_SS : TRAP_NP, selector);
    t->s.seg[reg] = s;
    return 0;
}

static int load_segments(struct switching *t)
{
    static const u8 order[] = {SEG_CS, SEG_SS, SEG_ES, SEG_DS, SEG_FS, SEG_GS};
    unsigned cpl = t->tss.seg[SEG_CS] & 3;
    int rc = load_ldtr(t);

    /* Whatever failed: EFLAGS.VM goes with such segments only (SDM 3C 27.3.1.2). */
    for (unsigned i = 0; i < ARRAY_SIZE(order) && t->v->rflags & RFLAGS_VM; i++)
        t->s.seg[order[i]] = virtual_8086((u16)t->tss.seg[order[i]]);
    if (t->v->rflags & RFLAGS_VM)
        return rc;
    for (unsigned i = 0; i < ARRAY_SIZE(order) && rc == 0; i++)
        rc = load_segment(t, order[i], cpl);
    return rc;
}

/* As wide as the task is (SDM 3A 6.13). */
static int push_error(struct switching *t, u32 error)
{
    struct vcpu *v = t->v;
    u32 size = is_32bit(&t->s.seg[SEG_TR]) ? 4 : 2;
    u32 mask = t->s.seg[SEG_SS].attr & SEG_DB ? ~0u : 0xffff;
    u32 esp = ((u32)v->gpr[RSP] - size) & mask;

    if (esp > t->s.seg[SEG_SS].limit - (size - 1))
        return raise(t, TRAP_SS, 0);
    v->gpr[RSP] = (v->gpr[RSP] & ~(u64)mask) | esp;
    return system_copy(t, t->s.seg[SEG_SS].base + esp, &error, size, true);
}

/* SDM 3A 7.3, 17.2.4: local breakpoints do not outlive their task; T in the new TSS traps. */
static void settle_debug(struct switching *t)
{
    bool trap = t->tss.trap & TSS_TRAP;
    struct cpu_state s;

    vendor->state_get(t->v, STATE_DR, &s);
    if (!trap && !(s.dr7 & DR7_LOCAL))
        return;
    s.dr7 &= ~(u64)DR7_LOCAL;
    if (trap)
        s.dr6 |= DR6_BT;
    if (vendor->state_set(t->v, STATE_DR, &s) == 0 && trap)
        inject_exception(t->v, TRAP_DB);
}

void exit_task_switch(struct vcpu *v)
{
    const struct exit_task *x = &v->exit.task;
    struct switching t = {.v = v, .selector = x->selector, .source = x->source};
    int rc;

    vendor->state_get(v, STATE_SEGS | STATE_DT | STATE_CR, &t.s);
    v->event.valid = false; /* the event is the switch: it has been delivered when that is done */
    if (open_target(&t) || save_old(&t) || link_new(&t) || load_registers(&t))
        return;
    rc = load_segments(&t);
    if (vendor->state_set(v, STATE_SEGS, &t.s)) {
        domain_crash(v, "a task switch led to a state the CPU cannot have");
        return;
    }
    if (rc == 0 && x->has_error)
        rc = push_error(&t, x->error);
    if (rc == 0)
        settle_debug(&t);
}
