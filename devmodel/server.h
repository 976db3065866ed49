/* SPDX-License-Identifier: BSD-2-Clause */
/* An ioreq server of one guest: the page of requests, an event channel for each vcpu, lines to
 * raise. */
#ifndef DEVMODEL_SERVER_H
#define DEVMODEL_SERVER_H

#include <stdbool.h>
#include <stdint.h>

struct server;
struct ioreq;

/* NULL and one sentence on standard error. vcpus: how many the guest has. */
struct server *server_open(uint16_t domid, unsigned vcpus);
void server_close(struct server *s);

bool server_claim_ports(struct server *s, uint16_t first, uint16_t last);
/* Requests arrive from now on. */
bool server_enable(struct server *s);
/* For poll(): readable when a request may have come. */
int server_fd(const struct server *s);

/* Calls fn for each request that has come; what it leaves in the request is the answer. False: the
 * guest is gone. */
bool server_serve(struct server *s, void (*fn)(void *arg, struct ioreq *r), void *arg);

bool server_set_irq(struct server *s, unsigned irq, bool level);

#endif
