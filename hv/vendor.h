/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The only door between the kernel and a vendor's virtualization extension. Chosen once at boot,
 * const ever after.
 *
 * Unless said otherwise an operation is called on the CPU where the vcpu runs or is to run, by that
 * CPU's loop, with no lock held; a vcpu is only ever touched by the CPU it is loaded on, or by
 * whoever holds it paused. Values that come in have been checked: a vendor refuses with -EINVAL
 * only what its hardware cannot do.
 */
#ifndef HV_VENDOR_H
#define HV_VENDOR_H

#include "hv/compiler.h"
#include "hv/cpu_state.h"
#include "hv/types.h"
#include "hv/vm_event.h"
#include "hv/vm_exit.h"

struct vcpu;
struct domain;
struct ptab_format;

enum window { WINDOW_INTR, WINDOW_NMI };

/* What can be asked to exit, or not to. The default after vcpu_init is in brackets. */
enum intercept {
    INTERCEPT_HLT,   /* [on] */
    INTERCEPT_PAUSE, /* [off; with a filter where the CPU has one] */
    INTERCEPT_RDTSC, /* RDTSC and RDTSCP [off] */
    INTERCEPT_CR3,   /* MOV to CR3 [off] */
    INTERCEPT_DR     /* any MOV DR [on until the first use: see vendor's dr.c] */
};

enum flush_scope {
    FLUSH_GUEST, /* translations the guest's own page tables made, for this vcpu */
    FLUSH_NESTED /* all that depends on the domain's p2m, on this CPU */
};

/* What the hardware can do, filled by probe(). */
struct vendor_caps {
    bool next_rip;       /* exit.insn_len is always there for instruction exits */
    bool decode_assists; /* exit.cr.decoded and the like */
    bool tsc_scaling;
    bool dirty_bits;  /* p2m entries say which pages were written */
    u8 tsc_frac_bits; /* fraction bits of the TSC ratio (SVM 32, VT-x 48) */
    u32 max_asid;     /* ASIDs or VPIDs, 0: none */
    const struct ptab_format *guest_p2m_format; /* of those who are not trusted */
    u8 max_leaf_shift;                          /* 12, 21, 30: the largest page of the p2m */
};

struct vendor_ops {
    const char *name; /* "VT-x", "AMD-V": for the log only */
    const struct ptab_format *p2m_format;
    u8 hypercall[3]; /* VMCALL or VMMCALL, as it stands in a hypercall page */

    /* Boot CPU, once. 0 and *caps, or -ENODEV with *why: one sentence that says what is missing and
     * what the user can do about it. Tells "not this vendor" by -ENOENT. */
    int (*probe)(struct vendor_caps *caps, const char **why);
    /* On each CPU, before its first vcpu; for good: a reset of the machine ends it. */
    int (*cpu_on)(void);

    /* Any CPU, domain not yet or no longer running. Everything of the domain's MSRs and ports exits
     * until allowed. d->p2m is ready. */
    int (*vm_init)(struct domain *d);
    void (*vm_fini)(struct domain *d);
    /* Any CPU. State after init is that of power-up (SDM 3A 9.1.1) with v->policy applied. */
    int (*vcpu_init)(struct vcpu *v);
    void (*vcpu_fini)(struct vcpu *v);
    /* v becomes / is no longer this CPU's current one; put leaves all of v in memory. */
    void (*vcpu_load)(struct vcpu *v);
    void (*vcpu_put)(struct vcpu *v);

    /* One entry and one exit; v is loaded. Reads and writes v->gpr, rip, rflags, intr_shadow; fills
     * v->exit. Interrupts are off in and out. */
    void (*run)(struct vcpu *v);

    /* v loaded here, or not loaded anywhere. mask of STATE_*. */
    void (*state_get)(struct vcpu *v, u32 mask, struct cpu_state *s);
    int __must_check (*state_set)(struct vcpu *v, u32 mask, const struct cpu_state *s);

    /* The next run() delivers e first. At most one per entry; for EVENT_INTR the guest must be able
     * to take it (IF, shadow). */
    void (*inject)(struct vcpu *v, const struct event *e);
    /* Exit as soon as the guest can take an interrupt / NMI; holds for the next run() only. */
    void (*want_window)(struct vcpu *v, enum window w);

    void (*intercept)(struct vcpu *v, enum intercept what, bool on);
    /* The domain's guests may read / write the MSR without an exit. Before its first run, or with
     * all its vcpus paused. Ignored for MSRs the hardware cannot let through. */
    void (*msr_access)(struct domain *d, u32 msr, bool read, bool write);
    /* Ports first to last, both included. */
    void (*pio_access)(struct domain *d, u16 first, u16 last, bool allow);

    /* Guest TSC = host TSC * ratio + offset; ratio 0 means 1:1. -ENODEV without scaling. */
    int (*tsc_set)(struct vcpu *v, u64 offset, u64 ratio);
    void (*tlb_flush)(struct vcpu *v, enum flush_scope scope);

    /* The vcpu's hardware state to the log. Safe in a panic. */
    void (*dump)(struct vcpu *v);
};

extern const struct vendor_ops *vendor; /* set once by vendor_probe() */
extern struct vendor_caps vendor_caps;

/* Tries the vendors linked in (linker section .units). 0, or -ENODEV after saying why on the log.
 */
int __must_check vendor_probe(void);

/* Registers a vendor with the kernel, which never names it. */
#define VENDOR_REGISTER(ops) \
    static const struct vendor_ops *const vendor_entry_##ops __section(".units.vendor") = &(ops)

#endif
