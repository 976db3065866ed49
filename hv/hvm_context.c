/* SPDX-License-Identifier: BSD-2-Clause */
#include "hv/cpu.h"
#include "hv/domain.h"
#include "hv/errno.h"
#include "hv/exit_cr.h"
#include "hv/hvm_context.h"
#include "hv/pm_timer.h"
#include "hv/shared_info.h"
#include "hv/string.h"
#include "hv/timer.h"
#include "hv/vcpu.h"
#include "hv/vendor.h"
#include "hv/x86.h"
#include "hv/xstate.h"
#include <xen/xen.h>
#include <xen/hvm/save.h>

#define STATE_CPU    (STATE_SEGS | STATE_DT | STATE_CR | STATE_MSRS | STATE_DR | STATE_INTR)
#define RFLAGS_VALID 0x3f7fd7ull
#define ATTR_VALID   0xfffu
#define MTRR_CAP     (MTRR_VARIABLE | 1u << 8 | 1u << 10) /* count, fixed ranges, write combining */

#define XSAVE_HEAD   offsetof(struct hvm_hw_cpu_xsave, save_area)

/* CPUID DH tells how much a guest's features take. */
#define XSAVE_LENGTH(policy) (u32)(XSAVE_HEAD + (policy)->xsave[0].ecx)

_Static_assert(MTRR_VCNT == MTRR_VARIABLE, "as many as the record has");

/* ---- Save ---- */

static void put(u8 *buf, size_t *at, u16 type, u16 instance, const void *record, u32 length)
{
    struct hvm_save_descriptor d = {type, instance, length};

    memcpy(buf + *at, &d, sizeof(d));
    memcpy(buf + *at + sizeof(d), record, length);
    *at += sizeof(d) + length;
}

#define PUT(buf, at, type, instance, record) \
    put(buf, at, HVM_SAVE_CODE(type), instance, record, HVM_SAVE_LENGTH(type))

#define SEG_SAVE(hw, s, name, which)            \
    do {                                        \
        (hw)->name##_sel = (s)[which].selector; \
        (hw)->name##_limit = (s)[which].limit;  \
        (hw)->name##_base = (s)[which].base;    \
        (hw)->name##_arbytes = (s)[which].attr; \
    } while (0)

static void save_segments(const struct cpu_state *s, struct hvm_hw_cpu *hw)
{
    SEG_SAVE(hw, s->seg, cs, SEG_CS);
    SEG_SAVE(hw, s->seg, ds, SEG_DS);
    SEG_SAVE(hw, s->seg, es, SEG_ES);
    SEG_SAVE(hw, s->seg, fs, SEG_FS);
    SEG_SAVE(hw, s->seg, gs, SEG_GS);
    SEG_SAVE(hw, s->seg, ss, SEG_SS);
    SEG_SAVE(hw, s->seg, tr, SEG_TR);
    SEG_SAVE(hw, s->seg, ldtr, SEG_LDTR);
    hw->gdtr_base = s->gdtr.base;
    hw->gdtr_limit = s->gdtr.limit;
    hw->idtr_base = s->idtr.base;
    hw->idtr_limit = s->idtr.limit;
}

static void save_registers(const struct vcpu *v, struct hvm_hw_cpu *hw)
{
    hw->rax = v->gpr[RAX];
    hw->rbx = v->gpr[RBX];
    hw->rcx = v->gpr[RCX];
    hw->rdx = v->gpr[RDX];
    hw->rbp = v->gpr[RBP];
    hw->rsi = v->gpr[RSI];
    hw->rdi = v->gpr[RDI];
    hw->rsp = v->gpr[RSP];
    memcpy(&hw->r8, &v->gpr[R8], 8 * sizeof(hw->r8));
    hw->rip = v->rip;
    hw->rflags = v->rflags;
}

static void save_system(const struct cpu_state *s, struct hvm_hw_cpu *hw)
{
    hw->cr0 = s->cr0;
    hw->cr2 = s->cr2;
    hw->cr3 = s->cr3;
    hw->cr4 = s->cr4;
    memcpy(&hw->dr0, s->dr, sizeof(s->dr));
    hw->dr6 = s->dr6;
    hw->dr7 = s->dr7;
    hw->sysenter_cs = s->sysenter_cs;
    hw->sysenter_esp = s->sysenter_esp;
    hw->sysenter_eip = s->sysenter_eip;
    hw->shadow_gs = s->kernel_gs_base;
    hw->msr_star = s->star;
    hw->msr_lstar = s->lstar;
    hw->msr_cstar = s->cstar;
    hw->msr_syscall_mask = s->sfmask;
    hw->msr_efer = s->efer;
}

static void save_event(const struct event *e, struct hvm_hw_cpu *hw)
{
    if (!e->valid)
        return;
    hw->pending_vector = e->vector;
    hw->pending_type = e->type & 7;
    hw->pending_error_valid = e->has_error;
    hw->pending_valid = 1;
    hw->error_code = e->error;
}

static void save_cpu(struct vcpu *v, const struct cpu_state *s, u8 *buf, size_t *at)
{
    struct hvm_hw_cpu hw;

    memset(&hw, 0, sizeof(hw));
    memcpy(hw.fpu_regs, v->xstate, sizeof(hw.fpu_regs));
    hw.flags = XEN_X86_FPU_INITIALISED;
    save_registers(v, &hw);
    save_system(s, &hw);
    save_segments(s, &hw);
    save_event(&v->event, &hw);
    hw.msr_tsc_aux = v->tsc_aux;
    hw.tsc = rdtsc() + v->tsc_offset;
    PUT(buf, at, CPU, (u16)v->id, &hw);
}

/* XSAVE's own form is that of the record. */
static void save_xsave(const struct vcpu *v, u8 *buf, size_t *at)
{
    const struct policy *p = v->domain->policy;
    const u64 head[] = {p->xcr0_mask, v->xcr0, p->xcr0_mask};
    struct hvm_save_descriptor d = {CPU_XSAVE_CODE, (u16)v->id, XSAVE_LENGTH(p)};

    _Static_assert(sizeof(head) == XSAVE_HEAD, "xfeature_mask, xcr0, xcr0_accum");
    if (!p->xcr0_mask)
        return;
    memcpy(buf + *at, &d, sizeof(d));
    memcpy(buf + *at + sizeof(d), head, sizeof(head));
    memcpy(buf + *at + sizeof(d) + sizeof(head), v->xstate, d.length - sizeof(head));
    *at += sizeof(d) + d.length;
}

static void save_mtrr(const struct vcpu *v, u64 pat, u8 *buf, size_t *at)
{
    struct hvm_hw_mtrr hw = {
        .msr_pat_cr = pat, .msr_mtrr_cap = MTRR_CAP, .msr_mtrr_def_type = v->mtrr.def_type};

    memcpy(hw.msr_mtrr_var, v->mtrr.variable, sizeof(hw.msr_mtrr_var));
    memcpy(hw.msr_mtrr_fixed, v->mtrr.fixed, sizeof(hw.msr_mtrr_fixed));
    PUT(buf, at, MTRR, (u16)v->id, &hw);
}

static void save_lapic(struct vcpu *v, u8 *buf, size_t *at)
{
    struct hvm_hw_lapic hw = {0};
    u8 *record = buf + *at + sizeof(struct hvm_save_descriptor) + HVM_SAVE_LENGTH(LAPIC) +
                 sizeof(struct hvm_save_descriptor);
    struct hvm_save_descriptor d = {HVM_SAVE_CODE(LAPIC_REGS), (u16)v->id,
                                    HVM_SAVE_LENGTH(LAPIC_REGS)};

    vlapic_save(&v->vlapic, &hw, (void *)record); /* a kilobyte: straight to its place */
    PUT(buf, at, LAPIC, (u16)v->id, &hw);
    memcpy(buf + *at, &d, sizeof(d));
    *at += sizeof(d) + d.length;
}

static void save_vcpu(struct vcpu *v, u8 *buf, size_t *at)
{
    struct cpu_state s;

    if (v->activity != ACTIVITY_WAIT_SIPI) {
        vendor->state_get(v, STATE_CPU, &s);
        save_cpu(v, &s, buf, at);
        save_xsave(v, buf, at);
        save_mtrr(v, s.pat, buf, at);
    }
    save_lapic(v, buf, at);
}

static void save_chips(struct domain *d, u8 *buf, size_t *at)
{
    struct hvm_hw_vpic pic[2];
    struct hvm_hw_vioapic io;
    struct hvm_hw_pmtimer pm = {.tmr_val = pm_timer_get(d)}; /* the rest is the device model's */

    vpic_save(&d->vpic, pic);
    PUT(buf, at, PIC, 0, &pic[0]);
    PUT(buf, at, PIC, 1, &pic[1]);
    vioapic_save(&d->vioapic, &io);
    PUT(buf, at, IOAPIC, 0, &io);
    PUT(buf, at, PMTIMER, 0, &pm);
}

size_t hvm_context_size(const struct domain *d)
{
    const size_t n = sizeof(struct hvm_save_descriptor);
    size_t vcpu = 5 * n + HVM_SAVE_LENGTH(CPU) + HVM_SAVE_LENGTH(LAPIC) +
                  HVM_SAVE_LENGTH(LAPIC_REGS) + HVM_SAVE_LENGTH(MTRR) + XSAVE_LENGTH(d->policy);

    return 6 * n + HVM_SAVE_LENGTH(HEADER) + 2 * HVM_SAVE_LENGTH(PIC) + HVM_SAVE_LENGTH(IOAPIC) +
           HVM_SAVE_LENGTH(PMTIMER) + d->vcpus * vcpu;
}

size_t hvm_context_save(struct domain *d, u8 *buf)
{
    struct hvm_save_header h = {
        .magic = HVM_FILE_MAGIC,
        .version = HVM_FILE_VERSION,
        .cpuid = d->policy->signature,
        .gtsc_khz = (u32)(time_tsc_hz() / 1000),
    };
    struct hvm_save_descriptor end = {HVM_SAVE_CODE(END), 0, 0};
    size_t at = 0;

    PUT(buf, &at, HEADER, 0, &h);
    for (unsigned i = 0; i < d->vcpus; i++)
        save_vcpu(d->vcpu[i], buf, &at);
    save_chips(d, buf, &at);
    memcpy(buf + at, &end, sizeof(end));
    return at + sizeof(end);
}

/* ---- Load ---- */

#define SEG_LOAD(hw, s, name, which)                                                 \
    ((s)[which] = (struct segment){.selector = (u16)(hw)->name##_sel,                \
                                   .attr = (u16)((hw)->name##_arbytes & ATTR_VALID), \
                                   .limit = (hw)->name##_limit,                      \
                                   .base = (hw)->name##_base})

static void load_segments(const struct hvm_hw_cpu *hw, struct cpu_state *s)
{
    SEG_LOAD(hw, s->seg, cs, SEG_CS);
    SEG_LOAD(hw, s->seg, ds, SEG_DS);
    SEG_LOAD(hw, s->seg, es, SEG_ES);
    SEG_LOAD(hw, s->seg, fs, SEG_FS);
    SEG_LOAD(hw, s->seg, gs, SEG_GS);
    SEG_LOAD(hw, s->seg, ss, SEG_SS);
    SEG_LOAD(hw, s->seg, tr, SEG_TR);
    SEG_LOAD(hw, s->seg, ldtr, SEG_LDTR);
    s->gdtr = (struct dtable){hw->gdtr_base, (u16)hw->gdtr_limit};
    s->idtr = (struct dtable){hw->idtr_base, (u16)hw->idtr_limit};
}

static void load_registers(struct vcpu *v, const struct hvm_hw_cpu *hw)
{
    v->gpr[RAX] = hw->rax;
    v->gpr[RBX] = hw->rbx;
    v->gpr[RCX] = hw->rcx;
    v->gpr[RDX] = hw->rdx;
    v->gpr[RBP] = hw->rbp;
    v->gpr[RSI] = hw->rsi;
    v->gpr[RDI] = hw->rdi;
    v->gpr[RSP] = hw->rsp;
    memcpy(&v->gpr[R8], &hw->r8, 8 * sizeof(hw->r8));
    v->rip = hw->rip;
    v->rflags = (hw->rflags & RFLAGS_VALID) | RFLAGS_RESERVED;
}

static void load_system(const struct hvm_hw_cpu *hw, struct cpu_state *s)
{
    s->cr0 = hw->cr0 | CR0_ET;
    s->cr2 = hw->cr2;
    s->cr3 = hw->cr3;
    s->cr4 = hw->cr4;
    memcpy(s->dr, &hw->dr0, sizeof(s->dr));
    s->dr6 = (hw->dr6 & 0xe00f) | DR6_FIXED;
    s->dr7 = (hw->dr7 & 0xffff23ff) | DR7_FIXED;
    s->sysenter_cs = hw->sysenter_cs;
    s->sysenter_esp = hw->sysenter_esp;
    s->sysenter_eip = hw->sysenter_eip;
    s->kernel_gs_base = hw->shadow_gs;
    s->star = hw->msr_star;
    s->lstar = hw->msr_lstar;
    s->cstar = hw->msr_cstar;
    s->sfmask = (u32)hw->msr_syscall_mask;
    s->efer = hw->msr_efer;
    s->tsc_aux = (u32)hw->msr_tsc_aux;
    s->nmi_blocked = false;
    s->activity = ACTIVITY_RUN;
    s->pending_dbg = s->debugctl = 0;
}

static bool is_canonical(u64 address)
{
    return (u64)((s64)(address << 16) >> 16) == address;
}

/* Could a CPU be in this state? SDM 3A 2.5, 4.1.2; what is left the CPU itself refuses at entry,
 * which ends the guest and nothing else. */
static int check_cpu(const struct policy *p, const struct hvm_hw_cpu *hw)
{
    u64 efer = hw->msr_efer;
    bool paging = hw->cr0 & CR0_PG, lma = efer & EFER_LMA;

    if (hw->cr0 >> 32 || (paging && !(hw->cr0 & CR0_PE)) ||
        ((hw->cr0 & CR0_NW) && !(hw->cr0 & CR0_CD)))
        return -EINVAL;
    if ((hw->cr4 & ~p->cr4_mask) || (efer & ~(p->efer_mask | EFER_LMA)) || hw->cr3 >> p->phys_bits)
        return -EINVAL;
    if (lma != (paging && (efer & EFER_LME)) || (lma && !(hw->cr4 & CR4_PAE)))
        return -EINVAL;
    if (!is_canonical(hw->msr_lstar) || !is_canonical(hw->msr_cstar) ||
        !is_canonical(hw->shadow_gs) || !is_canonical(hw->sysenter_esp) ||
        !is_canonical(hw->sysenter_eip))
        return -EINVAL;
    return is_canonical(hw->fs_base) && is_canonical(hw->gs_base) && is_canonical(hw->tr_base) &&
                   is_canonical(hw->gdtr_base) && is_canonical(hw->idtr_base) && hw->pad0 == 0
               ? 0
               : -EINVAL;
}

static void load_fpu(struct vcpu *v, const struct hvm_hw_cpu *hw)
{
    if (hw->flags & XEN_X86_FPU_INITIALISED)
        xstate_set_legacy(v, hw->fpu_regs);
    else
        xstate_reset(v);
}

/* Behind its CPU record, whose legacy state is in here too. */
static int load_xsave(struct vcpu *v, const u8 *record, u32 length)
{
    struct hvm_hw_cpu_xsave x;

    memcpy(&x, record, sizeof(x));
    if (x.xcr0_accum & ~v->domain->policy->xcr0_mask)
        return -EINVAL;
    return xstate_set(v, x.xcr0, x.xcr0_accum, record + XSAVE_HEAD, length - (u32)XSAVE_HEAD);
}

static void load_event(struct vcpu *v, const struct hvm_hw_cpu *hw)
{
    v->event = (struct event){
        .valid = hw->pending_valid,
        .type = hw->pending_type,
        .vector = hw->pending_vector,
        .has_error = hw->pending_error_valid,
        .error = hw->error_code,
    };
}

static int load_cpu(struct vcpu *v, const void *record)
{
    struct cpu_state s;
    struct hvm_hw_cpu hw;
    int rc;

    if (vcpu_awaits_model(v)) /* the answer would be the new state's */
        return -EBUSY;
    memcpy(&hw, record, sizeof(hw));
    rc = check_cpu(v->domain->policy, &hw);
    if (rc)
        return rc;
    vendor->state_get(v, STATE_MSRS, &s); /* PAT is in another record */
    load_segments(&hw, &s);
    load_system(&hw, &s);
    rc = vendor->state_set(v, STATE_CPU, &s);
    if (rc)
        return rc;
    if (!cr_load_pdptes(v, &s))
        return -EINVAL;
    vendor->tlb_flush(v, FLUSH_GUEST);
    load_registers(v, &hw);
    load_fpu(v, &hw);
    load_event(v, &hw);
    v->intr_shadow = 0;
    v->activity = ACTIVITY_RUN;
    v->exit.reason = EXIT_NONE;
    v->replay = (struct replay){0};
    v->tsc_aux = s.tsc_aux;
    v->tsc_offset = hw.tsc ? hw.tsc - rdtsc() : v->tsc_offset;
    return vendor->tsc_set(v, v->tsc_offset, 0);
}

static int load_mtrr(struct vcpu *v, const void *record)
{
    struct hvm_hw_mtrr hw;
    struct cpu_state s;

    memcpy(&hw, record, sizeof(hw));
    for (unsigned i = 0; i < 8; i++) {
        u8 type = (u8)(hw.msr_pat_cr >> 8 * i);

        if (type > 7 || type == 2 || type == 3)
            return -EINVAL;
    }
    vendor->state_get(v, STATE_MSRS, &s);
    s.pat = hw.msr_pat_cr;
    memcpy(v->mtrr.variable, hw.msr_mtrr_var, sizeof(v->mtrr.variable));
    memcpy(v->mtrr.fixed, hw.msr_mtrr_fixed, sizeof(v->mtrr.fixed));
    v->mtrr.def_type = hw.msr_mtrr_def_type & 0xcff;
    return vendor->state_set(v, STATE_MSRS, &s);
}

/* Records that come in pairs wait for each other. */
struct halves {
    const void *lapic[DOMAIN_MAX_VCPUS], *lapic_regs[DOMAIN_MAX_VCPUS];
    const void *pic[2];
};

static int load_record(struct domain *d, u16 type, u16 i, const void *record, u32 length,
                       struct halves *h)
{
    struct hvm_hw_vioapic io;
    struct hvm_hw_pmtimer pm;

    switch (type) {
    case HVM_SAVE_CODE(CPU):
        return load_cpu(d->vcpu[i], record);
    case CPU_XSAVE_CODE:
        return load_xsave(d->vcpu[i], record, length);
    case HVM_SAVE_CODE(MTRR):
        return load_mtrr(d->vcpu[i], record);
    case HVM_SAVE_CODE(IOAPIC):
        memcpy(&io, record, sizeof(io));
        return vioapic_load(&d->vioapic, &io, 0);
    case HVM_SAVE_CODE(PMTIMER):
        memcpy(&pm, record, sizeof(pm));
        pm_timer_set(d, pm.tmr_val);
        return 0;
    case HVM_SAVE_CODE(LAPIC):
        h->lapic[i] = record;
        return 0;
    case HVM_SAVE_CODE(LAPIC_REGS):
        h->lapic_regs[i] = record;
        return 0;
    case HVM_SAVE_CODE(PIC):
        h->pic[i] = record;
        return 0;
    default:
        return 0;
    }
}

static int load_lapic(struct vcpu *v, const void *lapic, const void *regs)
{
    struct hvm_hw_lapic hw;

    if (!lapic && !regs)
        return 0;
    if (!lapic || !regs)
        return -EINVAL;
    memcpy(&hw, lapic, sizeof(hw));
    return vlapic_load(&v->vlapic, &hw, regs);
}

static int load_halves(struct domain *d, const struct halves *h)
{
    struct hvm_hw_vpic pic[2];
    int rc = 0;

    for (unsigned i = 0; i < d->vcpus && rc == 0; i++)
        rc = load_lapic(d->vcpu[i], h->lapic[i], h->lapic_regs[i]);
    if (rc || (!h->pic[0] && !h->pic[1]))
        return rc;
    if (!h->pic[0] || !h->pic[1])
        return -EINVAL;
    memcpy(&pic[0], h->pic[0], sizeof(pic[0]));
    memcpy(&pic[1], h->pic[1], sizeof(pic[1]));
    return vpic_load(&d->vpic, pic, 0);
}

int hvm_context_load(struct domain *d, const u8 *buf, size_t size)
{
    int rc = hvm_context_check(buf, size, d->vcpus);
    struct halves halves = {0};
    const void *record;
    u16 type, instance;
    size_t at = 0;
    u32 length;

    while (rc == 0 && (record = hvm_context_next(buf, &at, &type, &instance, &length)))
        rc = load_record(d, type, instance, record, length, &halves);
    if (rc == 0)
        rc = load_halves(d, &halves);
    for (unsigned i = 0; i < d->vcpus; i++) {
        vcpu_info_update_time(d->vcpu[i]); /* its TSC may be another one now */
        vcpu_request(d->vcpu[i], REQ_EVENT);
    }
    return rc;
}
