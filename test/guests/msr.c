/* SPDX-License-Identifier: BSD-2-Clause */
/* MSR policy: what is not there raises #GP, what is there keeps its rules. */
#include "guest.h"

static u32 try_read(u32 msr)
{
    return TRY("rdmsr", : : "c"(msr) : "rax", "rdx");
}

static u32 try_write(u32 msr, u64 value)
{
    return TRY("wrmsr", : : "c"(msr), "a"((u32)value), "d"((u32)(value >> 32)));
}

/* Reads back what was written, and puts the old value back. */
static void check_keeps(const char *name, u32 msr, u64 value)
{
    u64 old = rdmsr(msr);

    wrmsr(msr, value);
    check(name, rdmsr(msr), value);
    wrmsr(msr, old);
}

static void check_unknown(void)
{
    static const u32 unknown[] = {0x00000002, 0x00001fff, 0x00003000, 0x40001000, 0x7fffffff,
                                  0xbfffffff, 0xc0002000, 0xc0012000, 0xffffffff};
    unsigned reads = 0, writes = 0;

    for (unsigned i = 0; i < COUNT(unknown); i++) {
        reads += try_read(unknown[i]) == V_GP;
        writes += try_write(unknown[i], 0) == V_GP;
    }
    check("unknown-read", reads, COUNT(unknown));
    check("unknown-write", writes, COUNT(unknown));
    check("vmx-basic", try_read(0x480), V_GP);
    check("vm-hsave-pa", try_write(0xc0010117, 0x1000), V_GP);
    check("efer-svme", try_write(MSR_EFER, rdmsr(MSR_EFER) | BIT(12)), V_GP);
}

static void check_pat(void)
{
    u64 old = rdmsr(MSR_PAT);

    check("pat-reset", old, 0x0007040600070406);
    check_keeps("pat", MSR_PAT, 0x0506040100070406);
    check("pat-type-2", try_write(MSR_PAT, 0x0007040600020406), V_GP);
    check("pat-type-3", try_write(MSR_PAT, 0x0307040600070406), V_GP);
    check("pat-type-8", try_write(MSR_PAT, 0x0007040600070806), V_GP);
    check("pat-unchanged", rdmsr(MSR_PAT), old);
}

static void check_apic_base(void)
{
    u64 old = rdmsr(MSR_APIC_BASE);

    check("apic-base", old & 0xfffff900, 0xfee00900);
    check("apic-base-reserved", try_write(MSR_APIC_BASE, old | 1), V_GP);
    check("x2apic-msr-in-xapic-mode", try_read(0x802), V_GP);
    if (!(cpuid(1, 0).c & BIT(21)))
        return;
    check("x2apic-without-enable", try_write(MSR_APIC_BASE, (old & ~BIT(11)) | BIT(10)), V_GP);
}

static void check_efer(void)
{
    u64 old = rdmsr(MSR_EFER);

    check("efer-reserved", try_write(MSR_EFER, old | BIT(20)), V_GP);
    check("efer-bit-9", try_write(MSR_EFER, old | BIT(9)), V_GP);
    check("efer-lma-ignored-or-kept", try_write(MSR_EFER, old) == NO_FAULT ? rdmsr(MSR_EFER) : 0,
          old);
    check_keeps("efer-sce-nxe", MSR_EFER, old | BIT(0) | BIT(11));
}

static void check_mtrr(void)
{
    u64 cap = rdmsr(0xfe);

    check("mtrrcap-read-only", try_write(0xfe, cap), V_GP);
    check("mtrr-def-type-2", try_write(0x2ff, 2), V_GP);
    check("mtrr-fixed-type-2", try_write(0x250, 2), V_GP);
    check("mtrr-base-type-3", try_write(0x200, 3), V_GP);
    check_keeps("mtrr-base", 0x200, 0x80000006);
    check_keeps("mtrr-mask", 0x201, 0xf80000800);
    check_keeps("mtrr-fixed", 0x250, 0x0606060606060606);
}

static volatile u64 gs_word[1] = {0x1122334455667788};

static void check_bases(void)
{
    static volatile u64 fs_word[1] = {0x99aabbccddeeff00};
    u64 read;

    wrmsr(MSR_FS_BASE, (u64)fs_word);
    asm volatile("mov %%fs:0, %0" : "=r"(read));
    check("fs-base", read, fs_word[0]);
    wrmsr(MSR_FS_BASE, 0);
    wrmsr(MSR_KERNEL_GS, (u64)gs_word);
    asm volatile("swapgs; mov %%gs:0, %0; swapgs" : "=r"(read));
    check("swapgs", read, gs_word[0]);
    check_keeps("kernel-gs-base", MSR_KERNEL_GS, 0xffff800012345678);
    check_keeps("star", MSR_STAR, 0x123456789abcdef0);
    check_keeps("lstar", MSR_LSTAR, 0xffffffff81000000);
    check_keeps("sfmask", MSR_SFMASK, 0x47700);
    check_keeps("sysenter-cs", 0x174, 0x10);
    check_keeps("sysenter-esp", 0x175, 0xffff888000000010);
    check_keeps("sysenter-eip", 0x176, 0xffffffff81000020);
}

static void check_tsc(void)
{
    u64 one = rdtsc(), two;

    wrmsr(0x10, 0x100000000000);
    two = rdtsc();
    check("tsc-written", two >= 0x100000000000 && two < 0x101000000000, 1);
    check("tsc-msr-reads", rdmsr(0x10) >= two && rdmsr(0x10) - two < 0x1000000000, 1);
    wrmsr(0x10, one);
    check("tsc-back", rdtsc() < 0x100000000000, 1);
}

void guest(void)
{
    if (under_helium()) /* the emulators let unknown MSRs pass */
        check_unknown();
    if (reserved_bits_checked()) {
        check_pat();
        check_apic_base();
        check_efer();
        check_mtrr();
    }
    check_bases();
    if (reserved_bits_checked()) /* QEMU ignores writes of the TSC */
        check_tsc();
}
