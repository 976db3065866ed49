/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * I/O requests: what a guest does to a device travels to the program that models it, an ioreq
 * server of the privileged domain (xen/hvm/ioreq.h, xen/hvm/dm_op.h).
 *
 *   guest exits -- ioreq_mmio/pio/rep() --> slot of the vcpu, READY; event; vcpu blocked
 * (BLOCK_IOREQ) |  device model: works, RESP_READY, event guest resumes <-- instruction again, <--
 * ioreq_answered(): value into the vcpu's replay record from its record            (hv/insn.h)
 *
 * Which server: the first whose ranges hold all of the access, by kind: ports, memory, or PCI
 * functions for ports 0cfch to 0cffh behind what the guest wrote to 0cf8h. Nobody's: writes vanish,
 * reads are all ones; the same when a server, or the process behind it, goes while a vcpu waits for
 * it.
 */
#ifndef HV_IOREQ_H
#define HV_IOREQ_H

#include "hv/compiler.h"
#include "hv/types.h"

struct domain;
struct vcpu;
struct ioreq_domain;

#define IOREQ_SERVERS 8

enum ioreq_kind { IOREQ_PORT, IOREQ_MEMORY, IOREQ_PCI, IOREQ_KINDS }; /* as XEN_DMOP_IO_RANGE_* */

/* Makes d a domain with ioreq servers, none yet; -ENOMEM. ioreq_fini(): d's vcpus do not run. */
int __must_check ioreq_init(struct domain *d);
void ioreq_fini(struct domain *d);

/* One access of v's, as mmio_access() and pio_access() hand it over: 0, or -EAGAIN: v is blocked.
 */
int ioreq_mmio(struct vcpu *v, gpa_t gpa, unsigned size, bool write, u64 *value);
int ioreq_pio(struct vcpu *v, u16 port, unsigned size, bool write, u32 *value);

/* Many elements at once; data lie in RAM at `data`, or are `data` itself (data_is_ptr false). */
struct ioreq_rep {
    bool port;  /* addr is a port and does not move */
    bool write; /* from RAM or value to the device */
    bool down;
    bool data_is_ptr;
    u8 size;
    u32 count;
    u64 addr; /* of the first element */
    u64 data;
};
/* Returns 0 when no server takes it as a whole (then it goes element by element), or -EAGAIN: once
 * it is answered, ioreq_rep_done() says how many elements were done, once; 0: none were asked for.
 */
int ioreq_rep(struct vcpu *v, const struct ioreq_rep *r);
unsigned ioreq_rep_done(struct vcpu *v);

/* v was unblocked with REQ_IOREQ: is there an answer? Then it is in v->replay and the exit's
 * handler is to run again; else v, if it waits, is blocked again. v's CPU. */
bool ioreq_answered(struct vcpu *v);
/* The handler is done with it: what it did not take is void. */
void ioreq_forget(struct vcpu *v);

/* d gave RAM back: device models drop what they have mapped of it, when they come to it (by the
 * buffered ring). Until then the frames are nobody else's. Any CPU. */
void ioreq_invalidate(struct domain *d);

/* ---- For device models: dm_op. Any CPU. Errors: -EINVAL, -ENOENT: no such server, -ENOSPC,
 * -ENOMEM ---- */

/* buffered: HVM_IOREQSRV_BUFIOREQ_*. emulator: the domain whose process will serve. */
int __must_check ioreq_server_create(struct domain *d, u16 emulator, u8 buffered, u16 *id);
int ioreq_server_destroy(struct domain *d, u16 id);
/* The port of the buffered ring, 0 without one. */
int __must_check ioreq_server_port(struct domain *d, u16 id, u32 *port);
int __must_check ioreq_server_enable(struct domain *d, u16 id, bool on);
int __must_check ioreq_server_map(struct domain *d, u16 id, enum ioreq_kind kind, u64 first,
                                  u64 last);
int __must_check ioreq_server_unmap(struct domain *d, u16 id, enum ioreq_kind kind, u64 first,
                                    u64 last);

/* What the guest asked of a server in all: requests it was made to wait for, and posted ones.
 * false: there is no such server. */
struct ioreq_counts {
    u64 sent, posted;
};
bool ioreq_server_counts(struct domain *d, u16 id, struct ioreq_counts *c);

/* XENMEM_acquire_resource: frame 0 is the buffered ring, 1 the slots. The domain owns them
 * (hv/frames.h). MFN_NONE: no such server or frame. */
mfn_t ioreq_page(struct domain *d, u16 server, u64 frame);

#endif
