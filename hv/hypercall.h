/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Hypercalls: from number to handler by one table, privilege checked in one place, arguments copied
 * in once. The numbers, structures and errnos are those of Xen's public headers.
 */
#ifndef HV_HYPERCALL_H
#define HV_HYPERCALL_H

#include "hv/compiler.h"
#include "hv/types.h"

struct vcpu;
struct domain;

#define HYPERCALL_ARGS 6

/* v: the caller, on its CPU. Returns what the guest finds in RAX. */
typedef s64 hypercall_fn(struct vcpu *v, const u64 arg[HYPERCALL_ARGS]);

/* Gives d hypercalls: instruction and page. */
void hypercall_init(struct domain *d);

/* Logs, for debugging, how often d has issued each. */
void hypercall_report(const struct domain *d);

/* The handler asks for the whole hypercall to be issued again later: RIP stays at the instruction.
 * That is when interrupts are looked at, so no handler does more at once than they can wait for. */
#define HYPERCALL_AGAIN ((s64)-0x7fffffff)

/* Argument i of a hypercall that is to be issued again tells how far it has come. In a multicall it
 * is the entry's. */
void hypercall_set_arg(struct vcpu *v, unsigned i, u64 value);

hypercall_fn hc_memory_op, hc_xen_version, hc_console_io, hc_vcpu_op, hc_sched_op,
    hc_event_channel_op, hc_hvm_op, hc_physdev_op, hc_platform_op, hc_vm_assist, hc_grant_table_op,
    hc_domctl, hc_sysctl, hc_dm_op, hc_hypfs_op;

/* d by the number in a hypercall, DOMID_SELF included; a domain other than the caller's only for
 * the privileged one. NULL and *rc: -ESRCH, -EPERM. */
struct domain *hypercall_domain(struct vcpu *v, u16 domid, s64 *rc);

#endif
