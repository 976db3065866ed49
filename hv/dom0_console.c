/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The UART's interrupt would come through an IOAPIC, and those are the privileged domain's: so the
 * receiver is looked at by the clock, slowly while nobody types. The fast look is in time for a
 * 16-byte FIFO at 115200 baud (1.4 ms); of a text pasted into an idle line at that rate, what comes
 * before the first look and does not fit into the FIFO is lost.
 */
#include "hv/console.h"
#include "hv/dom0_console.h"
#include "hv/domain.h"
#include "hv/evtchn.h"
#include "hv/timer.h"
#include "hv/vendor.h"
#include <xen/xen.h>

#define MS         1000000u
#define SLOW_LOOK  (20 * MS)
#define FAST_LOOK  MS
#define FAST_LOOKS 50 /* after the last byte */

static struct domain *dom0;
static struct timer look;

static void look_for_input(struct timer *t)
{
    static unsigned fast;

    if (console_has_input()) {
        evtchn_raise_global_virq(dom0, VIRQ_CONSOLE);
        fast = FAST_LOOKS;
    } else if (fast) {
        fast--;
    }
    timer_set(t, time_ns() + (fast ? FAST_LOOK : SLOW_LOOK));
}

/* Nobody answers for the ports in the domain: they read as ones, which no driver takes for a UART.
 */
void dom0_console_init(struct domain *d)
{
    u16 port = console_uart_port();

    if (!port)
        return;
    vendor->pio_access(d, port, port + UART_PORTS - 1, false);
    dom0 = d;
    timer_init(&look, look_for_input);
    timer_set(&look, time_ns() + SLOW_LOOK);
}
