/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * helium-test.elf: every module is a test guest (a PVH ELF) and runs as a domain of its own, one
 * after the other. Its command line is for both: "name vcpus=2 mem=64 cpu=0 weight0=512 timeout=20
 * expect=reset"; the guest may have words of its own. On the console: GUEST name START, the guest's
 * lines, GUEST name EXIT code.
 *
 *   vcpus   number of vcpus                  mem      MiB of RAM, a power of two
 *   cpu     all vcpus pinned to this CPU     weight0  scheduler's weight of vcpu 0
 *   timeout seconds
 *   expect  reset: EXIT 0 if it resets itself, and only then; any: EXIT 0 however it ends, be it by
 * the timeout
 */
#include "hv/cmdline.h"
#include "hv/cpu.h"
#include "hv/errno.h"
#include "hv/exit.h"
#include "hv/first_domain.h"
#include "hv/frames.h"
#include "hv/log.h"
#include "hv/panic.h"
#include "hv/percpu.h"
#include "hv/printf.h"
#include "hv/pvh.h"
#include "hv/string.h"
#include "hv/timer.h"
#include "hv/vendor.h"
#include "hv/vmem.h"
#include "test/hv/runner.h"
#include "test/hv/testdev.h"
#include "test/hv/upset.h"
#include <xen/sched.h>

#define COM1_LSR        0x3fd
#define LSR_EMPTY       0x40 /* holding and shift register; an absent UART reads as ones */
#define TICK_NS         2000000ull
#define MIB_ORDER       8 /* 1 MiB is 2^8 frames */
#define INFO_GPA        0x8000
#define DEFAULT_MIB     16
#define DEFAULT_SECONDS 60

static const struct boot_info *boot;
static unsigned next_module;
static u64 free_before, deadline;
static struct timer tick;
static struct guest_run *current;

u64 first_domain_ram_end(const struct boot_info *bi)
{
    (void)bi;
    return 0;
}

static const char *cmdline_of(const struct boot_module *m)
{
    return boot->strings + m->cmdline;
}

/* "name=number" of a guest's own command line. */
static u64 option(const char *cmdline, const char *name, u64 otherwise)
{
    size_t len = strlen(name);

    for (const char *p = cmdline; *p; p++) {
        u64 n = 0;

        if ((p != cmdline && p[-1] != ' ') || strncmp(p, name, len) || p[len] != '=')
            continue;
        for (p += len + 1; *p >= '0' && *p <= '9'; p++)
            n = n * 10 + (u64)(*p - '0');
        return n;
    }
    return otherwise;
}

static bool has_word(const char *cmdline, const char *word)
{
    size_t len = strlen(word);

    for (const char *p = cmdline; *p; p++)
        if ((p == cmdline || p[-1] == ' ') && !strncmp(p, word, len) && (p[len] == ' ' || !p[len]))
            return true;
    return false;
}

/* The first word of its command line, or else the loader's name for it, which GRUB does not give.
 */
static void copy_name(char *to, size_t size, const struct boot_module *m)
{
    const char *from = cmdline_of(m);
    size_t n = 0;

    if (!*from)
        from = boot->strings + m->name;
    while (n < size - 1 && from[n] && from[n] != ' ')
        n++;
    memcpy(to, from, n);
    to[n] = 0;
}

/* Serial is what is judged: lines go out as they are, whatever the log level. */
static void say(const char *fmt, ...) __printf(1, 2);
static void say(const char *fmt, ...)
{
    char line[160];
    va_list args;
    int n;

    va_start(args, fmt);
    n = hv_vsnprintf(line, sizeof(line), fmt, args);
    va_end(args);
    log_raw(line, (size_t)MIN(n, (int)sizeof(line) - 1));
}

static void power_off(void)
{
    static const char shutdown[] = "Shutdown";

    say("HELIUM-TEST DONE\n");
    while (!(in8(COM1_LSR) & LSR_EMPTY))
        cpu_pause();
    for (unsigned i = 0; i < sizeof(shutdown) - 1; i++)
        out8(0x8900, (u8)shutdown[i]); /* Bochs */
    out16(0x604, 0x2000);              /* QEMU q35: S5 by its PM1a_CNT */
}

static unsigned order_for(u64 mib)
{
    unsigned order = MIB_ORDER;

    while (1ull << (order - MIB_ORDER) < mib)
        order++;
    return MIN(order, (unsigned)FRAMES_MAX_ORDER);
}

static void place_vcpus(struct domain *d, const char *cmdline)
{
    u64 cpu = option(cmdline, "cpu", SCHED_ANY_CPU);
    u64 first = option(cmdline, "weight0", SCHED_WEIGHT_DEFAULT);

    for (unsigned i = 0; i < d->vcpus; i++) {
        if (cpu < cpus_online && sched_migrate(&d->vcpu[i]->sched, (unsigned)cpu) == 0)
            d->vcpu[i]->sched.pinned = (u32)cpu;
    }
    if (sched_set_weight(&d->vcpu[0]->sched, (unsigned)first))
        say("GUEST weight0=%llu is no weight\n", (unsigned long long)first);
}

static int load(struct guest_run *g, const struct boot_module *m)
{
    struct hvm_memmap_table_entry map = {
        .addr = 0, .size = PAGE_SIZE << g->ram_order, .type = XEN_HVM_MEMMAP_TYPE_RAM};
    struct pvh_boot b = {
        .image = hpa_virt(HPA(m->base)),
        .cmdline = cmdline_of(m),
        .info = GPA(INFO_GPA),
        .map = &map,
        .map_entries = 1,
    };
    const char *why;
    int rc = elf_parse(&b.kernel, b.image, m->size, &why);

    if (rc) {
        say("GUEST %s cannot be loaded: %s\n", g->name, why);
        return rc;
    }
    g->ram = frames_alloc(g->ram_order, FRAMES_ZERO);
    if (mfn_is_none(g->ram))
        return -ENOMEM;
    rc = p2m_add(g->d, GFN(0), g->ram, 1ull << g->ram_order, P2M_RAM,
                 PTAB_RWX | PTAB_MEMTYPE(MEMTYPE_WB));
    return rc ? rc : pvh_load(g->d, &b);
}

enum test_hypercall { CALL_SUM, CALL_UPSET, CALL_NMIS };

/* VMCALL and VMMCALL, by EAX: the sum of EBX and ECX; what the guest's upset= names; NMIs: 0 if no
 * CPU missed one. All else is -ENOSYS, and -EPERM from outside ring 0, as Xen has it. */
static void test_hypercall(struct vcpu *v)
{
    const struct guest_run *g = v->domain->owner;
    struct cpu_state s;

    vendor->state_get(v, STATE_CS_SS, &s);
    if (SEG_DPL(s.seg[SEG_SS].attr) != 0)
        v->gpr[RAX] = (u64)-EPERM;
    else if ((u32)v->gpr[RAX] == CALL_SUM)
        v->gpr[RAX] = (u32)(v->gpr[RBX] + v->gpr[RCX]);
    else if ((u32)v->gpr[RAX] == CALL_UPSET)
        v->gpr[RAX] = (u64)upset(g->cmdline);
    else if ((u32)v->gpr[RAX] == CALL_NMIS)
        v->gpr[RAX] = cpus_online - upset_nmis();
    else
        v->gpr[RAX] = (u64)-ENOSYS;
}

/* A page that is asked for below 4 GiB at 80000000h is added on its first touch: what a nested page
 * fault costs can be measured. Taken from the guest's own RAM, so that nothing has to be given
 * back. */
#define LAZY_BASE  0x80000000ull
#define LAZY_PAGES 256

static bool lazy_page(struct vcpu *v, const struct exit_npf *npf)
{
    struct guest_run *g = v->domain->owner;
    u64 page = (npf->gpa.v - LAZY_BASE) >> PAGE_SHIFT;
    enum p2m_type type;
    u32 attr;

    if (npf->gpa.v < LAZY_BASE || page >= LAZY_PAGES ||
        !mfn_is_none(p2m_lookup(&v->domain->p2m, gpa_gfn(npf->gpa), &type, &attr)))
        return false;
    return p2m_add(v->domain, gpa_gfn(npf->gpa), MFN(g->ram.v + (1ull << g->ram_order) - 1 - page),
                   1, P2M_RAM, PTAB_RWX | PTAB_MEMTYPE(MEMTYPE_WB)) == 0;
}

#define EXIT_UNEXPECTED 99

/* How the guest ended, as its expect= option wants it told. */
static int exit_code_of(const struct guest_run *g, const char *cmdline)
{
    int code = g->d->shutdown == SHUTDOWN_poweroff ? g->exit_code : -(int)g->d->shutdown;

    if (has_word(cmdline, "expect=any"))
        return 0;
    if (has_word(cmdline, "expect=reset"))
        return g->d->shutdown == SHUTDOWN_reboot ? 0 : EXIT_UNEXPECTED;
    return code;
}

#define RUN_ORDER 1
_Static_assert(sizeof(struct guest_run) <= PAGE_SIZE << RUN_ORDER, "grow RUN_ORDER");

static u64 frames_free_now(void)
{
    struct frames_stats s;

    frames_stats(&s);
    return s.free;
}

static void report(struct guest_run *g, int code)
{
    if (g->d)
        exit_report(g->d);
    say("GUEST %s EXIT %d\n", g->name, code);
}

static void finish(struct guest_run *g, int code)
{
    report(g, code);
    if (g->d)
        domain_destroy(g->d);
    if (!mfn_is_none(g->ram))
        frames_free(g->ram, g->ram_order);
    frames_free(virt_mfn(g), RUN_ORDER);
    current = NULL;
    if (frames_free_now() != free_before)
        say("HELIUM-TEST FAIL %lld frames leaked\n", (long long)(free_before - frames_free_now()));
}

/* "intercept" on the hypervisor's own command line: what a guest does by itself exits as well, and
 * must come to the same. */
static void intercept_all(struct domain *d)
{
    static const u8 all[] = {INTERCEPT_PAUSE, INTERCEPT_RDTSC, INTERCEPT_CR3, INTERCEPT_DR};

    for (unsigned i = 0; i < d->vcpus; i++)
        for (unsigned n = 0; n < ARRAY_SIZE(all); n++)
            vendor->intercept(d->vcpu[i], all[n], true);
}

static int start(struct guest_run *g, const struct boot_module *m)
{
    struct domain_config config = {.vcpus = (unsigned)option(cmdline_of(m), "vcpus", 1)};
    int rc;

    g->d = domain_create((u16)(next_module + 1), &config, &rc);
    if (!g->d)
        return rc;
    g->d->owner = g;
    g->d->hypercall = test_hypercall;
    g->d->page_fault = lazy_page;
    place_vcpus(g->d, cmdline_of(m));
    if (cmdline_bool("intercept", false))
        intercept_all(g->d);
    rc = testdev_attach(g->d);
    if (rc == 0)
        rc = load(g, m);
    if (rc == 0)
        domain_start(g->d);
    return rc;
}

static void start_next(void)
{
    const struct boot_module *m = &boot->module[next_module];
    mfn_t run;
    int rc;

    free_before = frames_free_now();
    run = frames_alloc(RUN_ORDER, FRAMES_ZERO);
    if (mfn_is_none(run))
        panic("no memory for a test guest");
    current = mfn_virt(run);
    copy_name(current->name, sizeof(current->name), m);
    current->cmdline = cmdline_of(m);
    current->exit_code = -1;
    current->ram = MFN_NONE;
    current->ram_order = order_for(option(cmdline_of(m), "mem", DEFAULT_MIB));
    say("GUEST %s START\n", current->name);
    deadline = time_ns() + option(cmdline_of(m), "timeout", DEFAULT_SECONDS) * 1000000000;
    rc = start(current, m);
    next_module++;
    if (rc)
        finish(current, rc);
}

/* A vcpu that has been stopped leaves its CPU's loop before its domain may go. */
static bool still_running(const struct domain *d)
{
    for (unsigned i = 0; i < d->vcpus; i++)
        if (READ_ONCE(d->vcpu[i]->sched.running))
            return true;
    return false;
}

static void on_tick(struct timer *t)
{
    timer_set(t, time_ns() + TICK_NS);
    if (current && current->d->is_shutdown && !still_running(current->d)) {
        finish(current, exit_code_of(current, cmdline_of(&boot->module[next_module - 1])));
    } else if (current && time_ns() > deadline) {
        say("GUEST %s TIMEOUT rip %llx\n", current->name,
            (unsigned long long)current->d->vcpu[0]->rip);
        deadline = ~0ull;
        domain_shutdown(current->d, SHUTDOWN_watchdog);
    }
    if (current)
        return;
    if (next_module < boot->module_count) {
        start_next();
    } else {
        timer_stop(t);
        power_off();
    }
}

void first_domain_start(const struct boot_info *bi, const struct acpi_info *acpi)
{
    (void)acpi;
    boot = bi;
    timer_init(&tick, on_tick);
    timer_set(&tick, time_ns() + TICK_NS);
}
