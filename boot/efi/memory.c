/* SPDX-License-Identifier: BSD-2-Clause */
#include "boot/efi/loader.h"
#include "boot/memmap.h"

#define EXIT_ATTEMPTS  8
#define MAP_SLACK      16 /* descriptors the map may grow by until we read it */
#define DESCRIPTOR_MAX 256

static UINTN pages_of(u64 size)
{
    return (UINTN)(ALIGN_UP(size, PAGE_SIZE) / PAGE_SIZE);
}

/* Gives back what alignment made superfluous on both sides. */
static void trim(struct loader *l, u64 got, UINTN got_pages, u64 base, UINTN pages)
{
    UINTN before = (base - got) / PAGE_SIZE;
    UINTN after = got_pages - before - pages;

    if (before)
        l->bs->FreePages(got, before);
    if (after)
        l->bs->FreePages(base + pages * PAGE_SIZE, after);
}

bool memory_alloc(struct loader *l, u64 size, u64 align, bool need_low, EFI_MEMORY_TYPE type,
                  const char *what, u64 *base)
{
    UINTN pages = pages_of(size ? size : 1);
    UINTN asked = pages + (UINTN)(align / PAGE_SIZE) - 1;
    EFI_PHYSICAL_ADDRESS got = BELOW_4G;
    EFI_STATUS status = EFI_OUT_OF_RESOURCES;

    if (l->allocations < ARRAY_SIZE(l->allocation))
        status = l->bs->AllocatePages(AllocateMaxAddress, type, asked, &got);
    if (status == EFI_OUT_OF_RESOURCES && !need_low)
        status = l->bs->AllocatePages(AllocateAnyPages, type, asked, &got);
    if (status != EFI_SUCCESS)
        return fail(l, EFI_OUT_OF_RESOURCES, "there is no memory ", need_low ? "below 4 GiB " : "",
                    "for ", what, ".", NULL);
    *base = ALIGN_UP(got, align);
    trim(l, got, asked, *base, pages);
    l->allocation[l->allocations++] = (struct allocation){*base, pages};
    return true;
}

void memory_free(struct loader *l, u64 base)
{
    for (UINTN i = 0; i < l->allocations; i++) {
        if (l->allocation[i].base == base) {
            l->bs->FreePages(base, l->allocation[i].pages);
            l->allocation[i] = l->allocation[--l->allocations];
            return;
        }
    }
}

void memory_free_all(struct loader *l)
{
    while (l->allocations)
        memory_free(l, l->allocation[0].base);
}

/* Everything that we still hold is for the hypervisor: its image, the modules, struct boot_info. */
static bool carve(struct loader *l)
{
    struct boot_info *bi = l->info;
    int err = boot_mem_add(bi, bi->image_base, bi->image_size, BOOT_MEM_HYPERVISOR);

    if (!err)
        err = boot_mem_add(bi, 0, PAGE_SIZE, BOOT_MEM_RESERVED); /* nobody's NULL */
    for (UINTN i = 0; !err && i < l->allocations; i++)
        err = boot_mem_add(bi, l->allocation[i].base, l->allocation[i].pages * PAGE_SIZE,
                           BOOT_MEM_LOADER);
    return !err;
}

static bool convert(struct loader *l, const u8 *map, UINTN size, UINTN stride)
{
    bool fits = true;

    l->info->region_count = 0;
    for (UINTN at = 0; fits && size - at >= stride; at += stride) {
        const EFI_MEMORY_DESCRIPTOR *d = (const void *)(map + at);

        fits = !boot_mem_add(l->info, d->PhysicalStart, d->NumberOfPages * PAGE_SIZE,
                             boot_mem_from_efi(d->Type, d->Attribute));
    }
    return fits && carve(l);
}

/* A buffer of *room bytes for the memory map, which may still change until it is used. Never freed:
 * it is pool memory, which the map calls usable. NULL after fail(). */
static void *map_buffer(struct loader *l, UINTN *room)
{
    UINTN size = 0, key, stride = 0;
    void *map = NULL;
    UINT32 version;

    l->bs->GetMemoryMap(&size, NULL, &key, &stride, &version);
    if (stride < sizeof(EFI_MEMORY_DESCRIPTOR) || stride > DESCRIPTOR_MAX) {
        fail(l, EFI_UNSUPPORTED, "the firmware's memory map has an unknown form.", NULL);
        return NULL;
    }
    *room = size + MAP_SLACK * stride;
    if (l->bs->AllocatePool(EfiLoaderData, *room, &map) != EFI_SUCCESS || !map) {
        fail(l, EFI_OUT_OF_RESOURCES, "there is no memory for the memory map.", NULL);
        return NULL;
    }
    return map;
}

bool memory_hand_over(struct loader *l, bool *gone)
{
    UINTN room = 0, size, key, stride;
    EFI_STATUS status;
    UINT32 version;
    void *map = map_buffer(l, &room);

    *gone = false;
    if (!map)
        return false;
    /* An event of the firmware's own may change the map between the two calls; then it is read
     * again. After the first attempt the firmware may be half shut down: no other service is used.
     */
    for (u32 i = 0; i < EXIT_ATTEMPTS; i++) {
        size = room;
        status = l->bs->GetMemoryMap(&size, map, &key, &stride, &version);
        if (status != EFI_SUCCESS)
            break;
        if (!convert(l, map, size, stride))
            return fail(l, EFI_BUFFER_TOO_SMALL, "the memory map has more than 256 regions.", NULL);
        status = l->bs->ExitBootServices(l->self, key);
        *gone = true;
        if (status == EFI_SUCCESS)
            return true;
    }
    return fail(l, status, "the firmware does not let go: ExitBootServices fails every time.",
                NULL);
}
