/* SPDX-License-Identifier: BSD-2-Clause */
#include "hv/cmdline.h"
#include "hv/cpu.h"
#include "hv/cpu_features.h"
#include "hv/errno.h"
#include "hv/frames.h"
#include "hv/lapic.h"
#include "hv/log.h"
#include "hv/mcheck.h"
#include "hv/panic.h"
#include "hv/percpu.h"
#include "hv/smp.h"
#include "hv/speculation.h"
#include "hv/string.h"
#include "hv/timer.h"
#include "hv/vendor.h"
#include "hv/vmem.h"
#include "hv/xstate.h"

extern const u8 ap_code[], ap_code_end[], ap_block[];
extern const u64 ap_protected_offset, ap_long_offset;

#define REAL_MODE_END 0xa0000ull
#define AP_TIMEOUT_NS 1000000000ull
#define STOP_TICKS    (1ull << 32) /* of the TSC, for there may be no calibrated time yet */
#define GDT_CODE32    0x00cf9b000000ffffull
#define GDT_DATA32    0x00cf93000000ffffull
#define GDT_CODE64    0x00af9b000000ffffull

struct percpu *percpu[MAX_CPUS];
unsigned cpus_online;

static struct percpu boot_cpu;
static void (*ap_continue)(void);

void smp_init_boot_cpu(void)
{
    boot_cpu.self = &boot_cpu;
    percpu[0] = &boot_cpu;
    cpus_online = 1;
    timer_queue_init(&boot_cpu.timers);
    sched_queue_init(&boot_cpu.rq, 0);
}

static struct percpu *alloc_percpu(unsigned id, u32 apic_id)
{
    struct percpu *c;
    mfn_t m = frames_alloc(0, FRAMES_ZERO);

    _Static_assert(sizeof(*c) <= PAGE_SIZE, "one page per CPU");
    if (mfn_is_none(m))
        return NULL;
    c = mfn_virt(m);
    c->self = c;
    c->id = id;
    c->apic_id = apic_id;
    c->stack = vmem_alloc_stack();
    timer_queue_init(&c->timers);
    sched_queue_init(&c->rq, id);
    return c->stack && desc_alloc_stacks(c) == 0 ? c : NULL;
}

/* Real-mode RAM that nobody keeps anything in: a STARTUP IPI can only name a page below 1 MiB. Page
 * 0 has the real-mode vectors. */
static u64 find_low_page(const struct boot_info *bi)
{
    for (unsigned i = 0; i < bi->region_count; i++) {
        const struct boot_region *r = &bi->region[i];
        u64 base = MAX(r->base, PAGE_SIZE);

        if (r->type == BOOT_MEM_USABLE && base + PAGE_SIZE <= MIN(r->base + r->size, REAL_MODE_END))
            return base;
    }
    return 0;
}

static void __noreturn ap_main(struct percpu *c)
{
    desc_load(c);
    vmem_switch();
    cpu_features_enable();
    lapic_cpu_init();
    mcheck_cpu_init();
    xstate_cpu_init();
    speculation_cpu_init();
    if (vendor->cpu_on())
        panic("CPU %u cannot enter root mode's operation", c->id);
    __atomic_store_n(&c->online, true, __ATOMIC_RELEASE);
    ap_continue();
    panic("CPU %u came back", c->id);
}

static void fill_block(struct ap_block *b, u64 page, hpa_t cr3)
{
    *b = (struct ap_block){
        .gdt_limit = sizeof(b->gdt) - 1,
        .gdt_base = (u32)(page + (u64)(ap_block - ap_code) + offsetof(struct ap_block, gdt)),
        .far32 = (u32)(page + ap_protected_offset),
        .far32_sel = 0x08,
        .far64 = (u32)(page + ap_long_offset),
        .far64_sel = 0x18,
        .cr3 = (u32)cr3.v,
        .main = (u64)ap_main,
        .gdt = {0, GDT_CODE32, GDT_DATA32, GDT_CODE64},
    };
}

static bool wait_online(struct percpu *c, u64 ns)
{
    u64 end = time_ns() + ns;

    while (!__atomic_load_n(&c->online, __ATOMIC_ACQUIRE)) {
        if (time_ns() > end)
            return false;
        cpu_pause();
    }
    return true;
}

static void wait_ns(u64 ns)
{
    u64 end = time_ns() + ns;

    while (time_ns() < end)
        cpu_pause();
}

/* SDM 3A 8.4.4.1: INIT, 10 ms, STARTUP, 200 us, STARTUP. */
static bool start_one(struct percpu *c, u64 page, struct ap_block *b)
{
    b->stack = (u64)c->stack;
    b->percpu = (u64)c;
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    lapic_send_ipi(c->apic_id, ICR_INIT);
    wait_ns(10000000);
    lapic_send_ipi(c->apic_id, ICR_STARTUP | (u32)(page >> PAGE_SHIFT));
    if (wait_online(c, 200000))
        return true;
    lapic_send_ipi(c->apic_id, ICR_STARTUP | (u32)(page >> PAGE_SHIFT));
    if (wait_online(c, AP_TIMEOUT_NS))
        return true;
    lapic_send_ipi(c->apic_id, ICR_INIT); /* not to wake up later, among what others use by then */
    return false;
}

static void start_cpu(u32 apic_id, u64 page, struct ap_block *b)
{
    struct percpu *c = alloc_percpu(cpus_online, apic_id);

    if (!c) {
        log_err("no memory for the CPU with APIC id %u", apic_id);
        return;
    }
    percpu[c->id] = c;
    if (start_one(c, page, b)) {
        cpus_online++;
        return;
    }
    /* Its memory is not given back: it may still wake up and use it. */
    percpu[c->id] = NULL;
    log_err("the CPU with APIC id %u does not start: left out", apic_id);
}

void smp_start(const struct acpi_info *acpi, const struct boot_info *bi, void (*main)(void))
{
    u64 page = find_low_page(bi), limit = cmdline_u64("maxcpus", MAX_CPUS);
    u8 *code;
    hpa_t cr3;

    ap_continue = main;
    if (page == 0 || vmem_trampoline_tables(HPA(page), &cr3)) {
        log_err("no memory below 1 MiB to start other CPUs from: one CPU is used");
        return;
    }
    code = hpa_virt(HPA(page));
    memcpy(code, ap_code, (size_t)(ap_code_end - ap_code));
    fill_block((struct ap_block *)(code + (ap_block - ap_code)), page, cr3);
    for (unsigned i = 0; i < acpi->cpus && cpus_online < MIN(limit, (u64)MAX_CPUS); i++)
        if (acpi->cpu[i].apic_id != this_cpu()->apic_id)
            start_cpu(acpi->cpu[i].apic_id, page, (struct ap_block *)(code + (ap_block - ap_code)));
    vmem_trampoline_free(cr3);
    log_info("%u CPUs", cpus_online);
}

static bool stopping;

static unsigned others_awake(void)
{
    unsigned awake = 0;

    for (unsigned i = 0; i < cpus_online; i++)
        awake += percpu[i] != this_cpu() && !READ_ONCE(percpu[i]->stopped);
    return awake;
}

/* One by one: the shorthand would reach CPUs that were never started as well, and those are still
 * in firmware's code, which an NMI may throw off. */
void smp_nmi_others(void)
{
    for (unsigned i = 0; i < cpus_online; i++)
        if (percpu[i] != this_cpu())
            lapic_send_ipi(percpu[i]->apic_id, ICR_NMI);
}

unsigned smp_stop_others(void)
{
    u64 start = rdtsc();

    __atomic_store_n(&stopping, true, __ATOMIC_RELEASE);
    smp_nmi_others();
    while (others_awake() && rdtsc() - start < STOP_TICKS)
        cpu_pause();
    return others_awake();
}

void smp_stop_this(void)
{
    WRITE_ONCE(this_cpu()->stopped, true);
    hlt_forever();
}

bool smp_stopping(void)
{
    return __atomic_load_n(&stopping, __ATOMIC_ACQUIRE);
}
