/* SPDX-License-Identifier: BSD-2-Clause */
/* The reset control register of a PIIX3 (Intel 82371SB data sheet, 2.4.1), port cf9h, which
 * hvmloader's FADT names. */
#ifndef DEVMODEL_RESET_H
#define DEVMODEL_RESET_H

#include <stdbool.h>
#include <stdint.h>

#define RESET_PORT 0xcf9

struct reset {
    uint8_t value;
};

uint8_t reset_read(const struct reset *r);
/* True: the CPU is reset by that. */
bool reset_write(struct reset *r, uint8_t value);

#endif
