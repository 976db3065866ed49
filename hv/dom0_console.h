/* SPDX-License-Identifier: BSD-2-Clause */
/* The serial line is root mode's, and the privileged domain's hvc0 speaks and listens through it.
 */
#ifndef HV_DOM0_CONSOLE_H
#define HV_DOM0_CONSOLE_H

struct domain;

/* Takes the UART that root mode uses, if any, away from d, which finds nothing at its ports; what
 * is typed there is announced by VIRQ_CONSOLE and read by console_io. Boot CPU, before d runs. */
void dom0_console_init(struct domain *d);

#endif
