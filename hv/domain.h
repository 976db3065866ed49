/* SPDX-License-Identifier: BSD-2-Clause */
/* A domain: vcpus that share guest-physical memory, ports, MSRs and interrupt controllers. */
#ifndef HV_DOMAIN_H
#define HV_DOMAIN_H

#include "hv/intx.h"
#include "hv/mmio.h"
#include "hv/p2m.h"
#include "hv/pio.h"
#include "hv/policy.h"
#include "hv/spinlock.h"
#include "hv/types.h"
#include "hv/vcpu.h"
#include "hv/vioapic.h"
#include "hv/vpic.h"
#include <xen/xen.h>
#include <xen/hvm/params.h>
#include <xen/arch-x86/hvm/start_info.h>

#define DOMAIN_MAX_VCPUS   64
#define DOMAIN_MMIO_RANGES 8
#define DOMAIN_PIO_RANGES  8

struct vm_vendor; /* bitmaps, ASID bookkeeping: the vendor's own */

struct domain {
    u16 id;
    bool privileged; /* owns the machine: ports, interrupts, and all hypercalls */
    bool dying;
    u8 shutdown; /* SHUTDOWN_* of xen/sched.h once is_shutdown */
    bool is_shutdown;
    spinlock_t lock;
    struct domain *next; /* domain list */

    unsigned vcpus;
    struct vcpu *vcpu[DOMAIN_MAX_VCPUS];

    struct p2m p2m;
    struct vm_vendor *vendor;
    struct policy *policy; /* what CPUID and MSRs show */
    struct apic_bus apic_bus;
    struct vlapic *apic_slots[DOMAIN_MAX_VCPUS];
    struct vioapic vioapic;
    struct vpic vpic;

    xen_domain_handle_t handle;
    struct shared_info *shared;
    gfn_t shared_gfn; /* where the domain has it */
    bool narrow;      /* its shared page is laid out for 32-bit code */
    struct evtchn_table *evtchn;
    struct grant_table *grant;
    u8 callback_vector; /* 0: none */
    bool runstate_update_flag;
    u64 hvm_param[HVM_NR_PARAMS];
    const struct hvm_memmap_table_entry *map; /* as it was handed over */
    u32 map_entries;
    u32 waits, waits_over; /* domain_wait_begin(), domain_wait_end(); atomic */
    u64 ram_pages;         /* guests: in use, atomic */
    u64 max_pages;         /* guests: the most it may use */
    u64 max_gfn;           /* guests: the highest that ever held RAM */

    struct { /* guests: the last pages that a device model moved */
        u64 from, to, pages;
        u64 done; /* of them, on the way elsewhere */
    } moved;      /* under lock; hv/hc_dm.c */

    struct ioreq_domain *ioreq; /* guests: who models their devices (hv/ioreq.h) */
    struct intx intx;           /* guests: lines those device models hold */
    u32 pm_timer;               /* guests: its value at time_ns() zero (hv/pm_timer.h) */
    struct guest *guest;        /* guests: how they are controlled (hv/guest.h) */
    spinlock_t context_lock;    /* guests: one tool at a time saves or loads the state of a vcpu */

    struct mmio_range mmio[DOMAIN_MMIO_RANGES]; /* devices in root mode */
    unsigned mmio_ranges;
    struct pio_range pio[DOMAIN_PIO_RANGES];
    unsigned pio_ranges;

    /* Set by whoever owns the domain, before it runs; NULL: nobody. */
    int (*mmio_fallback)(struct vcpu *v, gpa_t gpa, unsigned size, bool write, u64 *value);
    int (*pio_fallback)(struct vcpu *v, u16 port, unsigned size, bool write, u32 *value);
    bool (*page_fault)(struct vcpu *v, const struct exit_npf *npf); /* true: run again */
    void (*hypercall)(struct vcpu *v);
    int (*hypercall_page)(struct vcpu *v, u64 gpa); /* MSR 40000000h was written; -EINVAL: #GP */
    void (*eoi_hook)(struct vcpu *v, u8 vector);    /* a level-triggered vector ended */
    void (*reset_hook)(struct vcpu *v);             /* INIT: its vLAPIC was reset */
    void (*on_shutdown)(struct domain *d);          /* it has shut down; any CPU, no lock held */
    void *owner;
};

/* What a new domain is made of; checked by domain_create(). */
struct domain_config {
    unsigned vcpus; /* 1 to DOMAIN_MAX_VCPUS */
    bool privileged;
    const u32 *apic_ids; /* one per vcpu, or NULL: 2 * vcpu, as Xen numbers them */
};

/* A domain with vcpus that are all BLOCK_DOWN, without memory. NULL and *rc: -EINVAL, -ENOMEM. Boot
 * CPU or, later, with no lock held. */
struct domain *__must_check domain_create(u16 id, const struct domain_config *config, int *rc);
/* Gives back everything; the domain is paused or never ran. */
void domain_destroy(struct domain *d);

/* domain_find() does not find it any more; domain_destroy() does this too. */
void domain_unlink(struct domain *d);

/*
 * Who finds a domain has it in hand until the exit ends, and a CPU that is outside root mode has
 * none: that is when it may be freed (hv/quiesce.h). A CPU that waits for others counts as outside
 * too; one that goes on with d after that says so around the wait. domain_let_go() returns when
 * nobody has d in hand that found it before; no lock held, and d is the caller's to free or to
 * change.
 */
static inline void domain_wait_begin(struct domain *d)
{
    __atomic_fetch_add(&d->waits, 1, __ATOMIC_SEQ_CST);
}
static inline void domain_wait_end(struct domain *d)
{
    __atomic_fetch_add(&d->waits_over, 1, __ATOMIC_SEQ_CST);
}
void domain_let_go(struct domain *d);

/* The domain with this id, NULL if there is none. It stays for as long as the caller's exit lasts.
 */
struct domain *domain_find(u16 id);
/* The domain with the lowest id from this one on, NULL: there is none. */
struct domain *domain_from(u16 id);
/* Does d's map, as it was handed over, call this frame RAM? */
bool domain_owns_ram(const struct domain *d, u64 gfn);

/* Lets the boot vcpu run, from the state it was given. */
void domain_start(struct domain *d);

/* The domain stops for reason (SHUTDOWN_* of xen/sched.h); the first one counts. Any CPU. */
void domain_shutdown(struct domain *d, u8 reason);
/* A vcpu took a fault it cannot handle: shutdown with SHUTDOWN_crash for this domain, nothing else.
 */
void domain_triple_fault(struct vcpu *v);
/* The domain made root mode find something it cannot deal with: says so and stops the domain. */
void domain_crash(struct vcpu *v, const char *why);

#endif
