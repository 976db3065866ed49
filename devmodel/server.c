/* SPDX-License-Identifier: BSD-2-Clause */
#include "devmodel/server.h"
#include <errno.h>
#include <stdatomic.h>
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
#include <xentoolcore.h>

#define MAX_VCPUS 128

struct server {
    uint16_t domid;
    ioservid_t id;
    bool created;
    unsigned vcpus;
    xendevicemodel_handle *dm;
    xenforeignmemory_handle *memory;
    xenevtchn_handle *events;
    shared_iopage_t *page;
    evtchn_port_t port[MAX_VCPUS]; /* of ours, bound to the vcpu's */
    evtchn_port_t masked[MAX_VCPUS];
    unsigned masked_count;
    void *mapped; /* the guest's page that a string goes to or comes from */
    uint64_t mapped_gfn;
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
    xenforeignmemory_resource_handle *resource;
    void *at = NULL;

    resource = xenforeignmemory_map_resource(s->memory, s->domid, XENMEM_resource_ioreq_server,
                                             s->id, XENMEM_resource_ioreq_server_frame_ioreq(0), 1,
                                             &at, PROT_READ | PROT_WRITE, 0);
    s->page = at;
    return resource || complain("The page of I/O requests cannot be mapped");
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

/* What came of an attempt; the page is what comes last. */
static void close_server(struct server *s)
{
    if (s->created)
        xendevicemodel_destroy_ioreq_server(s->dm, s->domid, s->id);
    if (s->events)
        xenevtchn_close(s->events);
    if (s->memory)
        xenforeignmemory_close(s->memory);
    if (s->dm)
        xendevicemodel_close(s->dm);
    free(s);
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
    close_server(s);
    return NULL;
}

static bool claim(struct server *s, int memory, uint64_t first, uint64_t last)
{
    return !xendevicemodel_map_io_range_to_ioreq_server(s->dm, s->domid, s->id, memory, first,
                                                        last) ||
           complain("Ports or memory cannot be claimed");
}

bool server_claim_ports(struct server *s, uint16_t first, uint16_t last)
{
    return claim(s, 0, first, last);
}

bool server_claim_memory(struct server *s, uint64_t first, uint64_t last)
{
    return claim(s, 1, first, last);
}

/* The vcpus' event channels are made known in the page by enabling. */
bool server_enable(struct server *s)
{
    if (xendevicemodel_set_ioreq_server_state(s->dm, s->domid, s->id, 1))
        return complain("The I/O request server cannot be enabled");
    return bind_vcpus(s);
}

bool server_restrict(struct server *s)
{
    return !xentoolcore_restrict_all(s->domid) || complain("Privileges cannot be given up");
}

/* ---- lines ---- */

/* No call raises a pin of the I/O APIC itself, but the INTx lines of PCI devices lead to pins
 * (Xen's routing: 16 + (4 * device + device / 8 + INTx) mod 32). These belong to slots in which no
 * device of QEMU's is. */
static const struct {
    uint8_t device, intx;
} pins[] = {{24, 1}, {16, 3}, {17, 0}, {17, 1}};
#define FIRST_PIN 20

bool server_set_line(struct server *s, unsigned line, bool level)
{
    if (line < FIRST_PIN)
        return !xendevicemodel_set_isa_irq_level(s->dm, s->domid, (uint8_t)line, level);
    return !xendevicemodel_set_pci_intx_level(s->dm, s->domid, 0, 0, pins[line - FIRST_PIN].device,
                                              pins[line - FIRST_PIN].intx, level);
}

bool server_shutdown(struct server *s, unsigned reason)
{
    return !xendevicemodel_shutdown(s->dm, s->domid, reason) || complain("The guest goes on");
}

/* ---- the guest's memory ---- */

static void unmap(struct server *s)
{
    if (s->mapped)
        xenforeignmemory_unmap(s->memory, s->mapped, 1);
    s->mapped = NULL;
}

static bool map(struct server *s, uint64_t gfn)
{
    xen_pfn_t pfn = gfn;

    if (s->mapped && s->mapped_gfn == gfn)
        return true;
    unmap(s);
    s->mapped = xenforeignmemory_map(s->memory, s->domid, PROT_READ | PROT_WRITE, 1, &pfn, NULL);
    s->mapped_gfn = gfn;
    return s->mapped;
}

bool server_copy(struct server *s, uint64_t gpa, void *data, size_t size, bool write)
{
    size_t offset = gpa % SERVER_PAGE;
    char *at;

    if (offset + size > SERVER_PAGE || !map(s, gpa / SERVER_PAGE))
        return false;
    at = (char *)s->mapped + offset;
    memcpy(write ? at : data, write ? data : at, size);
    return true;
}

/* ---- requests ---- */

/* The request is read after its state, and its answer written before: xen/hvm/ioreq.h. The state
 * shares its byte with other bits, all of them the server's until the answer is there. */
static bool answer(struct server *s, unsigned vcpu, void (*fn)(void *arg, struct ioreq *r),
                   void *arg)
{
    struct ioreq *r = &s->page->vcpu_ioreq[vcpu];

    if (((volatile struct ioreq *)r)->state != STATE_IOREQ_READY)
        return false;
    atomic_thread_fence(memory_order_acquire);
    r->state = STATE_IOREQ_INPROCESS;
    fn(arg, r);
    unmap(s);
    atomic_thread_fence(memory_order_release);
    r->state = STATE_IORESP_READY;
    if (xenevtchn_notify(s->events, s->port[vcpu]))
        complain("A vcpu cannot be told");
    return true;
}

static bool answer_all(struct server *s, void (*fn)(void *arg, struct ioreq *r), void *arg)
{
    bool any = false;

    for (unsigned i = 0; i < s->vcpus; i++)
        any |= answer(s, i, fn, arg);
    return any;
}

/* An event masks its port until it is unmasked here. What came in the meantime is found by looking
 * at the page, without any call, or is told at once when the port opens. */
static bool wait_for_event(struct server *s)
{
    int port;

    while (s->masked_count)
        if (xenevtchn_unmask(s->events, s->masked[--s->masked_count]))
            return complain("An event channel is gone");
    do
        port = xenevtchn_pending(s->events);
    while (port < 0 && errno == EINTR);
    if (port < 0)
        return complain("No event can be had");
    s->masked[s->masked_count++] = (evtchn_port_t)port;
    return true;
}

void server_run(struct server *s, void (*fn)(void *arg, struct ioreq *r), void *arg)
{
    while (wait_for_event(s))
        while (answer_all(s, fn, arg))
            ;
}
