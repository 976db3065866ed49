/* SPDX-License-Identifier: BSD-2-Clause */
#include "hv/cpu.h"
#include "hv/domain.h"
#include "hv/errno.h"
#include "hv/exit_cr.h"
#include "hv/exit_msr.h"
#include "hv/inject.h"
#include "hv/insn.h"
#include "hv/log.h"
#include "hv/msr.h"
#include "hv/shared_info.h"
#include "hv/trap.h"
#include "hv/vcpu.h"
#include "hv/vendor.h"
#include "hv/x86.h"

#define MSR_XEN_HYPERCALL 0x40000000 /* as CPUID 40000002h says */
#define MTRR_CAP_VALUE    (MTRR_VARIABLE | MTRRCAP_FIX | MTRRCAP_WC)

/* One MSR, or a run of them. read and write return 0 or -EINVAL: #GP. */
struct msr_entry {
    u32 first, last;
    int (*read)(struct vcpu *v, u32 msr, u64 *value);
    int (*write)(struct vcpu *v, u32 msr, u64 value);
};

static int read_zero(struct vcpu *v, u32 msr, u64 *value)
{
    (void)v;
    (void)msr;
    *value = 0;
    return 0;
}

static int write_ignored(struct vcpu *v, u32 msr, u64 value)
{
    (void)v;
    (void)msr;
    (void)value;
    return 0;
}

static int write_zero_only(struct vcpu *v, u32 msr, u64 value)
{
    (void)v;
    (void)msr;
    return value ? -EINVAL : 0;
}

static int read_tsc(struct vcpu *v, u32 msr, u64 *value)
{
    (void)msr;
    *value = rdtsc() + v->tsc_offset;
    return 0;
}

static int write_tsc(struct vcpu *v, u32 msr, u64 value)
{
    (void)msr;
    v->tsc_offset = value - rdtsc();
    vlapic_tsc_changed(&v->vlapic);
    vcpu_info_update_time(v);
    return vendor->tsc_set(v, v->tsc_offset, 0);
}

static int read_apic_base(struct vcpu *v, u32 msr, u64 *value)
{
    (void)msr;
    *value = v->vlapic.base;
    return 0;
}

static int write_apic_base(struct vcpu *v, u32 msr, u64 value)
{
    (void)msr;
    return vlapic_set_base(&v->vlapic, value);
}

static int read_x2apic(struct vcpu *v, u32 msr, u64 *value)
{
    return vlapic_rdmsr(&v->vlapic, msr, value);
}

static int write_x2apic(struct vcpu *v, u32 msr, u64 value)
{
    return vlapic_wrmsr(&v->vlapic, msr, value);
}

static bool has_deadline(struct vcpu *v)
{
    return v->domain->policy->basic[1].ecx & CPUID_1_ECX_TSC_DEADLINE;
}

static int read_deadline(struct vcpu *v, u32 msr, u64 *value)
{
    (void)msr;
    *value = vlapic_deadline(&v->vlapic);
    return has_deadline(v) ? 0 : -EINVAL;
}

static int write_deadline(struct vcpu *v, u32 msr, u64 value)
{
    (void)msr;
    if (!has_deadline(v))
        return -EINVAL;
    vlapic_set_deadline(&v->vlapic, value);
    return 0;
}

static int read_efer(struct vcpu *v, u32 msr, u64 *value)
{
    struct cpu_state s;

    (void)msr;
    vendor->state_get(v, STATE_CR, &s);
    *value = s.efer;
    return 0;
}

static int write_efer(struct vcpu *v, u32 msr, u64 value)
{
    (void)msr;
    return efer_write(v, value) ? 0 : -EINVAL;
}

/* MSRs that are plain state of the vcpu, in struct cpu_state. */
static u64 *state_msr(struct cpu_state *s, u32 msr)
{
    switch (msr) {
    case MSR_IA32_PAT:
        return &s->pat;
    case MSR_STAR:
        return &s->star;
    case MSR_LSTAR:
        return &s->lstar;
    case MSR_CSTAR:
        return &s->cstar;
    case MSR_SFMASK:
        return &s->sfmask;
    case MSR_KERNEL_GS_BASE:
        return &s->kernel_gs_base;
    case MSR_IA32_SYSENTER_CS:
        return &s->sysenter_cs;
    case MSR_IA32_SYSENTER_ESP:
        return &s->sysenter_esp;
    case MSR_IA32_SYSENTER_EIP:
        return &s->sysenter_eip;
    case MSR_FS_BASE:
        return &s->seg[SEG_FS].base;
    case MSR_GS_BASE:
        return &s->seg[SEG_GS].base;
    default:
        return &s->tsc_aux;
    }
}

static u32 state_group(u32 msr)
{
    return msr == MSR_FS_BASE || msr == MSR_GS_BASE ? STATE_SEGS : STATE_MSRS;
}

static bool canonical(u64 value)
{
    return (u64)((s64)(value << 16) >> 16) == value;
}

/* SDM 3A 11.12.4: types 2 and 3 are reserved, so are all above 7. */
static bool pat_valid(u64 value)
{
    for (unsigned i = 0; i < 64; i += 8) {
        u8 type = (u8)(value >> i);

        if (type > 7 || type == 2 || type == 3)
            return false;
    }
    return true;
}

static bool state_msr_valid(u32 msr, u64 value)
{
    switch (msr) {
    case MSR_IA32_PAT:
        return pat_valid(value);
    case MSR_STAR:
        return true;
    case MSR_SFMASK:
    case MSR_TSC_AUX:
    case MSR_IA32_SYSENTER_CS:
        return !(value >> 32);
    default:
        return canonical(value);
    }
}

static int read_state(struct vcpu *v, u32 msr, u64 *value)
{
    struct cpu_state s;

    vendor->state_get(v, state_group(msr), &s);
    *value = *state_msr(&s, msr);
    return 0;
}

static int write_state(struct vcpu *v, u32 msr, u64 value)
{
    struct cpu_state s;

    if (!state_msr_valid(msr, value))
        return -EINVAL;
    vendor->state_get(v, state_group(msr), &s);
    *state_msr(&s, msr) = value;
    if (msr == MSR_TSC_AUX)
        v->tsc_aux = value;
    return vendor->state_set(v, state_group(msr), &s);
}

static int read_mtrr_cap(struct vcpu *v, u32 msr, u64 *value)
{
    (void)v;
    (void)msr;
    *value = MTRR_CAP_VALUE;
    return 0;
}

/* MTRRs are kept, not obeyed: RAM is write-back, and devices get their type from the p2m and PAT.
 */
static u64 *mtrr_slot(struct vcpu *v, u32 msr)
{
    if (msr == MSR_IA32_MTRR_DEF_TYPE)
        return &v->mtrr.def_type;
    if (msr >= MSR_IA32_MTRR_FIX4K_C0 && msr <= MSR_IA32_MTRR_FIX4K_F8)
        return &v->mtrr.fixed[3 + msr - MSR_IA32_MTRR_FIX4K_C0];
    switch (msr) {
    case MSR_IA32_MTRR_FIX64K:
        return &v->mtrr.fixed[0];
    case MSR_IA32_MTRR_FIX16K_80:
    case MSR_IA32_MTRR_FIX16K_A0:
        return &v->mtrr.fixed[1 + msr - MSR_IA32_MTRR_FIX16K_80];
    default:
        return &v->mtrr.variable[msr - MSR_IA32_MTRR_PHYSBASE0];
    }
}

static int read_mtrr(struct vcpu *v, u32 msr, u64 *value)
{
    *value = *mtrr_slot(v, msr);
    return 0;
}

static bool mtrr_type(u64 type)
{
    return type <= 6 && type != 2 && type != 3;
}

static bool mtrr_valid(struct vcpu *v, u32 msr, u64 value)
{
    u64 above = ~0ull << v->domain->policy->phys_bits;

    if (msr == MSR_IA32_MTRR_DEF_TYPE)
        return !(value & ~(MTRR_DEF_E | MTRR_DEF_FE | 0xff)) && mtrr_type(value & 0xff);
    if (msr < MSR_IA32_MTRR_FIX64K)
        return !(value & above) &&
               (msr & 1 ? !(value & 0x7ff) : !(value & 0xf00) && mtrr_type(value & 0xff));
    for (unsigned i = 0; i < 64; i += 8)
        if (!mtrr_type(value >> i & 0xff))
            return false;
    return true;
}

static int write_mtrr(struct vcpu *v, u32 msr, u64 value)
{
    if (!mtrr_valid(v, msr, value))
        return -EINVAL;
    *mtrr_slot(v, msr) = value;
    return 0;
}

static int read_feature_control(struct vcpu *v, u32 msr, u64 *value)
{
    (void)v;
    (void)msr;
    *value = FEATURE_CONTROL_LOCK; /* and nothing enabled */
    return 0;
}

static int read_misc_enable(struct vcpu *v, u32 msr, u64 *value)
{
    (void)v;
    (void)msr;
    *value = MISC_ENABLE_FAST_STRING | MISC_ENABLE_BTS_UNAVAIL | MISC_ENABLE_PEBS_UNAVAIL;
    return 0;
}

static int read_host(struct vcpu *v, u32 msr, u64 *value)
{
    (void)v;
    return rdmsr_safe(msr, value) ? -EINVAL : 0;
}

static int write_hypercall_page(struct vcpu *v, u32 msr, u64 value)
{
    (void)msr;
    return v->domain->hypercall_page ? v->domain->hypercall_page(v, value) : -EINVAL;
}

/* Sorted by number. NULL: #GP. */
static const struct msr_entry msrs[] = {
    {MSR_IA32_TSC, MSR_IA32_TSC, read_tsc, write_tsc},
    {MSR_IA32_PLATFORM_ID, MSR_IA32_PLATFORM_ID, read_zero, NULL},
    {MSR_IA32_APIC_BASE, MSR_IA32_APIC_BASE, read_apic_base, write_apic_base},
    {MSR_IA32_FEATURE_CONTROL, MSR_IA32_FEATURE_CONTROL, read_feature_control, NULL},
    {MSR_IA32_BIOS_UPDT_TRIG, MSR_IA32_BIOS_UPDT_TRIG, NULL, write_ignored},
    {MSR_IA32_BIOS_SIGN_ID, MSR_IA32_BIOS_SIGN_ID, read_host, write_ignored},
    {MSR_IA32_MTRRCAP, MSR_IA32_MTRRCAP, read_mtrr_cap, NULL},
    {MSR_IA32_SYSENTER_CS, MSR_IA32_SYSENTER_EIP, read_state, write_state},
    {MSR_IA32_MCG_CAP, MSR_IA32_MCG_CAP, read_zero, NULL},
    {MSR_IA32_MCG_STATUS, MSR_IA32_MCG_STATUS, read_zero, write_zero_only},
    {MSR_IA32_MISC_ENABLE, MSR_IA32_MISC_ENABLE, read_misc_enable, write_ignored},
    {MSR_IA32_DEBUGCTL, MSR_IA32_DEBUGCTL, read_zero, write_zero_only},
    {MSR_IA32_MTRR_PHYSBASE0, MSR_IA32_MTRR_PHYSBASE0 + 2 * MTRR_VARIABLE - 1, read_mtrr,
     write_mtrr},
    {MSR_IA32_MTRR_FIX64K, MSR_IA32_MTRR_FIX64K, read_mtrr, write_mtrr},
    {MSR_IA32_MTRR_FIX16K_80, MSR_IA32_MTRR_FIX16K_A0, read_mtrr, write_mtrr},
    {MSR_IA32_MTRR_FIX4K_C0, MSR_IA32_MTRR_FIX4K_F8, read_mtrr, write_mtrr},
    {MSR_IA32_PAT, MSR_IA32_PAT, read_state, write_state},
    {MSR_IA32_MTRR_DEF_TYPE, MSR_IA32_MTRR_DEF_TYPE, read_mtrr, write_mtrr},
    {MSR_IA32_TSC_DEADLINE, MSR_IA32_TSC_DEADLINE, read_deadline, write_deadline},
    {MSR_IA32_X2APIC_BASE, MSR_IA32_X2APIC_BASE + 0xff, read_x2apic, write_x2apic},
    {MSR_XEN_HYPERCALL, MSR_XEN_HYPERCALL, NULL, write_hypercall_page},
    {MSR_EFER, MSR_EFER, read_efer, write_efer},
    {MSR_STAR, MSR_SFMASK, read_state, write_state},
    {MSR_FS_BASE, MSR_TSC_AUX, read_state, write_state},
    {MSR_SYSCFG, MSR_SYSCFG, read_zero, write_ignored},
    {MSR_HWCR, MSR_HWCR, read_zero, write_ignored},
    {MSR_NB_CFG, MSR_NB_CFG, read_zero, write_ignored},
    {MSR_PATCH_LOADER, MSR_PATCH_LOADER, NULL, write_ignored},
    {MSR_INT_PENDING, MSR_INT_PENDING, read_zero, write_ignored},
    {MSR_OSVW_ID_LEN, MSR_OSVW_STATUS, read_zero, NULL},
    {MSR_DE_CFG, MSR_DE_CFG, read_host, write_ignored},
};

static const struct msr_entry *find(u32 msr)
{
    unsigned low = 0, high = ARRAY_SIZE(msrs);

    while (low < high) {
        unsigned mid = (low + high) / 2;

        if (msr > msrs[mid].last)
            low = mid + 1;
        else if (msr < msrs[mid].first)
            high = mid;
        else
            return &msrs[mid];
    }
    return NULL;
}

static int msr_read(struct vcpu *v, u32 msr)
{
    const struct msr_entry *e = find(msr);
    u64 value = 0;

    if (!e || !e->read || e->read(v, msr, &value))
        return -EINVAL;
    v->gpr[RAX] = (u32)value;
    v->gpr[RDX] = value >> 32;
    return 0;
}

static int msr_write(struct vcpu *v, u32 msr)
{
    const struct msr_entry *e = find(msr);

    if (!e || !e->write)
        return -EINVAL;
    return e->write(v, msr, v->gpr[RDX] << 32 | (u32)v->gpr[RAX]);
}

void exit_msr(struct vcpu *v)
{
    bool write = v->exit.msr.write;
    u32 msr = (u32)v->gpr[RCX];

    if (write ? msr_write(v, msr) : msr_read(v, msr)) {
        log_debug("d%uv%u: %s of MSR %x: #GP", v->domain->id, v->id, write ? "write" : "read", msr);
        inject_exception_error(v, TRAP_GP, 0);
        return;
    }
    insn_skip(v);
}

static const u32 open_msrs[] = {
    MSR_IA32_SYSENTER_CS,
    MSR_IA32_SYSENTER_ESP,
    MSR_IA32_SYSENTER_EIP,
    MSR_STAR,
    MSR_LSTAR,
    MSR_CSTAR,
    MSR_SFMASK,
    MSR_FS_BASE,
    MSR_GS_BASE,
    MSR_KERNEL_GS_BASE,
};

void msr_open(struct domain *d)
{
    for (unsigned i = 0; i < ARRAY_SIZE(open_msrs); i++)
        vendor->msr_access(d, open_msrs[i], true, true);
}
