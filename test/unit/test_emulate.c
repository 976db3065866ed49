/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The emulator where the host CPU cannot be asked (test_emulate_native.c does that): ports,
 * privileged instructions, real mode, chunks, replay, fetching, and what must be refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "hv/errno.h"
#include "hv/x86.h"
#include "test/unit/machine.h"

#define BASE 0x400000ul

static struct machine m;

static int reset(void **state)
{
    (void)state;
    machine_init(&m, BASE);
    return 0;
}

static void assert_fault(int err, u8 vector, int error)
{
    assert_int_equal(err, -EFAULT);
    assert_true(m.e.fault.valid);
    assert_int_equal(m.e.fault.type, EVENT_EXC);
    assert_int_equal(m.e.fault.vector, vector);
    assert_int_equal(m.e.fault.has_error, error >= 0);
    if (error >= 0)
        assert_int_equal(m.e.fault.error, error);
    assert_int_equal(m.e.rip, MACHINE_CODE);
}

static void assert_page_fault(int err, u64 cr2, int error)
{
    assert_fault(err, TRAP_PF, error);
    assert_true(m.e.fault.set_cr2);
    assert_int_equal(m.e.fault.cr2, cr2);
}

static u64 memory64(unsigned offset)
{
    u64 v;

    memcpy(&v, m.memory + offset, 8);
    return v;
}

/* mov rax, [rbx] and the ways it can go wrong. */
static void test_canonical(void **state)
{
    (void)state;
    m.gpr[rBX] = 0x0000800000000000;
    assert_fault(MACHINE_RUN(&m, 0x48, 0x8b, 0x03), TRAP_GP, 0);
    m.gpr[rBX] = 0x00007ffffffffffc; /* its last byte is outside */
    assert_fault(MACHINE_RUN(&m, 0x48, 0x8b, 0x03), TRAP_GP, 0);
    m.gpr[rBP] = 0xffff7fffffffffff; /* rBP: the stack segment */
    assert_fault(MACHINE_RUN(&m, 0x8a, 0x45, 0x00), TRAP_SS, 0);
    m.e.cr4 |= CR4_LA57;
    m.gpr[rBX] = 0x0000800000000000;
    assert_page_fault(MACHINE_RUN(&m, 0x48, 0x8b, 0x03), 0x0000800000000000, 0);
    m.gpr[rBX] = 0x0100000000000000;
    assert_fault(MACHINE_RUN(&m, 0x48, 0x8b, 0x03), TRAP_GP, 0);
}

static void test_segment_bases(void **state)
{
    (void)state;
    m.memory[0x10] = 0x5a;
    m.seg[SEG_FS].base = BASE;
    m.seg[SEG_DS].base = 0x123456; /* means nothing in 64-bit mode */
    m.gpr[rBX] = 0x10;
    assert_int_equal(MACHINE_RUN(&m, 0x64, 0x8a, 0x03), 0); /* mov al, fs:[rbx] */
    assert_int_equal(m.gpr[rAX], 0x5a);
    m.gpr[rBX] = BASE + 0x10;
    assert_int_equal(MACHINE_RUN(&m, 0x8a, 0x0b), 0); /* mov cl, [rbx] */
    assert_int_equal(m.gpr[rCX], 0x5a);
}

static void test_segment_types(void **state)
{
    (void)state;
    machine_mode(&m, MODE_32, true);
    m.gpr[rBX] = BASE;
    m.seg[SEG_DS].attr &= ~SEG_P; /* a null selector */
    assert_fault(MACHINE_RUN(&m, 0x8a, 0x03), TRAP_GP, 0);
    assert_int_equal(MACHINE_RUN(&m, 0x2e, 0x8a, 0x03), 0); /* CS can be read */
    m.e.rip = MACHINE_CODE;
    assert_fault(MACHINE_RUN(&m, 0x2e, 0x88, 0x03), TRAP_GP, 0); /* not written */
    m.seg[SEG_CS].attr &= ~2u;                                   /* execute-only */
    assert_fault(MACHINE_RUN(&m, 0x2e, 0x8a, 0x03), TRAP_GP, 0);
    m.seg[SEG_SS].limit = BASE + 2;
    assert_fault(MACHINE_RUN(&m, 0x36, 0x8b, 0x03), TRAP_SS, 0);
    assert_int_equal(m.logged, 0);
}

/* Segments keep base and limit, types do not count, 64 KiB is the end of them. */
static void test_real_mode(void **state)
{
    (void)state;
    machine_mode(&m, MODE_16, false);
    m.seg[SEG_DS] = (struct segment){.attr = SEG_P | SEG_S | 0xb, .limit = 0xffff, .base = BASE};
    m.gpr[rBX] = 0xffff1000;
    m.gpr[rSI] = 0x10;
    m.gpr[rAX] = 0x1234;
    assert_int_equal(MACHINE_RUN(&m, 0x89, 0x40, 0x02), 0); /* mov [bx+si+2], ax */
    assert_int_equal(memory64(0x1012), 0x1234);
    m.gpr[rSI] = 0xefff;
    m.e.rip = MACHINE_CODE;
    assert_fault(MACHINE_RUN(&m, 0x89, 0x00), TRAP_GP, 0); /* at 0xffff */
}

static void test_page_crossing(void **state)
{
    (void)state;
    m.gpr[rBX] = BASE + MACHINE_MEMORY - 2;
    m.gpr[rAX] = 7;
    m.e.cpl = 3;
    assert_page_fault(MACHINE_RUN(&m, 0x89, 0x03), BASE + MACHINE_MEMORY, PFEC_W | PFEC_U);
    assert_page_fault(MACHINE_RUN(&m, 0x01, 0x03), BASE + MACHINE_MEMORY, PFEC_W | PFEC_U);
    assert_int_equal(m.log[0].how, EMU_RMW);
    assert_page_fault(MACHINE_RUN(&m, 0x8b, 0x03), BASE + MACHINE_MEMORY, PFEC_U);
    assert_int_equal(m.gpr[rAX], 7);
    assert_int_equal(memory64(MACHINE_MEMORY - 8), 0);
}

/* #AC takes CPL 3, CR0.AM and RFLAGS.AC together. */
static void test_alignment(void **state)
{
    (void)state;
    m.gpr[rBX] = BASE + 1;
    for (unsigned on = 0; on < 8; on++) {
        int err;

        m.e.rip = MACHINE_CODE;
        m.e.cpl = on & 1 ? 3 : 0;
        m.e.cr0 = on & 2 ? CR0_PE | CR0_AM : CR0_PE;
        m.e.rflags = on & 4 ? RFLAGS_RESERVED | RFLAGS_AC : RFLAGS_RESERVED;
        err = MACHINE_RUN(&m, 0x8b, 0x03);
        if (on == 7)
            assert_fault(err, TRAP_AC, 0);
        else
            assert_int_equal(err, 0);
    }
}

/* A CMPXCHG that finds something else writes that back: devices see the write. */
static void test_cmpxchg_writes(void **state)
{
    (void)state;
    m.gpr[rBX] = BASE;
    m.memory[0] = 5;
    m.gpr[rCX] = 9;
    assert_int_equal(MACHINE_RUN(&m, 0x0f, 0xb0, 0x0b), 0); /* cmpxchg [rbx], cl */
    assert_int_equal(m.logged, 2);
    assert_int_equal(m.log[1].kind, ACC_WRITE);
    assert_int_equal(m.memory[0], 5);
    assert_int_equal(m.gpr[rAX], 5);
    assert_int_equal(MACHINE_RUN(&m, 0xf0, 0x0f, 0xb0, 0x0b), 0);
    assert_int_equal(m.log[1].kind, ACC_CMPXCHG);
    assert_int_equal(m.memory[0], 9);
}

static void test_port(void **state)
{
    (void)state;
    m.port_value = 0xdeadbeef;
    m.gpr[rAX] = ~0ull;
    m.gpr[rDX] = 0xfffff03f8;
    assert_int_equal(MACHINE_RUN(&m, 0xec), 0); /* in al, dx */
    assert_int_equal(m.gpr[rAX], 0xffffffffffffffef);
    assert_int_equal(m.log[0].port, 0x03f8);
    assert_int_equal(MACHINE_RUN(&m, 0x66, 0xe5, 0x80), 0); /* in ax, 80h */
    assert_int_equal(m.gpr[rAX], 0xffffffffffffbef0);
    assert_int_equal(m.log[0].port, 0x80);
    assert_int_equal(MACHINE_RUN(&m, 0x48, 0xed),
                     0); /* in eax, dx: REX.W does not make it 8 bytes */
    assert_int_equal(m.gpr[rAX], 0xdeadbef1);
    assert_int_equal(m.log[0].len, 4);
    assert_int_equal(MACHINE_RUN(&m, 0xe6, 0xff), 0); /* out ffh, al */
    assert_int_equal(m.out[0], 0xf1);
    assert_int_equal(MACHINE_RUN(&m, 0x66, 0xef), 0);
    assert_int_equal(m.out[1], 0xbef1);
}

static void test_msw(void **state)
{
    (void)state;
    m.e.cr0 = CR0_PG | CR0_PE | CR0_TS;
    assert_int_equal(MACHINE_RUN(&m, 0x0f, 0x06), 0); /* clts */
    assert_int_equal(m.e.cr0, CR0_PG | CR0_PE);
    m.gpr[rAX] = 0xfffe; /* lmsw ax: PE stays, what is above the four bits too */
    assert_int_equal(MACHINE_RUN(&m, 0x0f, 0x01, 0xf0), 0);
    assert_int_equal(m.e.cr0, CR0_PG | 0xf);
    m.gpr[rBX] = BASE;
    memset(m.memory, 0xff, 8);
    assert_int_equal(MACHINE_RUN(&m, 0x0f, 0x01, 0x23), 0); /* smsw [rbx]: two bytes */
    assert_int_equal(memory64(0), 0xffffffffffff000f);
    assert_int_equal(MACHINE_RUN(&m, 0x0f, 0x01, 0xe1), 0); /* smsw ecx */
    assert_int_equal(m.gpr[rCX], CR0_PG | 0xf);
    m.e.cpl = 3;
    m.e.rip = MACHINE_CODE;
    assert_fault(MACHINE_RUN(&m, 0x0f, 0x06), TRAP_GP, 0);
    assert_fault(MACHINE_RUN(&m, 0x0f, 0x01, 0xf0), TRAP_GP, 0);
    m.e.cr4 |= CR4_UMIP;
    assert_fault(MACHINE_RUN(&m, 0x0f, 0x01, 0xe1), TRAP_GP, 0);
}

static void test_divide_error(void **state)
{
    (void)state;
    m.gpr[rCX] = 0;
    assert_fault(MACHINE_RUN(&m, 0x48, 0xf7, 0xf1), TRAP_DE, -1);
    m.gpr[rAX] = 1ull << 63; /* -2^63 / -1 */
    m.gpr[rDX] = ~0ull;
    m.gpr[rCX] = ~0ull;
    assert_fault(MACHINE_RUN(&m, 0x48, 0xf7, 0xf9), TRAP_DE, -1);
}

static void test_vector_permission(void **state)
{
    const u8 movups[] = {0x0f, 0x10, 0x03}, vmovups[] = {0xc5, 0xf8, 0x10, 0x03};
    const u8 vmovd_256[] = {0xc5, 0xfd, 0x6e, 0x03}, vmovups_vvvv[] = {0xc5, 0x80, 0x10, 0x03};

    (void)state;
    m.gpr[rBX] = BASE + 1;
    assert_int_equal(machine_execute(&m, movups, 3), 0);
    assert_false(m.upper_cleared);
    assert_int_equal(machine_execute(&m, vmovups, 4), 0);
    assert_true(m.upper_cleared);
    m.e.rip = MACHINE_CODE;
    assert_fault(machine_execute(&m, vmovd_256, 4), TRAP_UD, -1);
    assert_fault(machine_execute(&m, vmovups_vvvv, 4), TRAP_UD, -1);
    assert_fault(MACHINE_RUN(&m, 0x0f, 0x28, 0x03), TRAP_GP, 0); /* movaps, unaligned */
    m.e.cr0 |= CR0_TS;
    assert_fault(machine_execute(&m, movups, 3), TRAP_NM, -1);
    m.e.cr0 |= CR0_EM;
    assert_fault(machine_execute(&m, movups, 3), TRAP_UD, -1);
    m.e.xcr0 = XCR0_X87 | XCR0_SSE;
    assert_fault(machine_execute(&m, vmovups, 4), TRAP_UD, -1);
    machine_mode(&m, MODE_16, false);
    m.e.xcr0 |= XCR0_AVX;
    assert_fault(machine_execute(&m, vmovups, 4), TRAP_UD, -1);
}

static void test_not_emulated(void **state)
{
    static const struct {
        u8 len, bytes[6];
    } list[] = {
        {2, {0x8e, 0xd8}},             /* mov ds, ax */
        {2, {0x0f, 0xa2}},             /* cpuid */
        {2, {0xd9, 0x03}},             /* fld [rbx] */
        {3, {0x0f, 0x58, 0x03}},       /* addps */
        {3, {0x0f, 0x6f, 0x03}},       /* movq mm0, [rbx] */
        {3, {0x0f, 0x10, 0xc1}},       /* movups between registers */
        {4, {0xf3, 0x0f, 0xbc, 0x03}}, /* tzcnt or bsf */
        {3, {0x0f, 0x22, 0xc0}},       /* mov cr0, rax */
        {2, {0xff, 0x1b}},             /* call far */
        {1, {0xf4}},                   /* hlt */
    };
    struct machine before;

    (void)state;
    m.gpr[rBX] = BASE;
    before = m;
    for (unsigned n = 0; n < ARRAY_SIZE(list); n++) {
        assert_int_equal(machine_execute(&m, list[n].bytes, list[n].len), -ENOSYS);
        assert_memory_equal(m.gpr, before.gpr, sizeof(m.gpr));
        assert_int_equal(m.e.rip, MACHINE_CODE);
        assert_int_equal(m.logged, 0);
    }
}

static void test_finish(void **state)
{
    (void)state;
    m.e.rflags |= RFLAGS_RF | RFLAGS_TF;
    assert_int_equal(MACHINE_RUN(&m, 0x90), 0);
    assert_int_equal(m.e.rip, MACHINE_CODE + 1);
    assert_int_equal(m.e.rflags, RFLAGS_RESERVED | RFLAGS_TF);
    machine_mode(&m, MODE_32, true);
    m.e.rip = 0xffffffff;
    assert_int_equal(MACHINE_RUN(&m, 0x90), 0);
    assert_int_equal(m.e.rip, 0);
}

/* Another CPU changes the operand between read and write. */
static void test_lock_race(void **state)
{
    struct insn i;
    const u8 lock_add[] = {0xf0, 0x48, 0x01, 0x03}; /* lock add [rbx], rax */

    (void)state;
    assert_int_equal(decode(&i, lock_add, sizeof(lock_add), MODE_64), 0);
    m.gpr[rAX] = 5;
    m.gpr[rBX] = BASE;
    m.cmpxchg_losses = 1;
    assert_int_equal(machine_run(&m, &i, false), -EBUSY);
    assert_int_equal(m.e.rip, MACHINE_CODE);
    assert_int_equal(memory64(0), 0);
    assert_int_equal(machine_run(&m, &i, false), 0);
    assert_int_equal(memory64(0), 5);
    assert_int_equal(m.log[1].kind, ACC_CMPXCHG);
}

static void test_xchg_locks(void **state)
{
    (void)state;
    m.gpr[rBX] = BASE;
    m.wait = true;
    m.gpr[rAX] = 0x55;
    assert_int_equal(MACHINE_RUN(&m, 0x87, 0x03), 0);
    assert_int_equal(m.log[1].kind, ACC_CMPXCHG);
    assert_int_equal(m.waited, 2);
    assert_int_equal(memory64(0), 0x55);
    assert_int_equal(m.gpr[rAX], 0);
}

/* A count of 1000, in chunks of 300: each ends at the page; the machine waits for each. */
static void test_rep_ins_chunks(void **state)
{
    (void)state;
    m.wait = true;
    m.rep_most = 300;
    m.gpr[rDX] = 0x1f0;
    m.gpr[rDI] = BASE + 0x800;
    m.gpr[rCX] = 1000;
    m.port_value = 0x1000;
    assert_int_equal(MACHINE_RUN(&m, 0xf3, 0x66, 0x6d), 0); /* rep insw */
    assert_int_equal(m.gpr[rCX], 0);
    assert_int_equal(m.gpr[rDI], BASE + 0x800 + 2000);
    /* To the page's end in 4 (300 + 300 + 300 + 124 are 1024). */
    assert_int_equal(m.logged, 4);
    assert_int_equal(m.log[0].kind, ACC_REP);
    assert_int_equal(m.log[0].count, 1000);
    assert_int_equal(m.log[3].count, 100);
    for (unsigned n = 0; n < 1000; n++)
        assert_int_equal((u16)memory64(0x800 + 2 * n), 0x1000 + n);
    assert_int_equal(m.e.rip, MACHINE_CODE + 3);
}

static void test_rep_chunk_at_page_end(void **state)
{
    (void)state;
    m.rep_most = 1000;
    m.gpr[rDI] = BASE + 0x1000 - 7; /* the second dword crosses into the next page */
    m.gpr[rCX] = 4;
    m.gpr[rAX] = 0x11223344;
    assert_int_equal(MACHINE_RUN(&m, 0xf3, 0xab), 0); /* rep stosd */
    assert_int_equal(m.logged, 3);
    assert_int_equal(m.log[0].count, 1);
    assert_int_equal(m.log[1].kind, ACC_WRITE);
    assert_int_equal(m.log[1].gva, BASE + 0x1000 - 3);
    assert_int_equal(m.log[2].count, 2);
    for (unsigned n = 0; n < 4; n++)
        assert_int_equal((u32)memory64(0x1000 - 7 + 4 * n), 0x11223344);
}

static void test_rep_down(void **state)
{
    (void)state;
    m.rep_most = 1000;
    m.e.rflags |= RFLAGS_DF;
    for (unsigned n = 0; n < 32; n++)
        m.memory[0x100 + n] = (u8)n;
    m.gpr[rSI] = BASE + 0x11c;
    m.gpr[rDI] = BASE + 0x1008;
    m.gpr[rCX] = 8;
    assert_int_equal(MACHINE_RUN(&m, 0xf3, 0xa5), 0); /* rep movsd */
    assert_int_equal(m.gpr[rSI], BASE + 0xfc);
    assert_int_equal(m.gpr[rDI], BASE + 0xfe8);
    assert_int_equal(m.log[0].count, 3); /* down to the page's start */
    assert_int_equal(m.log[1].count, 5);
    assert_memory_equal(m.memory + 0xfec, m.memory + 0x100, 32);
}

static void test_rep_outs(void **state)
{
    (void)state;
    m.rep_most = 2;
    memcpy(m.memory, "abcde", 5);
    m.gpr[rSI] = BASE;
    m.gpr[rCX] = 5;
    m.gpr[rDX] = 0xe9;
    m.wait = true;
    assert_int_equal(MACHINE_RUN(&m, 0xf3, 0x6e), 0);
    assert_int_equal(m.outs, 5);
    assert_int_equal(m.out[4], 'e');
    assert_int_equal(m.logged, 3);
    assert_int_equal(m.gpr[rSI], BASE + 5);
}

/* Interrupts get their turn after rep_limit elements. */
static void test_rep_limit(void **state)
{
    struct insn i;

    (void)state;
    assert_int_equal(decode(&i, (const u8[]){0xf3, 0xa4}, 2, MODE_64), 0);
    m.e.rep_limit = 3;
    m.gpr[rSI] = BASE;
    m.gpr[rDI] = BASE + 0x100;
    m.gpr[rCX] = 7;
    assert_int_equal(machine_run(&m, &i, false), -EBUSY);
    assert_int_equal(m.gpr[rCX], 4);
    assert_int_equal(m.e.rip, MACHINE_CODE);
    assert_int_equal(machine_run(&m, &i, false), -EBUSY);
    assert_int_equal(machine_run(&m, &i, false), 0);
    assert_int_equal(m.gpr[rCX], 0);
    assert_int_equal(m.e.rip, MACHINE_CODE + 2);
}

/* What was done stays done; the fault belongs to the element that has it. */
static void test_rep_fault(void **state)
{
    (void)state;
    m.rep_most = 100;
    m.gpr[rDI] = BASE + MACHINE_MEMORY - 6;
    m.gpr[rCX] = 5;
    assert_page_fault(MACHINE_RUN(&m, 0xf3, 0x66, 0xab), BASE + MACHINE_MEMORY, PFEC_W);
    assert_int_equal(m.gpr[rCX], 2);
    assert_int_equal(m.gpr[rDI], BASE + MACHINE_MEMORY);
}

/* The count register is as wide as addresses are; what is above it stays, except of 32 bits. */
static void test_rep_address_size(void **state)
{
    (void)state;
    machine_mode(&m, MODE_16, false);
    m.seg[SEG_ES].base = BASE;
    m.gpr[rCX] = 0x10002;
    m.gpr[rDI] = 0x50fff;
    assert_int_equal(MACHINE_RUN(&m, 0xf3, 0xaa), 0); /* rep stosb */
    assert_int_equal(m.gpr[rCX], 0x10000);
    assert_int_equal(m.gpr[rDI], 0x51001);
    m.gpr[rDI] = 0xffff; /* SI and DI wrap around, here behind the end of memory: at it */
    m.seg[SEG_ES].base = BASE - 0xfff0;
    m.gpr[rCX] = 1;
    m.rep_most = 10;
    assert_int_equal(MACHINE_RUN(&m, 0xf3, 0xaa), 0);
    assert_int_equal(m.gpr[rDI], 0);
    m.gpr[rCX] = 0x70000; /* none */
    assert_int_equal(MACHINE_RUN(&m, 0xf3, 0xaa), 0);
    assert_int_equal(m.logged, 0);
}

/* INS must not take data from a port for memory that is not there. */
static void test_ins_probes(void **state)
{
    (void)state;
    m.gpr[rDI] = BASE + MACHINE_MEMORY;
    assert_page_fault(MACHINE_RUN(&m, 0x6c), BASE + MACHINE_MEMORY, PFEC_W);
    assert_int_equal(m.logged, 0);
    assert_int_equal(m.port_value, 0);
}

/* Two reads, then a write: nothing moves while the machine waits, three times. */
static void test_replay(void **state)
{
    (void)state;
    m.wait = true;
    m.gpr[rBX] = BASE + 0x10;
    m.gpr[rSP] = BASE + 0x100;
    m.memory[0x10] = 0x77;
    assert_int_equal(MACHINE_RUN(&m, 0xff, 0x33), 0); /* push [rbx] */
    assert_int_equal(m.waited, 2);
    assert_int_equal(memory64(0xf8), 0x77);
    assert_int_equal(MACHINE_RUN(&m, 0x8f, 0x04, 0x24),
                     0); /* pop [rsp]: the address is the new RSP's */
    assert_int_equal(m.waited, 4);
    assert_int_equal(memory64(0x100), 0x77);
    assert_int_equal(m.gpr[rSP], BASE + 0x100);
    m.gpr[rSI] = BASE;
    m.gpr[rDI] = BASE + 0x80;
    m.gpr[rCX] = 10;
    assert_int_equal(MACHINE_RUN(&m, 0xf3, 0xa4), 0); /* rep movsb */
    assert_int_equal(m.waited, 24);
}

static int fetch(struct insn *i, const char *code, unsigned len, u64 rip)
{
    memset(m.code, 0xcc, sizeof(m.code));
    memcpy(m.code + (rip - MACHINE_CODE), code, len);
    m.e.rip = rip;
    return emu_fetch(&m.e, i, NULL, 0);
}

static void test_fetch(void **state)
{
    struct insn i;
    const u8 seen[] = {0x0f, 0x20};

    (void)state;
    assert_int_equal(fetch(&i, "\x48\x8b\x05\x01\x02\x03\x04", 7, MACHINE_CODE + 9), 0);
    assert_int_equal(i.length, 7);
    assert_fault((fetch(&i, "\x0f\x0b", 2, MACHINE_CODE)), TRAP_UD, -1);
    assert_fault(fetch(&i, "\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x90", 16,
                       MACHINE_CODE),
                 TRAP_GP, 0);
    assert_int_equal(fetch(&i, "\x62\xf1\x7c\x48\x10\x03", 6, MACHINE_CODE), -ENOSYS);
    /* Bytes the CPU has recorded, and the rest from memory. */
    memcpy(m.code, "\xff\xff\xc0", 3);
    assert_int_equal(emu_fetch(&m.e, &i, seen, 2), 0);
    assert_int_equal(i.op, OP_MOV_FROM_CR);
    assert_int_equal(i.length, 3);
}

/* The code page ends in the middle of an instruction: the next page is asked, and faults. */
static void test_fetch_page_end(void **state)
{
    struct insn i;
    u8 bytes[] = {0x48, 0xb8, 1, 2};

    (void)state;
    m.e.rip = MACHINE_CODE - 4;
    assert_int_equal(emu_fetch(&m.e, &i, bytes, 4), 0); /* page 0 given, page 1 fetched */
    assert_int_equal(i.length, 10);
    m.e.rip = MACHINE_CODE + PAGE_SIZE - 4;
    assert_int_equal(emu_fetch(&m.e, &i, bytes, 4), -EFAULT);
    assert_int_equal(m.e.fault.vector, TRAP_PF);
    assert_int_equal(m.e.fault.cr2, MACHINE_CODE + PAGE_SIZE);
}

/* Without the callback, what the CPU has recorded must do. */
static void test_fetch_nothing(void **state)
{
    struct emu_ops none = *m.e.ops;
    struct insn i;

    (void)state;
    none.fetch = NULL;
    m.e.ops = &none;
    assert_int_equal(emu_fetch(&m.e, &i, (const u8[]){0xf4}, 1), 0);
    assert_int_equal(emu_fetch(&m.e, &i, (const u8[]){0x0f}, 1), -ENOSYS);
}

static void test_fetch_limit(void **state)
{
    struct insn i;
    const u8 bytes[] = {0xb8, 1, 2, 3, 4};

    (void)state;
    machine_mode(&m, MODE_32, true);
    m.e.rip = 0x1000;
    m.seg[SEG_CS].limit = 0x1004;
    assert_int_equal(emu_fetch(&m.e, &i, bytes, 5), 0);
    m.seg[SEG_CS].limit = 0x1003;
    assert_int_equal(emu_fetch(&m.e, &i, bytes, 5), -EFAULT);
    assert_int_equal(m.e.fault.vector, TRAP_GP);
}

/* Between setting CR0.PE and the first far jump: QEMU's loader of kernels does its work there. */
static void test_fetch_by_real_mode_cs(void **state)
{
    struct insn i;

    (void)state;
    machine_mode(&m, MODE_16, true);
    m.e.rip = 0x100;
    m.seg[SEG_CS].attr = SEG_P | SEG_S | 3; /* as real mode leaves it: data, writable */
    assert_int_equal(emu_fetch(&m.e, &i, (const u8[]){0xf3, 0x6c}, 2), 0); /* rep insb */
    assert_int_equal(i.op, OP_INS);
}

static void test_linear_and_mode(void **state)
{
    struct insn i;
    struct segment cs = {.attr = SEG_L};

    (void)state;
    m.seg[SEG_GS].base = 0x1000;
    m.gpr[rAX] = 0x234;
    assert_int_equal(decode(&i, (const u8[]){0x65, 0x0f, 0x01, 0x38}, 4, MODE_64),
                     0); /* invlpg gs:[rax] */
    assert_int_equal(i.op, OP_INVLPG);
    assert_int_equal(emu_linear(&m.e, &i), 0x1234);
    assert_int_equal(emu_mode(EFER_LMA, &cs), MODE_64);
    assert_int_equal(emu_mode(0, &cs), MODE_16);
    cs.attr = SEG_DB;
    assert_int_equal(emu_mode(EFER_LMA, &cs), MODE_32);
}

#define TEST(name) cmocka_unit_test_setup(name, reset)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_canonical),
        TEST(test_segment_bases),
        TEST(test_segment_types),
        TEST(test_real_mode),
        TEST(test_page_crossing),
        TEST(test_port),
        TEST(test_alignment),
        TEST(test_cmpxchg_writes),
        TEST(test_msw),
        TEST(test_divide_error),
        TEST(test_vector_permission),
        TEST(test_not_emulated),
        TEST(test_finish),
        TEST(test_lock_race),
        TEST(test_xchg_locks),
        TEST(test_rep_ins_chunks),
        TEST(test_rep_chunk_at_page_end),
        TEST(test_rep_down),
        TEST(test_rep_outs),
        TEST(test_rep_limit),
        TEST(test_rep_fault),
        TEST(test_rep_address_size),
        TEST(test_ins_probes),
        TEST(test_replay),
        TEST(test_fetch),
        TEST(test_fetch_page_end),
        TEST(test_fetch_limit),
        TEST(test_fetch_by_real_mode_cs),
        TEST(test_fetch_nothing),
        TEST(test_linear_and_mode),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
