/* SPDX-License-Identifier: BSD-2-Clause */
/* What this CPU's AMD-V can do, and whether that is enough (APM 2 15.4, APM 3 E.4.9). */
#include "hv/cpu.h"
#include "hv/cpu_features.h"
#include "hv/errno.h"
#include "hv/msr.h"
#include "svm/npt.h"
#include "svm/svm.h"

#define CPUID_MAX_EXT    0x80000000
#define CPUID_EXT1       0x80000001
#define CPUID_SVM        0x8000000a

#define EXT8_EBX_RDPRU   BIT(4)
#define EXT8_EBX_INVLPGB BIT(3)
#define EXT8_EBX_MCOMMIT BIT(8)

struct svm_config svm_config;

/* Each CR4 bit that some CPUs have and others do not, and how to tell. */
enum leaf_reg { L1_ECX, L1_EDX, L7_EBX, L7_ECX, LEAF_REGS };
static const struct {
    u64 cr4;
    u8 reg; /* enum leaf_reg */
    u64 bit;
} cr4_features[] = {
    {CR4_VME | CR4_PVI, L1_EDX, CPUID_1_EDX_VME}, {CR4_DE, L1_EDX, CPUID_1_EDX_DE},
    {CR4_PSE, L1_EDX, CPUID_1_EDX_PSE},           {CR4_TSD, L1_EDX, CPUID_1_EDX_TSC},
    {CR4_PAE, L1_EDX, CPUID_1_EDX_PAE},           {CR4_MCE, L1_EDX, CPUID_1_EDX_MCE},
    {CR4_PGE, L1_EDX, CPUID_1_EDX_PGE},           {CR4_OSFXSR, L1_EDX, CPUID_1_EDX_FXSR},
    {CR4_OSXMMEXCPT, L1_EDX, CPUID_1_EDX_SSE},    {CR4_PCIDE, L1_ECX, CPUID_1_ECX_PCID},
    {CR4_OSXSAVE, L1_ECX, CPUID_1_ECX_XSAVE},     {CR4_FSGSBASE, L7_EBX, CPUID_7_EBX_FSGSBASE},
    {CR4_SMEP, L7_EBX, CPUID_7_EBX_SMEP},         {CR4_SMAP, L7_EBX, CPUID_7_EBX_SMAP},
    {CR4_UMIP, L7_ECX, CPUID_7_ECX_UMIP},         {CR4_PKE, L7_ECX, CPUID_7_ECX_PKU},
    {CR4_LA57, L7_ECX, CPUID_7_ECX_LA57},         {CR4_CET, L7_ECX, CPUID_7_ECX_CET_SS},
};

static u64 cr4_supported(void)
{
    struct cpuid_regs l1 = cpuid(1), l7 = {0};
    u64 cr4 = CR4_PCE;
    u32 regs[LEAF_REGS];

    if (cpuid(0).eax >= 7)
        l7 = cpuid(7);
    regs[L1_ECX] = l1.ecx;
    regs[L1_EDX] = l1.edx;
    regs[L7_EBX] = l7.ebx;
    regs[L7_ECX] = l7.ecx;
    for (unsigned i = 0; i < ARRAY_SIZE(cr4_features); i++)
        if (regs[cr4_features[i].reg] & cr4_features[i].bit)
            cr4 |= cr4_features[i].cr4;
    return cr4;
}

/* "AuthenticAMD" or "HygonGenuine": only these are told what their CPU lacks. */
static bool is_amd(void)
{
    u32 ebx = cpuid(0).ebx;

    return ebx == 0x68747541 || ebx == 0x6f677948;
}

static void fill_config(struct cpuid_regs svm)
{
    u32 ext8 = cpuid_ext8_ebx();

    svm_config = (struct svm_config){
        .asids = svm.ebx,
        .clean = svm.edx & CPUID_SVM_EDX_VMCB_CLEAN ? CLEAN_ALL : 0,
        .cr4 = cr4_supported(),
        .nrips = svm.edx & CPUID_SVM_EDX_NRIPS,
        .decode_assists = svm.edx & CPUID_SVM_EDX_DECODE_ASSISTS,
        .flush_by_asid = svm.edx & CPUID_SVM_EDX_FLUSH_BY_ASID,
        .lbrv = svm.edx & CPUID_SVM_EDX_LBRV,
        .vnmi = svm.edx & CPUID_SVM_EDX_VNMI,
        .tsc_ratio = svm.edx & CPUID_SVM_EDX_TSC_RATE_MSR,
        .pause_filter = svm.edx & CPUID_SVM_EDX_PAUSE_FILTER,
        .pause_threshold = svm.edx & CPUID_SVM_EDX_PAUSE_THRESHOLD,
        .spec_ctrl = svm.edx & CPUID_SVM_EDX_SPEC_CTRL,
        .tsc_aux = cpuid(CPUID_EXT1).edx & CPUID_EXT1_EDX_RDTSCP,
        .rdpru = ext8 & EXT8_EBX_RDPRU,
        .invlpgb = ext8 & EXT8_EBX_INVLPGB,
        .mcommit = ext8 & EXT8_EBX_MCOMMIT,
    };
}

static void fill_caps(struct vendor_caps *caps)
{
    *caps = (struct vendor_caps){
        .next_rip = svm_config.nrips,
        .decode_assists = svm_config.decode_assists,
        .tsc_scaling = svm_config.tsc_ratio,
        .dirty_bits = true, /* nested tables are tables like any (APM 2 15.25.5) */
        .tsc_frac_bits = 32,
        .max_asid = svm_config.asids - 1,
        .guest_p2m_format = &ptab_npt,
        .max_leaf_shift = cpuid(CPUID_EXT1).edx & CPUID_EXT1_EDX_PAGE1GB ? 30 : 21,
    };
}

/* VM_CR.SVMDIS: cpu_on() clears it, unless firmware has locked it. */
static bool locked_off(void)
{
    u64 vm_cr = rdmsr(MSR_VM_CR);

    return vm_cr & VM_CR_SVMDIS && vm_cr & VM_CR_LOCK;
}

static const char *missing(struct cpuid_regs svm)
{
    if (!(cpuid(CPUID_EXT1).edx & CPUID_EXT1_EDX_LM))
        return "The CPU has no long mode (AMD64), which guests and nested paging need.";
    if (locked_off())
        return "AMD-V is disabled and locked by the firmware: enable \"SVM Mode\" in its setup.";
    if (!(svm.edx & CPUID_SVM_EDX_NP))
        return "The CPU's AMD-V has no nested paging (NPT): a newer CPU is needed.";
    if (svm.ebx < 2)
        return "The CPU's AMD-V offers no address space identifier for guests.";
    return NULL;
}

int svm_probe(struct vendor_caps *caps, const char **why)
{
    struct cpuid_regs svm;

    if (cpuid(CPUID_MAX_EXT).eax < CPUID_EXT1 || !(cpuid(CPUID_EXT1).ecx & CPUID_EXT1_ECX_SVM)) {
        *why = "The CPU has no AMD-V (SVM), or a hypervisor below does not pass it on.";
        return is_amd() ? -ENODEV : -ENOENT;
    }
    svm = cpuid(CPUID_SVM);
    *why = missing(svm);
    if (*why)
        return -ENODEV;
    fill_config(svm);
    fill_caps(caps);
    return 0;
}
