/* SPDX-License-Identifier: BSD-2-Clause */
/* The UART driver on a model of a 16550, good, old, stuck or absent, and the debug port. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "hv/types.h"

/* Port I/O goes to the model: hv/cpu.h is left out. */
#define HV_CPU_H
static u8 in8(u16 port);
static void out8(u16 port, u8 value);
#include "hv/console.c"
#include "hv/string.h"

#define PORT 0x2f8

static struct {
    bool present, has_fifo, stuck, debug_port;
    u8 scratch, ier, lcr, mcr, dll, dlm, fifo_on;
    unsigned queued; /* bytes the transmitter holds */
    unsigned polls;  /* reads of LSR since the last byte */
    unsigned reads;  /* of any port */
    bool overrun;    /* a byte was written that found no room */
    const char *input;
    char out[256], debug[256];
    size_t out_len, debug_len;
} hw;

static u8 read_lsr(void)
{
    hw.polls++;
    if (!hw.stuck && hw.polls % 4 == 0) /* it takes its time */
        hw.queued = 0;
    return (u8)((hw.queued ? 0 : 0x60) | (hw.input && *hw.input ? 1 : 0));
}

static u8 in8(u16 port)
{
    hw.reads++;
    if (port == 0xe9)
        return hw.debug_port ? 0xe9 : 0xff;
    assert_in_range(port, PORT, PORT + 7);
    if (!hw.present)
        return 0xff;
    switch (port - PORT) {
    case 0:
        return hw.lcr & 0x80 ? hw.dll : (u8)*hw.input++;
    case 2:
        return (u8)(1 | (hw.fifo_on && hw.has_fifo ? 0xc0 : 0));
    case 5:
        return read_lsr();
    case 7:
        return hw.scratch;
    default:
        fail_msg("read of UART register %d", port - PORT);
        return 0;
    }
}

static void transmit(u8 value)
{
    unsigned room = hw.has_fifo && hw.fifo_on ? 16 : 1;

    assert_true(hw.out_len < sizeof(hw.out) - 1);
    hw.overrun |= hw.queued >= room;
    hw.queued++;
    hw.polls = 0;
    hw.out[hw.out_len++] = (char)value;
}

static void out8(u16 port, u8 value)
{
    if (port == 0xe9 && hw.debug_port)
        hw.debug[hw.debug_len++] = (char)value;
    if (port == 0xe9 || !hw.present)
        return;
    assert_in_range(port, PORT, PORT + 7);
    switch (port - PORT) {
    case 0:
        if (hw.lcr & 0x80)
            hw.dll = value;
        else
            transmit(value);
        break;
    case 1:
        *(hw.lcr & 0x80 ? &hw.dlm : &hw.ier) = value;
        break;
    case 2:
        hw.fifo_on = value & 1;
        break;
    case 3:
        hw.lcr = value;
        break;
    case 4:
        hw.mcr = value;
        break;
    case 7:
        hw.scratch = value;
        break;
    default:
        fail_msg("write of UART register %d", port - PORT);
    }
}

static const struct uart_config config = {.baud = 9600, .port = PORT};

static int power_up(void **state)
{
    (void)state;
    memset(&hw, 0, sizeof(hw));
    hw.present = hw.has_fifo = true;
    hw.ier = 0xf;
    consoles = NULL;
    uart = (struct uart){0};
    return 0;
}

static void say(const char *text)
{
    console_write(text, strlen(text));
}

static void test_setup(void **state)
{
    (void)state;
    console_init(&config);
    assert_int_equal(hw.dll | hw.dlm << 8, 12); /* 115200 / 9600 */
    assert_int_equal(hw.lcr, 3);                /* 8N1, the divisor out of reach */
    assert_int_equal(hw.ier, 0);
    assert_int_equal(hw.mcr & 3, 3);
    assert_int_equal(hw.out_len, 0);
}

static const char line[] = "(HV) more than sixteen bytes\nand more\n";
static const char line_out[] = "(HV) more than sixteen bytes\r\nand more\r\n";

static void test_fifo(void **state)
{
    (void)state;
    console_init(&config);
    say(line);
    say(line);
    assert_false(hw.overrun);
    assert_int_equal(hw.out_len, 2 * strlen(line_out));
    assert_memory_equal(hw.out, line_out, strlen(line_out));
    assert_memory_equal(hw.out + strlen(line_out), line_out, strlen(line_out));
    assert_true(hw.reads < 50); /* a look at LSR for each FIFO full, not for each byte */
}

static void test_no_fifo(void **state)
{
    (void)state;
    hw.has_fifo = false;
    console_init(&config);
    say(line);
    assert_false(hw.overrun);
    assert_string_equal(hw.out, line_out);
}

static void test_absent(void **state)
{
    (void)state;
    hw.present = false;
    console_init(&config);
    say(line);
    assert_int_equal(console_read(), -1);
    assert_int_equal(console_uart_port(), 0);
    assert_false(console_has_input());
    assert_true(hw.reads <= 3);
}

static void test_off(void **state)
{
    struct uart_config off = config;

    (void)state;
    assert_int_equal(uart_parse("off", &off), 0);
    console_init(&off);
    say(line);
    assert_int_equal(hw.out_len, 0);
    assert_int_equal(console_uart_port(), 0);
    assert_false(console_has_input());
}

/* A transmitter that never empties costs patience once for each line, not for each byte. */
static void test_stuck(void **state)
{
    (void)state;
    console_init(&config);
    say("a");
    hw.stuck = true;
    hw.reads = 0;
    say("0123456789abcdef0123456789abcdef\n");
    assert_int_equal(hw.out_len, 16);
    assert_false(hw.overrun);
    assert_true(hw.reads <= UART_PATIENCE + 100);
    hw.stuck = false;
    hw.queued = 0;
    say("b");
    assert_int_equal(hw.out[hw.out_len - 1], 'b');
}

static void test_input(void **state)
{
    (void)state;
    console_init(&config);
    assert_int_equal(console_uart_port(), PORT);
    assert_false(console_has_input());
    assert_int_equal(console_read(), -1);
    hw.input = "x\xff";
    assert_true(console_has_input());
    assert_int_equal(console_read(), 'x');
    assert_int_equal(console_read(), 0xff);
    assert_int_equal(console_read(), -1);
}

static void test_debug_port(void **state)
{
    (void)state;
    hw.debug_port = true;
    console_init(&config);
    say(line);
    assert_string_equal(hw.debug, line);
    assert_string_equal(hw.out, line_out);
    hw.input = "y";
    assert_int_equal(console_read(), 'y');
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_setup, power_up),
        cmocka_unit_test_setup(test_fifo, power_up),
        cmocka_unit_test_setup(test_no_fifo, power_up),
        cmocka_unit_test_setup(test_absent, power_up),
        cmocka_unit_test_setup(test_off, power_up),
        cmocka_unit_test_setup(test_stuck, power_up),
        cmocka_unit_test_setup(test_input, power_up),
        cmocka_unit_test_setup(test_debug_port, power_up),
    };

    return cmocka_run_group_tests_name("console", tests, NULL, NULL);
}
