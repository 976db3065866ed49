/* SPDX-License-Identifier: BSD-2-Clause */
#include "libvmctl/build.h"
#include "libvmctl/image.h"
#include "libvmctl/layout.h"
#include "libvmctl/linux_boot.h"
#include "libvmctl/model.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xen/grant_table.h>
#include <xen/memory.h>
#include <xen/hvm/e820.h>
#include <xen/hvm/hvm_info_table.h>
#include <xen/hvm/params.h>
#include <xen/hvm/save.h>

#define LOADER_MAX   (4u << 20)
#define FIRMWARE_MAX (16u << 20)
#define KERNEL_MAX   (256u << 20)
#define INITRD_MAX   (2000u << 20)

/* Kept free below the end of RAM: firmware works there while it starts the machine. */
#define FIRMWARE_TOP (32u << 20)
/* And below here it tests the memory. */
#define FIRMWARE_LOW (16u << 20)
#define CHUNK_PAGES  1024u /* of a guest's memory, mapped at a time */

/* What QEMU adds to a guest for its cards' ROMs and video memory, beyond what was taken off its
 * RAM. */
#define SLACK_KIB     8192u

#define EVENT_PORTS   1023u
#define GRANT_FRAMES  64
#define MAPTRACK      1024
#define BATCH_EXTENTS 512u

/* Root mode's own tables: what Xen's tools allow, 1 MiB for each vcpu and 8 KiB for each MiB. */
#define POOL_PER_VCPU (1ull << 20)
#define POOL_PER_MIB  (8ull << 10)

/* SDM 3A 2.5, 3B 17.2, APM 2 4.8.1: a flat 32-bit environment without paging. */
#define CR0_PE    0x1u
#define CR0_ET    0x10u
#define DR6_RESET 0xffff0ff0u
#define DR7_RESET 0x400u
#define ATTR_CODE 0xc9bu
#define ATTR_DATA 0xc93u
#define ATTR_TSS  0x8bu
#define TSS_LIMIT 0x67u

static const char *words(int rc)
{
    return strerror(-rc);
}

static int create(struct vmctl *v, const struct vm_config *c, struct build *b)
{
    struct xen_domctl op = {.cmd = XEN_DOMCTL_createdomain};
    struct xen_domctl_createdomain *n = &op.u.createdomain;
    int rc;

    memcpy(n->handle, c->uuid, sizeof(n->handle));
    n->flags = XEN_DOMCTL_CDF_hvm | XEN_DOMCTL_CDF_hap | XEN_DOMCTL_CDF_oos_off;
    n->max_vcpus = c->vcpus;
    n->max_evtchn_port = EVENT_PORTS;
    n->max_grant_frames = GRANT_FRAMES;
    n->max_maptrack_frames = MAPTRACK;
    n->grant_opts = XEN_DOMCTL_GRANT_version(1);
    n->arch.emulation_flags = XEN_X86_EMU_ALL & ~XEN_X86_EMU_VPCI;
    rc = xen_domctl(v, &op);
    if (rc == -EINVAL) { /* Xen's guests come with all of these; other hypervisors know no IOMMU */
        n->arch.emulation_flags &= ~XEN_X86_EMU_IOMMU;
        rc = xen_domctl(v, &op);
    }
    if (rc)
        return vm_fail(v, -rc, "The hypervisor made no domain: %s.", words(rc));
    b->id = op.domain;
    return 0;
}

static int set_pool(struct vmctl *v, const struct vm_config *c, uint16_t id)
{
    struct xen_domctl op = {.cmd = XEN_DOMCTL_set_paging_mempool_size, .domain = id};
    int rc;

    op.u.paging_mempool.size = c->vcpus * POOL_PER_VCPU + (c->memory_kib >> 10) * POOL_PER_MIB;
    rc = xen_domctl(v, &op);
    /* Only Xen keeps such a pool. */
    return rc == -ENOSYS || rc == -EOPNOTSUPP ? 0 : rc;
}

/* The schedulers that know weights lay them out alike. */
static int set_weight(struct vmctl *v, const struct vm_config *c, uint16_t id)
{
    struct xen_sysctl which = {.cmd = XEN_SYSCTL_sched_id};
    struct xen_domctl op = {.cmd = XEN_DOMCTL_scheduler_op, .domain = id};
    int rc = c->cpu_weight ? xen_sysctl(v, &which) : 0;

    if (rc == 0 && c->cpu_weight) {
        op.u.scheduler_op.sched_id = which.u.sched_id.sched_id;
        op.u.scheduler_op.cmd = XEN_DOMCTL_SCHEDOP_putinfo;
        op.u.scheduler_op.u.credit.weight = (uint16_t)c->cpu_weight;
        rc = xen_domctl(v, &op);
    }
    return rc ? vm_fail(v, -rc, "The hypervisor gives the guest no weight of %u: %s.",
                        c->cpu_weight, words(rc))
              : 0;
}

static int set_limits(struct vmctl *v, const struct vm_config *c, uint16_t id)
{
    struct xen_domctl op = {.cmd = XEN_DOMCTL_max_vcpus, .domain = id};
    int rc;

    op.u.max_vcpus.max = c->vcpus;
    rc = xen_domctl(v, &op);
    if (rc)
        return vm_fail(v, -rc, "The hypervisor gives the guest no %u vcpus: %s.", c->vcpus,
                       words(rc));
    op = (struct xen_domctl){.cmd = XEN_DOMCTL_max_mem, .domain = id};
    op.u.max_mem.max_memkb = c->memory_kib + SLACK_KIB;
    rc = xen_domctl(v, &op);
    if (rc == 0)
        rc = set_pool(v, c, id);
    if (rc)
        return vm_fail(v, -rc, "The hypervisor refuses the guest's memory limit: %s.", words(rc));
    return 0;
}

/* ---- RAM ---- */

/* count extents of one order from pfn on. Returns how many there are now. */
static long populate(struct vmctl *v, uint16_t id, xen_pfn_t *list, uint64_t pfn, unsigned count,
                     unsigned order)
{
    struct xen_memory_reservation r = {.nr_extents = count, .extent_order = order, .domid = id};

    for (unsigned i = 0; i < count; i++)
        list[i] = pfn + ((uint64_t)i << order);
    set_xen_guest_handle(r.extent_start, list);
    return xen_memory_op(v, XENMEM_populate_physmap, &r, sizeof(r));
}

/* How many extents of the order that fits pfn follow each other, BATCH_EXTENTS at most. */
static unsigned run_length(uint64_t pfn, uint64_t end, unsigned order, unsigned max)
{
    unsigned n = 0;

    while (n < BATCH_EXTENTS && pfn < end && layout_order(pfn, end, max) == order) {
        pfn += 1ull << order;
        n++;
    }
    return n;
}

static int populate_range(struct vmctl *v, uint16_t id, xen_pfn_t *list, uint64_t pfn, uint64_t end)
{
    unsigned max = 18;

    while (pfn < end) {
        unsigned order = layout_order(pfn, end, max);
        unsigned n = run_length(pfn, end, order, max);
        long done = populate(v, id, list, pfn, n, order);

        if (done < 0)
            return (int)done;
        pfn += (uint64_t)done << order;
        if (done == (long)n)
            continue;
        if (order == 0)
            return -ENOMEM;
        max = order - 1; /* no page that large is left, or ever */
    }
    return 0;
}

static int populate_all(struct vmctl *v, uint16_t id, const struct layout *l)
{
    xen_pfn_t *list = xen_buffer(v, BATCH_EXTENTS * sizeof(*list));
    int rc = list ? 0 : -ENOMEM;

    for (unsigned i = 0; i < l->ranges && rc == 0; i++)
        rc = populate_range(v, id, list, l->ram[i].start, l->ram[i].end);
    if (rc == 0)
        rc = populate_range(v, id, list, LAYOUT_SPECIAL(0), LAYOUT_SPECIAL_END);
    if (list)
        xen_buffer_free(v, list);
    return rc;
}

static int give_memory(struct vmctl *v, const struct vm_config *c, uint16_t id,
                       const struct layout *l)
{
    int rc = populate_all(v, id, l);

    if (rc == -ENOMEM)
        return vm_fail(v, ENOMEM, "Not enough memory is free for a guest of %llu MiB.",
                       (unsigned long long)c->memory_kib >> 10);
    if (rc)
        return vm_fail(v, -rc, "The hypervisor gives the guest no memory: %s.", words(rc));
    return 0;
}

static int set_memory_map(struct vmctl *v, uint16_t id, const struct layout *l)
{
    struct e820 {
        uint64_t addr, size;
        uint32_t type;
    } __attribute__((packed)) *e = xen_buffer(v, 2 * sizeof(*e));
    struct xen_foreign_memory_map m = {.domid = id};
    long rc;

    if (!e)
        return vm_fail(v, ENOMEM, "No memory.");
    e[0] = (struct e820){LAYOUT_MAP_START, l->low_end - LAYOUT_MAP_START, 1};
    e[1] = (struct e820){LAYOUT_4G, l->high_end ? l->high_end - LAYOUT_4G : 0, 1};
    m.map.nr_entries = l->high_end ? 2 : 1;
    set_xen_guest_handle(m.map.buffer, e);
    rc = xen_memory_op(v, XENMEM_set_memory_map, &m, sizeof(m));
    xen_buffer_free(v, e);
    return rc ? vm_fail(v, (int)-rc, "The hypervisor refuses the guest's memory map: %s.",
                        words((int)rc))
              : 0;
}

/* ---- what lies in the RAM ---- */

static size_t pages_of(uint64_t bytes)
{
    return (size_t)((bytes + LAYOUT_PAGE - 1) / LAYOUT_PAGE);
}

static int cannot_map(struct vmctl *v)
{
    return vm_fail(v, errno ? errno : EIO, "The guest's memory cannot be mapped: %s.",
                   strerror(errno));
}

static int load_loader(struct vmctl *v, uint16_t id, const struct image *i, const struct file *f,
                       const char *path)
{
    uint64_t start = i->start & ~(LAYOUT_PAGE - 1);
    size_t pages = pages_of(i->end - start);
    char *p = xen_map(v, id, start / LAYOUT_PAGE, pages);
    int rc;

    if (!p)
        return cannot_map(v);
    rc = image_load(i, f, p + (i->start - start), pages * LAYOUT_PAGE - (i->start - start));
    xen_unmap(v, p, pages);
    return rc ? vm_fail(v, -rc, "%s is damaged.", path) : 0;
}

static int load_firmware(struct vmctl *v, uint16_t id, const struct layout_boot *at,
                         const struct layout *l, const struct file *f)
{
    size_t pages = pages_of(at->end - at->start_info);
    char *p = xen_map(v, id, at->start_info / LAYOUT_PAGE, pages);

    if (!p)
        return cannot_map(v);
    layout_start_info(p, at, l);
    memcpy(p + (at->firmware - at->start_info), f->data, f->size);
    xen_unmap(v, p, pages);
    return 0;
}

static int read_file(struct vmctl *v, struct file *f, const char *path, size_t max)
{
    int rc = file_read(f, path, max);

    return rc ? vm_fail(v, -rc, "%s cannot be read: %s.", path, words(rc)) : 0;
}

static int load_both(struct vmctl *v, const struct vm_config *c, uint16_t id,
                     const struct layout *l, const struct file *loader, const struct file *firmware,
                     struct image *image, struct layout_boot *at)
{
    const char *path = vm_config_loader(c);
    int rc;

    if (image_parse(image, loader) || image->start < LAYOUT_MAP_START)
        return vm_fail(v, ENOEXEC, "%s is not a firmware loader (a 32-bit ELF program).", path);
    if (layout_boot(at, l, image->end, firmware->size))
        return vm_fail(v, ENOMEM, "The firmware does not fit into %llu MiB of memory.",
                       (unsigned long long)c->memory_kib >> 10);
    rc = load_loader(v, id, image, loader, path);
    return rc ? rc : load_firmware(v, id, at, l, firmware);
}

static int load_files(struct vmctl *v, const struct vm_config *c, uint16_t id,
                      const struct layout *l, struct image *image, struct layout_boot *at)
{
    struct file loader = {0}, firmware = {0};
    int rc = read_file(v, &loader, vm_config_loader(c), LOADER_MAX);

    if (rc == 0)
        rc = read_file(v, &firmware, vm_config_bios(c), FIRMWARE_MAX);
    if (rc == 0)
        rc = load_both(v, c, id, l, &loader, &firmware, image, at);
    free(loader.data);
    free(firmware.data);
    return rc;
}

/* ---- a kernel booted directly ---- */

static int write_guest(struct vmctl *v, uint16_t id, uint64_t at, const void *from, size_t size)
{
    while (size) {
        size_t n = size < CHUNK_PAGES * LAYOUT_PAGE ? size : CHUNK_PAGES * LAYOUT_PAGE;
        char *p = xen_map(v, id, at / LAYOUT_PAGE, pages_of(n));

        if (!p)
            return cannot_map(v);
        memcpy(p, from, n);
        xen_unmap(v, p, pages_of(n));
        from = (const char *)from + n;
        at += n;
        size -= n;
    }
    return 0;
}

void build_stub_path(uint16_t id, char *path, size_t size)
{
    snprintf(path, size, MODEL_RUN_DIR "/linux-%u", id);
}

static int write_stub(struct vmctl *v, const struct linux_boot *at, uint16_t id)
{
    uint8_t stub[LINUX_STUB_SIZE];
    char path[64];
    int fd, rc = 0;

    linux_boot_stub(at, stub);
    build_stub_path(id, path, sizeof(path));
    mkdir(MODEL_RUN_DIR, 0755);
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0 || write(fd, stub, sizeof(stub)) != (ssize_t)sizeof(stub))
        rc = vm_fail(v, errno, "%s cannot be written: %s.", path, strerror(errno));
    if (fd >= 0)
        close(fd);
    return rc;
}

static int stage(struct vmctl *v, const struct vm_config *c, uint16_t id,
                 const struct linux_boot *at, const struct file *kernel, const struct file *initrd)
{
    void *p = malloc(at->stage_size);
    int rc = p ? 0 : vm_fail(v, ENOMEM, "No memory.");

    if (rc == 0) {
        linux_boot_stage(at, kernel, c->cmdline, p);
        rc = write_guest(v, id, at->stage, p, at->stage_size);
    }
    if (rc == 0)
        rc = write_guest(v, id, at->initrd, initrd->data, initrd->size);
    free(p);
    return rc ? rc : write_stub(v, at, id);
}

/* What is no Linux kernel, or does not fit, or is for other firmware, is left to QEMU, which hands
 * it over byte by byte. */
static int load_linux(struct vmctl *v, const struct vm_config *c, const struct layout *l,
                      uint64_t low, struct build *b)
{
    struct file kernel = {0}, initrd = {0};
    struct linux_boot at;
    int rc = read_file(v, &kernel, c->kernel, KERNEL_MAX);

    if (rc == 0 && c->initrd)
        rc = read_file(v, &initrd, c->initrd, INITRD_MAX);
    if (low < FIRMWARE_LOW)
        low = FIRMWARE_LOW;
    if (rc == 0 && l->low_end > FIRMWARE_TOP &&
        linux_boot_plan(&at, &kernel, c->cmdline, initrd.size, low, l->low_end - FIRMWARE_TOP) ==
            0) {
        rc = stage(v, c, b->id, &at, &kernel, &initrd);
        b->kernel_loaded = true;
    }
    free(kernel.data);
    free(initrd.data);
    return rc;
}

/* hvm_info_table, and the special pages: zero but for the page directory. */
static int fill_pages(struct vmctl *v, const struct vm_config *c, uint16_t id,
                      const struct layout *l)
{
    char *info = xen_map(v, id, HVM_INFO_PFN, 1);
    char *special = info ? xen_map(v, id, LAYOUT_SPECIAL(0), SPECIAL_PAGES) : NULL;
    int rc = special ? 0 : cannot_map(v);

    if (rc == 0) {
        memset(info, 0, LAYOUT_PAGE);
        layout_hvm_info(info, l, c->vcpus);
        memset(special, 0, SPECIAL_PAGES * LAYOUT_PAGE);
        layout_identity((uint32_t *)(special + SPECIAL_IDENT_PT * LAYOUT_PAGE));
    }
    xen_unmap(v, special, SPECIAL_PAGES);
    xen_unmap(v, info, 1);
    return rc;
}

/* ---- parameters, ports, vcpu ---- */

static int make_ports(struct vmctl *v, struct build *b)
{
    b->store_port = xen_alloc_port(v, b->id, 0);
    b->console_port = b->store_port < 0 ? b->store_port : xen_alloc_port(v, b->id, 0);
    if (b->console_port < 0)
        return vm_fail(v, -b->console_port, "The hypervisor gives the guest no event channels: %s.",
                       words(b->console_port));
    b->store_pfn = LAYOUT_SPECIAL(SPECIAL_STORE);
    b->console_pfn = LAYOUT_SPECIAL(SPECIAL_CONSOLE);
    return 0;
}

static int set_params(struct vmctl *v, const struct vm_config *c, const struct build *b)
{
    const struct {
        uint32_t index;
        uint64_t value;
    } params[] = {
        {HVM_PARAM_STORE_PFN, b->store_pfn},
        {HVM_PARAM_STORE_EVTCHN, (uint64_t)b->store_port},
        {HVM_PARAM_CONSOLE_PFN, b->console_pfn},
        {HVM_PARAM_CONSOLE_EVTCHN, (uint64_t)b->console_port},
        {HVM_PARAM_IOREQ_PFN, LAYOUT_SPECIAL(SPECIAL_IOREQ)},
        {HVM_PARAM_BUFIOREQ_PFN, LAYOUT_SPECIAL(SPECIAL_BUFIOREQ)},
        {HVM_PARAM_IOREQ_SERVER_PFN, LAYOUT_SPECIAL(SPECIAL_IOREQ_SERVERS)},
        {HVM_PARAM_NR_IOREQ_SERVER_PAGES, LAYOUT_IOREQ_SERVERS},
        {HVM_PARAM_IDENT_PT, LAYOUT_SPECIAL(SPECIAL_IDENT_PT) * LAYOUT_PAGE},
        {HVM_PARAM_HPET_ENABLED, c->hpet},
        {HVM_PARAM_TIMER_MODE, HVMPTM_no_delay_for_missed_ticks},
    };

    for (size_t i = 0; i < sizeof(params) / sizeof(params[0]); i++) {
        int rc = xen_set_param(v, b->id, params[i].index, params[i].value);

        if (rc)
            return vm_fail(v, -rc, "The hypervisor refuses the guest's parameter %u: %s.",
                           params[i].index, words(rc));
    }
    return 0;
}

/* The store and the console reach their pages by two reserved grants, which lie in the first frame
 * of the guest's grant table from the start (xen/grant_table.h). */
static int make_grants(struct vmctl *v, const struct build *b)
{
    xenforeignmemory_resource_handle *h;
    const struct {
        unsigned ref;
        uint64_t pfn;
    } grants[] = {{GNTTAB_RESERVED_XENSTORE, b->store_pfn},
                  {GNTTAB_RESERVED_CONSOLE, b->console_pfn}};
    void *frame = NULL;

    h = xenforeignmemory_map_resource(v->memory, b->id, XENMEM_resource_grant_table,
                                      XENMEM_resource_grant_table_id_shared, 0, 1, &frame,
                                      PROT_READ | PROT_WRITE, 0);
    if (!h)
        return vm_fail(v, errno, "The guest's grant table cannot be mapped: %s.", strerror(errno));
    for (size_t i = 0; i < sizeof(grants) / sizeof(grants[0]); i++) {
        struct grant_entry_v1 *e = (struct grant_entry_v1 *)frame + grants[i].ref;

        e->domid = 0;
        e->frame = (uint32_t)grants[i].pfn;
        __atomic_store_n(&e->flags, GTF_permit_access, __ATOMIC_RELEASE);
    }
    xenforeignmemory_unmap_resource(v->memory, h);
    return 0;
}

/* A stream of records, each behind a descriptor: header, one vcpu, end. */
struct vcpu_context {
    struct hvm_save_descriptor header_d;
    HVM_SAVE_TYPE(HEADER) header;
    struct hvm_save_descriptor cpu_d;
    HVM_SAVE_TYPE(CPU) cpu;
    struct hvm_save_descriptor end_d;
    HVM_SAVE_TYPE(END) end;
};
_Static_assert(offsetof(struct vcpu_context, cpu) ==
                       2 * sizeof(struct hvm_save_descriptor) + HVM_SAVE_LENGTH(HEADER) &&
                   offsetof(struct vcpu_context, end_d) ==
                       offsetof(struct vcpu_context, cpu) + HVM_SAVE_LENGTH(CPU),
               "no gaps between records");

/* The header is the hypervisor's own: it is taken from the state that the new domain has now. */
static int get_header(struct vmctl *v, uint16_t id, struct vcpu_context *x)
{
    struct xen_domctl op = {.cmd = XEN_DOMCTL_gethvmcontext, .domain = id};
    size_t need = offsetof(struct vcpu_context, cpu_d);
    uint8_t *all;
    int rc = xen_domctl(v, &op);

    if (rc)
        return rc;
    if (op.u.hvmcontext.size < need)
        return -EIO;
    all = xen_buffer(v, op.u.hvmcontext.size);
    if (!all)
        return -ENOMEM;
    set_xen_guest_handle(op.u.hvmcontext.buffer, all);
    rc = xen_domctl(v, &op);
    memcpy(x, all, need);
    xen_buffer_free(v, all);
    return rc < 0 ? rc : x->header_d.typecode == HVM_SAVE_CODE(HEADER) ? 0 : -EIO;
}

static void fill_vcpu(struct vcpu_context *x, uint64_t entry, uint64_t start_info)
{
    HVM_SAVE_TYPE(CPU) *s = &x->cpu;

    x->cpu_d = (struct hvm_save_descriptor){HVM_SAVE_CODE(CPU), 0, HVM_SAVE_LENGTH(CPU)};
    x->end_d = (struct hvm_save_descriptor){HVM_SAVE_CODE(END), 0, HVM_SAVE_LENGTH(END)};
    s->cs_limit = s->ds_limit = s->es_limit = s->ss_limit = UINT32_MAX;
    s->cs_arbytes = ATTR_CODE;
    s->ds_arbytes = s->es_arbytes = s->ss_arbytes = ATTR_DATA;
    s->tr_limit = TSS_LIMIT;
    s->tr_arbytes = ATTR_TSS;
    s->cr0 = CR0_PE | CR0_ET;
    s->dr6 = DR6_RESET;
    s->dr7 = DR7_RESET;
    s->rip = entry;
    s->rbx = start_info;
}

static int set_vcpu(struct vmctl *v, uint16_t id, uint64_t entry, uint64_t start_info)
{
    struct xen_domctl op = {.cmd = XEN_DOMCTL_sethvmcontext, .domain = id};
    struct vcpu_context *x = xen_buffer(v, sizeof(*x));
    int rc = x ? get_header(v, id, x) : -ENOMEM;

    if (rc == 0) {
        fill_vcpu(x, entry, start_info);
        op.u.hvmcontext.size = sizeof(*x);
        set_xen_guest_handle(op.u.hvmcontext.buffer, (uint8_t *)x);
        rc = xen_domctl(v, &op);
    }
    if (x)
        xen_buffer_free(v, x);
    return rc ? vm_fail(v, -rc, "The hypervisor refuses the boot vcpu's state: %s.", words(rc)) : 0;
}

int build_domain(struct vmctl *v, const struct vm_config *c, struct build *b)
{
    struct layout_boot at;
    struct image image;
    struct layout l;
    int rc;

    *b = (struct build){0};
    layout_compute(&l, vm_config_ram(c));
    vm_phase(v, "domain");
    rc = create(v, c, b);
    if (rc == 0)
        rc = set_limits(v, c, b->id);
    if (rc == 0)
        rc = set_weight(v, c, b->id);
    vm_phase(v, "memory");
    if (rc == 0)
        rc = give_memory(v, c, b->id, &l);
    if (rc == 0)
        rc = set_memory_map(v, b->id, &l);
    vm_phase(v, "firmware");
    if (rc == 0)
        rc = load_files(v, c, b->id, &l, &image, &at);
    vm_phase(v, "kernel");
    if (rc == 0 && c->kernel && c->bios == VM_SEABIOS)
        rc = load_linux(v, c, &l, at.end, b);
    vm_phase(v, "vcpu");
    if (rc == 0)
        rc = fill_pages(v, c, b->id, &l);
    if (rc == 0)
        rc = make_ports(v, b);
    if (rc == 0)
        rc = set_params(v, c, b);
    if (rc == 0)
        rc = make_grants(v, b);
    return rc ? rc : set_vcpu(v, b->id, image.entry, at.start_info);
}
