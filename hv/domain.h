/* SPDX-License-Identifier: BSD-2-Clause */
/* A domain: vcpus that share guest-physical memory, ports, MSRs and interrupt controllers. */
#ifndef HV_DOMAIN_H
#define HV_DOMAIN_H

#include "hv/p2m.h"
#include "hv/policy.h"
#include "hv/spinlock.h"
#include "hv/types.h"
#include "hv/vcpu.h"
#include "hv/vioapic.h"
#include "hv/vpic.h"

#define DOMAIN_MAX_VCPUS 64

struct vm_vendor; /* bitmaps, ASID bookkeeping: the vendor's own */

struct domain {
    u16 id;
    bool privileged; /* owns the machine: ports, interrupts, and all hypercalls */
    bool dying;
    u8 shutdown;      /* SHUTDOWN_* of xen/sched.h once is_shutdown */
    bool is_shutdown;
    spinlock_t lock;
    struct domain *next; /* domain list */

    unsigned vcpus;
    struct vcpu *vcpu[DOMAIN_MAX_VCPUS];

    struct p2m p2m;
    struct vm_vendor *vendor;
    struct policy *policy; /* what CPUID and MSRs show */
    struct vioapic vioapic;
    struct vpic vpic;
};

#endif
