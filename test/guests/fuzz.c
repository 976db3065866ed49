/* SPDX-License-Identifier: BSD-2-Clause */
/* A guest that means harm: random MSRs, ports, control and debug registers, device memory,
 * instructions. What becomes of it does not matter; the hypervisor must go on (the guests after it
 * show that). seed=N repeats. */
#include "lapic.h"

static u64 seed;

static u64 random(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

static u64 value(void)
{
    u64 r = random();

    switch (r >> 60) {
    case 0 ... 3:
        return 0;
    case 4 ... 6:
        return BIT(r & 63);
    case 7:
        return ~0ull;
    case 8 ... 9:
        return r & 0xff;
    default:
        return random();
    }
}

static u32 some_msr(void)
{
    static const u32 bases[] = {0,          0x10,       0x1b,       0x3a,      0x170, 0x1a0,
                                0x1d9,      0x200,      0x250,      0x277,     0x2ff, 0x400,
                                0x480,      0x6e0,      0x800,      0x830,     0xda0, 0x40000000,
                                0xc0000080, 0xc0000100, 0xc0010000, 0xc0010110};
    u64 r = random();

    return r & 1 ? bases[(r >> 8) % COUNT(bases)] + (u32)(r >> 32) % 16 : (u32)(r >> 16);
}

/* What would merely end the guest at once, and so the trial. */
static bool suicidal(u32 msr)
{
    return msr == MSR_EFER || msr == MSR_APIC_BASE || msr == MSR_FS_BASE;
}

static void poke_msr(void)
{
    u32 msr = some_msr();
    u64 v = value();

    TRY("rdmsr", : : "c"(msr) : "rax", "rdx");
    if (!suicidal(msr))
        TRY("wrmsr", : : "c"(msr), "a"((u32)v), "d"((u32)(v >> 32)));
}

static void poke_port(void)
{
    u16 port = (u16)random();
    u64 v = value(), n = random() % 40;
    static u8 buffer[4096];
    void *at = buffer;

    if (port == 0xf4 || port == 0xe9 || (port & 0xfff0) == 0x610)
        return;
    switch (random() % 6) {
    case 0:
        TRY("outb %%al, %%dx", : : "a"(v), "d"(port));
        break;
    case 1:
        TRY("outl %%eax, %%dx", : : "a"(v), "d"(port));
        break;
    case 2:
        TRY("inw %%dx, %%ax", : : "d"(port) : "rax");
        break;
    case 3:
        TRY("inl %%dx, %%eax", : : "d"(port) : "rax");
        break;
    case 4:
        TRY("rep insb", : "+D"(at), "+c"(n) : "d"(port) : "memory");
        break;
    default:
        TRY("rep outsl", : "+S"(at), "+c"(n) : "d"(port) : "memory");
    }
}

static void poke_control(void)
{
    u64 v = value(), cr0 = read_cr0(), cr4 = read_cr4();

    switch (random() % 5) {
    case 0:
        TRY("mov %0, %%cr0", : : "r"((cr0 ^ v) | 0x80000001));
        TRY("mov %0, %%cr0", : : "r"(cr0));
        break;
    case 1:
        TRY("mov %0, %%cr4", : : "r"((cr4 ^ v) & ~(CR4_SMEP | CR4_SMAP | BIT(12))));
        TRY("mov %0, %%cr4", : : "r"(cr4));
        break;
    case 2:
        TRY("mov %0, %%cr8", : : "r"(v));
        TRY("mov %0, %%cr8", : : "r"(0ul));
        break;
    case 3:
        TRY("mov %0, %%dr7", : : "r"(v & ~0xfful));
        TRY("mov %0, %%dr6", : : "r"(v));
        TRY("mov %0, %%dr7", : : "r"(0x400ul));
        break;
    default:
        TRY("xsetbv", : : "c"((u32)(random() & 1)), "a"((u32)v), "d"((u32)(v >> 32)));
    }
}

static void poke_memory(void)
{
    static const ulong bases[] = {0xfee00000, 0xfec00000, 0xfed40000, 0xfed00000,
                                  0xf0000000, 0x80000000, 0xa0000,    0xffff0000};
    ulong at = bases[random() % COUNT(bases)] + random() % 4096;
    u64 v = value();

    if (at >> 12 == 0xfee00) /* no INIT to itself */
        at = (at & ~0xffful) | (at & 0x2ff);
    switch (random() % 7) {
    case 0:
        TRY("movb %%al, (%0)", : : "r"(at), "a"(v));
        break;
    case 1:
        TRY("movq %%rax, (%0)", : : "r"(at), "a"(v));
        break;
    case 2:
        TRY("movl (%0), %%eax", : : "r"(at) : "rax");
        break;
    case 3:
        TRY("lock xaddl %%eax, (%0)", : : "r"(at), "a"(v));
        break;
    case 4:
        TRY("movups (%0), %%xmm0", : : "r"(at));
        break;
    case 5:
        TRY("lock cmpxchg16b (%0)", : : "D"(at & ~15ul), "a"(v), "b"(v), "c"(v), "d"(v));
        break;
    default:
        TRY("rep stosw", : : "D"(at), "c"(random() % 3000), "a"(v) : "memory");
    }
}

static void poke_instruction(void)
{
    static const char page[16];

    switch (random() % 9) {
    case 0:
        TRY("vmcall", : : "a"(random()));
        break;
    case 1:
        TRY("vmmcall", : : "a"(random()));
        break;
    case 2:
        TRY("vmrun", : : "a"(random()));
        break;
    case 3:
        TRY("vmload", : : "a"(page));
        break;
    case 4:
        TRY("vmxon (%0)", : : "r"(page));
        break;
    case 5:
        TRY("invd", :);
        break;
    case 6:
        TRY("rdpmc", : : "c"((u32)random()) : "rax", "rdx");
        break;
    case 7:
        TRY("monitor", : : "a"(page), "c"(random()), "d"(0));
        break;
    default:
        TRY("mwait", : : "a"(random()), "c"(random()));
    }
}

void guest(void)
{
    static void (*const pokes[])(void) = {poke_msr, poke_port, poke_control, poke_memory,
                                          poke_instruction};

    seed = option("seed", rdtsc()) | 1;
    print("fuzz: seed=");
    print_hex(seed);
    print("\n");
    for (unsigned v = 32; v < 256; v++)
        count_interrupts(v);
    check("begun", 1, 1);
    for (unsigned i = 0; i < 20000; i++)
        pokes[random() % COUNT(pokes)]();
    check("survived", 1, 1);
}
