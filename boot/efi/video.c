/* SPDX-License-Identifier: BSD-2-Clause */
#include "boot/efi/loader.h"

#define BYTES_PER_PIXEL 4

static bool has_framebuffer(const EFI_GRAPHICS_OUTPUT_MODE_INFORMATION *info)
{
    return info->PixelFormat == PixelRedGreenBlueReserved8BitPerColor ||
           info->PixelFormat == PixelBlueGreenRedReserved8BitPerColor ||
           info->PixelFormat == PixelBitMask;
}

static bool find_mode(struct loader *l, EFI_GRAPHICS_OUTPUT_PROTOCOL *gop, u32 *mode)
{
    for (*mode = 0; *mode < gop->Mode->MaxMode; ++*mode) {
        EFI_GRAPHICS_OUTPUT_MODE_INFORMATION *info;
        UINTN size;
        bool found;

        if (gop->QueryMode(gop, *mode, &size, &info) != EFI_SUCCESS)
            continue;
        found = info->HorizontalResolution == l->config.video_width &&
                info->VerticalResolution == l->config.video_height && has_framebuffer(info);
        l->bs->FreePool(info);
        if (found)
            return true;
    }
    return false;
}

static void set_mode(struct loader *l, EFI_GRAPHICS_OUTPUT_PROTOCOL *gop)
{
    u32 mode;

    if (!l->config.video_width)
        return;
    if (!find_mode(l, gop, &mode) || gop->SetMode(gop, mode) != EFI_SUCCESS)
        console_say(
            l, "Helium: this screen has no such mode as 'video' asks for; it stays as it is.\r\n");
}

/* The bits of a colour mask are contiguous. */
static void mask_field(u32 mask, u8 *pos, u8 *size)
{
    *pos = mask ? (u8)__builtin_ctz(mask) : 0;
    for (*size = 0; mask; mask &= mask - 1)
        ++*size;
}

static void pixel_format(struct boot_framebuffer *fb,
                         const EFI_GRAPHICS_OUTPUT_MODE_INFORMATION *info)
{
    EFI_PIXEL_BITMASK m = {0x0000ff, 0x00ff00, 0xff0000, 0};

    if (info->PixelFormat == PixelBlueGreenRedReserved8BitPerColor)
        m = (EFI_PIXEL_BITMASK){0xff0000, 0x00ff00, 0x0000ff, 0};
    else if (info->PixelFormat == PixelBitMask)
        m = info->PixelInformation;
    mask_field(m.RedMask, &fb->red_pos, &fb->red_size);
    mask_field(m.GreenMask, &fb->green_pos, &fb->green_size);
    mask_field(m.BlueMask, &fb->blue_pos, &fb->blue_size);
}

void video_describe(struct loader *l)
{
    static EFI_GUID guid = EFI_GRAPHICS_OUTPUT_PROTOCOL_GUID;
    struct boot_framebuffer *fb = &l->info->framebuffer;
    EFI_GRAPHICS_OUTPUT_PROTOCOL *gop;
    EFI_GRAPHICS_OUTPUT_MODE_INFORMATION *info;

    if (l->bs->LocateProtocol(&guid, NULL, (void **)&gop) != EFI_SUCCESS)
        return;
    set_mode(l, gop);
    info = gop->Mode->Info;
    if (!has_framebuffer(info) || !gop->Mode->FrameBufferBase)
        return;
    fb->base = gop->Mode->FrameBufferBase;
    fb->width = info->HorizontalResolution;
    fb->height = info->VerticalResolution;
    fb->pitch = info->PixelsPerScanLine * BYTES_PER_PIXEL;
    fb->bpp = 8 * BYTES_PER_PIXEL;
    pixel_format(fb, info);
    fb->present = 1;
}
