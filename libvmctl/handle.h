/* SPDX-License-Identifier: BSD-2-Clause */
/* What libvmctl's files share: the handle, and hypercalls as C functions. Not for programs. */
#ifndef LIBVMCTL_HANDLE_H
#define LIBVMCTL_HANDLE_H

#include "libvmctl/vmctl.h"
#include <signal.h>
#include <stdint.h>
#define __XEN_TOOLS__ 1
#include <xen/xen.h>
#include <xen/domctl.h>
#include <xen/sysctl.h>
#include <xencall.h>
#include <xenforeignmemory.h>
#include <xenstore.h>
#include <xentoollog.h>

struct vmctl {
    xencall_handle *call;
    xenforeignmemory_handle *memory;
    struct xs_handle *store;
    const volatile sig_atomic_t *cancel; /* NULL: nobody interrupts */
    vm_phase_fn *phase;                  /* NULL: nobody wants to know */
    void *phase_arg;
    char error[512];
};

/* Keeps the sentence, without control characters that somebody put into it, and returns -error. */
int vm_fail(struct vmctl *v, int error, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* What vmctl_create() does from now on. */
static inline void vm_phase(struct vmctl *v, const char *phase)
{
    if (v->phase)
        v->phase(phase, v->phase_arg);
}

/* 0 or -errno; interface versions are filled in; op comes back as the hypervisor left it. No
 * sentence. */
int xen_domctl(struct vmctl *v, struct xen_domctl *op);
int xen_sysctl(struct vmctl *v, struct xen_sysctl *op);
/* As above, for an operation on a domain without arguments. */
int xen_domctl_simple(struct vmctl *v, uint32_t cmd, uint16_t id);
/* The hypercall's result or -errno. */
long xen_memory_op(struct vmctl *v, unsigned cmd, const void *arg, size_t size);
int xen_set_param(struct vmctl *v, uint16_t id, uint32_t index, uint64_t value);
/* An unbound port of domain id for domain remote: the port or -errno. */
int xen_alloc_port(struct vmctl *v, uint16_t id, uint16_t remote);

/* The domain shuts down at once, for reason (SHUTDOWN_* of xen/sched.h). */
int xen_remote_shutdown(struct vmctl *v, uint16_t id, unsigned reason);

/* For the Xen libraries, which print what they find wrong: this library says it itself. */
extern xentoollog_logger vmctl_silent;

/* Memory that may be pointed to by an argument; NULL: no memory. */
void *xen_buffer(struct vmctl *v, size_t size);
void xen_buffer_free(struct vmctl *v, void *p);

/* Pages of the guest, one after the other from pfn, into this process; NULL and errno. */
void *xen_map(struct vmctl *v, uint16_t id, uint64_t pfn, size_t pages);
void xen_unmap(struct vmctl *v, void *p, size_t pages);

#endif
