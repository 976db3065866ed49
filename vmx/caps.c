/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What this CPU's VT-x can do, and the controls that follow from it.
 *
 * Every control word is made from data: bits we cannot do without (each with the sentence that says
 * so), bits we take when they are there, and what the capability MSR forces to 1. A bit that is
 * forced although it must be 0 is refused, too (SDM 3D A.2 to A.5).
 */
#include "hv/cpu.h"
#include "hv/cpu_features.h"
#include "hv/errno.h"
#include "hv/msr.h"
#include "vmx/ept.h"
#include "vmx/vmcs.h"
#include "vmx/vmx.h"

struct vmx_config vmx_config;

/* One control word. Bits that are in none of the sets stay 0 unless the CPU forces them. */
struct control {
    u32 msr, true_msr; /* 0: no TRUE variant */
    u32 *value;
    u32 optional;
    u32 zero; /* must be possible to leave at 0 */
};

enum { CONTROL_PIN, CONTROL_PROC, CONTROL_PROC2, CONTROL_EXIT, CONTROL_ENTRY, CONTROLS };

static const struct control controls[CONTROLS] = {
    [CONTROL_PIN] = {MSR_IA32_VMX_PINBASED_CTLS, MSR_IA32_VMX_TRUE_PINBASED_CTLS, &vmx_config.pin,
                     PIN_TIMER, 0},
    [CONTROL_PROC] = {MSR_IA32_VMX_PROCBASED_CTLS, MSR_IA32_VMX_TRUE_PROCBASED_CTLS,
                      &vmx_config.proc, 0,
                      PROC_CR3_LOAD | PROC_CR3_STORE | PROC_INVLPG | PROC_RDTSC},
    [CONTROL_PROC2] = {MSR_IA32_VMX_PROCBASED_CTLS2, 0, &vmx_config.proc2,
                       PROC2_RDTSCP | PROC2_VPID | PROC2_PAUSE_LOOP | PROC2_INVPCID | PROC2_ENCLS |
                           PROC2_XSAVES | PROC2_TSC_SCALING,
                       0},
    [CONTROL_EXIT] = {MSR_IA32_VMX_EXIT_CTLS, MSR_IA32_VMX_TRUE_EXIT_CTLS, &vmx_config.exit, 0, 0},
    [CONTROL_ENTRY] = {MSR_IA32_VMX_ENTRY_CTLS, MSR_IA32_VMX_TRUE_ENTRY_CTLS, &vmx_config.entry, 0,
                       ENTRYC_IA32E},
};

/* Nothing newer than Westmere (2010) is asked for. */
#define OLD(what) \
    "this CPU's VT-x has no " what ": a newer CPU is needed (Intel Core of 2010 or later)"

static const struct {
    u8 control;
    u32 bits;
    const char *why;
} needs[] = {
    {CONTROL_PIN, PIN_INTR | PIN_NMI, OLD("exits on interrupts")},
    {CONTROL_PIN, PIN_VIRTUAL_NMIS, OLD("virtual NMIs")},
    {CONTROL_PROC, PROC_SECONDARY, OLD("secondary controls")},
    {CONTROL_PROC, PROC_MSR_BITMAPS, OLD("MSR bitmaps")},
    {CONTROL_PROC, PROC_IO_BITMAPS, OLD("I/O bitmaps")},
    {CONTROL_PROC, PROC_TSC_OFFSET, OLD("TSC offset")},
    {CONTROL_PROC, PROC_CR8_LOAD | PROC_CR8_STORE, OLD("exits on CR8")},
    {CONTROL_PROC, PROC_HLT | PROC_MWAIT | PROC_MONITOR | PROC_RDPMC | PROC_MOV_DR,
     OLD("exits on HLT, MWAIT, RDPMC or MOV DR")},
    {CONTROL_PROC2, PROC2_EPT, OLD("nested paging (EPT)")},
    {CONTROL_PROC2, PROC2_UNRESTRICTED, OLD("unrestricted guest mode")},
    {CONTROL_PROC2, PROC2_WBINVD, OLD("exits on WBINVD")},
    {CONTROL_EXIT, EXITC_HOST_64, OLD("64-bit host")},
    {CONTROL_EXIT, EXITC_ACK_INTR, OLD("interrupt acknowledge on exit")},
    {CONTROL_EXIT, EXITC_SAVE_DEBUG, OLD("saving of debug controls")},
    {CONTROL_EXIT, EXITC_SAVE_PAT | EXITC_LOAD_PAT, OLD("switching of PAT")},
    {CONTROL_EXIT, EXITC_SAVE_EFER | EXITC_LOAD_EFER, OLD("switching of EFER")},
    {CONTROL_ENTRY, ENTRYC_LOAD_DEBUG, OLD("loading of debug controls")},
    {CONTROL_ENTRY, ENTRYC_LOAD_PAT, OLD("switching of PAT")},
    {CONTROL_ENTRY, ENTRYC_LOAD_EFER, OLD("switching of EFER")},
};

/* Bits of IA32_VMX_EPT_VPID_CAP. INVEPT without one of its types would be of no use. */
static const struct {
    u64 any_of;
    const char *why;
} ept_needs[] = {
    {EPT_CAP_WALK_4, OLD("EPT with four levels")},
    {EPT_CAP_WB, OLD("EPT in write-back memory")},
    {EPT_CAP_INVEPT, OLD("INVEPT")},
    {EPT_CAP_INVEPT_SINGLE | EPT_CAP_INVEPT_ALL, OLD("INVEPT")},
};

/* Low half: bits forced to 1; high half: bits that may be 1. */
static u64 control_allowed(const struct control *c, u64 basic)
{
    return rdmsr(c->true_msr && basic & VMX_BASIC_TRUE ? c->true_msr : c->msr);
}

static u32 control_required(unsigned control)
{
    u32 bits = 0;

    for (unsigned i = 0; i < ARRAY_SIZE(needs); i++)
        if (needs[i].control == control)
            bits |= needs[i].bits;
    return bits;
}

static const char *control_missing(unsigned control, u32 may_be_1)
{
    for (unsigned i = 0; i < ARRAY_SIZE(needs); i++)
        if (needs[i].control == control && needs[i].bits & ~may_be_1)
            return needs[i].why;
    return NULL;
}

/* Returns what is missing, or NULL. */
static const char *compute_controls(u64 basic)
{
    for (unsigned i = 0; i < CONTROLS; i++) {
        const struct control *c = &controls[i];
        u64 allowed = control_allowed(c, basic);
        u32 forced = (u32)allowed, may_be_1 = (u32)(allowed >> 32);
        const char *why = control_missing(i, may_be_1);

        if (why)
            return why;
        if (forced & c->zero)
            return OLD("way to run without exits on CR3");
        *c->value = control_required(i) | (c->optional & may_be_1) | forced;
    }
    return NULL;
}

/* VPIDs are of use only with an INVVPID that drops all of one's translations. */
static void settle_vpid(void)
{
    u64 cap = vmx_config.ept_vpid;

    if (!(cap & VPID_CAP_INVVPID) || !(cap & (VPID_CAP_SINGLE | VPID_CAP_ALL)))
        vmx_config.proc2 &= ~PROC2_VPID;
}

static const char *compute_ept(void)
{
    vmx_config.ept_vpid = rdmsr(MSR_IA32_VMX_EPT_VPID_CAP);
    for (unsigned i = 0; i < ARRAY_SIZE(ept_needs); i++)
        if (!(vmx_config.ept_vpid & ept_needs[i].any_of))
            return ept_needs[i].why;
    settle_vpid();
    return NULL;
}

static const char *compute_config(void)
{
    u64 basic = rdmsr(MSR_IA32_VMX_BASIC);
    const char *why = compute_controls(basic);

    if (why)
        return why;
    if (VMX_BASIC_MEMTYPE(basic) != MEMTYPE_WB)
        return OLD("VMCS in write-back memory");
    vmx_config.revision = VMX_BASIC_REVISION(basic);
    vmx_config.ins_outs_info = basic & VMX_BASIC_INS_OUTS;
    vmx_config.timer_shift = VMX_MISC_TIMER_SHIFT(rdmsr(MSR_IA32_VMX_MISC));
    vmx_config.tsc_aux = cpuid(0x80000001).edx & CPUID_EXT1_EDX_RDTSCP;
    vmx_config.cr0_fixed0 = rdmsr(MSR_IA32_VMX_CR0_FIXED0);
    vmx_config.cr4_fixed0 = rdmsr(MSR_IA32_VMX_CR4_FIXED0);
    vmx_config.cr4_fixed1 = rdmsr(MSR_IA32_VMX_CR4_FIXED1);
    return compute_ept();
}

static void fill_caps(struct vendor_caps *caps)
{
    bool large = vmx_config.ept_vpid & EPT_CAP_2M;
    bool huge = large && vmx_config.ept_vpid & EPT_CAP_1G;

    *caps = (struct vendor_caps){
        .next_rip = true,
        .decode_assists = true,
        .tsc_scaling = vmx_config.proc2 & PROC2_TSC_SCALING,
        .dirty_bits = vmx_config.ept_vpid & EPT_CAP_AD,
        .tsc_frac_bits = 48,
        .max_asid = vmx_config.proc2 & PROC2_VPID ? 0xffff : 0,
        .guest_p2m_format =
            arch_capabilities() & ARCH_CAP_PSCHANGE_MC_NO ? &ptab_ept : &ptab_ept_small_code,
        .max_leaf_shift = huge    ? 30
                          : large ? 21
                                  : 12,
    };
}

static bool is_intel(void)
{
    struct cpuid_regs r = cpuid(0);

    return r.ebx == 0x756e6547 && r.edx == 0x49656e69 && r.ecx == 0x6c65746e; /* "GenuineIntel" */
}

int vmx_probe(struct vendor_caps *caps, const char **why)
{
    u64 feature;

    if (!(cpuid(1).ecx & CPUID_1_ECX_VMX)) {
        *why = "this CPU has no VT-x, or the firmware hides it: look for \"Virtualization\" in the "
               "firmware setup";
        return is_intel() ? -ENODEV : -ENOENT;
    }
    feature = rdmsr(MSR_IA32_FEATURE_CONTROL);
    if (feature & FEATURE_CONTROL_LOCK && !(feature & FEATURE_CONTROL_VMX)) {
        *why = "the firmware has switched VT-x off and locked it: enable \"Virtualization\" in the "
               "firmware setup";
        return -ENODEV;
    }
    *why = compute_config();
    if (*why)
        return -ENODEV;
    fill_caps(caps);
    return 0;
}
