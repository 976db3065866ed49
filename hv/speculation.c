/* SPDX-License-Identifier: BSD-2-Clause */
#include "hv/cmdline.h"
#include "hv/cpu.h"
#include "hv/cpu_features.h"
#include "hv/desc.h"
#include "hv/domain.h"
#include "hv/log.h"
#include "hv/msr.h"
#include "hv/percpu.h"
#include "hv/speculation.h"
#include "hv/x86.h"

static struct {
    bool ibpb, ibrs, auto_ibrs, flush_l1d, verw;
} has;

bool speculation_clears_buffers;

/* AMD's own leaves; a CPU of others has none of these bits. */
static void find_extended(void)
{
    if (cpuid_ext8_ebx() & CPUID_EXT8_EBX_IBPB)
        has.ibpb = true;
    if (cpuid(0x80000000).eax >= 0x80000021)
        has.auto_ibrs = cpuid(0x80000021).eax & CPUID_EXT21_EAX_AUTO_IBRS;
}

/* IA32_FLUSH_CMD empties the buffers, too. */
static void find_leaf7(void)
{
    u32 edx = cpuid(0).eax >= 7 ? cpuid(7).edx : 0;
    u64 caps = arch_capabilities();

    has.ibpb = edx & CPUID_7_EDX_IBRS_IBPB;
    has.ibrs = has.ibpb && caps & ARCH_CAP_IBRS_ALL;
    has.flush_l1d =
        edx & CPUID_7_EDX_L1D_FLUSH && !(caps & (ARCH_CAP_RDCL_NO | ARCH_CAP_SKIP_L1DFL));
    has.verw = edx & CPUID_7_EDX_MD_CLEAR && !(caps & ARCH_CAP_MDS_NO) && !has.flush_l1d;
}

void speculation_init(void)
{
    if (!cmdline_bool("spec-ctrl", true))
        return;
    find_leaf7();
    find_extended();
    speculation_clears_buffers = has.flush_l1d || has.verw;
    log_debug("against speculation: IBPB %d IBRS %d AutoIBRS %d L1D_FLUSH %d VERW %d", has.ibpb,
              has.ibrs, has.auto_ibrs, has.flush_l1d, has.verw);
}

/* Both stay on: a guest has no access to either (SDM 3A, APM 2 3.1.7). */
void speculation_cpu_init(void)
{
    if (has.ibrs)
        wrmsr(MSR_IA32_SPEC_CTRL, SPEC_CTRL_IBRS);
    if (has.auto_ibrs)
        wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_AIBRSE);
}

void speculation_switch(const struct domain *d)
{
    struct percpu *c = this_cpu();

    if (!has.ibpb || c->taught_by == d->id)
        return;
    c->taught_by = d->id;
    wrmsr(MSR_IA32_PRED_CMD, PRED_CMD_IBPB);
}

void speculation_clear_buffers(void)
{
    static const u16 selector = SEL_DATA;

    if (has.flush_l1d)
        wrmsr(MSR_IA32_FLUSH_CMD, FLUSH_CMD_L1D);
    else
        __asm__ volatile("verw %0" ::"m"(selector) : "cc");
}
