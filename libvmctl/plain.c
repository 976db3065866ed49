/* SPDX-License-Identifier: BSD-2-Clause */
#include "libvmctl/plain.h"
#include <ctype.h>

/* The second half of the control characters is two bytes in UTF-8, c2h and 80h to 9fh. The same
 * bytes behind another one are letters. */
static int is_high_control(const unsigned char *p)
{
    return p[0] == 0xc2 && p[1] >= 0x80 && p[1] < 0xa0;
}

void make_plain(char *text)
{
    for (unsigned char *p = (unsigned char *)text; *p; p++) {
        if (is_high_control(p))
            p[0] = p[1] = '?';
        else if (*p < 0x80 && iscntrl(*p))
            *p = isspace(*p) ? ' ' : '?';
    }
}
