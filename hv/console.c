/* SPDX-License-Identifier: BSD-2-Clause */
#include "hv/console.h"
#include "hv/cpu.h"
#include "hv/errno.h"
#include "hv/number.h"

/* 16550 registers, as offsets from the port (PC16550D data sheet, 8.0). */
enum { UART_DATA, UART_IER, UART_FCR, UART_LCR, UART_MCR, UART_LSR, UART_MSR, UART_SCR };
enum { UART_DLL = UART_DATA, UART_DLM = UART_IER, UART_IIR = UART_FCR };

#define LCR_8N1       0x03
#define LCR_DLAB      0x80
#define MCR_DTR_RTS   0x03
#define FCR_ON_CLEAR  0x07
#define IIR_FIFO_ON   0xc0
#define LSR_DATA      0x01
#define LSR_THR_EMPTY 0x20
#define UART_CLOCK    115200
#define UART_FIFO     16
/* Polls before a byte is given up: some 100 ms on hardware; a byte takes 0.1 ms at 115200 baud. */
#define UART_PATIENCE 100000

#define DEBUG_PORT    0xe9

struct uart {
    struct console console;
    u16 port;
    u8 fifo;      /* bytes it takes once its transmitter is empty */
    u8 room;      /* bytes it still takes without a look at LSR */
    int patience; /* looks at LSR before a byte is given up */
};

static struct console *consoles;
static struct uart uart; /* port 0: there is none */

int uart_parse(const char *option, struct uart_config *cfg)
{
    struct uart_config c = *cfg;
    u64 baud = c.baud, port = c.port;
    const char *p = option;

    if (str_eq(option, "off")) {
        cfg->port = 0;
        return 0;
    }
    if (*p && *p != ',')
        p = parse_u64(p, &baud);
    if (p && *p == ',')
        p = parse_u64(p + 1, &port);
    if (!p || *p || !baud || baud > UART_CLOCK || UART_CLOCK % baud || !port || port > 0xfff8)
        return -EINVAL;
    *cfg = (struct uart_config){(u32)baud, (u16)port};
    return 0;
}

/* Who has been waited for in vain gets one look from then on, until he moves again. */
static void uart_put(struct uart *u, char c)
{
    for (int i = 0; !u->room && i < u->patience; i++)
        if (in8(u->port + UART_LSR) & LSR_THR_EMPTY)
            u->room = u->fifo;
    u->patience = u->room ? UART_PATIENCE : 1;
    if (!u->room)
        return;
    out8(u->port + UART_DATA, (u8)c);
    u->room--;
}

static void uart_write(struct console *c, const char *text, size_t len)
{
    struct uart *u = container_of(c, struct uart, console);

    for (size_t i = 0; i < len; i++) {
        if (text[i] == '\n')
            uart_put(u, '\r');
        uart_put(u, text[i]);
    }
}

static bool has_data(u16 port)
{
    u8 lsr = in8(port + UART_LSR);

    return lsr != 0xff && (lsr & LSR_DATA);
}

static int uart_read(struct console *c)
{
    u16 port = container_of(c, struct uart, console)->port;

    return has_data(port) ? in8(port + UART_DATA) : -1;
}

/* The scratch register keeps what is written, an empty bus does not. */
static bool uart_present(u16 port)
{
    out8(port + UART_SCR, 0x5a);
    if (in8(port + UART_SCR) != 0x5a)
        return false;
    out8(port + UART_SCR, 0xa5);
    return in8(port + UART_SCR) == 0xa5;
}

static void uart_setup(u16 port, u32 baud)
{
    u16 divisor = (u16)(UART_CLOCK / baud);

    out8(port + UART_IER, 0);
    out8(port + UART_LCR, LCR_DLAB | LCR_8N1);
    out8(port + UART_DLL, (u8)divisor);
    out8(port + UART_DLM, (u8)(divisor >> 8));
    out8(port + UART_LCR, LCR_8N1);
    out8(port + UART_FCR, FCR_ON_CLEAR);
    out8(port + UART_MCR, MCR_DTR_RTS);
}

static void debug_port_write(struct console *c, const char *text, size_t len)
{
    (void)c;
    for (size_t i = 0; i < len; i++)
        out8(DEBUG_PORT, (u8)text[i]);
}

void console_init(const struct uart_config *cfg)
{
    static struct console debug_port = {.write = debug_port_write};

    /* Both emulators answer a read of the port with its number. */
    if (in8(DEBUG_PORT) == DEBUG_PORT)
        console_register(&debug_port);
    if (!cfg->port || !uart_present(cfg->port))
        return;
    uart_setup(cfg->port, cfg->baud);
    uart = (struct uart){
        .console = {.write = uart_write, .read = uart_read},
        .port = cfg->port,
        .patience = UART_PATIENCE,
        .fifo = (in8(cfg->port + UART_IIR) & IIR_FIFO_ON) == IIR_FIFO_ON ? UART_FIFO : 1,
    };
    console_register(&uart.console);
}

u16 console_uart_port(void)
{
    return uart.port;
}

bool console_has_input(void)
{
    return uart.port && has_data(uart.port);
}

void console_register(struct console *c)
{
    c->next = consoles;
    consoles = c;
}

void console_write(const char *text, size_t len)
{
    for (struct console *c = consoles; c; c = c->next)
        c->write(c, text, len);
}

int console_read(void)
{
    for (struct console *c = consoles; c; c = c->next) {
        int byte = c->read ? c->read(c) : -1;

        if (byte >= 0)
            return byte;
    }
    return -1;
}
