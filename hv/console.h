/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where text goes out: a 16550 UART, the debug port of QEMU and Bochs, whatever else registers. A
 * device that is not there is found out before it is used and never waited for.
 */
#ifndef HV_CONSOLE_H
#define HV_CONSOLE_H

#include "hv/compiler.h"
#include "hv/types.h"

struct console {
    void (*write)(struct console *c, const char *text, size_t len);
    int (*read)(struct console *c); /* next byte typed, -1 if there is none; may be NULL */
    struct console *next;
};

/* What "com1=baud,port" asks for; either may be left out, "com1=off" gives port 0. */
struct uart_config {
    u32 baud;
    u16 port;
};
#define UART_DEFAULT                  \
    {                                 \
        .baud = 115200, .port = 0x3f8 \
    }

/* Returns 0, or -EINVAL with *cfg unchanged. */
int uart_parse(const char *option, struct uart_config *cfg) __must_check;

/* Registers those of UART and debug port 0xe9 that answer. Boot CPU, before any other runs. */
void console_init(const struct uart_config *cfg);
void console_register(struct console *c);

/* The UART that console_init() found: its first port, 0 if there is none. It has UART_PORTS of
 * them. */
#define UART_PORTS 8
u16 console_uart_port(void);
/* Has somebody typed? Any CPU. */
bool console_has_input(void);

/* The next two want the caller to keep CPUs apart; log.c does. */
void console_write(const char *text, size_t len);
int console_read(void);

#endif
