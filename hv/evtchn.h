/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Event channels, 2-level ABI (xen/event_channel.h): a port is a bit in the shared page and an end
 * of something here.
 *
 *   free -- alloc_unbound --> unbound -- a peer's bind_interdomain --> interdomain <--> its port
 *     \\---- bind_virq, bind_ipi ------> virq, ipi            close: back to free, the peer to
 * unbound
 */
#ifndef HV_EVTCHN_H
#define HV_EVTCHN_H

#include "hv/compiler.h"
#include "hv/types.h"
#include <xen/xen.h>
#include <xen/event_channel.h>

struct domain;
struct vcpu;

#define EVTCHN_PORTS 4096 /* EVTCHN_2L_NR_CHANNELS of a 64-bit domain */

/* The domain's table, from the pool; -ENOMEM. */
int __must_check evtchn_init(struct domain *d);
/* Closes every port. */
void evtchn_destroy(struct domain *d);

bool evtchn_valid(struct domain *d, evtchn_port_t port);
bool evtchn_is_pending(struct domain *d, evtchn_port_t port);

/*
 * Ports root mode listens at itself, for a device model at the other end (hv/ioreq.h): unbound for
 * the domain `remote` to bind, and again once that has gone. What comes in unblocks the vcpu
 * (BLOCK_IOREQ) with REQ_IOREQ set; the guest can do nothing with them. Returns the port or
 * -ENOSPC. Any CPU.
 */
s64 __must_check evtchn_alloc_hv(struct domain *d, u16 remote, unsigned vcpu);
void evtchn_free_hv(struct domain *d, evtchn_port_t port);
/* Tells the other end; nobody there: nothing happens. */
void evtchn_notify_hv(struct domain *d, evtchn_port_t port);

/* The way by which v hears of events has changed: what is pending already is told by the new one.
 * Any CPU. */
void evtchn_announce(struct vcpu *v);

/* Raises v's VIRQ, if it is bound. Any CPU. */
void evtchn_raise_virq(struct vcpu *v, unsigned virq);
/* The same for one that belongs to the whole domain. */
void evtchn_raise_global_virq(struct domain *d, unsigned virq);

/* Does v have an upcall to take, and by which vector (0: none)? For callbacks that are not the
 * vLAPIC's. */
u8 evtchn_callback_vector(const struct vcpu *v);

#endif
