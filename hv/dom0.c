/* SPDX-License-Identifier: BSD-2-Clause */
#include "hv/cmdline.h"
#include "hv/cpu.h"
#include "hv/dom0.h"
#include "hv/dom0_console.h"
#include "hv/dom0_irq.h"
#include "hv/dom0_power.h"
#include "hv/domain.h"
#include "hv/errno.h"
#include "hv/hypercall.h"
#include "hv/lapic.h"
#include "hv/log.h"
#include "hv/percpu.h"
#include "hv/pvh.h"
#include "hv/string.h"
#include "hv/vendor.h"
#include "hv/vmem.h"

#define MIB          0x100000ull
#define FOUR_GIB     0x100000000ull
#define REAL_MODE    0x100000ull
#define LAPIC_PAGE   0xfee00000ull
#define LARGE        0x200000ull
#define INFO_END     (512 * MIB) /* Linux's first page tables reach 1 GiB at most */
#define IOAPIC_PAGES 0xfec00000ull
#define GAP_MIN      (16 * MIB)
#define GAP_MAX      (64 * MIB)
#define POOL_MIN     (24 * MIB) /* root mode's own needs, and a little for guests */
#define DOM0_MIN     (64 * MIB)
#define ATTR_RAM     (PTAB_RWX | PTAB_MEMTYPE(MEMTYPE_WB))
#define ATTR_DEVICE  (PTAB_RW | PTAB_MEMTYPE(MEMTYPE_UC))

/* What dom0_build() works on. */
struct build {
    const struct boot_info *bi;
    struct domain *d;
    u64 split;
    struct pvh_boot boot;
    u64 kernel_at, kernel_size; /* the ELF file */
    struct hvm_memmap_table_entry map[PVH_MAX_MAP];
    unsigned entries;
    u64 gap_end; /* of the hole that is not marked */
};

static struct build build;
static u32 apic_ids[MAX_CPUS];

static bool is_ram(u32 type)
{
    return type == BOOT_MEM_USABLE || type == BOOT_MEM_LOADER;
}

static u64 total_ram(const struct boot_info *bi)
{
    u64 sum = 0;

    for (u32 i = 0; i < bi->region_count; i++)
        if (is_ram(bi->region[i].type))
            sum += bi->region[i].size;
    return sum;
}

/* The address below which there are bytes of RAM, on a large page's boundary. */
static u64 address_of_ram(const struct boot_info *bi, u64 bytes)
{
    for (u32 i = 0; i < bi->region_count; i++) {
        const struct boot_region *r = &bi->region[i];

        if (!is_ram(r->type))
            continue;
        if (bytes <= r->size)
            return ALIGN_DOWN(r->base + bytes, LARGE);
        bytes -= r->size;
    }
    return ~0ull;
}

/* A pool below 4 GiB must be left: root mode starts in it. */
static u64 low_ram_end(const struct boot_info *bi)
{
    u64 end = 0;

    for (u32 i = 0; i < bi->region_count; i++)
        if (is_ram(bi->region[i].type) && bi->region[i].base < FOUR_GIB)
            end = MIN(bi->region[i].base + bi->region[i].size, FOUR_GIB);
    return end;
}

static u64 choose_split(const struct boot_info *bi)
{
    u64 total = total_ram(bi);
    u64 otherwise = total - MAX(total / 4, POOL_MIN);
    u64 bytes = cmdline_u64("dom0_mem", otherwise);
    u64 limit = low_ram_end(bi) - POOL_MIN;

    if (bytes < DOM0_MIN || bytes > total - POOL_MIN) {
        log_err("dom0_mem=%lluM does not fit: between %lluM and %lluM are possible, %lluM are used",
                (unsigned long long)(bytes / MIB), (unsigned long long)(DOM0_MIN / MIB),
                (unsigned long long)((total - POOL_MIN) / MIB),
                (unsigned long long)(otherwise / MIB));
        bytes = otherwise;
    }
    return ALIGN_DOWN(MIN(address_of_ram(bi, bytes), limit), LARGE);
}

/* The pool's beginning is asked for before the domain's end is: what is wrong is said once. */
u64 dom0_split(const struct boot_info *bi)
{
    static u64 split;

    if (!split)
        split = choose_split(bi);
    return split;
}

static int enter(struct build *b, u64 from, u64 to, enum p2m_type type, u32 attr)
{
    if (from >= to)
        return 0;
    return p2m_add(b->d, GFN(from >> PAGE_SHIFT), MFN(from >> PAGE_SHIFT),
                   (to - from) >> PAGE_SHIFT, type, attr);
}

/* Device memory, without the LAPIC's page. */
static int enter_device(struct build *b, u64 from, u64 to, u32 attr)
{
    int rc = enter(b, from, MIN(to, LAPIC_PAGE), P2M_MMIO, attr);

    return rc ? rc : enter(b, MAX(from, LAPIC_PAGE + PAGE_SIZE), to, P2M_MMIO, attr);
}

/* What is not RAM for certain may be firmware's code as well as its devices. */
static int enter_region(struct build *b, const struct boot_region *r)
{
    u64 end = r->base + r->size;

    switch (r->type) {
    case BOOT_MEM_USABLE:
    case BOOT_MEM_LOADER:
        return enter(b, r->base, MIN(end, b->split), P2M_RAM, ATTR_RAM);
    case BOOT_MEM_ACPI:
    case BOOT_MEM_NVS:
        return enter(b, r->base, end, P2M_RAM, ATTR_RAM);
    case BOOT_MEM_HYPERVISOR:
        return 0;
    default:
        if (end <= REAL_MODE)
            return enter(b, r->base, end, P2M_RAM, ATTR_RAM);
        return enter_device(b, r->base, end, ATTR_DEVICE | PTAB_X);
    }
}

static int enter_memory(struct build *b)
{
    u64 done = 0;

    for (u32 i = 0; i < b->bi->region_count; i++) {
        const struct boot_region *r = &b->bi->region[i];
        int rc = enter_device(b, done, MIN(r->base, FOUR_GIB), ATTR_DEVICE);

        if (rc == 0)
            rc = enter_region(b, r);
        if (rc)
            return rc;
        done = r->base + r->size;
    }
    return enter_device(b, done, FOUR_GIB, ATTR_DEVICE);
}

static int add_entry(struct build *b, u64 from, u64 to, u32 type)
{
    struct hvm_memmap_table_entry *last = &b->map[b->entries - 1];

    if (from >= to)
        return 0;
    if (b->entries && last->type == type && last->addr + last->size == from) {
        last->size += to - from;
        return 0;
    }
    if (b->entries == PVH_MAX_MAP)
        return -ENOSPC;
    b->map[b->entries++] =
        (struct hvm_memmap_table_entry){.addr = from, .size = to - from, .type = type};
    return 0;
}

static u32 map_type(u32 type)
{
    switch (type) {
    case BOOT_MEM_USABLE:
    case BOOT_MEM_LOADER:
        return XEN_HVM_MEMMAP_TYPE_RAM;
    case BOOT_MEM_ACPI:
        return XEN_HVM_MEMMAP_TYPE_ACPI;
    case BOOT_MEM_NVS:
        return XEN_HVM_MEMMAP_TYPE_NVS;
    case BOOT_MEM_UNUSABLE:
        return XEN_HVM_MEMMAP_TYPE_UNUSABLE;
    default:
        return XEN_HVM_MEMMAP_TYPE_RESERVED;
    }
}

/* The end of the highest hole below the IOAPICs that has room for a gap. */
static u64 find_gap(const struct boot_info *bi)
{
    u64 done = 0, end = 0;

    for (u32 i = 0; i <= bi->region_count; i++) {
        u64 next = i < bi->region_count ? bi->region[i].base : FOUR_GIB;

        next = MIN(next, IOAPIC_PAGES);
        if (next > done && next - done >= GAP_MIN)
            end = next;
        if (i < bi->region_count)
            done = bi->region[i].base + bi->region[i].size;
    }
    return end;
}

/* Linux takes unmarked holes for room to put things in, 128 MiB at a time: below 4 GiB each is
 * marked as reserved, but for a smaller gap that it wants to see for PCI devices without an
 * address. */
static int add_hole(struct build *b, u64 from, u64 to)
{
    u64 gap_end = MIN(MAX(b->gap_end, from), to);
    u64 gap = MAX(gap_end - MIN(GAP_MAX, gap_end), from);

    if (from >= to)
        return 0;
    if (gap_end != b->gap_end)
        return add_entry(b, from, to, XEN_HVM_MEMMAP_TYPE_RESERVED);
    return add_entry(b, from, gap, XEN_HVM_MEMMAP_TYPE_RESERVED)
               ?: add_entry(b, gap_end, to, XEN_HVM_MEMMAP_TYPE_RESERVED);
}

/* RAM that is not the domain's is reserved, too. */
static int make_map(struct build *b)
{
    u64 done = 0;

    b->gap_end = find_gap(b->bi);

    for (u32 i = 0; i < b->bi->region_count; i++) {
        const struct boot_region *r = &b->bi->region[i];
        u64 end = r->base + r->size;
        u64 cut = is_ram(r->type) ? MAX(r->base, MIN(end, b->split)) : end;

        if (add_hole(b, done, MIN(r->base, FOUR_GIB)) ||
            add_entry(b, r->base, cut, map_type(r->type)) ||
            add_entry(b, cut, end, XEN_HVM_MEMMAP_TYPE_RESERVED))
            return -ENOSPC;
        done = end;
    }
    return add_hole(b, done, FOUR_GIB);
}

static bool overlaps(u64 a, u64 a_size, u64 b, u64 b_size)
{
    return a < b + b_size && b < a + a_size;
}

/* Is [at, at + size) free of what is in use until the kernel runs? */
static bool in_use(const struct build *b, u64 at, u64 size)
{
    const struct elf_kernel *k = &b->boot.kernel;

    if (overlaps(at, size, k->low, k->high - k->low) ||
        overlaps(at, size, b->boot.ramdisk, b->boot.ramdisk_size) ||
        overlaps(at, size, b->kernel_at, b->kernel_size) ||
        overlaps(at, size, b->boot.info.v, PVH_INFO_SIZE))
        return true;
    for (u32 i = 0; i < b->bi->module_count; i++)
        if (overlaps(at, size, b->bi->module[i].base, b->bi->module[i].size))
            return true;
    return false;
}

static bool in_ram(const struct build *b, u64 at, u64 size)
{
    for (unsigned i = 0; i < b->entries; i++)
        if (b->map[i].type == XEN_HVM_MEMMAP_TYPE_RAM && at >= b->map[i].addr &&
            at + size <= b->map[i].addr + b->map[i].size)
            return true;
    return false;
}

/* The highest free place of size bytes in the domain's RAM below limit; 0: none. */
static u64 find_free(const struct build *b, u64 size, u64 limit)
{
    u64 end = MIN(b->split, limit);

    if (size > end)
        return 0; /* a module larger than all of the domain's memory */
    for (u64 at = ALIGN_DOWN(end - size, PAGE_SIZE); at >= REAL_MODE; at -= PAGE_SIZE)
        if (!in_use(b, at, size) && in_ram(b, at, size))
            return at;
    return 0;
}

/* Loaders put modules anywhere: one that lies where the kernel goes, or outside the domain's RAM,
 * moves. */
static int settle(struct build *b, u64 *at, u64 size)
{
    const struct elf_kernel *k = &b->boot.kernel;
    u64 to;

    if (in_ram(b, *at, size) && !overlaps(*at, size, k->low, k->high - k->low))
        return 0;
    to = find_free(b, size, FOUR_GIB);
    if (!to)
        return -ENOMEM;
    memcpy(hpa_virt(HPA(to)), hpa_virt(HPA(*at)), size);
    *at = to;
    return 0;
}

static int place(struct build *b)
{
    const struct boot_info *bi = b->bi;
    int rc;

    if (!in_ram(b, b->boot.kernel.low, b->boot.kernel.high - b->boot.kernel.low)) {
        log_err("the kernel wants memory at %llx to %llx, which is not the privileged domain's RAM",
                (unsigned long long)b->boot.kernel.low, (unsigned long long)b->boot.kernel.high);
        return -EINVAL;
    }
    if (bi->module_count > 1) {
        b->boot.ramdisk = bi->module[1].base;
        b->boot.ramdisk_size = bi->module[1].size;
        rc = settle(b, &b->boot.ramdisk, b->boot.ramdisk_size);
        if (rc) {
            log_err("no room for the initrd of %llu MiB: dom0_mem is too small",
                    (unsigned long long)(b->boot.ramdisk_size / MIB));
            return rc;
        }
    }
    rc = settle(b, &b->kernel_at, b->kernel_size);
    b->boot.info = GPA(rc ? 0 : find_free(b, PVH_INFO_SIZE, INFO_END));
    if (rc || !b->boot.info.v) {
        log_err("no room for the kernel's image: dom0_mem is too small");
        return -ENOMEM;
    }
    b->boot.image = hpa_virt(HPA(b->kernel_at));
    return 0;
}

/* A device above 4 GiB, on its first touch: a large page, unless RAM shares it. */
static bool touch_device(struct vcpu *v, const struct exit_npf *npf)
{
    const struct boot_info *bi = v->domain->owner;
    u64 size = LARGE, at = ALIGN_DOWN(npf->gpa.v, LARGE);

    if (npf->gpa.v < FOUR_GIB || npf->present || (npf->access & ACCESS_EXEC) ||
        npf->gpa.v >> v->domain->policy->phys_bits)
        return false;
    for (u32 i = 0; i < bi->region_count; i++) {
        const struct boot_region *r = &bi->region[i];

        if (overlaps(npf->gpa.v, 1, r->base, r->size) && r->type != BOOT_MEM_RESERVED)
            return false;
        if (overlaps(at, size, r->base, r->size)) {
            size = PAGE_SIZE;
            at = ALIGN_DOWN(npf->gpa.v, PAGE_SIZE);
        }
    }
    return p2m_add(v->domain, GFN(at >> PAGE_SHIFT), MFN(at >> PAGE_SHIFT), size >> PAGE_SHIFT,
                   P2M_MMIO, ATTR_DEVICE) == 0;
}

static struct domain *make_domain(const struct boot_info *bi, int *rc)
{
    struct domain_config config = {.vcpus = cpus_online, .privileged = true, .apic_ids = apic_ids};
    struct domain *d;

    for (unsigned i = 0; i < cpus_online; i++)
        apic_ids[i] = percpu[i]->apic_id;
    d = domain_create(DOM0_ID, &config, rc);
    if (!d)
        return NULL;
    for (unsigned i = 0; i < d->vcpus; i++) {
        d->vcpu[i]->sched.pinned = i;
        d->vcpu[i]->sched.boostable = true;
    }
    vendor->pio_access(d, 0, 0xffff, true);
    d->page_fault = touch_device;
    d->owner = (void *)bi;
    return d;
}

static int load(struct build *b)
{
    int rc = enter_memory(b);

    if (rc == 0)
        rc = make_map(b);
    if (rc) {
        log_err(
            "the memory map has too many pieces, or too little memory is left for its page tables");
        return rc;
    }
    rc = place(b);
    if (rc)
        return rc;
    b->boot.map = b->map;
    b->boot.map_entries = b->entries;
    b->boot.rsdp = b->bi->rsdp;
    b->boot.flags = SIF_PRIVILEGED | SIF_INITDOMAIN;
    b->d->map = b->map;
    b->d->map_entries = b->entries;
    rc = pvh_load(b->d, &b->boot);
    if (rc == -E2BIG)
        log_err("the privileged domain's command line is too long");
    return rc;
}

int dom0_build(const struct boot_info *bi, const struct acpi_info *acpi, struct domain **d)
{
    struct build *b = &build;
    const struct boot_module *m = &bi->module[0];
    const char *why;
    int rc;

    if (bi->module_count == 0) {
        log_err(
            "no kernel for the privileged domain: name one in helium.cfg or by module2 in grub.cfg");
        return -EINVAL;
    }
    b->bi = bi;
    b->split = dom0_split(bi);
    b->kernel_at = m->base;
    b->kernel_size = m->size;
    b->boot.cmdline = bi->strings + m->cmdline;
    if (elf_parse(&b->boot.kernel, hpa_virt(HPA(m->base)), m->size, &why)) {
        log_err("the privileged domain's kernel cannot be started: %s", why);
        return -EINVAL;
    }
    b->d = make_domain(bi, &rc);
    if (!b->d) {
        log_err("no memory to build the privileged domain");
        return rc;
    }
    rc = load(b);
    if (rc)
        return rc;
    *d = b->d;
    rc = dom0_power_init(b->d, acpi);
    if (rc)
        return rc;
    dom0_irq_init(b->d);
    dom0_console_init(b->d);
    hypercall_init(b->d);
    log_info("dom0: %u vcpus, RAM below %llx, starts at TSC %llu", b->d->vcpus,
             (unsigned long long)b->split, (unsigned long long)rdtsc());
    return 0;
}
