/* SPDX-License-Identifier: BSD-2-Clause */
/* An ioreq server of one guest: the page of requests, an event channel for each vcpu, lines to
 * raise. */
#ifndef DEVMODEL_SERVER_H
#define DEVMODEL_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SERVER_PAGE 4096u

struct server;
struct ioreq;

/* NULL and one sentence on standard error. vcpus: how many the guest has. It is the guest's for as
 * long as that lives: one whose process has ended waits for an answer. */
struct server *server_open(uint16_t domid, unsigned vcpus);

bool server_claim_ports(struct server *s, uint16_t first, uint16_t last);
bool server_claim_memory(struct server *s, uint64_t first, uint64_t last);
/* Requests arrive from now on. */
bool server_enable(struct server *s);
/* From now on this process can do nothing to any other guest. */
bool server_restrict(struct server *s);

/* Waits for requests, calls fn for each; what it leaves in the request is the answer. Returns when
 * the guest is gone. */
void server_run(struct server *s, void (*fn)(void *arg, struct ioreq *r), void *arg);

/* To or from the guest's memory, within one page; for fn above only, and until it returns. */
bool server_copy(struct server *s, uint64_t gpa, void *data, size_t size, bool write);

/* Lines 0 to 15 are ISA interrupts, 20 to 23 pins of the I/O APIC. */
bool server_set_line(struct server *s, unsigned line, bool level);
/* Stops the guest for a reason of xen/sched.h. */
bool server_shutdown(struct server *s, unsigned reason);

#endif
