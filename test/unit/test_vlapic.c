/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The local APIC judged by SDM 3A chapter 11, on a bus of up to eight, in virtual time.
 * The last tests are random: against a model of 256 flags, and posts from other threads.
 */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "hv/errno.h"
#include "hv/vlapic.h"
#include "random.h"

#define CPUS     8
#define TSC_RATE 3 /* guest TSC ticks per nanosecond */
#define MASKED   APIC_LVT_MASKED
#define ALL      (VLAPIC_X2APIC | VLAPIC_DEADLINE)

struct cpu {
    struct vlapic v;
    u32 page[1024];
    u64 timer; /* what set_timer() was told */
    unsigned int timer_sets, kicks, nmis, inits, sipis, eois;
    u8 sipi_page, eoi_vector;
    bool eoi_broadcast;
    int asleep; /* for the test with threads */
};

static struct cpu cpus[CPUS];
static struct vlapic *slots[CPUS];
static struct apic_bus bus;
static u64 now_ns, tsc_offset;

static struct cpu *cpu_of(struct vlapic *v)
{
    return container_of(v, struct cpu, v);
}
static u64 op_now(struct vlapic *v)
{
    (void)v;
    return now_ns;
}
static u64 op_tsc_to_ns(struct vlapic *v, u64 tsc)
{
    (void)v;
    return tsc < tsc_offset ? 0 : (tsc - tsc_offset + TSC_RATE - 1) / TSC_RATE;
}
static void op_set_timer(struct vlapic *v, u64 deadline)
{
    cpu_of(v)->timer = deadline;
    cpu_of(v)->timer_sets++;
}
static void op_kick(struct vlapic *v)
{
    cpu_of(v)->kicks++;
    __atomic_store_n(&cpu_of(v)->asleep, 0, __ATOMIC_SEQ_CST);
}
static void op_nmi(struct vlapic *v)
{
    cpu_of(v)->nmis++;
}
static void op_init(struct vlapic *v)
{
    cpu_of(v)->inits++;
}
static void op_startup(struct vlapic *v, u8 page)
{
    cpu_of(v)->sipis++;
    cpu_of(v)->sipi_page = page;
}
static void op_eoi(struct vlapic *v, u8 vector, bool broadcast)
{
    cpu_of(v)->eois++;
    cpu_of(v)->eoi_vector = vector;
    cpu_of(v)->eoi_broadcast = broadcast;
}
static const struct vlapic_ops ops = {
    .now = op_now,
    .tsc_to_ns = op_tsc_to_ns,
    .set_timer = op_set_timer,
    .kick = op_kick,
    .nmi = op_nmi,
    .init = op_init,
    .startup = op_startup,
    .eoi = op_eoi,
};

/* --- helpers --- */

static u64 guest_tsc(void)
{
    return now_ns * TSC_RATE + tsc_offset;
}

static u32 rd(struct vlapic *v, enum apic_reg r)
{
    return (u32)vlapic_mmio_read(v, (u32)r * 16);
}
static void wr(struct vlapic *v, enum apic_reg r, u32 value)
{
    vlapic_mmio_write(v, (u32)r * 16, 4, value);
}
static u32 msr_of(enum apic_reg r)
{
    return MSR_IA32_X2APIC_BASE + r;
}
static u64 rdx(struct vlapic *v, enum apic_reg r)
{
    u64 value = 0x5555;

    assert_int_equal(vlapic_rdmsr(v, msr_of(r), &value), 0);
    return value;
}
static void wrx(struct vlapic *v, enum apic_reg r, u64 value)
{
    assert_int_equal(vlapic_wrmsr(v, msr_of(r), value), 0);
}
static void x2apic(struct vlapic *v)
{
    assert_int_equal(vlapic_set_base(v, v->base | APIC_BASE_EXTD), 0);
}

/* `n` APICs with ids 0, 1, ..., powered up. */
static void power_up(unsigned int n, u32 features)
{
    memset(cpus, 0, sizeof(cpus));
    apic_bus_init(&bus, slots);
    now_ns = 1000000;
    tsc_offset = 0;
    for (u32 i = 0; i < n; i++) {
        struct vlapic_config config = {
            .id = i,
            .features = features | (i ? 0 : VLAPIC_BSP),
            .phys_bits = 40,
            .bus = &bus,
            .ops = &ops,
        };

        cpus[i].timer = VLAPIC_NEVER;
        vlapic_init(&cpus[i].v, cpus[i].page, &config);
    }
}

/* The same, software-enabled as an operating system leaves them. Returns the first. */
static struct vlapic *start(unsigned int n, u32 features)
{
    power_up(n, features);
    for (unsigned int i = 0; i < n; i++)
        wr(&cpus[i].v, APIC_SVR, 0x1ff);
    return &cpus[0].v;
}

/* The CPU takes what is pending, as its INTA would. */
static u8 take(struct vlapic *v)
{
    u8 vector = vlapic_pending(v);

    if (vector)
        vlapic_ack(v, vector);
    return vector;
}
static u8 take_and_end(struct vlapic *v)
{
    u8 vector = take(v);

    if (vector)
        vlapic_eoi(v);
    return vector;
}

/* Virtual time passes; the host timer of the first CPU goes off when it is due. */
static void advance(u64 ns)
{
    u64 end = now_ns + ns;

    while (cpus[0].timer <= end) {
        now_ns = MAX(now_ns, cpus[0].timer);
        cpus[0].timer = VLAPIC_NEVER;
        vlapic_timer_fire(&cpus[0].v);
    }
    now_ns = end;
}

static u32 esr(struct vlapic *v)
{
    wr(v, APIC_ESR, 0);
    return rd(v, APIC_ESR);
}

/* --- registers --- */

static void check_reset_registers(struct vlapic *v)
{
    assert_int_equal(rd(v, APIC_TPR), 0);
    assert_int_equal(rd(v, APIC_PPR), 0);
    assert_int_equal(rd(v, APIC_LDR), 0);
    assert_int_equal(rd(v, APIC_DFR), 0xffffffff);
    assert_int_equal(rd(v, APIC_SVR), 0xff);
    assert_int_equal(rd(v, APIC_ESR), 0);
    assert_int_equal(rd(v, APIC_ICR), 0);
    assert_int_equal(rd(v, APIC_ICR2), 0);
    for (u32 r = APIC_LVT_TIMER; r <= APIC_LVT_ERROR; r++)
        assert_int_equal(rd(v, r), MASKED);
    for (u32 r = APIC_ISR; r < APIC_ISR + 24u; r++)
        assert_int_equal(rd(v, r), 0);
    assert_int_equal(rd(v, APIC_TIMER_INIT), 0);
    assert_int_equal(rd(v, APIC_TIMER_CURRENT), 0);
    assert_int_equal(rd(v, APIC_TIMER_DIVIDE), 0);
}

static void test_power_up(void **state)
{
    struct vlapic *v = &cpus[3].v;

    (void)state;
    power_up(4, 0);
    assert_int_equal(v->base, 0xfee00000 | APIC_BASE_ENABLE);
    assert_int_equal(cpus[0].v.base, 0xfee00000 | APIC_BASE_ENABLE | APIC_BASE_BSP);
    assert_int_equal(vlapic_mmio_base(v).v, 0xfee00000);
    check_reset_registers(v);
    assert_int_equal(rd(v, APIC_ID), 3u << 24);
    assert_int_equal(rd(v, APIC_VERSION), 0x00050014);
    assert_int_equal(esr(v), 0);
    power_up(1, VLAPIC_NO_EOI_BC);
    assert_int_equal(rd(&cpus[0].v, APIC_VERSION), 0x01050014);
}

static void test_register_bits(void **state)
{
    static const struct {
        enum apic_reg r;
        u32 bits;
    } cases[] = {
        {APIC_TPR, 0xff},           {APIC_LDR, 0xff000000},        {APIC_ICR2, 0xff000000},
        {APIC_LVT_TIMER, 0x300ff},  {APIC_LVT_THERMAL, 0x107ff},   {APIC_LVT_PERF, 0x107ff},
        {APIC_LVT_LINT0, 0x1a7ff},  {APIC_LVT_LINT1, 0x1a7ff},     {APIC_LVT_ERROR, 0x100ff},
        {APIC_TIMER_DIVIDE, 0x00b}, {APIC_TIMER_INIT, 0xffffffff}, {APIC_SVR, 0x3ff},
    };
    struct vlapic *v = start(1, 0);

    (void)state;
    for (unsigned int i = 0; i < ARRAY_SIZE(cases); i++) {
        wr(v, cases[i].r, 0xffffffff);
        assert_int_equal(rd(v, cases[i].r), cases[i].bits);
        wr(v, cases[i].r, cases[i].r == APIC_SVR ? 0x100 : 0);
        assert_int_equal(rd(v, cases[i].r), cases[i].r == APIC_SVR ? 0x100 : 0);
    }
    wr(v, APIC_DFR, 0);
    assert_int_equal(rd(v, APIC_DFR), 0x0fffffff);
    wr(v, APIC_DFR, 0xf0000000);
    assert_int_equal(rd(v, APIC_DFR), 0xffffffff);
    assert_int_equal(esr(v), 0);
}

/* Suppression and TSC-deadline bits exist only where CPUID and version promise them. */
static void test_feature_bits(void **state)
{
    struct vlapic *v = start(1, VLAPIC_NO_EOI_BC | VLAPIC_DEADLINE);

    (void)state;
    wr(v, APIC_SVR, 0x11ff);
    assert_int_equal(rd(v, APIC_SVR), 0x11ff);
    wr(v, APIC_LVT_TIMER, MASKED | APIC_LVT_DEADLINE);
    assert_int_equal(rd(v, APIC_LVT_TIMER), MASKED | APIC_LVT_DEADLINE);
    /* mode 11b is reserved: it stays what it was */
    wr(v, APIC_LVT_TIMER, 0x77 | MASKED | APIC_LVT_DEADLINE | APIC_LVT_PERIODIC);
    assert_int_equal(rd(v, APIC_LVT_TIMER), 0x77 | MASKED | APIC_LVT_DEADLINE);
}

static void test_read_only(void **state)
{
    static const enum apic_reg regs[] = {
        APIC_ID,  APIC_VERSION, APIC_APR,     APIC_PPR,           APIC_RRD,
        APIC_ISR, APIC_TMR + 3, APIC_IRR + 7, APIC_TIMER_CURRENT,
    };
    struct vlapic *v = start(2, 0);

    (void)state;
    for (unsigned int i = 0; i < ARRAY_SIZE(regs); i++) {
        u32 before = rd(v, regs[i]);

        wr(v, regs[i], 0xffffffff);
        assert_int_equal(rd(v, regs[i]), before);
    }
    assert_int_equal(rd(v, APIC_EOI), 0);
    assert_int_equal(vlapic_pending(v), 0);
    assert_int_equal(esr(v), 0);
}

/* 11.5.3: every register that is not there, read and written. */
static void test_illegal_register(void **state)
{
    struct vlapic *v = start(1, 0);

    (void)state;
    for (u32 r = 0; r < 256; r++) {
        bool there =
            r == 2 || r == 3 || (r >= 8 && r <= 0x28) || (r >= 0x30 && r <= 0x39) || r == 0x3e;

        assert_int_equal(esr(v), 0);
        vlapic_mmio_read(v, r * 16);
        assert_int_equal(esr(v), there ? 0 : APIC_ERR_REGISTER);
        vlapic_mmio_write(v, r * 16, 4, r == APIC_SVR ? 0x1ff : 0x100ff);
        assert_int_equal(esr(v), there ? 0 : APIC_ERR_REGISTER);
    }
}

/* ESR shows what was collected before the write, and the write arms the error interrupt again. */
static void test_error_interrupt(void **state)
{
    struct vlapic *v = start(1, 0);

    (void)state;
    wr(v, APIC_LVT_ERROR, 0x61);
    rd(v, 0);
    assert_int_equal(rd(v, APIC_ESR), 0);
    assert_int_equal(take_and_end(v), 0x61);
    wr(v, APIC_ICR, 0x40005); /* self, vector 5 */
    assert_int_equal(vlapic_pending(v), 0);
    assert_int_equal(esr(v), APIC_ERR_REGISTER | APIC_ERR_SEND_VECTOR | APIC_ERR_RECV_VECTOR);
    rd(v, 0);
    assert_int_equal(take_and_end(v), 0x61);
    assert_int_equal(esr(v), APIC_ERR_REGISTER);
    assert_int_equal(esr(v), 0);
    /* an illegal vector for the error interrupt itself goes no further than ESR */
    wr(v, APIC_LVT_ERROR, 0x0f);
    rd(v, 0);
    assert_int_equal(vlapic_pending(v), 0);
    assert_int_equal(esr(v), APIC_ERR_REGISTER | APIC_ERR_RECV_VECTOR);
    /* masked: logged, not raised */
    wr(v, APIC_LVT_ERROR, MASKED | 0x61);
    rd(v, 0);
    assert_int_equal(vlapic_pending(v), 0);
}

static void test_access_width(void **state)
{
    struct vlapic *v = start(1, 0);

    (void)state;
    assert_int_equal(vlapic_mmio_read(v, 0x30), 0x00050014);
    assert_int_equal(vlapic_mmio_read(v, 0x31), 0x000500);
    assert_int_equal(vlapic_mmio_read(v, 0x32), 0x0005);
    assert_int_equal(vlapic_mmio_read(v, 0x33), 0x00);
    for (u32 off = 0x34; off < 0x40; off++)
        assert_int_equal(vlapic_mmio_read(v, off), 0);
    vlapic_mmio_write(v, 0x80, 1, 0x70);
    vlapic_mmio_write(v, 0x80, 2, 0x70);
    vlapic_mmio_write(v, 0x80, 8, 0x70);
    vlapic_mmio_write(v, 0x82, 4, 0x70);
    vlapic_mmio_write(v, 0x84, 4, 0x70);
    assert_int_equal(rd(v, APIC_TPR), 0);
    vlapic_mmio_write(v, 0x80, 4, 0x1234567870);
    assert_int_equal(rd(v, APIC_TPR), 0x70);
}

/* --- priorities --- */

static void test_ppr(void **state)
{
    struct vlapic *v = start(1, 0);

    (void)state;
    wr(v, APIC_TPR, 0x37);
    assert_int_equal(rd(v, APIC_PPR), 0x37);
    vlapic_post(v, 0x51, false);
    assert_int_equal(take(v), 0x51);
    assert_int_equal(rd(v, APIC_PPR), 0x50); /* class in service wins, low bits zero */
    wr(v, APIC_TPR, 0x6a);
    assert_int_equal(rd(v, APIC_PPR), 0x6a);
    wr(v, APIC_TPR, 0x00);
    assert_int_equal(rd(v, APIC_PPR), 0x50);
    vlapic_eoi(v);
    assert_int_equal(rd(v, APIC_PPR), 0x00);
}

/* Every vector against every TPR: delivered if and only if its class is above TPR's. */
static void test_tpr_masks(void **state)
{
    struct vlapic *v = start(1, 0);

    (void)state;
    for (unsigned int vector = 16; vector < 256; vector++) {
        assert_int_equal(vlapic_post(v, (u8)vector, false), 1);
        for (unsigned int tpr = 0; tpr < 256; tpr++) {
            wr(v, APIC_TPR, tpr);
            assert_int_equal(vlapic_pending(v), vector >> 4 > tpr >> 4 ? vector : 0);
        }
        wr(v, APIC_TPR, 0);
        assert_int_equal(take_and_end(v), vector);
        assert_int_equal(vlapic_pending(v), 0);
    }
}

static void test_cr8(void **state)
{
    struct vlapic *v = start(1, 0);

    (void)state;
    wr(v, APIC_TPR, 0x5c);
    assert_int_equal(vlapic_cr8(v), 5);
    vlapic_set_cr8(v, 9);
    assert_int_equal(rd(v, APIC_TPR), 0x90);
    assert_int_equal(rd(v, APIC_PPR), 0x90);
    /* the threshold is the class that waits for TPR, not one that waits for an EOI */
    assert_int_equal(vlapic_tpr_threshold(v), 0);
    vlapic_post(v, 0x93, false);
    assert_int_equal(vlapic_pending(v), 0);
    assert_int_equal(vlapic_tpr_threshold(v), 9);
    vlapic_set_cr8(v, 8);
    assert_int_equal(vlapic_tpr_threshold(v), 0);
    assert_int_equal(take(v), 0x93);
    vlapic_post(v, 0x91, false);
    vlapic_set_cr8(v, 15);
    assert_int_equal(vlapic_pending(v), 0);
    assert_int_equal(vlapic_tpr_threshold(v), 0);
}

static void test_nesting(void **state)
{
    struct vlapic *v = start(1, 0);

    (void)state;
    vlapic_post(v, 0x31, false);
    assert_int_equal(take(v), 0x31);
    vlapic_post(v, 0x3f, false); /* same class: waits */
    assert_int_equal(take(v), 0);
    vlapic_post(v, 0x45, false);
    vlapic_post(v, 0xe0, false);
    assert_int_equal(take(v), 0xe0);
    assert_int_equal(take(v), 0);
    assert_int_equal(rd(v, APIC_ISR + 1), 1u << (0x31 - 32));
    assert_int_equal(rd(v, APIC_ISR + 7), 1);
    assert_int_equal(rd(v, APIC_IRR + 2), 1u << 5);
    wr(v, APIC_EOI, 0x1234); /* ends e0, the highest */
    assert_int_equal(rd(v, APIC_ISR + 7), 0);
    assert_int_equal(take(v), 0x45);
    wr(v, APIC_EOI, 0);
    assert_int_equal(take(v), 0);
    wr(v, APIC_EOI, 0);
    assert_int_equal(take(v), 0x3f);
    wr(v, APIC_EOI, 0);
    wr(v, APIC_EOI, 0); /* one too many */
    assert_int_equal(rd(v, APIC_PPR), 0);
    assert_int_equal(cpus[0].eois, 0);
}

/* A vector in service can be pending once more, no more often. */
static void test_pending_twice(void **state)
{
    struct vlapic *v = start(1, 0);

    (void)state;
    assert_int_equal(vlapic_post(v, 0x80, false), 1);
    assert_int_equal(vlapic_post(v, 0x80, false), 0);
    assert_int_equal(take(v), 0x80);
    assert_int_equal(vlapic_post(v, 0x80, false), 1);
    assert_int_equal(rd(v, APIC_IRR + 4), 1);
    assert_int_equal(vlapic_post(v, 0x80, false), 0);
    assert_int_equal(take(v), 0);
    vlapic_eoi(v);
    assert_int_equal(take_and_end(v), 0x80);
    assert_int_equal(take(v), 0);
}

static void test_post_refused(void **state)
{
    struct vlapic *v;

    (void)state;
    power_up(1, 0);
    v = &cpus[0].v;
    assert_int_equal(vlapic_post(v, 0x80, false), -ENODEV);
    wr(v, APIC_SVR, 0x1ff);
    assert_int_equal(vlapic_pending(v), 0);
    for (u8 vector = 0; vector < 16; vector++) {
        assert_int_equal(vlapic_post(v, vector, false), -EINVAL);
        assert_int_equal(esr(v), APIC_ERR_RECV_VECTOR);
    }
    assert_int_equal(vlapic_pending(v), 0);
    assert_int_equal(vlapic_set_base(v, 0xfee00000), 0);
    assert_int_equal(vlapic_post(v, 0x80, false), -ENODEV);
}

/* One kick for a batch, another once the owner has looked. */
static void test_kick(void **state)
{
    struct vlapic *v = start(1, 0);

    (void)state;
    vlapic_post(v, 0x40, false);
    vlapic_post(v, 0x50, false);
    assert_int_equal(cpus[0].kicks, 1);
    assert_int_equal(vlapic_pending(v), 0x50);
    vlapic_post(v, 0x60, false);
    assert_int_equal(cpus[0].kicks, 2);
}

static void test_level_eoi(void **state)
{
    struct vlapic *v = start(1, VLAPIC_NO_EOI_BC);

    (void)state;
    vlapic_post(v, 0x52, true);
    assert_int_equal(rd(v, APIC_TMR + 2), 1u << 0x12);
    assert_int_equal(take_and_end(v), 0x52);
    assert_int_equal(cpus[0].eois, 1);
    assert_int_equal(cpus[0].eoi_vector, 0x52);
    assert_true(cpus[0].eoi_broadcast);
    /* the next one may be an edge */
    vlapic_post(v, 0x52, false);
    assert_int_equal(rd(v, APIC_TMR + 2), 0);
    assert_int_equal(take_and_end(v), 0x52);
    assert_int_equal(cpus[0].eois, 1);
    /* broadcast suppressed by SVR: the owner still hears of it */
    wr(v, APIC_SVR, 0x11ff);
    vlapic_post(v, 0x52, true);
    assert_int_equal(take_and_end(v), 0x52);
    assert_int_equal(cpus[0].eois, 2);
    assert_false(cpus[0].eoi_broadcast);
}

/* 11.4.7.2 */
static void test_software_disable(void **state)
{
    struct vlapic *v = start(2, 0);

    (void)state;
    wr(v, APIC_LVT_LINT0, 0x700);
    wr(v, APIC_LVT_TIMER, 0x30);
    vlapic_post(v, 0x44, false);
    vlapic_post(v, 0x55, false);
    assert_int_equal(take(v), 0x55);
    wr(v, APIC_SVR, 0xff);
    for (u32 r = APIC_LVT_TIMER; r <= APIC_LVT_ERROR; r++)
        assert_true(rd(v, r) & MASKED);
    wr(v, APIC_LVT_TIMER, 0x31);
    assert_int_equal(rd(v, APIC_LVT_TIMER), MASKED | 0x31);
    /* IRR and ISR are held and handled; nothing fixed comes in, but NMI, INIT and SIPI do */
    assert_int_equal(vlapic_post(v, 0x66, false), -ENODEV);
    vlapic_eoi(v);
    assert_int_equal(take_and_end(v), 0x44);
    wr(&cpus[1].v, APIC_ICR, 0x400);
    wr(&cpus[1].v, APIC_ICR, 0x500);
    wr(&cpus[1].v, APIC_ICR, 0x699);
    wr(&cpus[1].v, APIC_ICR, 0x0f0);
    assert_int_equal(cpus[0].nmis, 1);
    assert_int_equal(cpus[0].inits, 1);
    assert_int_equal(cpus[0].sipis, 1);
    assert_int_equal(vlapic_pending(v), 0);
    /* it may still send */
    wr(v, APIC_ICR2, 1u << 24);
    wr(v, APIC_ICR, 0xe1);
    assert_int_equal(vlapic_pending(&cpus[1].v), 0xe1);
    /* enabling again unmasks nothing */
    wr(v, APIC_SVR, 0x1ff);
    assert_int_equal(rd(v, APIC_LVT_LINT0), MASKED | 0x700);
}

/* --- IPIs --- */

/* Who has `vector` pending, as a set of CPU numbers; they take and end it. */
static unsigned int receivers(u8 vector)
{
    unsigned int set = 0;

    for (unsigned int i = 0; i < bus.count; i++) {
        u8 taken = take_and_end(&cpus[i].v);

        assert_true(!taken || taken == vector);
        if (taken)
            set |= 1u << i;
        assert_int_equal(vlapic_pending(&cpus[i].v), 0);
    }
    return set;
}

static unsigned int ipi(struct vlapic *v, u32 dest, u32 icr)
{
    wr(v, APIC_ICR2, dest << 24);
    wr(v, APIC_ICR, icr);
    return receivers((u8)icr);
}

static unsigned int ipi_x2(struct vlapic *v, u32 dest, u32 icr)
{
    wrx(v, APIC_ICR, (u64)dest << 32 | icr);
    return receivers((u8)icr);
}

static void test_ipi_physical(void **state)
{
    struct vlapic *v = start(8, 0);

    (void)state;
    for (u32 i = 0; i < 8; i++)
        assert_int_equal(ipi(v, i, 0x40), 1u << i);
    assert_int_equal(ipi(v, 8, 0x40), 0);
    assert_int_equal(ipi(v, 0xff, 0x40), 0xff);
    assert_int_equal(rd(v, APIC_ICR), 0x40); /* delivery status: idle */
    assert_int_equal(rd(v, APIC_ICR2), 0xff000000);
    assert_int_equal(vlapic_set_base(&cpus[2].v, 0xfee00000), 0);
    assert_int_equal(ipi(v, 0xff, 0x40), 0xfb); /* no APIC, no reception */
    assert_int_equal(ipi(v, 2, 0x40), 0);
    wr(v, APIC_ICR, 0x4400);
    assert_int_equal(cpus[2].nmis, 0);
}

static void test_ipi_shorthand(void **state)
{
    struct vlapic *v = start(4, 0);

    (void)state;
    assert_int_equal(ipi(&cpus[2].v, 0, 0x40041), 1 << 2);
    assert_int_equal(ipi(v, 3, 0x80042), 0xf);
    assert_int_equal(ipi(&cpus[1].v, 3, 0xc0043), 0xd);
    /* the destination mode does not matter with a shorthand */
    assert_int_equal(ipi(&cpus[1].v, 3, 0xc0843), 0xd);
    wr(&cpus[1].v, APIC_ICR, 0xc0400);
    assert_int_equal(cpus[0].nmis, 1);
    assert_int_equal(cpus[1].nmis, 0);
    assert_int_equal(cpus[3].nmis, 1);
}

static void test_ipi_flat(void **state)
{
    struct vlapic *v = start(8, 0);

    (void)state;
    for (u32 i = 0; i < 8; i++)
        wr(&cpus[i].v, APIC_LDR, 1u << (24 + i));
    for (u32 set = 0; set < 256; set++)
        assert_int_equal(ipi(v, set, 0x840), set);
    wr(&cpus[5].v, APIC_LDR, 0x03u << 24); /* in two sets at once */
    assert_int_equal(ipi(v, 0x01, 0x840), 0x21);
    assert_int_equal(ipi(v, 0x20, 0x840), 0x00);
}

static void test_ipi_cluster(void **state)
{
    struct vlapic *v = start(8, 0);

    (void)state;
    for (u32 i = 0; i < 8; i++) {
        wr(&cpus[i].v, APIC_DFR, 0x0fffffff);
        wr(&cpus[i].v, APIC_LDR, (i / 4 << 4 | 1u << i % 4) << 24);
    }
    for (u32 set = 0; set < 16; set++) {
        assert_int_equal(ipi(v, set, 0x840), set);
        assert_int_equal(ipi(v, 0x10 | set, 0x840), set << 4);
        assert_int_equal(ipi(v, 0x20 | set, 0x840), 0);
    }
    assert_int_equal(ipi(v, 0xff, 0x840), 0xff);
}

static void test_ipi_x2apic(void **state)
{
    static const u32 id[] = {0, 1, 15, 16, 0x25, 0xff, 0x100, 0x12345};

    (void)state;
    start(8, VLAPIC_X2APIC);
    for (unsigned int i = 0; i < 8; i++) {
        cpus[i].v.id = id[i];
        x2apic(&cpus[i].v);
        assert_int_equal(rdx(&cpus[i].v, APIC_ID), id[i]);
        assert_int_equal(rdx(&cpus[i].v, APIC_LDR), id[i] >> 4 << 16 | 1u << id[i] % 16);
    }
    for (unsigned int i = 0; i < 8; i++) {
        assert_int_equal(ipi_x2(&cpus[0].v, id[i], 0x40), 1u << i);
        assert_int_equal(ipi_x2(&cpus[0].v, id[i] >> 4 << 16 | 1u << id[i] % 16, 0x840), 1u << i);
    }
    assert_int_equal(ipi_x2(&cpus[0].v, 0x0000ffff, 0x840), 0x07);
    assert_int_equal(ipi_x2(&cpus[0].v, 0x00010001, 0x840), 0x08);
    assert_int_equal(ipi_x2(&cpus[0].v, 0x00020001, 0x840), 0x00);
    assert_int_equal(ipi_x2(&cpus[0].v, 0xffffffff, 0x840), 0xff);
    assert_int_equal(ipi_x2(&cpus[0].v, 0xffffffff, 0x40), 0xff);
    assert_int_equal(ipi_x2(&cpus[3].v, 0, 0xc0040), 0xf7);
    assert_int_equal(rdx(&cpus[3].v, APIC_ICR), 0xc0040);
}

/* While the CPUs change over one by one, both kinds reach each other. */
static void test_ipi_mixed(void **state)
{
    struct vlapic *v = start(4, VLAPIC_X2APIC);

    (void)state;
    wr(&cpus[1].v, APIC_LDR, 2u << 24);
    x2apic(v);
    assert_int_equal(ipi_x2(v, 1, 0x40), 2);
    assert_int_equal(ipi_x2(v, 2, 0x840), 2);
    assert_int_equal(ipi_x2(v, 0x10002, 0x840), 0);
    assert_int_equal(ipi_x2(v, 0xff, 0x40), 0); /* id 255, which nobody has */
    assert_int_equal(ipi_x2(v, 0xffffffff, 0x40), 0xf);
    assert_int_equal(ipi(&cpus[1].v, 0, 0x40), 1);
    assert_int_equal(ipi(&cpus[1].v, 0x01, 0x840), 1);
    assert_int_equal(ipi(&cpus[1].v, 0xff, 0x40), 0xf);
}

static void test_lowest_priority(void **state)
{
    struct vlapic *v = start(4, 0);
    unsigned int seen = 0;

    (void)state;
    for (u32 i = 0; i < 4; i++) {
        wr(&cpus[i].v, APIC_LDR, 1u << (24 + i));
        wr(&cpus[i].v, APIC_TPR, 0x30 - 0x10 * (i % 3));
    }
    assert_int_equal(ipi(v, 0x0f, 0x9f1), 1 << 2); /* TPR 0x10 is the lowest */
    assert_int_equal(ipi(v, 0x0b, 0x9f1), 1 << 1);
    assert_int_equal(ipi(v, 0x08, 0x9f1), 1 << 3);
    assert_int_equal(ipi(v, 0x10, 0x9f1), 0);
    /* in service counts, too: it is PPR that is compared */
    vlapic_post(&cpus[2].v, 0x91, false);
    assert_int_equal(take(&cpus[2].v), 0x91);
    assert_int_equal(ipi(v, 0x0f, 0x9f1), 1 << 1);
    vlapic_eoi(&cpus[2].v);
    /* a software-disabled one does not take part */
    wr(&cpus[2].v, APIC_SVR, 0xff);
    assert_int_equal(ipi(v, 0x0f, 0x9f1), 1 << 1);
    /* equals take turns */
    for (u32 i = 0; i < 4; i++) {
        wr(&cpus[i].v, APIC_SVR, 0x1ff);
        wr(&cpus[i].v, APIC_TPR, 0);
    }
    for (u32 i = 0; i < 4; i++)
        seen |= ipi(v, 0x0f, 0x9f1);
    assert_int_equal(seen, 0xf);
}

static void test_ipi_modes(void **state)
{
    struct vlapic *v = start(2, 0);

    (void)state;
    wr(v, APIC_ICR2, 1u << 24);
    wr(v, APIC_ICR, 0x4400);
    assert_int_equal(cpus[1].nmis, 1);
    wr(v, APIC_ICR, 0xc500); /* INIT, level, assert */
    assert_int_equal(cpus[1].inits, 1);
    wr(v, APIC_ICR, 0x8500); /* INIT, level, de-assert: P6 and before */
    assert_int_equal(cpus[1].inits, 1);
    wr(v, APIC_ICR, 0x0500); /* INIT, edge */
    assert_int_equal(cpus[1].inits, 2);
    wr(v, APIC_ICR, 0x4609);
    assert_int_equal(cpus[1].sipis, 1);
    assert_int_equal(cpus[1].sipi_page, 9);
    wr(v, APIC_ICR, 0x4200); /* SMI */
    wr(v, APIC_ICR, 0x4341); /* reserved */
    assert_int_equal(cpus[0].nmis + cpus[0].inits + cpus[0].sipis, 0);
    assert_int_equal(receivers(0), 0);
    assert_int_equal(esr(v), 0);
    /* IPIs are edges whatever bit 15 says */
    wr(v, APIC_ICR, 0xc077);
    assert_int_equal(receivers(0x77), 2);
    assert_int_equal(cpus[1].eois, 0);
}

static void test_ipi_illegal_vector(void **state)
{
    struct vlapic *v = start(3, VLAPIC_X2APIC);

    (void)state;
    assert_int_equal(ipi(v, 1, 0x0f), 0);
    assert_int_equal(esr(v), APIC_ERR_SEND_VECTOR);
    assert_int_equal(esr(&cpus[1].v), APIC_ERR_RECV_VECTOR);
    assert_int_equal(esr(&cpus[2].v), 0);
    assert_int_equal(ipi(v, 1, 0x10), 2); /* the first legal one */
    assert_int_equal(esr(v), 0);
    assert_int_equal(ipi(v, 1, 0x10f), 0); /* lowest priority */
    assert_int_equal(esr(v), APIC_ERR_SEND_VECTOR);
    wr(v, APIC_ICR, 0x4400); /* vector 0 is nothing to an NMI */
    assert_int_equal(esr(v), 0);
    x2apic(v);
    wrx(v, APIC_SELF_IPI, 3);
    wrx(v, APIC_ESR, 0);
    assert_int_equal(rdx(v, APIC_ESR), APIC_ERR_SEND_VECTOR | APIC_ERR_RECV_VECTOR);
    assert_int_equal(vlapic_pending(v), 0);
}

static void test_self_ipi(void **state)
{
    struct vlapic *v = start(2, VLAPIC_X2APIC);

    (void)state;
    wr(v, APIC_SELF_IPI, 0x91); /* not in the xAPIC page */
    assert_int_equal(esr(v), APIC_ERR_REGISTER);
    x2apic(&cpus[1].v);
    wrx(&cpus[1].v, APIC_SELF_IPI, 0x91);
    assert_int_equal(receivers(0x91), 2);
}

static void test_msi(void **state)
{
    struct vlapic *v = start(4, 0);
    struct apic_msg msg = apic_msg_from_msi(0xfee02000, 0x4051);

    (void)state;
    assert_int_equal(apic_bus_send(&bus, NULL, &msg), 1);
    assert_int_equal(apic_bus_send(&bus, NULL, &msg), 0);
    assert_int_equal(receivers(0x51), 1 << 2);
    msg = apic_msg_from_msi(0xfeeff000, 0x52);
    assert_int_equal(apic_bus_send(&bus, NULL, &msg), 1);
    assert_int_equal(receivers(0x52), 0xf);
    for (u32 i = 0; i < 4; i++)
        wr(&cpus[i].v, APIC_LDR, 1u << (24 + i));
    wr(&cpus[1].v, APIC_TPR, 0x20);
    msg = apic_msg_from_msi(0xfee06004, 0x53); /* logical: cpus 1 and 2 */
    assert_int_equal(apic_bus_send(&bus, NULL, &msg), 1);
    assert_int_equal(receivers(0x53), 6);
    msg = apic_msg_from_msi(0xfee0600c, 0x53); /* and with redirection hint: one of them */
    assert_int_equal(apic_bus_send(&bus, NULL, &msg), 1);
    assert_int_equal(receivers(0x53), 4);
    msg = apic_msg_from_msi(0xfee00000, 0xc054); /* level */
    assert_int_equal(apic_bus_send(&bus, NULL, &msg), 1);
    assert_int_equal(take_and_end(v), 0x54);
    assert_int_equal(cpus[0].eois, 1);
    msg = apic_msg_from_msi(0xfee00000, 0x0400);
    assert_int_equal(apic_bus_send(&bus, NULL, &msg), 1);
    assert_int_equal(cpus[0].nmis, 1);
    msg = apic_msg_from_msi(0xfee00000, 0x0608); /* startup comes from CPUs only */
    assert_int_equal(apic_bus_send(&bus, NULL, &msg), -ENODEV);
    assert_int_equal(cpus[0].sipis, 0);
    msg = apic_msg_from_msi(0xfee09000, 0x51);
    assert_int_equal(apic_bus_send(&bus, NULL, &msg), -ENODEV);
    msg = apic_msg_from_msi(0xfee01000, 0x01);
    assert_int_equal(apic_bus_send(&bus, NULL, &msg), -ENODEV);
    assert_int_equal(esr(&cpus[1].v), APIC_ERR_RECV_VECTOR);
}

/* --- timer --- */

#define BUS_NS 10

static void test_timer_divide(void **state)
{
    static const struct {
        u32 dcr, by;
    } cases[] = {{0, 2}, {1, 4}, {2, 8}, {3, 16}, {8, 32}, {9, 64}, {10, 128}, {11, 1}};
    struct vlapic *v = start(1, 0);

    (void)state;
    wr(v, APIC_LVT_TIMER, 0x40);
    for (unsigned int i = 0; i < ARRAY_SIZE(cases); i++) {
        u64 unit = cases[i].by * BUS_NS;

        wr(v, APIC_TIMER_DIVIDE, cases[i].dcr);
        wr(v, APIC_TIMER_INIT, 1000);
        assert_int_equal(rd(v, APIC_TIMER_CURRENT), 1000);
        advance(unit - 1);
        assert_int_equal(rd(v, APIC_TIMER_CURRENT), 1000);
        advance(1);
        assert_int_equal(rd(v, APIC_TIMER_CURRENT), 999);
        advance(unit * 998);
        assert_int_equal(rd(v, APIC_TIMER_CURRENT), 1);
        advance(unit - 1);
        assert_int_equal(vlapic_pending(v), 0);
        advance(1);
        assert_int_equal(take_and_end(v), 0x40);
        assert_int_equal(rd(v, APIC_TIMER_CURRENT), 0);
        assert_int_equal(cpus[0].eois, 0); /* a timer is an edge */
        advance(unit * 5000);
        assert_int_equal(vlapic_pending(v), 0);
        assert_int_equal(rd(v, APIC_TIMER_INIT), 1000);
    }
    assert_int_equal(v->lost_ticks, 0);
}

/* The longest count, at the largest divider, and nothing wraps. */
static void test_timer_longest(void **state)
{
    struct vlapic *v = start(1, 0);
    u64 span = 0xffffffffull * 128 * BUS_NS;

    (void)state;
    wr(v, APIC_LVT_TIMER, 0x40);
    wr(v, APIC_TIMER_DIVIDE, 10);
    wr(v, APIC_TIMER_INIT, 0xffffffff);
    assert_int_equal(rd(v, APIC_TIMER_CURRENT), 0xffffffff);
    advance(span - 1);
    assert_int_equal(rd(v, APIC_TIMER_CURRENT), 1);
    assert_int_equal(vlapic_pending(v), 0);
    advance(1);
    assert_int_equal(take_and_end(v), 0x40);
}

static void test_timer_rearm(void **state)
{
    struct vlapic *v = start(1, 0);

    (void)state;
    wr(v, APIC_TIMER_DIVIDE, 11);
    wr(v, APIC_LVT_TIMER, 0x40);
    wr(v, APIC_TIMER_INIT, 1000);
    advance(9990);
    wr(v, APIC_TIMER_INIT, 1000); /* starts afresh */
    advance(9999);
    assert_int_equal(vlapic_pending(v), 0);
    advance(1);
    assert_int_equal(take_and_end(v), 0x40);
    wr(v, APIC_TIMER_INIT, 1000);
    wr(v, APIC_TIMER_INIT, 0); /* stops */
    assert_int_equal(cpus[0].timer, VLAPIC_NEVER);
    advance(100000);
    assert_int_equal(vlapic_pending(v), 0);
    assert_int_equal(rd(v, APIC_TIMER_CURRENT), 0);
}

/* The host timer may be late: whoever looks first finds the interrupt, and finds it once. */
static void test_timer_late_host(void **state)
{
    struct vlapic *v = start(1, 0);

    (void)state;
    wr(v, APIC_TIMER_DIVIDE, 11);
    wr(v, APIC_LVT_TIMER, 0x40);
    wr(v, APIC_TIMER_INIT, 1000);
    now_ns += 20000; /* nobody fires */
    assert_int_equal(rd(v, APIC_TIMER_CURRENT), 0);
    assert_int_equal(take_and_end(v), 0x40);
    vlapic_timer_fire(v);
    assert_int_equal(vlapic_pending(v), 0);
    /* early is no harm */
    wr(v, APIC_TIMER_INIT, 1000);
    cpus[0].timer = VLAPIC_NEVER;
    vlapic_timer_fire(v);
    assert_int_equal(vlapic_pending(v), 0);
    assert_int_equal(cpus[0].timer, now_ns + 10000);
    /* a one-shot that expired before it was masked is delivered */
    now_ns += 20000;
    wr(v, APIC_LVT_TIMER, 0x40 | MASKED);
    assert_int_equal(take_and_end(v), 0x40);
    /* and before the APIC was disabled */
    wr(v, APIC_LVT_TIMER, 0x40);
    wr(v, APIC_TIMER_INIT, 1000);
    now_ns += 20000;
    wr(v, APIC_SVR, 0xff);
    assert_int_equal(take_and_end(v), 0x40);
}

static void test_timer_masked(void **state)
{
    struct vlapic *v = start(1, 0);

    (void)state;
    wr(v, APIC_TIMER_DIVIDE, 11);
    wr(v, APIC_LVT_TIMER, 0x40 | MASKED);
    wr(v, APIC_TIMER_INIT, 1000);
    assert_int_equal(cpus[0].timer, VLAPIC_NEVER); /* no host timer for what nobody will hear */
    advance(5000);
    assert_int_equal(rd(v, APIC_TIMER_CURRENT), 500); /* it counts all the same */
    wr(v, APIC_LVT_TIMER, 0x40);
    assert_int_equal(cpus[0].timer, now_ns + 5000);
    advance(5000);
    assert_int_equal(take_and_end(v), 0x40);
    wr(v, APIC_LVT_TIMER, 0x40 | MASKED);
    wr(v, APIC_TIMER_INIT, 1000);
    advance(10001);
    wr(v, APIC_LVT_TIMER, 0x40); /* expired while masked: gone, as on the chip */
    advance(100000);
    assert_int_equal(vlapic_pending(v), 0);
    assert_int_equal(v->lost_ticks, 0);
}

static void test_timer_periodic(void **state)
{
    struct vlapic *v = start(1, 0);
    u64 begin = now_ns;

    (void)state;
    wr(v, APIC_TIMER_DIVIDE, 11);
    wr(v, APIC_LVT_TIMER, 0x40 | APIC_LVT_PERIODIC);
    wr(v, APIC_TIMER_INIT, 20000); /* 200 us */
    for (unsigned int i = 1; i <= 100; i++) {
        advance(199999);
        assert_int_equal(vlapic_pending(v), 0);
        assert_int_equal(rd(v, APIC_TIMER_CURRENT), 1);
        advance(1);
        assert_int_equal(take_and_end(v), 0x40);
        assert_int_equal(rd(v, APIC_TIMER_CURRENT), 20000);
    }
    assert_int_equal(v->lost_ticks, 0);
    /* a pause of 7.3 periods: one interrupt, six accounted for, and the phase is kept */
    now_ns += 1460000;
    vlapic_timer_fire(v);
    assert_int_equal(take_and_end(v), 0x40);
    assert_int_equal(vlapic_pending(v), 0);
    assert_int_equal(v->lost_ticks, 6);
    assert_int_equal(cpus[0].timer, begin + 108 * 200000);
    assert_int_equal(rd(v, APIC_TIMER_CURRENT), 14000);
    /* a guest that does not take its interrupt loses the next, by account */
    advance(540000);
    assert_int_equal(v->lost_ticks, 8);
    assert_int_equal(take_and_end(v), 0x40);
    assert_int_equal(vlapic_pending(v), 0);
    /* masked periods are nobody's loss */
    wr(v, APIC_LVT_TIMER, 0x40 | APIC_LVT_PERIODIC | MASKED);
    advance(1100000);
    wr(v, APIC_LVT_TIMER, 0x40 | APIC_LVT_PERIODIC);
    assert_int_equal(vlapic_pending(v), 0);
    assert_int_equal(v->lost_ticks, 8);
    assert_int_equal((cpus[0].timer - begin) % 200000, 0);
}

/* A period of a few nanoseconds costs the host a bounded number of timers, and each tick is
 * accounted for. */
static void test_timer_storm(void **state)
{
    struct vlapic *v = start(1, 0);
    u64 taken = 0;

    (void)state;
    wr(v, APIC_TIMER_DIVIDE, 11);
    wr(v, APIC_LVT_TIMER, 0x40 | APIC_LVT_PERIODIC);
    wr(v, APIC_TIMER_INIT, 1);
    cpus[0].timer_sets = 0;
    for (unsigned int i = 0; i < 1000; i++) {
        advance(10000);
        taken += take_and_end(v) == 0x40;
    }
    /* 10 ms / 200 us; each set anew by the EOI */
    assert_true(cpus[0].timer_sets <= 2 * 51);
    assert_true(taken >= 49);
    wr(v, APIC_LVT_TIMER, MASKED | 0x40 | APIC_LVT_PERIODIC);
    taken += take_and_end(v) == 0x40;
    assert_int_equal(taken + v->lost_ticks, 10000000 / BUS_NS);
}

/* However long its handler takes: a guest gets time for itself behind each. */
static void test_timer_storm_leaves_time(void **state)
{
    struct vlapic *v = start(1, 0);
    u64 ended;

    (void)state;
    wr(v, APIC_TIMER_DIVIDE, 11);
    wr(v, APIC_LVT_TIMER, 0x40 | APIC_LVT_PERIODIC);
    wr(v, APIC_TIMER_INIT, 2000);
    for (unsigned int i = 0; i < 100; i++) {
        advance(250000);
        while (take(v) == 0x40) {
            advance(150000);
            wr(v, APIC_EOI, 0);
        }
        ended = now_ns;
        advance(199000);
        assert_int_equal(vlapic_pending(v), 0);
        advance(1000);
        assert_int_equal(vlapic_pending(v), 0x40);
        assert_int_equal(now_ns, ended + 200000);
    }
}

static void test_timer_mode_change(void **state)
{
    struct vlapic *v = start(1, VLAPIC_DEADLINE);

    (void)state;
    wr(v, APIC_TIMER_DIVIDE, 11);
    wr(v, APIC_LVT_TIMER, 0x40 | APIC_LVT_PERIODIC);
    wr(v, APIC_TIMER_INIT, 10000);
    advance(30000);
    wr(v, APIC_LVT_TIMER, 0x40); /* periodic to one-shot: runs on, once */
    assert_int_equal(rd(v, APIC_TIMER_CURRENT), 7000);
    advance(70000);
    assert_int_equal(take_and_end(v), 0x40);
    advance(500000);
    assert_int_equal(vlapic_pending(v), 0);
    wr(v, APIC_LVT_TIMER, 0x40 | APIC_LVT_PERIODIC); /* a count that stands at zero stays there */
    advance(500000);
    assert_int_equal(vlapic_pending(v), 0);
    wr(v, APIC_TIMER_INIT, 10000);
    wr(v, APIC_LVT_TIMER, 0x41 | APIC_LVT_DEADLINE); /* disarms */
    assert_int_equal(rd(v, APIC_TIMER_CURRENT), 0);
    assert_int_equal(cpus[0].timer, VLAPIC_NEVER);
    wr(v, APIC_TIMER_INIT, 10000); /* ignored in this mode */
    assert_int_equal(rd(v, APIC_TIMER_INIT), 0);
    vlapic_set_deadline(v, guest_tsc() + 30000);
    wr(v, APIC_LVT_TIMER, 0x41); /* disarms again */
    assert_int_equal(vlapic_deadline(v), 0);
    advance(1000000);
    assert_int_equal(vlapic_pending(v), 0);
}

/* Half counted, then ten times slower: the other half takes as long again times the ratio. */
static void test_timer_divide_change(void **state)
{
    struct vlapic *v = start(1, 0);

    (void)state;
    wr(v, APIC_TIMER_DIVIDE, 11);
    wr(v, APIC_LVT_TIMER, 0x40);
    wr(v, APIC_TIMER_INIT, 10000);
    advance(50000);
    wr(v, APIC_TIMER_DIVIDE, 3); /* by 16 */
    assert_int_equal(rd(v, APIC_TIMER_CURRENT), 5000);
    advance(50000 * 16 - 1);
    assert_int_equal(vlapic_pending(v), 0);
    advance(1);
    assert_int_equal(take_and_end(v), 0x40);
}

static void test_deadline(void **state)
{
    struct vlapic *v = start(1, VLAPIC_DEADLINE);
    u64 at;

    (void)state;
    vlapic_set_deadline(v, guest_tsc() + 3000); /* not in this mode: ignored, reads zero */
    assert_int_equal(vlapic_deadline(v), 0);
    assert_int_equal(cpus[0].timer, VLAPIC_NEVER);
    wr(v, APIC_LVT_TIMER, 0x42 | APIC_LVT_DEADLINE);
    at = guest_tsc() + 3000;
    vlapic_set_deadline(v, at);
    assert_int_equal(vlapic_deadline(v), at);
    assert_int_equal(cpus[0].timer, now_ns + 1000);
    advance(999);
    assert_int_equal(vlapic_pending(v), 0);
    advance(1);
    assert_int_equal(take_and_end(v), 0x42);
    assert_int_equal(vlapic_deadline(v), 0);
    vlapic_set_deadline(v, guest_tsc() + 3000);
    vlapic_set_deadline(v, 0); /* disarms */
    advance(5000);
    assert_int_equal(vlapic_pending(v), 0);
    vlapic_set_deadline(v, guest_tsc() + 3000);
    now_ns += 5000; /* the host is late: who reads the MSR finds it expired */
    assert_int_equal(vlapic_deadline(v), 0);
    assert_int_equal(take_and_end(v), 0x42);
    cpus[0].timer = VLAPIC_NEVER;
    vlapic_set_deadline(v, guest_tsc() - 1); /* past: at once */
    assert_int_equal(take_and_end(v), 0x42);
    assert_int_equal(vlapic_deadline(v), 0);
    tsc_offset = 1ull << 60;
    vlapic_set_deadline(v, 1); /* long past */
    assert_int_equal(take_and_end(v), 0x42);
    vlapic_set_deadline(v, ~0ull); /* in some centuries */
    advance(1000000000);
    assert_int_equal(vlapic_pending(v), 0);
    vlapic_set_deadline(v, guest_tsc() + 300000);
    advance(50000);
    vlapic_set_deadline(v, guest_tsc() + 300000); /* moved */
    advance(99999);
    assert_int_equal(vlapic_pending(v), 0);
    advance(1);
    assert_int_equal(take_and_end(v), 0x42);
    assert_int_equal(v->lost_ticks, 0);
}

static void test_deadline_tsc_write(void **state)
{
    struct vlapic *v = start(1, VLAPIC_DEADLINE);

    (void)state;
    wr(v, APIC_LVT_TIMER, 0x42 | APIC_LVT_DEADLINE);
    vlapic_set_deadline(v, guest_tsc() + 30000);
    tsc_offset += 15000; /* the guest sets its TSC forward */
    vlapic_tsc_changed(v);
    advance(4999);
    assert_int_equal(vlapic_pending(v), 0);
    advance(1);
    assert_int_equal(take_and_end(v), 0x42);
    vlapic_tsc_changed(v); /* nothing armed: nothing */
    vlapic_set_deadline(v, guest_tsc() + 30000);
    tsc_offset += 90000; /* beyond */
    vlapic_tsc_changed(v);
    assert_int_equal(take_and_end(v), 0x42);
    vlapic_timer_fire(v);
    assert_int_equal(vlapic_pending(v), 0);
}

static void test_timer_illegal_vector(void **state)
{
    struct vlapic *v = start(1, 0);

    (void)state;
    wr(v, APIC_LVT_TIMER, 0x0e);
    wr(v, APIC_TIMER_INIT, 10);
    advance(1000);
    assert_int_equal(vlapic_pending(v), 0);
    assert_int_equal(esr(v), APIC_ERR_RECV_VECTOR);
    assert_int_equal(v->lost_ticks, 1);
}

/* --- local sources --- */

static void test_lint_extint(void **state)
{
    struct vlapic *v = start(1, 0);

    (void)state;
    vlapic_set_lint(v, 0, true);
    assert_false(vlapic_extint_pending(v)); /* masked */
    wr(v, APIC_LVT_LINT0, 0x700);
    assert_true(vlapic_extint_pending(v)); /* a level: found when unmasked */
    wr(v, APIC_TPR, 0xff);
    assert_true(vlapic_extint_pending(v)); /* TPR does not hold it back */
    vlapic_set_lint(v, 0, false);
    assert_false(vlapic_extint_pending(v));
    cpus[0].kicks = 0;
    vlapic_set_lint(v, 0, true);
    vlapic_set_lint(v, 0, true);
    assert_int_equal(cpus[0].kicks, 1);
    assert_true(vlapic_extint_pending(v));
    wr(v, APIC_SVR, 0xff); /* software disable masks it */
    assert_false(vlapic_extint_pending(v));
    assert_int_equal(vlapic_set_base(v, 0xfee00000), 0); /* no APIC: LINT0 is INTR, LINT1 NMI */
    assert_true(vlapic_extint_pending(v));
    vlapic_set_lint(v, 1, true);
    assert_int_equal(cpus[0].nmis, 1);
    vlapic_set_lint(v, 0, false);
    assert_false(vlapic_extint_pending(v));
    cpus[0].kicks = 0;
    vlapic_set_lint(v, 0, true);
    assert_int_equal(cpus[0].kicks, 1);
    assert_int_equal(vlapic_set_base(v, 0xfee00000 | APIC_BASE_ENABLE), 0);
    assert_false(vlapic_extint_pending(v));
}

static void test_lint1_extint(void **state)
{
    struct vlapic *v = start(1, 0);

    (void)state;
    wr(v, APIC_LVT_LINT1, 0x700);
    vlapic_set_lint(v, 0, true);
    assert_false(vlapic_extint_pending(v));
    vlapic_set_lint(v, 1, true);
    assert_true(vlapic_extint_pending(v));
    assert_int_equal(cpus[0].nmis, 0);
}

static void test_extint_message(void **state)
{
    struct vlapic *v = start(2, 0);
    struct apic_msg msg = {.dest = 0, .mode = APIC_EXTINT};

    (void)state;
    assert_int_equal(apic_bus_send(&bus, NULL, &msg), 1);
    assert_int_equal(cpus[0].kicks, 1);
    assert_int_equal(apic_bus_send(&bus, NULL, &msg), 0);
    assert_true(vlapic_extint_pending(v));
    assert_false(vlapic_extint_pending(&cpus[1].v));
    vlapic_extint_ack(v);
    assert_false(vlapic_extint_pending(v));
    /* the 8259 masked before the guest has asked: nothing is left of it */
    vlapic_set_lint(v, 0, true);
    assert_int_equal(apic_bus_send(&bus, NULL, &msg), 1);
    vlapic_set_lint(v, 1, false);
    assert_true(vlapic_extint_pending(v));
    vlapic_set_lint(v, 0, false);
    assert_false(vlapic_extint_pending(v));
    wr(v, APIC_SVR, 0xff);
    assert_int_equal(apic_bus_send(&bus, NULL, &msg), -ENODEV);
    assert_false(vlapic_extint_pending(v));
}

static void test_lint_nmi_and_edge(void **state)
{
    struct vlapic *v = start(1, 0);

    (void)state;
    wr(v, APIC_LVT_LINT1, 0x400);
    vlapic_set_lint(v, 1, true);
    vlapic_set_lint(v, 1, true);
    assert_int_equal(cpus[0].nmis, 1);
    vlapic_set_lint(v, 1, false);
    vlapic_set_lint(v, 1, true);
    assert_int_equal(cpus[0].nmis, 2);
    wr(v, APIC_LVT_LINT1, 0x400 | APIC_LVT_LEVEL); /* an NMI is an edge all the same */
    assert_int_equal(cpus[0].nmis, 2);
    wr(v, APIC_LVT_LINT1, MASKED | 0x400);
    vlapic_set_lint(v, 1, false);
    vlapic_set_lint(v, 1, true);
    assert_int_equal(cpus[0].nmis, 2);
    wr(v, APIC_LVT_LINT0, 0x66);
    vlapic_set_lint(v, 0, true);
    assert_int_equal(take_and_end(v), 0x66);
    assert_int_equal(take(v), 0);
    assert_int_equal(cpus[0].eois, 0);
}

static void check_lint_level(unsigned int pin)
{
    struct vlapic *v = start(1, 0);
    enum apic_reg lvt = APIC_LVT_LINT0 + pin;

    wr(v, lvt, 0x66 | APIC_LVT_LEVEL);
    vlapic_set_lint(v, pin, true);
    assert_int_equal(rd(v, lvt), 0x66 | APIC_LVT_LEVEL | 1 << 14);
    assert_int_equal(rd(v, lvt ^ APIC_LVT_LINT0 ^ APIC_LVT_LINT1), MASKED);
    assert_int_equal(take(v), 0x66);
    assert_int_equal(take(v), 0);
    wr(v, APIC_EOI, 0); /* still asserted: again */
    assert_int_equal(take(v), 0x66);
    vlapic_set_lint(v, pin, false);
    wr(v, APIC_EOI, 0);
    assert_int_equal(take(v), 0);
    assert_int_equal(rd(v, lvt), 0x66 | APIC_LVT_LEVEL);
    wr(v, lvt, MASKED | 0x66 | APIC_LVT_LEVEL);
    vlapic_set_lint(v, pin, true);
    assert_int_equal(take(v), 0);
    wr(v, lvt, 0x66 | APIC_LVT_LEVEL);
    assert_int_equal(take(v), 0x66);
    wr(v, lvt, 0x05 | APIC_LVT_LEVEL); /* not accepted: no remote IRR */
    wr(v, lvt, 0x05);
    wr(v, lvt, 0x05 | APIC_LVT_LEVEL);
    assert_int_equal(rd(v, lvt), 0x05 | APIC_LVT_LEVEL);
    wr(v, lvt, 0x66 | APIC_LVT_LEVEL);
    assert_int_equal(rd(v, lvt), 0x66 | APIC_LVT_LEVEL | 1 << 14);
    wr(v, lvt, 0x66); /* an edge has no remote IRR */
    wr(v, lvt, 0x66 | APIC_LVT_LEVEL | MASKED);
    assert_int_equal(rd(v, lvt), 0x66 | APIC_LVT_LEVEL | MASKED);
}

static void test_lint_level(void **state)
{
    (void)state;
    check_lint_level(0);
    check_lint_level(1);
}

/* --- base and x2APIC --- */

static void test_base_transitions(void **state)
{
    /* 11.12.5, figure 11-27: rows from, columns to; disabled, (invalid), xAPIC, x2APIC */
    static const u64 mode[4] = {0, APIC_BASE_EXTD, APIC_BASE_ENABLE,
                                APIC_BASE_ENABLE | APIC_BASE_EXTD};
    static const bool legal[4][4] = {{1, 0, 1, 0}, {0, 0, 0, 0}, {1, 0, 1, 1}, {1, 0, 0, 1}};

    (void)state;
    for (unsigned int from = 0; from < 4; from++) {
        for (unsigned int to = 0; to < 4 && from != 1; to++) {
            struct vlapic *v = start(1, VLAPIC_X2APIC);

            assert_int_equal(vlapic_set_base(v, 0xfee00000 | mode[from]), 0);
            assert_int_equal(vlapic_set_base(v, 0xfee00000 | mode[to]),
                             legal[from][to] ? 0 : -EINVAL);
            assert_int_equal(v->base, 0xfee00000 | mode[legal[from][to] ? to : from]);
        }
    }
}

static void test_base_bits(void **state)
{
    struct vlapic *v = start(1, 0);
    u64 on = APIC_BASE_ENABLE;

    (void)state;
    for (unsigned int bit = 0; bit < 64; bit++) {
        bool known = bit == 8 || bit == 11 || (bit >= 12 && bit < 40);

        assert_int_equal(vlapic_set_base(v, 0xfee00000 | on | 1ull << bit), known ? 0 : -EINVAL);
    }
    assert_int_equal(vlapic_set_base(v, 0x1234567000 | on), 0);
    assert_int_equal(vlapic_mmio_base(v).v, 0x1234567000);
    assert_int_equal(vlapic_set_base(v, 0x1234567000), 0);
    assert_int_equal(vlapic_mmio_base(v).v, ~0ull);
}

static void test_disable_loses_state(void **state)
{
    struct vlapic *v = start(1, VLAPIC_X2APIC);

    (void)state;
    wr(v, APIC_TPR, 0x20);
    wr(v, APIC_LVT_TIMER, 0x40 | APIC_LVT_PERIODIC);
    wr(v, APIC_TIMER_INIT, 100000);
    vlapic_post(v, 0x91, true);
    vlapic_post(v, 0xa1, true);
    assert_int_equal(take(v), 0xa1);
    x2apic(v);
    assert_int_equal(vlapic_mmio_base(v).v, ~0ull);
    assert_int_equal(vlapic_set_base(v, 0xfee00000), 0);
    assert_int_equal(vlapic_pending(v), 0);
    assert_int_equal(cpus[0].timer, VLAPIC_NEVER);
    assert_int_equal(vlapic_set_base(v, 0xfee00000 | APIC_BASE_ENABLE), 0);
    check_reset_registers(v);
    assert_int_equal(vlapic_pending(v), 0);
    vlapic_eoi(v);
    assert_int_equal(cpus[0].eois, 0);
}

/* Into x2APIC everything is kept but id, LDR and the upper half of ICR. */
static void test_enter_x2apic(void **state)
{
    struct vlapic *v = &cpus[3].v;

    (void)state;
    start(4, ALL);
    wr(v, APIC_TPR, 0x20);
    wr(v, APIC_LDR, 0x80000000);
    wr(v, APIC_ICR2, 0x09000000);
    wr(v, APIC_ICR, 0x0c4f3);
    wr(v, APIC_LVT_LINT0, 0x700);
    vlapic_post(v, 0x91, false);
    vlapic_set_lint(v, 0, true);
    x2apic(v);
    assert_int_equal(rdx(v, APIC_ID), 3);
    assert_int_equal(rdx(v, APIC_LDR), 8);
    assert_int_equal(rdx(v, APIC_ICR), 0x0c4f3);
    assert_int_equal(rdx(v, APIC_TPR), 0x20);
    assert_int_equal(rdx(v, APIC_SVR), 0x1ff);
    assert_int_equal(rdx(v, APIC_VERSION), 0x00050014);
    assert_int_equal(rdx(v, APIC_IRR + 4), 1u << 0x11);
    assert_true(vlapic_extint_pending(v));
    assert_int_equal(take_and_end(v), 0x91);
    /* the BSP flag and the base may change without a change of mode */
    assert_int_equal(vlapic_set_base(v, v->base | APIC_BASE_BSP), 0);
    assert_int_equal(rdx(v, APIC_TPR), 0x20);
}

enum { R = 1, W = 2 };

/* Table 11-6, whole: who reads, who writes, which bits. */
static void test_x2apic_msrs(void **state)
{
    static const struct {
        u32 first, count;
        unsigned int access;
        u64 bits;
    } table[] = {
        {0x802, 1, R, 0},
        {0x803, 1, R, 0},
        {0x808, 1, R | W, 0xff},
        {0x80a, 1, R, 0},
        {0x80b, 1, W, 0},
        {0x80d, 1, R, 0},
        {0x80f, 1, R | W, 0x3ff},
        {0x810, 24, R, 0},
        {0x828, 1, R | W, 0},
        {0x830, 1, R | W, 0xffffffff000ccfff & ~(1ull << 12)},
        {0x832, 1, R | W, 0x710ff},
        {0x833, 2, R | W, 0x117ff},
        {0x835, 2, R | W, 0x1f7ff},
        {0x837, 1, R | W, 0x110ff},
        {0x838, 1, R | W, 0xffffffff},
        {0x839, 1, R, 0},
        {0x83e, 1, R | W, 0xb},
        {0x83f, 1, W, 0xff},
    };
    struct vlapic *v = start(1, ALL);
    u64 value;

    (void)state;
    for (u32 msr = 0x800; msr <= 0x8ff; msr++)
        assert_int_equal(vlapic_rdmsr(v, msr, &value) | vlapic_wrmsr(v, msr, 0), -EINVAL);
    x2apic(v);
    for (u32 msr = 0x800; msr <= 0x8ff; msr++) {
        unsigned int access = 0;
        u64 bits = 0;

        for (unsigned int i = 0; i < ARRAY_SIZE(table); i++) {
            if (msr - table[i].first < table[i].count) {
                access = table[i].access;
                bits = table[i].bits;
            }
        }
        assert_int_equal(vlapic_rdmsr(v, msr, &value), access & R ? 0 : -EINVAL);
        for (unsigned int bit = 0; bit < 64; bit++)
            assert_int_equal(vlapic_wrmsr(v, msr, 1ull << bit),
                             access & W && bits >> bit & 1 ? 0 : -EINVAL);
        assert_int_equal(vlapic_wrmsr(v, msr, 0), access & W ? 0 : -EINVAL);
    }
}

static void test_x2apic_icr(void **state)
{
    struct vlapic *v = start(3, VLAPIC_X2APIC);

    (void)state;
    for (unsigned int i = 0; i < 3; i++)
        x2apic(&cpus[i].v);
    assert_int_equal(vlapic_wrmsr(v, msr_of(APIC_ICR), 0x200002040), -EINVAL);
    assert_int_equal(receivers(0x40), 0);
    wrx(v, APIC_ICR, 0x200004040);
    assert_int_equal(receivers(0x40), 4);
    assert_int_equal(rdx(v, APIC_ICR), 0x200004040);
    vlapic_post(v, 0x77, false);
    assert_int_equal(take(v), 0x77);
    assert_int_equal(vlapic_wrmsr(v, msr_of(APIC_EOI), 1), -EINVAL);
    assert_int_equal(rdx(v, APIC_PPR), 0x70);
    wrx(v, APIC_EOI, 0);
    assert_int_equal(rdx(v, APIC_PPR), 0);
}

static void test_init_reset(void **state)
{
    struct vlapic *v = start(1, ALL);

    (void)state;
    wr(v, APIC_LDR, 0x80000000);
    wr(v, APIC_TPR, 0x20);
    wr(v, APIC_LVT_TIMER, 0x40 | APIC_LVT_DEADLINE);
    vlapic_set_deadline(v, guest_tsc() + 30000);
    vlapic_post(v, 0x91, false);
    vlapic_post(v, 0xa1, false);
    assert_int_equal(take(v), 0xa1);
    vlapic_post(v, 0xb1, false); /* still in pir */
    apic_bus_send(&bus, NULL, &(struct apic_msg){.mode = APIC_EXTINT});
    assert_true(vlapic_extint_pending(v));
    rd(v, 0);
    vlapic_init_reset(v);
    check_reset_registers(v);
    assert_false(vlapic_extint_pending(v));
    assert_int_equal(vlapic_pending(v), 0);
    assert_int_equal(cpus[0].timer, VLAPIC_NEVER);
    assert_int_equal(esr(v), 0);
    assert_int_equal(v->base & 0xfff, APIC_BASE_ENABLE | APIC_BASE_BSP);
    /* INIT leaves x2APIC mode as it is, a power-up reset does not */
    x2apic(v);
    wrx(v, APIC_SVR, 0x1ff);
    vlapic_init_reset(v);
    assert_true(vlapic_x2apic(v));
    assert_int_equal(rdx(v, APIC_LDR), 1);
    assert_int_equal(rdx(v, APIC_SVR), 0xff);
    vlapic_reset(v);
    assert_int_equal(vlapic_mmio_base(v).v, 0xfee00000);
    check_reset_registers(v);
}

/* --- save and load --- */

static struct hvm_hw_lapic hw;
static struct hvm_hw_lapic_regs image;

static u32 image_reg(enum apic_reg r)
{
    u32 value;

    memcpy(&value, image.data + 16 * r, 4);
    return value;
}
static void set_image_reg(enum apic_reg r, u32 value)
{
    memcpy(image.data + 16 * r, &value, 4);
}

static void test_save_load(void **state)
{
    struct vlapic *v = start(1, ALL);

    (void)state;
    wr(v, APIC_LDR, 0x80000000);
    wr(v, APIC_TPR, 0x20);
    wr(v, APIC_LVT_LINT0, 0x700);
    wr(v, APIC_TIMER_DIVIDE, 3);
    wr(v, APIC_LVT_TIMER, 0x40 | APIC_LVT_PERIODIC);
    wr(v, APIC_TIMER_INIT, 10000);
    advance(16 * 10 * 2500);
    vlapic_post(v, 0x91, true);
    assert_int_equal(take(v), 0x91);
    vlapic_post(v, 0x95, false);
    vlapic_post(v, 0xa5, true); /* in pir: must be in the image's IRR */
    vlapic_save(v, &hw, &image);
    assert_int_equal(hw.apic_base_msr, v->base);
    assert_int_equal(hw.disabled, 0);
    assert_int_equal(hw.timer_divisor, 16);
    assert_int_equal(image_reg(APIC_TIMER_CURRENT), 7500);
    assert_int_equal(image_reg(APIC_IRR + 5), 1u << 5);
    assert_int_equal(image_reg(APIC_PPR), 0x90);

    set_image_reg(APIC_PPR, 0); /* not believed, but computed */
    power_up(1, ALL);           /* elsewhere, later */
    now_ns = 77777777;
    assert_int_equal(vlapic_load(v, &hw, &image), 0);
    assert_int_equal(cpus[0].timer, now_ns + 7500 * 160);
    assert_int_equal(rd(v, APIC_TIMER_CURRENT), 7500);
    vlapic_set_lint(v, 0, true);
    assert_true(vlapic_extint_pending(v));
    assert_int_equal(rd(v, APIC_PPR), 0x90);
    assert_int_equal(take(v), 0xa5);
    vlapic_eoi(v);
    assert_int_equal(cpus[0].eoi_vector, 0xa5);
    assert_int_equal(take(v), 0);
    vlapic_eoi(v);
    assert_int_equal(cpus[0].eoi_vector, 0x91);
    assert_int_equal(take_and_end(v), 0x95);
    advance(7500 * 160);
    assert_int_equal(take_and_end(v), 0x40);
}

static void test_save_load_deadline(void **state)
{
    struct vlapic *v = start(1, ALL);

    (void)state;
    x2apic(v);
    wrx(v, APIC_LVT_TIMER, 0x42 | APIC_LVT_DEADLINE);
    vlapic_set_deadline(v, guest_tsc() + 30000);
    vlapic_save(v, &hw, &image);
    assert_int_equal(hw.tdt_msr, guest_tsc() + 30000);
    power_up(1, ALL);
    assert_int_equal(vlapic_load(v, &hw, &image), 0);
    assert_true(vlapic_x2apic(v));
    assert_int_equal(cpus[0].timer, now_ns + 10000);
    advance(10000);
    assert_int_equal(take_and_end(v), 0x42);
}

/* Each line breaks a good record in one place. */
static void test_load_refuses(void **state)
{
    static const struct {
        enum apic_reg r;
        u32 value;
    } cases[] = {
        {0, 1},
        {APIC_ID, 0},
        {APIC_TPR, 0x100},
        {APIC_LDR, 1},
        {APIC_DFR, 0x0ffffffe},
        {APIC_SVR, 0x5ff},
        {APIC_SVR, 0x0ff}, /* disabled, but the LVT is not masked and `disabled` says no */
        {APIC_ISR, 0x8000},
        {APIC_IRR, 1},
        {APIC_TMR, 1},
        {APIC_ESR, 0x100},
        {APIC_ICR, 0x2000},
        {APIC_ICR2, 1},
        {APIC_LVT_TIMER, APIC_LVT_PERIODIC | APIC_LVT_DEADLINE},
        {APIC_LVT_TIMER, APIC_LVT_DEADLINE}, /* with an initial count */
        {APIC_LVT_THERMAL, 0x20000},
        {APIC_TIMER_CURRENT, 10001},
        {APIC_TIMER_DIVIDE, 4},
        {APIC_SELF_IPI, 1},
    };
    struct vlapic *v = &cpus[1].v;

    (void)state;
    start(2, ALL);
    wr(v, APIC_TIMER_INIT, 10000);
    wr(v, APIC_LVT_LINT0, 0x700);
    vlapic_save(v, &hw, &image);
    vlapic_post(v, 0x99, false);
    for (unsigned int i = 0; i < ARRAY_SIZE(cases); i++) {
        u32 good = image_reg(cases[i].r);

        set_image_reg(cases[i].r, cases[i].value);
        assert_int_equal(vlapic_load(v, &hw, &image), -EINVAL);
        set_image_reg(cases[i].r, good);
    }
    set_image_reg(APIC_SVR, 0xff);
    hw.disabled = 2; /* consistent, but LINT0 is not masked */
    assert_int_equal(vlapic_load(v, &hw, &image), -EINVAL);
    set_image_reg(APIC_LVT_LINT0, MASKED);
    set_image_reg(APIC_LVT_TIMER, 0);
    assert_int_equal(vlapic_load(v, &hw, &image), -EINVAL);
    set_image_reg(APIC_LVT_TIMER, MASKED);
    set_image_reg(APIC_SVR, 0x1ff);
    hw.disabled = 0;
    hw.tdt_msr = 1;
    assert_int_equal(vlapic_load(v, &hw, &image), -EINVAL);
    hw.tdt_msr = 0;
    hw.disabled = 1;
    assert_int_equal(vlapic_load(v, &hw, &image), -EINVAL);
    hw.disabled = 0;
    hw.apic_base_msr ^= APIC_BASE_ENABLE | APIC_BASE_EXTD;
    assert_int_equal(vlapic_load(v, &hw, &image), -EINVAL);
    hw.apic_base_msr ^= APIC_BASE_ENABLE | APIC_BASE_EXTD;
    assert_int_equal(vlapic_pending(v), 0x99); /* untouched so far */
    assert_int_equal(vlapic_load(v, &hw, &image), 0);
    assert_int_equal(vlapic_pending(v), 0);
}

/* Whatever is loaded from a damaged record, it can be used without harm. */
static void test_load_random(void **state)
{
    unsigned int loaded = 0;

    (void)state;
    for (unsigned int i = 0; i < 20000; i++) {
        struct vlapic *v = start(1, ALL);

        wr(v, APIC_TIMER_INIT, 1000);
        wr(v, APIC_LVT_TIMER, 0x40 | (i & 1 ? APIC_LVT_PERIODIC : 0));
        vlapic_save(v, &hw, &image);
        for (unsigned int n = 0; n < 2; n++)
            image.data[random_below(sizeof(image))] ^= (u8)(1u << random_below(8));
        if (vlapic_load(v, &hw, &image))
            continue;
        loaded++;
        for (unsigned int n = 0; n < 20; n++) {
            advance(random_below(100000));
            take(v);
            vlapic_eoi(v);
            rd(v, random_below(64));
        }
    }
    assert_true(loaded > 100);
}

/* --- random --- */

/* What 256 requests, services and trigger modes must do, written as plainly as possible. */
static struct {
    bool irr[256], isr[256], level[256];
    u32 tpr;
    unsigned int posted[256], delivered[256], ended;
} model;

static int model_top(const bool *set)
{
    for (int i = 255; i >= 16; i--) {
        if (set[i])
            return i;
    }
    return 0;
}

static void step_post(struct vlapic *v)
{
    u8 vector = (u8)(16 + random_below(240));
    bool level = random_below(2);

    assert_int_equal(vlapic_post(v, vector, level), !model.irr[vector]);
    model.posted[vector] += !model.irr[vector];
    model.irr[vector] = true;
    model.level[vector] = level;
}

static void step_take(struct vlapic *v)
{
    int top = model_top(model.irr), service = model_top(model.isr);
    int floor = MAX((int)model.tpr >> 4, service >> 4);
    u8 vector = take(v);

    assert_int_equal(vector, top >> 4 > floor ? top : 0);
    if (!vector)
        return;
    model.irr[vector] = false;
    model.isr[vector] = true;
    model.delivered[vector]++;
}

static void step_eoi(struct vlapic *v)
{
    int top = model_top(model.isr);

    vlapic_eoi(v);
    model.isr[top] = false;
    if (top && model.level[top]) {
        model.ended++;
        assert_int_equal(cpus[0].eoi_vector, top);
    }
    assert_int_equal(cpus[0].eois, model.ended);
}

static void check_registers(struct vlapic *v)
{
    int service = model_top(model.isr) & 0xf0;

    for (unsigned int i = 0; i < 256; i++) {
        u32 bit = 1u << i % 32;

        assert_int_equal(!!(rd(v, APIC_IRR + i / 32) & bit), model.irr[i]);
        assert_int_equal(!!(rd(v, APIC_ISR + i / 32) & bit), model.isr[i]);
        assert_int_equal(!!(rd(v, APIC_TMR + i / 32) & bit), model.level[i]);
    }
    assert_int_equal(rd(v, APIC_PPR),
                     (int)(model.tpr & 0xf0) >= service ? model.tpr : (u32)service);
}

static void test_random_model(void **state)
{
    struct vlapic *v = start(1, 0);

    (void)state;
    memset(&model, 0, sizeof(model));
    for (unsigned int i = 0; i < 200000; i++) {
        switch (random_below(8)) {
        case 0 ... 2:
            step_post(v);
            break;
        case 3 ... 4:
            step_take(v);
            break;
        case 5 ... 6:
            step_eoi(v);
            break;
        default:
            model.tpr = (u32)random_below(random_below(4) ? 0x80 : 0x100);
            wr(v, APIC_TPR, model.tpr);
        }
        if (i % 64 == 0)
            check_registers(v);
    }
    model.tpr = 0;
    wr(v, APIC_TPR, 0);
    for (unsigned int i = 0; i < 1000; i++) {
        step_eoi(v);
        step_take(v);
    }
    for (unsigned int i = 0; i < 256; i++)
        assert_int_equal(model.posted[i], model.delivered[i]); /* each exactly once */
}

#define POSTERS 3
#define ROUNDS  3000

static unsigned int arrived[256];

/* Posts its vector, and again only when it has arrived: a lost one hangs, a double one is counted.
 */
static void *poster(void *arg)
{
    u8 vector = (u8)(uintptr_t)arg;

    for (unsigned int i = 1; i <= ROUNDS; i++) {
        vlapic_post(&cpus[0].v, vector, i & 1);
        while (__atomic_load_n(&arrived[vector], __ATOMIC_ACQUIRE) < i)
            sched_yield();
    }
    return NULL;
}

/* The owner sleeps as vlapic.h tells it to. */
static void test_posts_from_elsewhere(void **state)
{
    struct vlapic *v = start(1, 0);
    pthread_t thread[POSTERS];
    int *asleep = &cpus[0].asleep;

    (void)state;
    memset(arrived, 0, sizeof(arrived));
    for (unsigned int i = 0; i < POSTERS; i++)
        pthread_create(&thread[i], NULL, poster, (void *)(uintptr_t)(0x33 + 0x40 * i));
    for (unsigned int total = 0; total < POSTERS * ROUNDS;) {
        u8 vector = take_and_end(v);

        if (vector) {
            total++;
            __atomic_fetch_add(&arrived[vector], 1, __ATOMIC_RELEASE);
            continue;
        }
        __atomic_store_n(asleep, 1, __ATOMIC_SEQ_CST);
        if (vlapic_pending(v))
            continue;
        while (__atomic_load_n(asleep, __ATOMIC_SEQ_CST))
            sched_yield();
    }
    for (unsigned int i = 0; i < POSTERS; i++)
        pthread_join(thread[i], NULL);
    assert_int_equal(vlapic_pending(v), 0);
    for (unsigned int i = 0; i < POSTERS; i++)
        assert_int_equal(arrived[0x33 + 0x40 * i], ROUNDS);
}

/* Nothing a guest can write does harm: random writes through every face, sanitizers watching. */
static void test_random_writes(void **state)
{
    struct vlapic *v = start(2, ALL | VLAPIC_NO_EOI_BC);
    u64 value;

    (void)state;
    for (unsigned int i = 0; i < 300000; i++) {
        u64 data = random_u64() >> random_below(64);

        switch (random_below(8)) {
        case 0 ... 1:
            vlapic_mmio_write(v, (u32)random_below(0x440) & ~0xfu, 4, data);
            break;
        case 2:
            vlapic_mmio_read(v, (u32)random_below(0x1000));
            break;
        case 3:
            (void)!vlapic_wrmsr(v, 0x800 + (u32)random_below(0x40), data);
            (void)!vlapic_rdmsr(v, 0x800 + (u32)random_below(0x100), &value);
            break;
        case 4:
            (void)!vlapic_set_base(v, 0xfee00000 | random_below(4) << 10);
            break;
        case 5:
            vlapic_set_deadline(v, guest_tsc() + random_below(100000));
            vlapic_set_lint(v, (unsigned int)random_below(2), random_below(2));
            break;
        case 6:
            advance(random_below(100000));
            break;
        default:
            vlapic_post(v, (u8)data, data >> 8 & 1);
            value = take(v);
            assert_true(!value || value >= 16);
        }
        if (random_below(64) == 0)
            vlapic_reset(v);
        if (random_below(4) == 0 && vlapic_hw_enabled(v))
            vlapic_mmio_write(v, APIC_SVR * 16, 4, 0x1ff);
        if (vlapic_hw_enabled(v)) { /* what it holds, it can save and load */
            vlapic_save(v, &hw, &image);
            assert_int_equal(vlapic_load(v, &hw, &image), 0);
        }
    }
}

static int seed(void **state)
{
    (void)state;
    random_init();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_power_up),
        cmocka_unit_test(test_register_bits),
        cmocka_unit_test(test_feature_bits),
        cmocka_unit_test(test_read_only),
        cmocka_unit_test(test_illegal_register),
        cmocka_unit_test(test_error_interrupt),
        cmocka_unit_test(test_access_width),
        cmocka_unit_test(test_ppr),
        cmocka_unit_test(test_tpr_masks),
        cmocka_unit_test(test_cr8),
        cmocka_unit_test(test_nesting),
        cmocka_unit_test(test_pending_twice),
        cmocka_unit_test(test_post_refused),
        cmocka_unit_test(test_kick),
        cmocka_unit_test(test_level_eoi),
        cmocka_unit_test(test_software_disable),
        cmocka_unit_test(test_ipi_physical),
        cmocka_unit_test(test_ipi_shorthand),
        cmocka_unit_test(test_ipi_flat),
        cmocka_unit_test(test_ipi_cluster),
        cmocka_unit_test(test_ipi_x2apic),
        cmocka_unit_test(test_ipi_mixed),
        cmocka_unit_test(test_lowest_priority),
        cmocka_unit_test(test_ipi_modes),
        cmocka_unit_test(test_ipi_illegal_vector),
        cmocka_unit_test(test_self_ipi),
        cmocka_unit_test(test_msi),
        cmocka_unit_test(test_timer_divide),
        cmocka_unit_test(test_timer_longest),
        cmocka_unit_test(test_timer_rearm),
        cmocka_unit_test(test_timer_late_host),
        cmocka_unit_test(test_timer_masked),
        cmocka_unit_test(test_timer_periodic),
        cmocka_unit_test(test_timer_storm),
        cmocka_unit_test(test_timer_storm_leaves_time),
        cmocka_unit_test(test_timer_mode_change),
        cmocka_unit_test(test_timer_divide_change),
        cmocka_unit_test(test_deadline),
        cmocka_unit_test(test_deadline_tsc_write),
        cmocka_unit_test(test_timer_illegal_vector),
        cmocka_unit_test(test_lint_extint),
        cmocka_unit_test(test_lint1_extint),
        cmocka_unit_test(test_extint_message),
        cmocka_unit_test(test_lint_nmi_and_edge),
        cmocka_unit_test(test_lint_level),
        cmocka_unit_test(test_base_transitions),
        cmocka_unit_test(test_base_bits),
        cmocka_unit_test(test_disable_loses_state),
        cmocka_unit_test(test_enter_x2apic),
        cmocka_unit_test(test_x2apic_msrs),
        cmocka_unit_test(test_x2apic_icr),
        cmocka_unit_test(test_init_reset),
        cmocka_unit_test(test_save_load),
        cmocka_unit_test(test_save_load_deadline),
        cmocka_unit_test(test_load_refuses),
        cmocka_unit_test(test_load_random),
        cmocka_unit_test(test_random_model),
        cmocka_unit_test(test_posts_from_elsewhere),
        cmocka_unit_test(test_random_writes),
    };

    return cmocka_run_group_tests_name("vlapic", tests, seed, NULL);
}
