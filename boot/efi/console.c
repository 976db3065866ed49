/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdarg.h>
#include "boot/efi/loader.h"

#define COM1          0x3f8
#define UART_LSR      5
#define LSR_THRE      (1 << 5)
#define DEBUG_PORT    0xe9
#define UART_PATIENCE 0x10000 /* polls; a port without a UART never gets ready */

#define WAIT_SECONDS  5
#define SECOND        10000000ull /* in the timer's units of 100 ns */

static void out8(u16 port, u8 value)
{
    __asm__ volatile("outb %0, %1" ::"a"(value), "Nd"(port));
}

static u8 in8(u16 port)
{
    u8 value;

    __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

void serial_say(const char *text)
{
    for (; *text; text++) {
        out8(DEBUG_PORT, (u8)*text);
        for (u32 i = 0; i < UART_PATIENCE && !(in8(COM1 + UART_LSR) & LSR_THRE); i++)
            __builtin_ia32_pause();
        out8(COM1, (u8)*text);
    }
}

void console_say(struct loader *l, const char *text)
{
    CHAR16 unit[2] = {0};

    for (; l->st->ConOut && *text; text++) {
        unit[0] = (CHAR16)(u8)*text;
        l->st->ConOut->OutputString(l->st->ConOut, unit);
    }
}

static void wait_for_key(struct loader *l)
{
    EFI_EVENT events[2];
    UINTN count = 0, index;

    if (l->bs->CreateEvent(EVT_TIMER, 0, NULL, NULL, &events[0]) != EFI_SUCCESS)
        return;
    if (l->bs->SetTimer(events[0], TimerRelative, WAIT_SECONDS * SECOND) == EFI_SUCCESS)
        count = 1;
    if (count && l->st->ConIn)
        events[count++] = l->st->ConIn->WaitForKey;
    if (count)
        l->bs->WaitForEvent(count, events, &index);
    l->bs->CloseEvent(events[0]);
}

void console_fail(struct loader *l)
{
    console_say(l, "Helium: ");
    console_say(l, l->why);
    console_say(l, "\r\n");
    serial_say("Helium: ");
    serial_say(l->why);
    serial_say("\r\n");
    wait_for_key(l);
}

bool fail(struct loader *l, EFI_STATUS status, ...)
{
    size_t n = 0;
    va_list parts;

    va_start(parts, status);
    for (const char *part = va_arg(parts, const char *); part; part = va_arg(parts, const char *)) {
        while (*part && n < sizeof(l->why) - 1)
            l->why[n++] = *part++;
    }
    va_end(parts);
    l->why[n] = '\0';
    l->status = status;
    return false;
}

const char *status_text(EFI_STATUS status)
{
    switch (status) {
    case EFI_NOT_FOUND:
        return "it does not exist";
    case EFI_NO_MEDIA:
    case EFI_MEDIA_CHANGED:
        return "the medium was removed";
    case EFI_DEVICE_ERROR:
        return "the device reports an error";
    case EFI_VOLUME_CORRUPTED:
        return "the file system is damaged";
    case EFI_ACCESS_DENIED:
        return "access is denied";
    case EFI_OUT_OF_RESOURCES:
        return "the firmware is out of memory";
    case EFI_UNSUPPORTED:
        return "the firmware does not support it";
    case EFI_END_OF_FILE:
        return "it is shorter than its directory entry says";
    default:
        return "the firmware refuses";
    }
}
