/* SPDX-License-Identifier: BSD-2-Clause */
/* Every instruction form that drivers use on device memory, on the dummy device's page. The same
 * code runs on plain RAM first: the CPU's own result is the expected one. On a bare emulator, RAM
 * stands in for the page. */
#include "guest.h"

#define DEVICE 0xfed40000ul

/* Device and RAM get the same start, the same instruction, and must end alike: memory, registers,
 * flags. */
struct state {
    u64 rax, rbx, rcx, rdx, rsi, rdi, flags;
    u8 memory[64];
};

static u8 ram[2 * 4096] __attribute__((aligned(4096)));

#define ARITHMETIC 0x8d5ul /* OF SF ZF AF PF CF */

typedef void (*form_t)(struct state *s, void *at);

/* One form: RDI points at the memory, RAX, RBX, RCX, RDX and RSI are given; all come back. */
#define FORM(name, insn)                                                                     \
    static void form_##name(struct state *s, void *at)                                       \
    {                                                                                        \
        void *di = at;                                                                       \
                                                                                             \
        asm volatile("push %6; popf; " insn "; pushf; pop %6; cld"                           \
                     : "+a"(s->rax), "+b"(s->rbx), "+c"(s->rcx), "+d"(s->rdx), "+S"(s->rsi), \
                       "+D"(di), "+r"(s->flags)                                              \
                     :                                                                       \
                     : "memory", "cc");                                                      \
        s->rdi = (u64)di - (u64)at;                                                          \
    }

#define FORMS(X)                                                                                     \
    X(mov_load_8, "movb 3(%%rdi), %%bl")                                                             \
    X(mov_load_8h, "movb 3(%%rdi), %%bh")                                                            \
    X(mov_load_16, "movw 2(%%rdi), %%bx")                                                            \
    X(mov_load_32, "movl 4(%%rdi), %%ebx")                                                           \
    X(mov_load_64, "movq 8(%%rdi), %%rbx")                                                           \
    X(mov_load_unaligned, "movq 3(%%rdi), %%rbx")                                                    \
    X(mov_store_8, "movb %%bl, 5(%%rdi)")                                                            \
    X(mov_store_8h, "movb %%bh, 5(%%rdi)")                                                           \
    X(mov_store_16, "movw %%bx, 6(%%rdi)")                                                           \
    X(mov_store_32, "movl %%ebx, 8(%%rdi)")                                                          \
    X(mov_store_64, "movq %%rbx, 16(%%rdi)")                                                         \
    X(mov_store_unaligned, "movq %%rbx, 5(%%rdi)")                                                   \
    X(mov_imm_8, "movb $0x5a, (%%rdi)")                                                              \
    X(mov_imm_16, "movw $0x5aa5, 2(%%rdi)")                                                          \
    X(mov_imm_32, "movl $0x12345678, 4(%%rdi)")                                                      \
    X(mov_imm_64, "movq $-2, 8(%%rdi)")                                                              \
    X(sib, "and $7, %%ecx; movl %%eax, 4(%%rdi,%%rcx,2)")                                            \
    X(sib_load, "and $3, %%ecx; movzwl (%%rdi,%%rcx,8), %%edx")                                      \
    X(movzx_8_32, "movzbl 1(%%rdi), %%ebx")                                                          \
    X(movzx_8_16, "movzbw 1(%%rdi), %%bx")                                                           \
    X(movzx_16_64, "movzwq 2(%%rdi), %%rbx")                                                         \
    X(movsx_8_32, "movsbl 1(%%rdi), %%ebx")                                                          \
    X(movsx_8_64, "movsbq 1(%%rdi), %%rbx")                                                          \
    X(movsx_16_32, "movswl 2(%%rdi), %%ebx")                                                         \
    X(movsxd, "movslq 4(%%rdi), %%rbx")                                                              \
    X(add_8, "addb %%bl, 1(%%rdi)")                                                                  \
    X(add_32, "addl %%ebx, 4(%%rdi)")                                                                \
    X(add_64, "addq %%rbx, 8(%%rdi)")                                                                \
    X(add_reg, "addl 4(%%rdi), %%ebx")                                                               \
    X(adc, "adcl %%ebx, 4(%%rdi)")                                                                   \
    X(sub_16, "subw %%bx, 6(%%rdi)")                                                                 \
    X(sbb, "sbbq %%rbx, 8(%%rdi)")                                                                   \
    X(and_imm, "andl $0x0ff0ff0f, (%%rdi)")                                                          \
    X(and_reg, "andq (%%rdi), %%rbx")                                                                \
    X(or_imm8, "orl $-16, 4(%%rdi)")                                                                 \
    X(or_8, "orb $0x81, 9(%%rdi)")                                                                   \
    X(xor_32, "xorl %%ebx, 4(%%rdi)")                                                                \
    X(lock_or, "lock orl %%ebx, 4(%%rdi)")                                                           \
    X(cmp_mem_reg, "cmpl %%ebx, 4(%%rdi)")                                                           \
    X(cmp_reg_mem, "cmpb 4(%%rdi), %%bl")                                                            \
    X(cmp_imm, "cmpw $0x1234, 4(%%rdi)")                                                             \
    X(test_reg, "testl %%ebx, 4(%%rdi)")                                                             \
    X(test_imm, "testb $0x80, 7(%%rdi)")                                                             \
    X(inc, "incl 4(%%rdi)")                                                                          \
    X(dec, "decb 4(%%rdi)")                                                                          \
    X(neg, "negl 4(%%rdi)")                                                                          \
    X(not, "notw 4(%%rdi)")                                                                          \
    X(xchg_8, "xchgb %%bl, 4(%%rdi)")                                                                \
    X(xchg_32, "xchgl %%ebx, 4(%%rdi)")                                                              \
    X(xchg_64, "xchgq %%rbx, 8(%%rdi)")                                                              \
    X(xadd, "lock xaddl %%ebx, 4(%%rdi)")                                                            \
    X(cmpxchg_differs, "lock cmpxchgl %%ebx, 4(%%rdi)")                                              \
    X(cmpxchg_equal, "movl 4(%%rdi), %%eax; lock cmpxchgl %%ebx, 4(%%rdi)")                          \
    X(cmpxchg_8, "cmpxchgb %%bl, 4(%%rdi)")                                                          \
    X(bt_imm, "btl $13, 4(%%rdi)")                                                                   \
    X(bts_imm, "btsl $13, 4(%%rdi)")                                                                 \
    X(btr_reg, "and $63, %%ecx; btrl %%ecx, 4(%%rdi)")                                               \
    X(btc_negative, "mov $-9, %%rcx; btcq %%rcx, 16(%%rdi)")                                         \
    X(shl, "shll $3, 4(%%rdi)")                                                                      \
    X(push_mem, "pushq 8(%%rdi); pop %%rbx")                                                         \
    X(pop_mem, "push %%rbx; popq 8(%%rdi)")                                                          \
    X(setcc, "setc 5(%%rdi)")                                                                        \
    X(cmov_taken, "stc; cmovcl 4(%%rdi), %%ebx")                                                     \
    X(cmov_not_taken, "clc; cmovcl 4(%%rdi), %%ebx")                                                 \
    X(moffs, "movb (%%rdi), %%al")                                                                   \
    X(movsb_out, "lea source, %%rsi; movsb")                                                         \
    X(rep_movsl_out, "lea source, %%rsi; mov $5, %%ecx; rep movsl")                                  \
    X(rep_movsb_down, "lea source+15, %%rsi; add $20, %%rdi; mov $9, %%ecx; std; rep movsb; cld")    \
    X(rep_movsq_in,                                                                                  \
      "mov %%rdi, %%rsi; lea sink, %%rdi; mov $4, %%ecx; rep movsq; lea -32(%%rsi), %%rdi; "         \
      "sub %%rsi, %%rsi; mov sink+16, %%rbx")                                                        \
    X(rep_movsl_within, "lea 4(%%rdi), %%rsi; mov $6, %%ecx; rep movsl; sub %%rdi, %%rsi")           \
    X(stosw, "stosw")                                                                                \
    X(rep_stosl, "mov $7, %%ecx; rep stosl")                                                         \
    X(rep_stosb_none, "xor %%ecx, %%ecx; rep stosb")                                                 \
    X(lodsl, "mov %%rdi, %%rsi; lodsl; sub %%rdi, %%rsi")                                            \
    X(rep_lodsb, "mov %%rdi, %%rsi; mov $5, %%ecx; rep lodsb; sub %%rdi, %%rsi")                     \
    X(repne_scasb, "movb 9(%%rdi), %%al; mov $32, %%ecx; repne scasb")                               \
    X(repe_cmpsl, "lea source, %%rsi; mov $8, %%ecx; repe cmpsl; mov $0, %%esi")                     \
    X(movups_load,                                                                                   \
      "movups 4(%%rdi), %%xmm0; movq %%xmm0, %%rbx; psrldq $8, %%xmm0; movq %%xmm0, %%rdx")          \
    X(movups_store,                                                                                  \
      "movq %%rbx, %%xmm1; movq %%rdx, %%xmm0; punpcklqdq %%xmm1, %%xmm0; movups %%xmm0, 12(%%rdi)") \
    X(movaps_store,                                                                                  \
      "movq %%rbx, %%xmm1; movq %%rdx, %%xmm0; punpcklqdq %%xmm1, %%xmm0; movaps %%xmm0, 16(%%rdi)") \
    X(movdqu_load, "movdqu 7(%%rdi), %%xmm1; movq %%xmm1, %%rbx")                                    \
    X(movd_load, "movd 4(%%rdi), %%xmm0; movq %%xmm0, %%rbx")                                        \
    X(movq_store, "movq %%rbx, %%xmm0; movq %%xmm0, 8(%%rdi)")                                       \
    X(movnti, "movntil %%ebx, 8(%%rdi)")                                                             \
    X(addr32, "movl %%ebx, 4(%%edi)")

#define AVX_FORMS(X)                                                                       \
    X(vmovdqu_load,                                                                        \
      "vmovdqu 4(%%rdi), %%ymm0; vextractf128 $1, %%ymm0, %%xmm1; vmovq %%xmm1, %%rbx; "   \
      "vmovq %%xmm0, %%rdx; vzeroall")                                                     \
    X(vmovdqu_store,                                                                       \
      "vmovq %%rbx, %%xmm1; vmovq %%rdx, %%xmm0; vinsertf128 $1, %%xmm1, %%ymm0, %%ymm0; " \
      "vmovdqu %%ymm0, 8(%%rdi); vzeroall")                                                \
    X(vmovups_load_128,                                                                    \
      "vpcmpeqd %%xmm0, %%xmm0, %%xmm0; vinsertf128 $1, %%xmm0, %%ymm0, %%ymm0; "          \
      "vmovups (%%rdi), %%xmm0; vextractf128 $1, %%ymm0, %%xmm1; vmovq %%xmm1, %%rbx; "    \
      "vmovq %%xmm0, %%rdx; vzeroall")                                                     \
    X(vmovaps_store, "vmovq %%rbx, %%xmm0; vmovaps %%ymm0, 32(%%rdi); vzeroall")

#define DEFINE(name, insn) FORM(name, insn)
FORMS(DEFINE)
AVX_FORMS(DEFINE)

u8 source[64], sink[64];

struct form {
    const char *name;
    form_t run;
};
static const struct form forms[] = {
#define ENTRY(name, insn) {#name, form_##name},
    FORMS(ENTRY)};

static const struct form avx_forms[] = {AVX_FORMS(ENTRY)};

static u64 seed = 0x9e3779b97f4a7c15;

static u64 random(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

static void fill(struct state *s)
{
    s->rax = random();
    s->rbx = random();
    s->rcx = random();
    s->rdx = random();
    s->rsi = random();
    s->rdi = 0;
    s->flags = (random() & ARITHMETIC) | 2;
    for (unsigned i = 0; i < sizeof(s->memory); i++)
        s->memory[i] = (u8)random();
}

/* The device is written and read in bytes around it, by moves that the first checks have proved. */
static void run_on_device(const struct form *f, struct state *s, ulong at)
{
    volatile u8 *device = (volatile u8 *)at;

    for (unsigned i = 0; i < sizeof(s->memory); i++)
        device[i] = s->memory[i];
    f->run(s, (void *)at);
    for (unsigned i = 0; i < sizeof(s->memory); i++)
        s->memory[i] = device[i];
}

static void run_on_ram(const struct form *f, struct state *s)
{
    memcpy(ram, s->memory, sizeof(s->memory));
    f->run(s, ram);
    memcpy(s->memory, ram, sizeof(s->memory));
}

/* AF after shifts, and all but CF after bit tests, are what the CPU likes. */
static u64 defined_flags(const struct form *f)
{
    if (f->name[0] == 'b')
        return FLAG_CF;
    return f->run == form_shl ? ARITHMETIC & ~BIT(4) : ARITHMETIC;
}

static void compare(const struct form *f, ulong at)
{
    struct state expected, got;
    u64 differs = 0;

    for (unsigned i = 0; i < 8; i++) {
        fill(&expected);
        got = expected;
        run_on_ram(f, &expected);
        run_on_device(f, &got, at);
        expected.flags &= defined_flags(f);
        got.flags &= defined_flags(f);
        differs |= (expected.rax != got.rax) | (expected.rbx != got.rbx) << 1 |
                   (expected.rcx != got.rcx) << 2 | (expected.rdx != got.rdx) << 3 |
                   (expected.rsi != got.rsi) << 4 | (expected.rdi != got.rdi) << 5 |
                   (expected.flags != got.flags) << 6 |
                   (memcmp(expected.memory, got.memory, sizeof(got.memory)) != 0) << 7;
    }
    check(f->name, differs, 0);
}

/* The page's twin follows it in linear addresses, or nothing does. */
static void check_page_crossing(void)
{
    volatile u8 *device = (volatile u8 *)DEVICE;
    volatile u64 *across = (volatile u64 *)(0x40000ffd);

    map_page(0x40000000, DEVICE, PAGE_P | PAGE_W);
    map_page(0x40001000, (u64)ram, PAGE_P | PAGE_W);
    ((volatile u8 *)ram)[0] = 0x44;
    device[0xfe0] = 0x11;
    map_page(0x40000000, (u64)ram + 4096, PAGE_P | PAGE_W);
    map_page(0x40001000, DEVICE, PAGE_P | PAGE_W);
    for (unsigned i = 0; i < 8; i++)
        device[i] = (u8)(0x80 + i);
    ram[8192 - 3] = 1;
    ram[8192 - 2] = 2;
    ram[8192 - 1] = 3;
    barrier();
    check("cross-page-load", *across, 0x8483828180030201);
    *across = 0x1122334455667788;
    barrier();
    check("cross-page-store-ram", ram[8192 - 3] | ram[8192 - 2] << 8 | ram[8192 - 1] << 16,
          0x667788);
    check("cross-page-store-device", device[0] | device[1] << 8 | device[4] << 16, 0x114455);
}

static void check_faults(void)
{
    volatile u32 *count = (volatile u32 *)(DEVICE + 0xff0);
    volatile u8 *device = (volatile u8 *)DEVICE;
    u64 *pte;
    u32 before;

    map_page(0x40000000, DEVICE, PAGE_P | PAGE_W);
    map_page(0x40001000, 0, 0);
    before = *count;
    TRY("movl %%eax, 0xffe(%0)", : : "r"(0x40000000ul));
    expect("second-page-absent", V_PF, 2, 0);
    check("second-page-absent-cr2", fault.cr2, 0x40001000);
    check("second-page-absent-no-access", *count - before, 1);
    TRY("rep movsb", : : "S"(source), "D"(0x40000fe0ul), "c"(0x40ul) : "memory");
    expect("rep-movs-fault", V_PF, 2, 0);
    check("rep-movs-fault-rcx", fault.frame.cx, 0x20);
    check("rep-movs-fault-rdi", fault.frame.di, 0x40001000);
    check("rep-movs-fault-rsi", fault.frame.si, (u64)source + 0x20);
    pte = map_page(0x40000000, DEVICE, PAGE_P);
    before = *count;
    TRY("movb $1, (%0)", : : "r"(0x40000000ul));
    expect("read-only-store", V_PF, 3, 0);
    TRY("lock incl 4(%0)", : : "r"(0x40000000ul));
    expect("read-only-rmw", V_PF, 3, 0);
    check("read-only-no-access", *count - before, 1);
    TRY("movb (%0), %%al", : : "r"(0x40000000ul) : "rax");
    expect_none("read-only-load");
    check("accessed-not-dirty", *pte & (PAGE_A | PAGE_D), PAGE_A);
    pte = map_page(0x40000000, DEVICE, PAGE_P | PAGE_W);
    *(volatile u8 *)0x40000010 = 1;
    check("accessed-dirty", *pte & (PAGE_A | PAGE_D), PAGE_A | PAGE_D);
    TRY("movaps %%xmm0, (%0)", : : "r"(DEVICE + 8));
    expect("movaps-misaligned", V_GP, 0, 0);
    device[0] = 1;
    TRY("divb (%0)", : : "r"(0x40001000ul), "a"(1));
    expect("div-absent", V_PF, 0, 0);
}

static void check_counted(void)
{
    volatile u32 *count = (volatile u32 *)(DEVICE + 0xff0);
    u32 before = *count;

    *(volatile u32 *)(DEVICE + 0x20) = 1;
    (void)*(volatile u32 *)(DEVICE + 0x20);
    check("one-access-each", *count - before, 3);
    before = *count;
    asm volatile("lock orl $2, (%0)" ::"r"(DEVICE + 0x20) : "memory");
    check("rmw-is-two-accesses", *count - before, 3);
}

static void check_avx(ulong at)
{
    if ((cpuid(1, 0).c & (BIT(26) | BIT(28))) != (BIT(26) | BIT(28)))
        return;
    write_cr4(read_cr4() | CR4_OSXSAVE);
    asm volatile("xsetbv" ::"c"(0), "a"(7), "d"(0));
    for (unsigned i = 0; i < COUNT(avx_forms); i++)
        compare(&avx_forms[i], at);
}

void guest(void)
{
    for (unsigned i = 0; i < sizeof(source); i++)
        source[i] = (u8)(i * 7 + 1);
    for (unsigned i = 0; i < COUNT(forms); i++)
        compare(&forms[i], under_helium() ? DEVICE : (ulong)ram + 4096);
    check_avx(under_helium() ? DEVICE : (ulong)ram + 4096);
    if (!under_helium())
        return;
    check_counted();
    check_page_crossing();
    check_faults();
}
