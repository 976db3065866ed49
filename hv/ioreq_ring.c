/* SPDX-License-Identifier: BSD-2-Clause */
#include "hv/ioreq_ring.h"

_Static_assert(sizeof(struct buffered_iopage) <= PAGE_SIZE, "one page");
_Static_assert(offsetof(struct buffered_iopage, write_pointer) == 4, "both indices in one word");

static u64 *indices(struct buffered_iopage *page)
{
    return (u64 *)(void *)&page->read_pointer;
}

/* The slots are not a power of two, so the indices must not wrap: both go back by whole rounds at
 * once. */
static void lower(struct buffered_iopage *page)
{
    u64 old = READ_ONCE(*indices(page));

    for (unsigned tries = 0; tries < IOREQ_BUFFER_SLOT_NUM; tries++) {
        u32 rounds = (u32)old / IOREQ_BUFFER_SLOT_NUM * IOREQ_BUFFER_SLOT_NUM;
        u64 new = old - ((u64)rounds << 32 | rounds);

        if (rounds == 0 || __atomic_compare_exchange_n(indices(page), &old, new, false,
                                                       __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
            return;
    }
}

static unsigned log2_size(unsigned size)
{
    return (unsigned)__builtin_ctz(size);
}

bool ioreq_ring_put(struct buffered_iopage *page, u8 type, u32 addr, unsigned size, u64 data,
                    bool atomic, bool *first)
{
    u32 slots = size == 8 ? 2 : 1;
    u32 write = READ_ONCE(page->write_pointer);
    buf_ioreq_t b = {
        .type = type, .size = log2_size(size) & 3, .addr = addr & (IOREQ_RING_REACH - 1)};

    if (write - READ_ONCE(page->read_pointer) > IOREQ_BUFFER_SLOT_NUM - slots)
        return false;
    for (u32 i = 0; i < slots; i++, data >>= 32) {
        b.data = (u32)data;
        page->buf_ioreq[(write + i) % IOREQ_BUFFER_SLOT_NUM] = b;
    }
    /* The entries are there before the index says so. */
    __atomic_fetch_add(&page->write_pointer, slots, __ATOMIC_SEQ_CST);
    *first = READ_ONCE(page->read_pointer) == write;
    if (atomic)
        lower(page);
    return true;
}
