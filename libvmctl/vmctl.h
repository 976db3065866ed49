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
#include <signal.h>
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
    uint8_t reason;         /* SHUTDOWN_* of xen/sched.h, if state is VM_SHUTDOWN */
    uint64_t memory_kib;    /* that it owns now */
    uint64_t limit_kib;     /* that it may own */
    unsigned vcpus;         /* on line */
    uint64_t cpu_ns;        /* run time of all its vcpus */
    int model_pid;          /* of its QEMU; 0: none known */
    bool model_lost;        /* its QEMU or its devmodel is gone */
    char model_reason[128]; /* what became of them; "": nothing, or nobody could say it */
};

const char *vm_state_name(enum vm_state state);
const char *vm_shutdown_name(uint8_t reason);

/* Every domain, the privileged one first. *list is the caller's to free(). */
int vmctl_list(struct vmctl *v, struct vm_info **list, size_t *count);
/* One domain by name or number, or by its number. -ESRCH: there is none. */
int vmctl_find(struct vmctl *v, const char *name, struct vm_info *info);
int vmctl_get(struct vmctl *v, uint16_t id, struct vm_info *info);

/* What is shown where, for a guest that runs; strings are "" where there is nothing. */
struct vm_access {
    char vnc[64];     /* address:port */
    char serial[64];  /* terminal of the first serial port */
    char console[64]; /* terminal of the paravirtual console */
    char qmp[108];    /* socket for QMP */
};
int vmctl_access(struct vmctl *v, uint16_t id, struct vm_access *access);

/* ---- what was counted ---- */

#define VM_MAX_REASONS 64
#define VM_MAX_SERVERS 8

struct vm_exits {
    char reason[24];
    uint64_t count[VM_MAX_VCPUS];
};
struct vm_ioreqs {
    unsigned server; /* devmodel's is the first, QEMU's the second */
    uint64_t sent;   /* the guest waited for the answer */
    uint64_t posted; /* it did not */
};
struct vm_stats {
    unsigned vcpus;
    uint64_t run_ns[VM_MAX_VCPUS];
    struct vm_exits exits[VM_MAX_REASONS]; /* those that happened */
    unsigned reasons;
    struct vm_ioreqs ioreqs[VM_MAX_SERVERS];
    unsigned servers;
};
int vmctl_stats(struct vmctl *v, uint16_t id, struct vm_stats *stats);

struct vm_host {
    unsigned cpus;
    unsigned khz;
    uint64_t memory_kib, free_kib;
    uint64_t idle_ns; /* of all CPUs, since they run */
};
int vmctl_host(struct vmctl *v, struct vm_host *host);

/* ---- making and ending ---- */

/* Builds the guest and its QEMU; it stays paused. On failure nothing is left behind, and *id is 0.
 */
int vmctl_create(struct vmctl *v, const struct vm_config *config, uint16_t *id);

/* From now on vmctl_create() gives up between two steps, with -EINTR, when *flag is not 0. */
void vmctl_cancel_by(struct vmctl *v, const volatile sig_atomic_t *flag);

/* Told by vmctl_create() what it does next, in a word or two. */
typedef void vm_phase_fn(const char *phase, void *arg);
void vmctl_phases_to(struct vmctl *v, vm_phase_fn *fn, void *arg);

/* Stop its vcpus, and let them run again. -EALREADY: it is paused, or it is not. */
int vmctl_pause(struct vmctl *v, uint16_t id);
int vmctl_unpause(struct vmctl *v, uint16_t id);
/* Stops and removes the guest, its QEMU and its entries in the store. */
int vmctl_destroy(struct vmctl *v, uint16_t id);

/* Ask the guest to shut down or to reboot: by the store, if its kernel listens there; shutdown
 * presses the ACPI power button otherwise, or if button. They do not wait for it. -EOPNOTSUPP: it
 * cannot be asked to reboot. */
int vmctl_shutdown(struct vmctl *v, uint16_t id, bool button);
int vmctl_reboot(struct vmctl *v, uint16_t id);
/* Ends it at once, and leaves it to whoever watches it to start it again. */
int vmctl_reset(struct vmctl *v, uint16_t id);

/* Waits until the domain has shut down or is gone. -ETIMEDOUT; timeout_ms < 0: for ever. */
int vmctl_wait(struct vmctl *v, uint16_t id, int timeout_ms, struct vm_info *info);

/* ---- at its screen ---- */

/* A PNG picture of it, which is the caller's to free(). */
int vmctl_screenshot(struct vmctl *v, uint16_t id, void **png, size_t *size);

/* Keys by name, held down together ("ctrl-alt-delete"); a text, by a US keyboard's keys. Each is
 * held for hold_ms, and as long a pause follows. -EINVAL: there is no such key. */
int vmctl_press(struct vmctl *v, uint16_t id, const char *keys, unsigned hold_ms);
int vmctl_type(struct vmctl *v, uint16_t id, const char *text, unsigned hold_ms);

/* ---- its drives ---- */

#define VM_MEDIUM_UNKNOWN "?" /* there is one, and nobody knows its name any more */
struct vm_drive {
    unsigned unit;  /* as in struct vm_disk */
    bool removable; /* a CD drive */
    bool open;      /* its tray */
    bool locked;    /* by the guest */
    char medium[512];
};
int vmctl_drives(struct vmctl *v, uint16_t id, struct vm_drive drive[VM_MAX_DISKS],
                 unsigned *count);
/* unit -1: the only CD drive. force: whether the guest has locked it or not; -EBUSY: it has. */
int vmctl_insert(struct vmctl *v, uint16_t id, int unit, const char *path, bool force);
int vmctl_eject(struct vmctl *v, uint16_t id, int unit, bool force);

/* What a restart of the guest does not undo: the media in its CD drives, and its clock's time. Puts
 * them into the configuration that it was made from; what cannot be asked stays as it is there. */
void vmctl_take_over(struct vmctl *v, uint16_t id, struct vm_config *c);

/* ---- the hypervisor ---- */

/* What the hypervisor logged from *index on; *index moves to the end. The text is the caller's. */
int vmctl_log(struct vmctl *v, uint32_t *index, char **text);

#endif
