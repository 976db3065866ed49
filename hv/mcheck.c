/* SPDX-License-Identifier: BSD-2-Clause */
/* SDM 3B 15.3, APM 2 9.3: the same registers on both. Accesses may fault: a hypervisor below may
 * not have all of them. */
#include "hv/cpu.h"
#include "hv/log.h"
#include "hv/mcheck.h"
#include "hv/msr.h"
#include "hv/trap.h"
#include "hv/x86.h"

#define MCG_CAP_BANKS(cap) ((unsigned)((cap)&0xff))
#define MCG_CAP_CTL        BIT(8)
#define BANK(n, reg)       (MSR_IA32_MC0_CTL + 4 * (n) + (reg))
enum bank_reg { BANK_CTL, BANK_STATUS, BANK_ADDR, BANK_MISC };
#define STATUS_VALID      BIT(63)
#define STATUS_MISC_VALID BIT(59)
#define STATUS_ADDR_VALID BIT(58)

static u64 read(u32 msr)
{
    u64 value;

    return rdmsr_safe(msr, &value) ? 0 : value;
}

/* 0: this CPU has none. */
static u64 capabilities(void)
{
    return cpuid(1).edx & CPUID_1_EDX_MCA ? read(MSR_IA32_MCG_CAP) : 0;
}

static void report_bank(enum log_level level, unsigned n)
{
    u64 status = read(BANK(n, BANK_STATUS));
    u64 addr = status & STATUS_ADDR_VALID ? read(BANK(n, BANK_ADDR)) : 0;
    u64 misc = status & STATUS_MISC_VALID ? read(BANK(n, BANK_MISC)) : 0;

    if (status & STATUS_VALID)
        log_print(level, "machine check bank %u: status %016llx address %llx misc %llx", n,
                  (unsigned long long)status, (unsigned long long)addr, (unsigned long long)misc);
}

void mcheck_report(void)
{
    unsigned banks = MCG_CAP_BANKS(capabilities());

    log_err("machine check: global status %llx", (unsigned long long)read(MSR_IA32_MCG_STATUS));
    for (unsigned n = 0; n < banks; n++)
        report_bank(LOG_ERR, n);
}

/* SDM 3B 15.8. A register that refuses leaves its bank as firmware set it. */
void mcheck_cpu_init(void)
{
    u64 cap = capabilities();
    int refused = 0;

    if (cap & MCG_CAP_CTL)
        refused += wrmsr_safe(MSR_IA32_MCG_CTL, ~0ull) != 0;
    for (unsigned n = 0; n < MCG_CAP_BANKS(cap); n++) {
        report_bank(LOG_WARN, n);
        refused += wrmsr_safe(BANK(n, BANK_CTL), ~0ull) || wrmsr_safe(BANK(n, BANK_STATUS), 0);
    }
    if (refused)
        log_debug("%d machine check registers refuse to be set", refused);
}
