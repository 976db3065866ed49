/* SPDX-License-Identifier: BSD-2-Clause */
#include "boot/boot.h"
#include "hv/acpi.h"
#include "hv/cmdline.h"
#include "hv/console.h"
#include "hv/cpu.h"
#include "hv/cpu_features.h"
#include "hv/desc.h"
#include "hv/first_domain.h"
#include "hv/frames.h"
#include "hv/lapic.h"
#include "hv/log.h"
#include "hv/mcheck.h"
#include "hv/panic.h"
#include "hv/percpu.h"
#include "hv/run.h"
#include "hv/smp.h"
#include "hv/speculation.h"
#include "hv/timer.h"
#include "hv/vendor.h"
#include "hv/vmem.h"
#include "hv/xstate.h"

#define PIC_MASTER_DATA 0x21
#define PIC_SLAVE_DATA  0xa1
#define REAL_MODE_END   0x100000ull
#define ADDRESS_MAX     (1ull << 36) /* what every 64-bit CPU has: firmware's tables lie low */
#define ACPI_TABLE_MAX  0x1000000ul
#define MAPPED_AT_BOOT  0x100000000ull /* boot/entry.asm maps the first 4 GiB */

static struct acpi_info acpi;

static void start_console(void)
{
    static const char *const levels[] = {"err", "warn", "info", "debug"};
    struct uart_config uart = UART_DEFAULT;
    const char *com1 = cmdline_string("com1");

    if (com1 && uart_parse(com1, &uart))
        com1 = NULL;
    console_init(&uart);
    log_set_level(cmdline_choice("loglvl", levels, ARRAY_SIZE(levels), LOG_INFO));
}

static u64 ram_end(const struct boot_info *bi)
{
    u64 end = 0;

    for (u32 i = 0; i < bi->region_count; i++)
        if (bi->region[i].type == BOOT_MEM_USABLE || bi->region[i].type == BOOT_MEM_LOADER)
            end = MAX(end, bi->region[i].base + bi->region[i].size);
    return end;
}

/* The parts of usable RAM in [from, to), above real mode's: what is below 1 MiB starts the other
 * CPUs and is then the privileged domain's. */
static unsigned usable_ranges(const struct boot_info *bi, u64 from, u64 to,
                              struct frames_range *out)
{
    unsigned n = 0;

    for (u32 i = 0; i < bi->region_count; i++) {
        const struct boot_region *r = &bi->region[i];
        u64 base = MAX(r->base, MAX(from, REAL_MODE_END)), end = MIN(r->base + r->size, to);

        if (r->type == BOOT_MEM_USABLE && base < end)
            out[n++] = (struct frames_range){base, end - base};
    }
    return n;
}

/* First what the boot page tables reach; the rest once everything is mapped. */
static void start_memory(const struct boot_info *bi)
{
    static struct frames_range ranges[BOOT_MAX_REGIONS];
    u64 first = first_domain_ram_end(bi), end = ram_end(bi);
    unsigned n = usable_ranges(bi, first, MAPPED_AT_BOOT, ranges);

    if (n == 0 || frames_init(ranges, n, end, DIRECT_BASE))
        panic("no memory below 4 GiB is left for the hypervisor: a smaller dom0_mem= may help");
    vmem_init(bi);
    n = usable_ranges(bi, MAX(first, MAPPED_AT_BOOT), end, ranges);
    for (unsigned i = 0; i < n; i++)
        frames_add(ranges[i].base, ranges[i].size);
}

static const void *acpi_map(void *ctx, u64 phys, size_t len)
{
    (void)ctx;
    if (len > ACPI_TABLE_MAX || phys >= ADDRESS_MAX - len)
        return NULL;
    if (vmem_is_direct(HPA(phys), len))
        return hpa_virt(HPA(phys));
    return vmem_map_device(HPA(phys), len);
}

/* Firmware's timer still ticks at the 8259s: their interrupts end here, before LINT0 is masked. */
static void mask_8259s(void)
{
    out8(PIC_MASTER_DATA, 0xff);
    out8(PIC_SLAVE_DATA, 0xff);
}

static void start_this_cpu(void)
{
    mask_8259s();
    lapic_cpu_init();
    mcheck_cpu_init();
    this_cpu()->apic_id = lapic_id();
    xstate_init();
    xstate_cpu_init();
    speculation_init();
    speculation_cpu_init();
}

/* On the boot CPU's own stack, which has a guard page. */
static void __noreturn start(const struct boot_info *bi)
{
    if (acpi_init(&acpi, bi->rsdp, acpi_map, NULL))
        log_warn("no sound ACPI tables: one CPU is used");
    if (lapic_init())
        panic("no memory to map the local APIC");
    start_this_cpu();
    time_init(&acpi);
    if (vendor_probe())
        hlt_forever();
    if (vendor->cpu_on())
        panic("the boot CPU cannot enter root mode's operation");
    smp_start(&acpi, bi, run_cpu);
    vmem_assert_wx();
    first_domain_start(bi, &acpi);
    cmdline_report_unknown();
    run_cpu();
    panic("the boot CPU came back");
}

static void __noreturn continue_on_own_stack(const struct boot_info *bi)
{
    struct percpu *c = this_cpu();

    c->stack = vmem_alloc_stack();
    if (!c->stack || desc_alloc_stacks(c))
        panic("no memory for the boot CPU's stacks");
    __asm__ volatile("mov %0, %%rsp; xor %%ebp, %%ebp; push %%rbp; jmp *%1" ::"r"(c->stack),
                     "r"(start), "D"(bi)
                     : "memory");
    __builtin_unreachable();
}

void hv_main(const struct boot_info *bi)
{
    stack_guard_init();
    smp_init_boot_cpu();
    desc_init_idt();
    desc_load(percpu[0]); /* this_cpu() works from here on */
    cmdline_init(bi->cmdline);
    start_console();
    log_info("Helium, loaded by %s at %llx", bi->loader, (unsigned long long)bi->image_base);

    cpu_features_enable();
    start_memory(bi);
    continue_on_own_stack(bi);
}
