/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * libvmctl: build, start, look at and destroy guests, from the privileged domain.
 *
 * It speaks the public Xen ABI by the stable Xen libraries. A function that can fail returns 0 or a
 * negative errno, and then vmctl_error() is one sentence for a person. A handle is used by one
 * thread at a time.
 */
#ifndef LIBVMCTL_VMCTL_H
#define LIBVMCTL_VMCTL_H

#include "libvmctl/config.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VMCTL_NAME_MAX 64

struct vmctl;

/* A handle without any connection yet; NULL: no memory. Ends with vmctl_free(). */
struct vmctl *vmctl_new(void);
/* Opens hypercalls, foreign memory and the store. Fails outside the privileged domain. */
int vmctl_connect(struct vmctl *v);
void vmctl_free(struct vmctl *v);

/* The last failure of this handle, without a final newline; "" if there was none. */
const char *vmctl_error(const struct vmctl *v);

enum vm_state {
    VM_RUNNING, /* a vcpu runs or wants to */
    VM_BLOCKED, /* every vcpu waits for something */
    VM_PAUSED,
    VM_SHUTDOWN, /* it stopped itself; reason says why */
    VM_DYING,    /* being destroyed */
};

struct vm_info {
    uint16_t id;
    char name[VMCTL_NAME_MAX]; /* "" if the store has none */
    uint8_t uuid[16];
    enum vm_state state;
    uint8_t reason;      /* SHUTDOWN_* of xen/sched.h, if state is VM_SHUTDOWN */
    uint64_t memory_kib; /* that it owns now */
    uint64_t limit_kib;  /* that it may own */
    unsigned vcpus;      /* on line */
    uint64_t cpu_ns;     /* run time of all its vcpus */
    int model_pid;       /* of its QEMU; 0: none known */
    bool model_lost;     /* its QEMU or its devmodel is gone */
};

const char *vm_state_name(enum vm_state state);
const char *vm_shutdown_name(uint8_t reason);

/* Every domain, the privileged one first. *list is the caller's to free(). */
int vmctl_list(struct vmctl *v, struct vm_info **list, size_t *count);
/* One domain by name or number. -ESRCH: there is none. */
int vmctl_find(struct vmctl *v, const char *name, struct vm_info *info);

/* What QEMU shows where, for a guest that runs; strings are "" where there is nothing. */
struct vm_access {
    char vnc[64];     /* address:port */
    char console[64]; /* terminal of the first serial port */
    char qmp[108];    /* socket for QMP */
};
int vmctl_access(struct vmctl *v, uint16_t id, struct vm_access *access);

/* Builds the guest and its QEMU; it stays paused. On failure nothing is left behind. */
int vmctl_create(struct vmctl *v, const struct vm_config *config, uint16_t *id);

int vmctl_pause(struct vmctl *v, uint16_t id);
int vmctl_unpause(struct vmctl *v, uint16_t id);
/* Stops and removes the guest, its QEMU and its entries in the store. */
int vmctl_destroy(struct vmctl *v, uint16_t id);

/* Waits until the domain has shut down or is gone. -ETIMEDOUT; timeout_ms < 0: for ever. */
int vmctl_wait(struct vmctl *v, uint16_t id, int timeout_ms, struct vm_info *info);

/* What the hypervisor logged from *index on; *index moves to the end. The text is the caller's. */
int vmctl_log(struct vmctl *v, uint32_t *index, char **text);

#endif
