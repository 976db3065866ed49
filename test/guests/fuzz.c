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
        TRY("rep stosw", : : "D"(at), "c"(random() % 300), "a"(v) : "memory");
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

/* ---- any opcode on device memory, from ring 3 ---- */

#define CODE_AT   0x40000000ul
#define DEVICE_AT 0x40001000ul /* two pages: the dummy device, and after it nothing */
#define STACK_AT  0x40004000ul
#define TIMER     0x61

static u8 code_page[4096] __attribute__((aligned(4096)));
static u8 stack_page[4096] __attribute__((aligned(4096)));

/* Ring 3 sees its own pages and no others, so that the trial outlives its subjects. */
static void fence_in(void)
{
    for (unsigned i = 0; i < 4 * 512; i++)
        boot_pd[i] &= ~PAGE_U;
    map_page(CODE_AT, (u64)code_page, PAGE_P | PAGE_W | PAGE_U);
    wrmsr(0x174, 0); /* no SYSENTER to where chance has led it */
    wrmsr(MSR_EFER, (rdmsr(MSR_EFER) | BIT(11)) & ~1ull);
    map_page(DEVICE_AT, 0xfed40000,
             PAGE_P | PAGE_W | PAGE_U | BIT(63)); /* code there would end the guest */
    map_page(DEVICE_AT + 4096, 0, 0);
    map_page(STACK_AT - 4096, (u64)stack_page, PAGE_P | PAGE_W | PAGE_U);
    boot_pd[CODE_AT >> 21] |= PAGE_U;
    user_flags = 0x202;
}

static u8 *put_mov(u8 *at, u8 reg, u64 v)
{
    *at++ = 0x48;
    *at++ = (u8)(0xb8 + reg);
    memcpy(at, &v, 8);
    return at + 8;
}

static u8 *put_prefixes(u8 *at)
{
    static const u8 prefixes[] = {0x66, 0xf2, 0xf3, 0xf0, 0x67, 0x64, 0x2e};

    while (random() % 3 == 0)
        *at++ = prefixes[random() % COUNT(prefixes)];
    if (random() & 1)
        *at++ = (u8)(0x40 | (random() & 0xc)); /* REX without B and X: the base stays RDI */
    return at;
}

static u8 *put_opcode(u8 *at)
{
    switch (random() % 8) {
    case 0 ... 3:
        break;
    case 4 ... 6:
        *at++ = 0x0f;
        break;
    default:
        *at++ = 0x0f;
        *at++ = random() & 1 ? 0x38 : 0x3a;
    }
    *at++ = (u8)random();
    return at;
}

/* Registers at the device, then one instruction of any opcode with [RDI + disp8]. */
static void make_code(void)
{
    static const u8 loads[] = {0, 1, 2, 3, 5, 6, 7};
    u8 *at = code_page;

    for (unsigned i = 0; i < COUNT(loads); i++)
        at = put_mov(at, loads[i], random() & 1 ? DEVICE_AT + random() % 4096 : value() & 0xffff);
    at = put_mov(at, 7, DEVICE_AT + (random() % 8 ? random() % 0xf00 : 0xff0 + random() % 16));
    at = put_opcode(put_prefixes(at));
    *at++ = (u8)(0x47 | (random() & 7) << 3);
    for (unsigned i = 0; i < 6; i++)
        *at++ = (u8)random();
    while (at < code_page + 256) {
        *at++ = 0xcd;
        *at++ = 0x80;
    }
}

static void try_code(void)
{
    make_code();
    lapic_write(APIC_INIT, 3000000); /* however it goes on, it ends */
    try_at = CODE_AT;
    fault_clear();
    enter_user((void (*)(void))CODE_AT, STACK_AT - 64, UCODE_SEL, UDATA_SEL);
    lapic_write(APIC_INIT, 0);
    if (fault.vector == TIMER)
        lapic_eoi();
}

static void try_opcodes(void)
{
    for (unsigned v = 32; v < 256; v++)
        set_handler(v, NULL); /* every interrupt ends the subject */
    fence_in();
    lapic_enable(false);
    lapic_write(APIC_DIVIDE, 0xb);
    lapic_write(APIC_LVT_TIMER, TIMER);
    for (unsigned i = 0; i < 3000; i++)
        try_code();
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
    check("survived-pokes", 1, 1);
    try_opcodes();
    check("survived-opcodes", 1, 1);
}
