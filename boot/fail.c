/* SPDX-License-Identifier: BSD-2-Clause */
/* The one thing that can be said before there is a console: why we stop. */
#include "boot/boot.h"

#define COM1          0x3f8
#define UART_DLL      0 /* with LCR_DLAB */
#define UART_IER      1
#define UART_DLM      1 /* with LCR_DLAB */
#define UART_LCR      3
#define UART_MCR      4
#define UART_LSR      5
#define LCR_8N1       3
#define LCR_DLAB      0x80
#define MCR_DTR_RTS   3
#define LSR_THRE      (1 << 5)
#define DEBUG_PORT    0xe9
#define VGA_TEXT      0xb8000ul
#define VGA_COLUMNS   80
#define VGA_WHITE     0x0f00
#define UART_PATIENCE 0x10000 /* polls; a port without a UART never gets ready */

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

static void put(char c)
{
    static u32 column;

    out8(DEBUG_PORT, (u8)c);
    for (u32 i = 0; i < UART_PATIENCE && !(in8(COM1 + UART_LSR) & LSR_THRE); i++)
        __builtin_ia32_pause();
    out8(COM1, (u8)c);
    if (c >= ' ' && column < 2 * VGA_COLUMNS)
        ((volatile u16 *)VGA_TEXT)[column++] = (u16)(VGA_WHITE | (u8)c);
}

/* 115200 8n1, polled: GRUB need not have touched the port. */
static void init_uart(void)
{
    static const u8 setup[][2] = {{UART_IER, 0}, {UART_LCR, LCR_DLAB}, {UART_DLL, 1},
                                  {UART_DLM, 0}, {UART_LCR, LCR_8N1},  {UART_MCR, MCR_DTR_RTS}};

    for (u32 i = 0; i < ARRAY_SIZE(setup); i++)
        out8((u16)(COM1 + setup[i][0]), setup[i][1]);
}

static void say(const char *text)
{
    while (*text)
        put(*text++);
}

void boot_fail(const char *sentence)
{
    init_uart();
    say("Helium: ");
    say(sentence);
    say("\r\n");
    for (;;)
        __asm__ volatile("cli; hlt");
}
