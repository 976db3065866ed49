/* SPDX-License-Identifier: BSD-2-Clause */
#include "hv/cpu.h"
#include "hv/errno.h"
#include "hv/frames.h"
#include "hv/p2m.h"
#include "hv/panic.h"
#include "hv/ptab.h"
#include "hv/vmem.h"
#include "hv/x86.h"

extern const char __image_start[], __text_start[], __text_end[], __rodata_start[], __rodata_end[],
    __data_start[], __image_end[];

#define LOW_MEMORY 0x100000ull
#define RAM_ATTR   (PTAB_RW | PTAB_G | PTAB_MEMTYPE(MEMTYPE_WB))

static struct ptab host;
static hpa_t image_at;
static u64 next_device = DEVICE_BASE;
static u64 next_stack = STACKS_BASE;
static u64 direct_end;
static struct ptab trampoline; /* while other CPUs start */

hpa_t image_hpa(const void *p)
{
    return HPA((u64)p - IMAGE_BASE + image_at.v);
}

static void map(u64 va, hpa_t pa, u64 size, u32 attr)
{
    if (size && ptab_map(&host, va, pa, size, attr))
        panic("no memory for root mode's page tables");
}

static void map_image(void)
{
    const struct {
        const char *start, *end;
        u32 attr;
    } parts[] = {
        {__text_start, __text_end, PTAB_R | PTAB_X},
        {__rodata_start, __rodata_end, PTAB_R},
        {__data_start, __image_end, PTAB_RW},
    };

    /* The page of boot code before .text is done with and stays out. */
    for (unsigned i = 0; i < ARRAY_SIZE(parts); i++)
        map((u64)parts[i].start, image_hpa(parts[i].start),
            ALIGN_UP((u64)(parts[i].end - parts[i].start), PAGE_SIZE),
            parts[i].attr | PTAB_G | PTAB_MEMTYPE(MEMTYPE_WB));
}

static bool is_ram(u32 type)
{
    return type == BOOT_MEM_USABLE || type == BOOT_MEM_LOADER || type == BOOT_MEM_ACPI ||
           type == BOOT_MEM_NVS;
}

/* The image is not in it: its text must not be writable anywhere. */
static void map_direct(const struct boot_info *bi)
{
    map(DIRECT_BASE, HPA(0), LOW_MEMORY, RAM_ATTR);
    for (u32 i = 0; i < bi->region_count; i++) {
        const struct boot_region *r = &bi->region[i];
        u64 base = MAX(r->base, LOW_MEMORY), end = r->base + r->size;

        if (!is_ram(r->type) || base >= end)
            continue;
        map(DIRECT_BASE + base, HPA(base), end - base, RAM_ATTR);
        direct_end = MAX(direct_end, end);
    }
}

static bool has_1g_pages(void)
{
    return cpuid(0x80000000).eax >= 0x80000001 && (cpuid(0x80000001).edx & CPUID_EXT1_EDX_PAGE1GB);
}

void vmem_switch(void)
{
    write_cr3(mfn_hpa(host.root).v);
}

void vmem_init(const struct boot_info *bi)
{
    image_at = HPA(bi->image_base);
    if (ptab_init(&host, &ptab_host, &p2m_table_mem, has_1g_pages() ? PTAB_1G : PTAB_2M))
        panic("no memory for root mode's page tables");
    map_image();
    map_direct(bi);
    vmem_switch();
}

bool vmem_is_direct(hpa_t base, u64 size)
{
    struct ptab_leaf leaf;

    for (u64 at = base.v & PAGE_MASK; at < base.v + size; at += PAGE_SIZE)
        if (ptab_lookup(&host, DIRECT_BASE + at, &leaf))
            return false;
    return true;
}

void *vmem_map_device(hpa_t base, u64 size)
{
    u64 offset = base.v & (PAGE_SIZE - 1);
    u64 va = next_device;

    size = ALIGN_UP(size + offset, PAGE_SIZE);
    if (ptab_map(&host, va, HPA(base.v - offset), size,
                 PTAB_RW | PTAB_G | PTAB_MEMTYPE(MEMTYPE_UC)))
        return NULL;
    next_device += size + PAGE_SIZE;
    return (void *)(va + offset);
}

void *vmem_alloc_stack(void)
{
    u64 top = next_stack + STACK_SLOT;

    for (u64 va = top - STACK_SIZE; va < top; va += PAGE_SIZE) {
        mfn_t m = frames_alloc(0, FRAMES_ZERO);

        if (mfn_is_none(m) || ptab_map(&host, va, mfn_hpa(m), PAGE_SIZE, RAM_ATTR))
            return NULL;
    }
    next_stack = top;
    return (void *)top;
}

/* The upper half is shared with the final tables; CPUs in real mode can load only 32 bits of CR3.
 */
int vmem_trampoline_tables(hpa_t low_page, hpa_t *root)
{
    u64 *copy;
    struct ptab low;
    mfn_t m;
    int rc = ptab_init(&low, &ptab_host, &p2m_table_mem, PTAB_2M);

    if (rc)
        return rc;
    rc = ptab_map(&low, low_page.v, low_page, PAGE_SIZE, PTAB_RWX | PTAB_MEMTYPE(MEMTYPE_WB));
    m = frames_alloc(0, FRAMES_ZERO | FRAMES_LOW);
    if (rc || mfn_is_none(m)) {
        ptab_destroy(&low);
        return rc ? rc : -ENOMEM;
    }
    copy = mfn_virt(m);
    copy[0] = *(const u64 *)mfn_virt(low.root);
    for (unsigned i = 256; i < 512; i++)
        copy[i] = ((const u64 *)mfn_virt(host.root))[i];
    *root = mfn_hpa(m);
    trampoline = low;
    return 0;
}

void vmem_trampoline_free(hpa_t root)
{
    frames_free(hpa_mfn(root), 0);
    ptab_destroy(&trampoline);
}

bool vmem_is_guard(u64 va)
{
    return va >= STACKS_BASE && va < next_stack && va % STACK_SLOT < STACK_SLOT - STACK_SIZE;
}

static bool in_text(u64 pa, u64 size)
{
    u64 text = image_hpa(__text_start).v, end = image_hpa(__text_end).v;

    return pa < end && pa + size > text;
}

static void assert_range(u64 from, u64 to)
{
    for (u64 va = from; va < to;) {
        struct ptab_leaf leaf;
        bool mapped = ptab_lookup(&host, va, &leaf) == 0;
        u64 size = 1ull << leaf.shift;
        u64 start = va & ~(size - 1);

        if (mapped && (leaf.attr & PTAB_W)) {
            if (leaf.attr & PTAB_X)
                panic("W^X: %llx is writable and executable", (unsigned long long)va);
            if (in_text(leaf.pa.v & ~(size - 1), size))
                panic("W^X: %llx makes text writable", (unsigned long long)va);
        }
        if (start + size < va)
            return; /* the end of the address space */
        va = start + size;
    }
}

static void assert_guard_pages(void)
{
    for (u64 slot = STACKS_BASE; slot < next_stack; slot += STACK_SLOT) {
        struct ptab_leaf leaf;

        if (ptab_lookup(&host, slot + STACK_SLOT - STACK_SIZE - PAGE_SIZE, &leaf) == 0)
            panic("the stack at %llx has no guard page", (unsigned long long)slot);
    }
}

void vmem_assert_wx(void)
{
    assert_range(DIRECT_BASE, DIRECT_BASE + direct_end);
    assert_range(DEVICE_BASE, next_device);
    assert_range(STACKS_BASE, next_stack);
    assert_range(IMAGE_BASE, (u64)__image_end);
    assert_guard_pages();
}
