/* SPDX-License-Identifier: BSD-2-Clause */
#include "devmodel/server.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#define __XEN_TOOLS__ 1
#include <xen/xen.h>
#include <xen/memory.h>
#include <xen/hvm/dm_op.h>
#include <xen/hvm/ioreq.h>
#include <xendevicemodel.h>
#include <xenevtchn.h>
#include <xenforeignmemory.h>

#define MAX_VCPUS 128

struct server {
    uint16_t domid;
    ioservid_t id;
    bool created;
    unsigned vcpus;
    xendevicemodel_handle *dm;
    xenforeignmemory_handle *memory;
    xenevtchn_handle *events;
    xenforeignmemory_resource_handle *resource;
    shared_iopage_t *page;
    evtchn_port_t port[MAX_VCPUS]; /* of ours, bound to the vcpu's */
};

static bool complain(const char *what)
{
    fprintf(stderr, "devmodel: %s: %s.\n", what, strerror(errno));
    return false;
}

static bool open_libraries(struct server *s)
{
    s->dm = xendevicemodel_open(NULL, 0);
    s->memory = xenforeignmemory_open(NULL, 0);
    s->events = xenevtchn_open(NULL, 0);
    return (s->dm && s->memory && s->events) || complain("Xen's interfaces cannot be opened");
}

static bool map_page(struct server *s)
{
    void *at = NULL;

    s->resource = xenforeignmemory_map_resource(s->memory, s->domid, XENMEM_resource_ioreq_server,
                                                s->id, XENMEM_resource_ioreq_server_frame_ioreq(0),
                                                1, &at, PROT_READ | PROT_WRITE, 0);
    s->page = at;
    return s->resource || complain("The page of I/O requests cannot be mapped");
}

static bool bind_vcpus(struct server *s)
{
    for (unsigned i = 0; i < s->vcpus; i++) {
        int port = xenevtchn_bind_interdomain(s->events, s->domid, s->page->vcpu_ioreq[i].vp_eport);

        if (port < 0)
            return complain("A vcpu's event channel cannot be bound");
        s->port[i] = (evtchn_port_t)port;
    }
    return true;
}

struct server *server_open(uint16_t domid, unsigned vcpus)
{
    struct server *s = calloc(1, sizeof(*s));

    if (!s || vcpus == 0 || vcpus > MAX_VCPUS) {
        free(s);
        return NULL;
    }
    s->domid = domid;
    s->vcpus = vcpus;
    if (open_libraries(s)) {
        s->created =
            !xendevicemodel_create_ioreq_server(s->dm, domid, HVM_IOREQSRV_BUFIOREQ_OFF, &s->id) ||
            complain("The guest takes no I/O request server");
        if (s->created && map_page(s))
            return s;
    }
    server_close(s);
    return NULL;
}

void server_close(struct server *s)
{
    if (s->created)
        xendevicemodel_destroy_ioreq_server(s->dm, s->domid, s->id);
    if (s->resource)
        xenforeignmemory_unmap_resource(s->memory, s->resource);
    if (s->events)
        xenevtchn_close(s->events);
    if (s->memory)
        xenforeignmemory_close(s->memory);
    if (s->dm)
        xendevicemodel_close(s->dm);
    free(s);
}

bool server_claim_ports(struct server *s, uint16_t first, uint16_t last)
{
    return !xendevicemodel_map_io_range_to_ioreq_server(s->dm, s->domid, s->id, 0, first, last) ||
           complain("Ports cannot be claimed");
}

/* The vcpus' event channels are made known in the page by enabling. */
bool server_enable(struct server *s)
{
    if (xendevicemodel_set_ioreq_server_state(s->dm, s->domid, s->id, 1))
        return complain("The I/O request server cannot be enabled");
    return bind_vcpus(s);
}

int server_fd(const struct server *s)
{
    return xenevtchn_fd(s->events);
}

bool server_set_irq(struct server *s, unsigned irq, bool level)
{
    return !xendevicemodel_set_isa_irq_level(s->dm, s->domid, (uint8_t)irq, level);
}

/* The request is read after its state, and its answer written before: xen/hvm/ioreq.h. The state
 * shares its byte with other bits, all of them the server's until the answer is there. */
static bool answer(struct server *s, unsigned vcpu, void (*fn)(void *arg, struct ioreq *r),
                   void *arg)
{
    struct ioreq *r = &s->page->vcpu_ioreq[vcpu];

    if (r->state != STATE_IOREQ_READY)
        return true;
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    r->state = STATE_IOREQ_INPROCESS;
    fn(arg, r);
    __atomic_thread_fence(__ATOMIC_RELEASE);
    r->state = STATE_IORESP_READY;
    return !xenevtchn_notify(s->events, s->port[vcpu]) || complain("A vcpu cannot be told");
}

bool server_serve(struct server *s, void (*fn)(void *arg, struct ioreq *r), void *arg)
{
    int port = xenevtchn_pending(s->events);

    if (port < 0)
        return complain("No event can be had");
    if (xenevtchn_unmask(s->events, (evtchn_port_t)port))
        return complain("An event channel is gone");
    for (unsigned i = 0; i < s->vcpus; i++)
        if (s->port[i] == (evtchn_port_t)port)
            return answer(s, i, fn, arg);
    return true;
}
