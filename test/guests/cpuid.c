/* SPDX-License-Identifier: BSD-2-Clause */
/* CPUID policy: what is offered works, what is not offered raises what it raises on a CPU without
 * it. */
#include "guest.h"

static bool leaf7(unsigned bit)
{
    return cpuid(0, 0).a >= 7 && cpuid(7, 0).b >> bit & 1;
}

struct cr4_feature {
    const char *name;
    u64 bit;
    bool offered;
};

/* A feature's bit of CR4 can be set exactly if CPUID offers the feature. */
static void check_cr4_bits(void)
{
    struct regs one = cpuid(1, 0);
    const struct cr4_feature features[] = {
        {"cr4-vme", CR4_VME, one.d & BIT(1)},
        {"cr4-de", CR4_DE, one.d & BIT(2)},
        {"cr4-pge", CR4_PGE, one.d & BIT(13)},
        {"cr4-fsgsbase", CR4_FSGSBASE, leaf7(0)},
        {"cr4-osxsave", CR4_OSXSAVE, one.c & BIT(26)},
        {"cr4-vmxe", BIT(13), one.c & BIT(5)},
        {"cr4-smxe", BIT(14), one.c & BIT(6)},
        {"cr4-la57", BIT(12), false}, /* cannot change in long mode */
        {"cr4-pke", BIT(22), cpuid(0, 0).a >= 7 && cpuid(7, 0).c & BIT(3)},
        {"cr4-cet", BIT(23), cpuid(0, 0).a >= 7 && cpuid(7, 0).c & BIT(7)},
    };
    ulong cr4 = read_cr4();

    for (unsigned i = 0; i < COUNT(features); i++) {
        u32 vector = TRY("mov %0, %%cr4", : : "r"(cr4 | features[i].bit));

        check(features[i].name, vector, features[i].offered ? NO_FAULT : V_GP);
        write_cr4(cr4);
    }
}

static void check_osxsave(void)
{
    ulong cr4 = read_cr4();

    if (!(cpuid(1, 0).c & BIT(26)))
        return;
    check("osxsave-off", cpuid(1, 0).c & BIT(27), 0);
    TRY("xgetbv", : : "c"(0) : "rax", "rdx");
    expect("xgetbv-without-osxsave", V_UD, 0, 0);
    write_cr4(cr4 | CR4_OSXSAVE);
    check("osxsave-on", cpuid(1, 0).c & BIT(27), BIT(27));
    write_cr4(cr4);
}

static u32 try_xsetbv(u64 value)
{
    return TRY("xsetbv", : : "c"(0), "a"((u32)value), "d"((u32)(value >> 32)));
}

static void check_xsetbv(void)
{
    ulong cr4 = read_cr4();
    u64 all;
    u32 size;

    if (!(cpuid(1, 0).c & BIT(26)))
        return;
    write_cr4(cr4 | CR4_OSXSAVE);
    all = (u64)cpuid(0xd, 0).d << 32 | cpuid(0xd, 0).a;
    check("xcr0-offers-x87-sse", all & 3, 3);
    check("xsetbv-1", try_xsetbv(1), NO_FAULT);
    size = cpuid(0xd, 0).b;
    check("xsave-size-x87", size, 576);
    check("xsetbv-3", try_xsetbv(3), NO_FAULT);
    check("xsetbv-all", try_xsetbv(all), NO_FAULT);
    check("xsave-size-all", cpuid(0xd, 0).b, cpuid(0xd, 0).c);
    check("xsetbv-without-x87", try_xsetbv(2), V_GP);
    check("xsetbv-reserved", try_xsetbv(all | BIT(62)), V_GP);
    if (all & 4)
        check("xsetbv-avx-without-sse", try_xsetbv(5), V_GP);
    TRY("xsetbv", : : "c"(1), "a"(1), "d"(0));
    check("xsetbv-xcr1", fault.vector, V_GP);
    check("xsetbv-x87-again", try_xsetbv(1), NO_FAULT);
    write_cr4(cr4);
}

static void check_hypervisor_leaves(void)
{
    struct regs base = cpuid(0x40000000, 0);
    static u8 page[4096] __attribute__((aligned(4096)));

    if (!under_helium())
        return;
    check("hypervisor-bit", cpuid(1, 0).c >> 31, 1);
    check("xen-signature-b", base.b, 0x566e6558);
    check("xen-signature-c", base.c, 0x65584d4d);
    check("xen-signature-d", base.d, 0x4d4d566e);
    check_within("xen-leaves", base.a, 0x40000004, 0x400000ff);
    check_within("xen-version", cpuid(0x40000001, 0).a >> 16, 4, 4);
    check("xen-hypercall-pages", cpuid(0x40000002, 0).a, 1);
    check("vmx-not-offered", cpuid(1, 0).c & BIT(5), 0);
    check("svm-not-offered", cpuid(0x80000001, 0).c & BIT(2), 0);
    check("monitor-not-offered", cpuid(1, 0).c & BIT(3), 0);
    TRY("monitor", : : "a"(page), "c"(0), "d"(0));
    expect("monitor", V_UD, 0, 0);
    TRY("mwait", : : "a"(0), "c"(0));
    expect("mwait", V_UD, 0, 0);
    TRY("vmxoff", :);
    expect("vmxoff", V_UD, 0, 0);
    TRY("vmrun", : : "a"(page));
    expect("vmrun", V_UD, 0, 0);
    TRY("clgi", :);
    expect("clgi", V_UD, 0, 0);
    check("beyond-last-leaf", cpuid(0x20000000, 0).a, 0);
    check("beyond-last-hypervisor-leaf", cpuid(0x400000f0, 0).a, 0);
}

static void check_identity(void)
{
    struct regs zero = cpuid(0, 0);
    u32 id = *(volatile u32 *)0xfee00020 >> 24;

    check_within("last-leaf", zero.a, 1, 0xff);
    check("initial-apic-id", cpuid(1, 0).b >> 24, id);
    if (zero.a >= 0xb && cpuid(0xb, 0).b)
        check("x2apic-id", cpuid(0xb, 0).d, id);
    check_within("last-extended-leaf", cpuid(0x80000000, 0).a, 0x80000008, 0x800000ff);
    check_within("physical-address-bits", cpuid(0x80000008, 0).a & 0xff, 36, 52);
    check("linear-address-bits", cpuid(0x80000008, 0).a >> 8 & 0xff,
          zero.a >= 7 && cpuid(7, 0).c & BIT(16) ? 57 : 48);
    check("long-mode", cpuid(0x80000001, 0).d >> 29 & 1, 1);
    check("upper-halves-cleared", ({
              u64 rax = ~0ul, rbx, rcx = 0, rdx;

              rax = 0xffffffff00000000;
              asm volatile("cpuid" : "+a"(rax), "=b"(rbx), "+c"(rcx), "=d"(rdx));
              (rax | rbx | rcx | rdx) >> 32;
          }),
          0);
    wrmsr(MSR_APIC_BASE, rdmsr(MSR_APIC_BASE) & ~BIT(11));
    check("apic-bit-when-disabled", cpuid(1, 0).d & BIT(9), 0);
}

void guest(void)
{
    if (reserved_bits_checked())
        check_cr4_bits();
    check_osxsave();
    check_xsetbv();
    check_hypervisor_leaves();
    check_identity();
}
