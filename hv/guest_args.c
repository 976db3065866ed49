/* SPDX-License-Identifier: BSD-2-Clause */
#include "hv/errno.h"
#include "hv/guest_args.h"
#include "hv/guest_mem.h"
#include "hv/vcpu.h"

bool guest_is_wide(struct vcpu *v)
{
    struct guest_paging g;

    if (v->paging)
        return v->paging->wide;
    guest_paging_get(v, &g);
    return g.wide;
}

/* Bytes of the 64-bit structure, without padding at its end. */
static size_t wide_bytes(const char *layout)
{
    size_t at = 0;

    for (; *layout; layout++) {
        size_t size = *layout == 'L' ? 8 : (size_t)(*layout - '0');

        at = ((at + size - 1) & ~(size - 1)) + size;
    }
    return at;
}

static size_t narrow_bytes(const char *layout)
{
    u8 wide[GUEST_ARGS_MAX], narrow[GUEST_ARGS_MAX] = {0};

    return guest_args_widen(wide, narrow, layout);
}

int guest_get(struct vcpu *v, void *to, u64 at, const char *layout)
{
    u8 narrow[GUEST_ARGS_MAX];

    if (guest_is_wide(v))
        return guest_read(v, to, at, wide_bytes(layout));
    if (guest_read(v, narrow, at, narrow_bytes(layout)))
        return -EFAULT;
    guest_args_widen(to, narrow, layout);
    return 0;
}

int guest_put(struct vcpu *v, u64 at, const void *from, const char *layout)
{
    u8 narrow[GUEST_ARGS_MAX] = {0};

    if (guest_is_wide(v))
        return guest_write(v, at, from, wide_bytes(layout));
    return guest_write(v, at, narrow, guest_args_narrow(narrow, from, layout));
}

int guest_get_long(struct vcpu *v, u64 *to, u64 array, u64 i)
{
    size_t size = guest_is_wide(v) ? 8 : 4;

    *to = 0;
    return guest_read(v, to, array + i * size, size);
}
