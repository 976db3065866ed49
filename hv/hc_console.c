/* SPDX-License-Identifier: BSD-2-Clause */
#include "hv/console.h"
#include "hv/domain.h"
#include "hv/errno.h"
#include "hv/guest_mem.h"
#include "hv/hypercall.h"
#include "hv/log.h"
#include <xen/xen.h>

#define CHUNK  128
#define IO_MAX 0x10000

/* A slow line must not keep interrupts out: chunk by chunk, the hypercall issued again for the
 * next. */
static s64 console_out(struct vcpu *v, u64 at, u32 len)
{
    char text[CHUNK];
    u32 n = MIN(len, (u32)sizeof(text));

    if (len > IO_MAX)
        return -EINVAL;
    if (guest_read(v, text, at, n))
        return -EFAULT;
    log_raw(text, n);
    if (n == len)
        return 0;
    hypercall_set_arg(v, 1, len - n);
    hypercall_set_arg(v, 2, at + n);
    return HYPERCALL_AGAIN;
}

static s64 console_in(struct vcpu *v, u64 at, u32 len)
{
    s64 n = 0;

    while (n < (s64)len) {
        int c = log_console_read();
        char byte = (char)c;

        if (c < 0)
            return n;
        if (guest_write(v, at + (u64)n, &byte, 1))
            return -EFAULT;
        n++;
    }
    return n;
}

s64 hc_console_io(struct vcpu *v, const u64 arg[HYPERCALL_ARGS])
{
    switch ((u32)arg[0]) {
    case CONSOLEIO_write:
        return console_out(v, arg[2], (u32)arg[1]);
    case CONSOLEIO_read:
        return console_in(v, arg[2], (u32)arg[1]);
    default:
        return -ENOSYS;
    }
}
