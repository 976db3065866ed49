/* SPDX-License-Identifier: BSD-2-Clause */
#include "hv/domain.h"
#include "hv/errno.h"
#include "hv/guest_mem.h"
#include "hv/pvh.h"
#include "hv/string.h"
#include "hv/vcpu.h"
#include "hv/vendor.h"
#include "hv/x86.h"

/* The block at pvh_boot.info. */
#define INFO_AT    0x000
#define MODULE_AT  0x080
#define CMDLINE_AT 0x100
#define MAP_AT     0x1000

_Static_assert(MAP_AT + PVH_MAX_MAP * sizeof(struct hvm_memmap_table_entry) <= PVH_INFO_SIZE,
               "room for the memory map");

static int zero(struct domain *d, u64 gpa, u64 len)
{
    static const u8 zeros[PAGE_SIZE];

    while (len) {
        u64 n = MIN(len, PAGE_SIZE);

        if (guest_write_phys(d, GPA(gpa), zeros, n))
            return -EFAULT;
        gpa += n;
        len -= n;
    }
    return 0;
}

static int load_segments(struct domain *d, const struct pvh_boot *b)
{
    for (unsigned i = 0; i < b->kernel.segments; i++) {
        const struct elf_segment *s = &b->kernel.segment[i];

        if (guest_write_phys(d, GPA(s->paddr), (const u8 *)b->image + s->offset, s->file_size) ||
            zero(d, s->paddr + s->file_size, s->mem_size - s->file_size))
            return -EFAULT;
    }
    return 0;
}

static int write_info(struct domain *d, const struct pvh_boot *b)
{
    u64 at = b->info.v;
    size_t cmdline = strlen(b->cmdline) + 1;
    struct hvm_modlist_entry module = {.paddr = b->ramdisk, .size = b->ramdisk_size};
    struct hvm_start_info info = {
        .magic = XEN_HVM_START_MAGIC_VALUE,
        .version = 1,
        .flags = b->flags,
        .nr_modules = b->ramdisk_size ? 1 : 0,
        .modlist_paddr = b->ramdisk_size ? at + MODULE_AT : 0,
        .cmdline_paddr = at + CMDLINE_AT,
        .rsdp_paddr = b->rsdp,
        .memmap_paddr = at + MAP_AT,
        .memmap_entries = b->map_entries,
    };

    if (cmdline > MAP_AT - CMDLINE_AT || b->map_entries > PVH_MAX_MAP)
        return -E2BIG;
    if (guest_write_phys(d, GPA(at + INFO_AT), &info, sizeof(info)) ||
        guest_write_phys(d, GPA(at + MODULE_AT), &module, sizeof(module)) ||
        guest_write_phys(d, GPA(at + CMDLINE_AT), b->cmdline, cmdline) ||
        guest_write_phys(d, GPA(at + MAP_AT), b->map, b->map_entries * sizeof(*b->map)))
        return -EFAULT;
    return 0;
}

/* 32-bit protected mode without paging, flat segments, EBX at the start info. */
static int set_state(struct vcpu *v, const struct pvh_boot *b)
{
    const struct segment code = {.selector = 8, .attr = 0xc9b, .limit = ~0u};
    const struct segment data = {.selector = 16, .attr = 0xc93, .limit = ~0u};
    struct cpu_state s;

    vendor->state_get(v, STATE_SEGS | STATE_CR, &s);
    for (unsigned i = SEG_ES; i <= SEG_GS; i++)
        s.seg[i] = i == SEG_CS ? code : data;
    s.seg[SEG_LDTR] = (struct segment){0};
    s.seg[SEG_TR] = (struct segment){.attr = 0x8b, .limit = 0x67};
    s.cr0 = CR0_PE | CR0_ET;
    s.cr4 = s.efer = 0;
    v->rip = b->kernel.entry;
    v->rflags = RFLAGS_RESERVED;
    memset(v->gpr, 0, sizeof(v->gpr));
    v->gpr[RBX] = b->info.v;
    return vendor->state_set(v, STATE_SEGS | STATE_CR, &s);
}

/* Firmware would have left it so: all memory is write-back, but for what the p2m says is a
 * device's. With MTRRs disabled Linux 6.1 does without the PAT. */
static void enable_mtrrs(struct domain *d)
{
    for (unsigned i = 0; i < d->vcpus; i++)
        d->vcpu[i]->mtrr.def_type = MTRR_DEF_E | MEMTYPE_WB;
}

int pvh_load(struct domain *d, const struct pvh_boot *b)
{
    int rc = load_segments(d, b);

    if (rc == 0)
        rc = write_info(d, b);
    enable_mtrrs(d);
    return rc ? rc : set_state(d->vcpu[0], b);
}
