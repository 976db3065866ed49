/* SPDX-License-Identifier: BSD-2-Clause */
#include "devmodel/reset.h"

#define SRST 0x02 /* a hard reset; a soft one ends this machine as well */
#define RCPU 0x04 /* as it changes from 0 to 1 */

uint8_t reset_read(const struct reset *r)
{
    return r->value;
}

bool reset_write(struct reset *r, uint8_t value)
{
    bool rises = (value & RCPU) && !(r->value & RCPU);

    r->value = value & (SRST | RCPU);
    return rises;
}
