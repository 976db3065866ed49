/* SPDX-License-Identifier: BSD-2-Clause */
/* dm_op: what a device model may do to its guest. Buffer 0 is the operation, others are its data.
 */
#include "hv/tools_abi.h" /* first: it asks the public headers for all they have */
#include "hv/domain.h"
#include "hv/errno.h"
#include "hv/guest.h"
#include "hv/guest_mem.h"
#include "hv/guest_ram.h"
#include "hv/hypercall.h"
#include "hv/ioreq.h"
#include "hv/platform.h"
#include "hv/string.h"
#include "hv/vcpu.h"
#include <xen/sched.h>

#define MAX_BUFS 3
#define MSI_BASE 0xfee00000ull
#define NO_ERROR (~0u)
#define CHUNK    64u /* extents between two looks at interrupts */

struct dm_call {
    struct vcpu *v;
    struct domain *d;
    struct xen_dm_op op;
    struct xen_dm_op_buf buf[MAX_BUFS];
    u32 bufs;
};

/* ---- Ioreq servers ---- */

static s64 create_server(struct dm_call *c)
{
    xen_dm_op_create_ioreq_server_t *a = &c->op.u.create_ioreq_server;

    if (a->pad[0] || a->pad[1] || a->pad[2])
        return -EINVAL;
    return ioreq_server_create(c->d, c->v->domain->id, a->handle_bufioreq, &a->id);
}

/* Frame numbers are for those who map without acquire_resource: such a place is not kept. */
static s64 server_info(struct dm_call *c)
{
    xen_dm_op_get_ioreq_server_info_t *a = &c->op.u.get_ioreq_server_info;

    if (a->flags & ~XEN_DMOP_no_gfns)
        return -EINVAL;
    if (!(a->flags & XEN_DMOP_no_gfns))
        return -EOPNOTSUPP;
    return ioreq_server_port(c->d, a->id, &a->bufioreq_port);
}

static s64 map_range(struct dm_call *c)
{
    const xen_dm_op_ioreq_server_range_t *a = &c->op.u.map_io_range_to_ioreq_server;

    return a->pad ? -EINVAL : ioreq_server_map(c->d, a->id, a->type, a->start, a->end);
}

static s64 unmap_range(struct dm_call *c)
{
    const xen_dm_op_ioreq_server_range_t *a = &c->op.u.unmap_io_range_from_ioreq_server;

    return a->pad ? -EINVAL : ioreq_server_unmap(c->d, a->id, a->type, a->start, a->end);
}

static s64 server_state(struct dm_call *c)
{
    const xen_dm_op_set_ioreq_server_state_t *a = &c->op.u.set_ioreq_server_state;

    return a->pad ? -EINVAL : ioreq_server_enable(c->d, a->id, a->enabled);
}

static s64 destroy_server(struct dm_call *c)
{
    const xen_dm_op_destroy_ioreq_server_t *a = &c->op.u.destroy_ioreq_server;

    return a->pad ? -EINVAL : ioreq_server_destroy(c->d, a->id);
}

/* ---- Interrupts ---- */

static s64 pci_intx(struct dm_call *c)
{
    const xen_dm_op_set_pci_intx_level_t *a = &c->op.u.set_pci_intx_level;

    if (a->domain || a->bus || a->level > 1)
        return -EINVAL;
    return platform_set_pci_intx(c->d, a->device, a->intx, a->level);
}

static s64 isa_irq(struct dm_call *c)
{
    const xen_dm_op_set_isa_irq_level_t *a = &c->op.u.set_isa_irq_level;

    return a->level > 1 ? -EINVAL : platform_set_dm_isa(c->d, a->isa_irq, a->level);
}

static s64 pci_link(struct dm_call *c)
{
    return platform_set_pci_link(c->d, c->op.u.set_pci_link_route.link,
                                 c->op.u.set_pci_link_route.isa_irq);
}

static s64 msi(struct dm_call *c)
{
    const xen_dm_op_inject_msi_t *a = &c->op.u.inject_msi;
    struct apic_msg msg;

    if (a->pad || (a->addr & ~0xfffffull) != MSI_BASE)
        return -EINVAL;
    msg = apic_msg_from_msi(a->addr, a->data);
    return apic_bus_send(&c->d->apic_bus, NULL, &msg) < 0 ? -EINVAL : 0;
}

/* One event for one vcpu that has none, while it stands still. */
static s64 event(struct dm_call *c)
{
    const xen_dm_op_inject_event_t *a = &c->op.u.inject_event;
    struct vcpu *v;
    s64 rc = -EBUSY;

    if (a->pad0 || a->pad1 || a->vcpuid >= c->d->vcpus || a->insn_len > 15)
        return -EINVAL;
    if (a->type == 1 || a->type > XEN_DMOP_EVENT_sw_exc ||
        (a->type == XEN_DMOP_EVENT_hw_exc && a->vector > 31))
        return -EINVAL;
    v = c->d->vcpu[a->vcpuid];
    if (a->type == XEN_DMOP_EVENT_nmi) {
        vcpu_request(v, REQ_NMI);
        return 0;
    }
    vcpu_pause(v);
    if (!v->event.valid) {
        v->event =
            (struct event){.valid = true,
                           .type = a->type,
                           .vector = a->vector,
                           .insn_len = a->insn_len,
                           .has_error = a->error_code != NO_ERROR,
                           .error = a->error_code,
                           .set_cr2 = a->type == XEN_DMOP_EVENT_hw_exc && a->vector == TRAP_PF,
                           .cr2 = a->cr2};
        rc = 0;
    }
    vcpu_unpause(v);
    return rc;
}

/* ---- Memory ---- */

/* Each piece takes a large part of a page's worth of bits at once. */
static s64 dirty_vram(struct dm_call *c)
{
    const xen_dm_op_track_dirty_vram_t *a = &c->op.u.track_dirty_vram;
    u8 bits[256];
    u32 piece = sizeof(bits) * 8, bytes = (a->nr + 7) / 8;

    if (a->pad || a->nr > GUEST_RAM_DIRTY_MAX)
        return -EINVAL;
    if (a->nr == 0)
        return 0; /* tracking ends: it costs nothing to leave it be */
    if (c->bufs < 2 || c->buf[1].size < bytes)
        return -EINVAL;
    for (u32 at = 0; at < a->nr; at += piece) {
        u32 n = MIN(piece, a->nr - at);
        int rc;

        memset(bits, 0, sizeof(bits));
        rc = guest_ram_dirty(c->d, GFN(a->first_pfn + at), n, bits);
        if (rc)
            return rc;
        if (guest_write(c->v, (u64)c->buf[1].h.p + at / 8, bits, (n + 7) / 8))
            return -EFAULT;
    }
    return 0;
}

/* What the device model wrote matters to those who copy the guest's memory while it runs: nobody
 * does yet. The extents are looked at all the same. */
static s64 modified(struct dm_call *c)
{
    const xen_dm_op_modified_memory_t *a = &c->op.u.modified_memory;

    if (a->opaque || c->bufs < 2 ||
        a->nr_extents > c->buf[1].size / sizeof(struct xen_dm_op_modified_memory_extent))
        return -EINVAL;
    for (u32 i = 0; i < MIN(a->nr_extents, CHUNK); i++) {
        struct xen_dm_op_modified_memory_extent e;

        if (guest_read(c->v, &e, (u64)c->buf[1].h.p + i * sizeof(e), sizeof(e)))
            return -EFAULT;
        if (e.pad)
            return -EINVAL;
    }
    return 0;
}

static s64 mem_type(struct dm_call *c)
{
    const xen_dm_op_set_mem_type_t *a = &c->op.u.set_mem_type;

    return a->pad ? -EINVAL : guest_ram_set_type(c->d, GFN(a->first_pfn), a->nr, a->mem_type);
}

/* Are these the pages that were moved last, or what is left of them? */
static bool is_noted(const struct domain *d, const xen_dm_op_relocate_memory_t *a)
{
    return a->src_gfn == d->moved.from + d->moved.done && a->size == d->moved.pages - d->moved.done;
}

/* QEMU names its video memory by the place where it has made it, and does not say when the frame
 * buffer leaves an address. A guest whose firmware gives the BAR another one, as stock OVMF does,
 * so has QEMU ask for the first move once more: the pages are then taken from where that has
 * brought them. */
static u64 where_now(struct domain *d, const xen_dm_op_relocate_memory_t *a)
{
    enum p2m_type type;
    u64 gfn = a->src_gfn;
    u32 attr;

    spin_lock(&d->lock);
    if (is_noted(d, a) && mfn_is_none(p2m_lookup(&d->p2m, GFN(gfn), &type, &attr)))
        gfn = d->moved.to + d->moved.done;
    spin_unlock(&d->lock);
    return gfn;
}

/* The first pages of what a names, `from` until now, have been moved. */
static void note_move(struct domain *d, const xen_dm_op_relocate_memory_t *a, u64 from, u32 pages)
{
    spin_lock(&d->lock);
    if (!is_noted(d, a) || from != d->moved.to + d->moved.done) {
        d->moved.from = a->src_gfn;
        d->moved.to = from;
        d->moved.pages = a->size;
        d->moved.done = 0;
    }
    d->moved.done += pages;
    if (d->moved.done == d->moved.pages) {
        d->moved.to = a->dst_gfn + pages - d->moved.pages;
        d->moved.done = 0;
    }
    spin_unlock(&d->lock);
}

/* As on Xen, the argument tells what is left. */
static s64 relocate(struct dm_call *c)
{
    xen_dm_op_relocate_memory_t *a = &c->op.u.relocate_memory;
    u32 n = MIN(a->size, GUEST_RAM_MOVE_MAX);
    u64 from;
    s64 rc;

    if (a->pad)
        return -EINVAL;
    from = where_now(c->d, a);
    rc = guest_ram_move(c->d, GFN(from), GFN(a->dst_gfn), n);
    if (rc)
        return rc;
    note_move(c->d, a, from, n);
    a->size -= n;
    a->src_gfn += n;
    a->dst_gfn += n;
    return a->size ? HYPERCALL_AGAIN : 0;
}

/* Guests' RAM is write-back whatever they say, and devices are emulated: there is no cache to pin.
 */
static s64 cacheattr(struct dm_call *c)
{
    const xen_dm_op_pin_memory_cacheattr_t *a = &c->op.u.pin_memory_cacheattr;

    if (a->pad || a->end < a->start)
        return -EINVAL;
    switch (a->type) {
    case XEN_DMOP_MEM_CACHEATTR_UC:
    case XEN_DMOP_MEM_CACHEATTR_WC:
    case XEN_DMOP_MEM_CACHEATTR_WT:
    case XEN_DMOP_MEM_CACHEATTR_WP:
    case XEN_DMOP_MEM_CACHEATTR_WB:
    case XEN_DMOP_MEM_CACHEATTR_UCM:
    case XEN_DMOP_DELETE_MEM_CACHEATTR:
        return 0;
    default:
        return -EINVAL;
    }
}

/* ---- The rest ---- */

static s64 remote_shutdown(struct dm_call *c)
{
    if (c->op.u.remote_shutdown.reason > SHUTDOWN_MAX)
        return -EINVAL;
    domain_shutdown(c->d, (u8)c->op.u.remote_shutdown.reason);
    return 0;
}

static s64 nr_vcpus(struct dm_call *c)
{
    c->op.u.nr_vcpus.vcpus = c->d->vcpus;
    return 0;
}

#define BACK         0x80u

#define SIZE(member) (sizeof(((struct xen_dm_op *)NULL)->u.member))

static const struct {
    s64 (*fn)(struct dm_call *c);
    u8 size; /* of the argument; BACK: it tells something */
} ops[] = {
    [XEN_DMOP_create_ioreq_server] = {create_server, SIZE(create_ioreq_server) | BACK},
    [XEN_DMOP_get_ioreq_server_info] = {server_info, SIZE(get_ioreq_server_info) | BACK},
    [XEN_DMOP_map_io_range_to_ioreq_server] = {map_range, SIZE(map_io_range_to_ioreq_server)},
    [XEN_DMOP_unmap_io_range_from_ioreq_server] = {unmap_range,
                                                   SIZE(unmap_io_range_from_ioreq_server)},
    [XEN_DMOP_set_ioreq_server_state] = {server_state, SIZE(set_ioreq_server_state)},
    [XEN_DMOP_destroy_ioreq_server] = {destroy_server, SIZE(destroy_ioreq_server)},
    [XEN_DMOP_track_dirty_vram] = {dirty_vram, SIZE(track_dirty_vram)},
    [XEN_DMOP_set_pci_intx_level] = {pci_intx, SIZE(set_pci_intx_level)},
    [XEN_DMOP_set_isa_irq_level] = {isa_irq, SIZE(set_isa_irq_level)},
    [XEN_DMOP_set_pci_link_route] = {pci_link, SIZE(set_pci_link_route)},
    [XEN_DMOP_modified_memory] = {modified, SIZE(modified_memory)},
    [XEN_DMOP_set_mem_type] = {mem_type, SIZE(set_mem_type)},
    [XEN_DMOP_inject_event] = {event, SIZE(inject_event)},
    [XEN_DMOP_inject_msi] = {msi, SIZE(inject_msi)},
    [XEN_DMOP_remote_shutdown] = {remote_shutdown, SIZE(remote_shutdown)},
    [XEN_DMOP_relocate_memory] = {relocate, SIZE(relocate_memory)},
    [XEN_DMOP_pin_memory_cacheattr] = {cacheattr, SIZE(pin_memory_cacheattr)},
    [XEN_DMOP_nr_vcpus] = {nr_vcpus, SIZE(nr_vcpus) | BACK},
};

static s64 run(struct dm_call *c)
{
    u64 at = (u64)c->buf[0].h.p, head = offsetof(struct xen_dm_op, u);
    u32 size;
    s64 rc;

    if (c->buf[0].size < head || guest_read(c->v, &c->op, at, head))
        return -EFAULT;
    if (c->op.pad)
        return -EINVAL;
    if (c->op.op >= ARRAY_SIZE(ops) || !ops[c->op.op].fn)
        return -EOPNOTSUPP;
    size = ops[c->op.op].size & ~BACK;
    if (c->buf[0].size < head + size || guest_read(c->v, &c->op.u, at + head, size))
        return -EFAULT;
    rc = ops[c->op.op].fn(c);
    if (rc == HYPERCALL_AGAIN || (rc == 0 && (ops[c->op.op].size & BACK)))
        return guest_write(c->v, at + head, &c->op.u, size) ? -EFAULT : rc;
    return rc;
}

s64 hc_dm_op(struct vcpu *v, const u64 arg[HYPERCALL_ARGS])
{
    struct dm_call c = {.v = v, .bufs = (u32)arg[1]};
    s64 rc = 0;

    c.d = guest_find(v, (u16)arg[0], &rc);
    if (!c.d)
        return rc;
    if (c.bufs == 0 || c.bufs > MAX_BUFS)
        return c.bufs ? -E2BIG : -EINVAL;
    if (guest_read(v, c.buf, arg[2], c.bufs * sizeof(c.buf[0])))
        return -EFAULT;
    return run(&c);
}
