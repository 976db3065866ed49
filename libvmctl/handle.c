/* SPDX-License-Identifier: BSD-2-Clause */
#include "libvmctl/handle.h"
#include "libvmctl/plain.h"
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <xen/memory.h>
#include <xen/event_channel.h>
#include <xen/hvm/dm_op.h>
#include <xen/hvm/hvm_op.h>

struct vmctl *vmctl_new(void)
{
    return calloc(1, sizeof(struct vmctl));
}

void vmctl_free(struct vmctl *v)
{
    if (!v)
        return;
    if (v->store)
        xs_close(v->store);
    if (v->memory)
        xenforeignmemory_close(v->memory);
    if (v->call)
        xencall_close(v->call);
    free(v);
}

int vm_fail(struct vmctl *v, int error, const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    vsnprintf(v->error, sizeof(v->error), format, ap);
    va_end(ap);
    make_plain(v->error);
    return -error;
}

const char *vmctl_error(const struct vmctl *v)
{
    return v->error;
}

static void say_nothing(xentoollog_logger *l, xentoollog_level level, int e, const char *context,
                        const char *format, va_list ap)
{
    (void)l, (void)level, (void)e, (void)context, (void)format, (void)ap;
}

xentoollog_logger vmctl_silent = {.vmessage = say_nothing};

int vmctl_connect(struct vmctl *v)
{
    v->call = xencall_open(&vmctl_silent, 0);
    if (!v->call)
        return vm_fail(
            v, errno,
            "Hypercalls are not possible here: this runs as root in the privileged domain only (%s).",
            strerror(errno));
    v->memory = xenforeignmemory_open(&vmctl_silent, 0);
    if (!v->memory)
        return vm_fail(v, errno, "Memory of guests cannot be mapped: %s.", strerror(errno));
    v->store = xs_open(0);
    if (!v->store)
        return vm_fail(v, errno, "The store does not answer (is xenstored running?): %s.",
                       strerror(errno));
    return 0;
}

void *xen_buffer(struct vmctl *v, size_t size)
{
    void *p = xencall_alloc_buffer(v->call, size);

    if (p)
        memset(p, 0, size);
    return p;
}

void xen_buffer_free(struct vmctl *v, void *p)
{
    xencall_free_buffer(v->call, p);
}

/* arg goes to the hypervisor in memory it can read, and comes back from there. */
static int call_with(struct vmctl *v, unsigned number, void *arg, size_t size)
{
    void *copy = xen_buffer(v, size);
    int rc;

    if (!copy)
        return -ENOMEM;
    memcpy(copy, arg, size);
    rc = xencall1(v->call, number, (uintptr_t)copy);
    if (rc < 0)
        rc = -errno;
    memcpy(arg, copy, size);
    xen_buffer_free(v, copy);
    return rc;
}

int xen_domctl(struct vmctl *v, struct xen_domctl *op)
{
    op->interface_version = XEN_DOMCTL_INTERFACE_VERSION;
    return call_with(v, __HYPERVISOR_domctl, op, sizeof(*op));
}

int xen_sysctl(struct vmctl *v, struct xen_sysctl *op)
{
    op->interface_version = XEN_SYSCTL_INTERFACE_VERSION;
    return call_with(v, __HYPERVISOR_sysctl, op, sizeof(*op));
}

int xen_domctl_simple(struct vmctl *v, uint32_t cmd, uint16_t id)
{
    struct xen_domctl op = {.cmd = cmd, .domain = id};

    return xen_domctl(v, &op);
}

static long call2_with(struct vmctl *v, unsigned number, unsigned cmd, const void *arg, size_t size)
{
    void *copy = xen_buffer(v, size);
    long rc;

    if (!copy)
        return -ENOMEM;
    memcpy(copy, arg, size);
    rc = xencall2L(v->call, number, cmd, (uintptr_t)copy);
    if (rc < 0)
        rc = -errno;
    xen_buffer_free(v, copy);
    return rc;
}

long xen_memory_op(struct vmctl *v, unsigned cmd, const void *arg, size_t size)
{
    return call2_with(v, __HYPERVISOR_memory_op, cmd, arg, size);
}

int xen_set_param(struct vmctl *v, uint16_t id, uint32_t index, uint64_t value)
{
    struct xen_hvm_param p = {.domid = id, .index = index, .value = value};

    return (int)call2_with(v, __HYPERVISOR_hvm_op, HVMOP_set_param, &p, sizeof(p));
}

int xen_alloc_port(struct vmctl *v, uint16_t id, uint16_t remote)
{
    struct evtchn_alloc_unbound *a = xen_buffer(v, sizeof(*a));
    int rc;

    if (!a)
        return -ENOMEM;
    a->dom = id;
    a->remote_dom = remote;
    rc = xencall2(v->call, __HYPERVISOR_event_channel_op, EVTCHNOP_alloc_unbound, (uintptr_t)a);
    rc = rc < 0 ? -errno : (int)a->port;
    xen_buffer_free(v, a);
    return rc;
}

/* The operation, and behind it the list of buffers, which is itself alone. */
int xen_remote_shutdown(struct vmctl *v, uint16_t id, unsigned reason)
{
    struct {
        struct xen_dm_op op;
        struct xen_dm_op_buf list;
    } *p = xen_buffer(v, sizeof(*p));
    int rc;

    if (!p)
        return -ENOMEM;
    p->op.op = XEN_DMOP_remote_shutdown;
    p->op.u.remote_shutdown.reason = reason;
    set_xen_guest_handle(p->list.h, &p->op);
    p->list.size = sizeof(p->op);
    rc = xencall3(v->call, __HYPERVISOR_dm_op, id, 1, (uintptr_t)&p->list);
    rc = rc < 0 ? -errno : 0;
    xen_buffer_free(v, p);
    return rc;
}

void *xen_map(struct vmctl *v, uint16_t id, uint64_t pfn, size_t pages)
{
    xen_pfn_t *list = calloc(pages, sizeof(*list));
    void *p = NULL;

    if (list) {
        for (size_t i = 0; i < pages; i++)
            list[i] = pfn + i;
        p = xenforeignmemory_map(v->memory, id, PROT_READ | PROT_WRITE, pages, list, NULL);
    }
    free(list);
    return p;
}

void xen_unmap(struct vmctl *v, void *p, size_t pages)
{
    if (p)
        xenforeignmemory_unmap(v->memory, p, pages);
}
