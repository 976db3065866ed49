/* SPDX-License-Identifier: BSD-2-Clause */
/* A virtual CPU: what runs, what it waits for, and why it last stopped. */
#ifndef HV_VCPU_H
#define HV_VCPU_H

#include "hv/cpu_state.h"
#include "hv/sched.h"
#include "hv/spinlock.h"
#include "hv/timer.h"
#include "hv/types.h"
#include "hv/vlapic.h"
#include "hv/vm_event.h"
#include "hv/vm_exit.h"

struct domain;
struct vcpu_vendor; /* VMCB or VMCS and what belongs to it: the vendor's own */
struct xstate;

enum gpr { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8, R9, R10, R11, R12, R13, R14, R15, GPRS };

/* Requests: set by anyone, with vcpu_kick() after; done by the vcpu's CPU before the next entry. */
#define REQ_FLUSH_NESTED (1u << 0) /* p2m changed: drop cached translations */
#define REQ_NMI          (1u << 1) /* an NMI is pending */
#define REQ_INIT         (1u << 2) /* INIT received */
#define REQ_SIPI         (1u << 3) /* SIPI received, vector in sipi_vector */
#define REQ_IOREQ        (1u << 4) /* a device model has answered */
#define REQ_PAUSE        (1u << 5) /* leave guest mode, somebody wants it paused */
#define REQ_EVENT        (1u << 6) /* look at interrupts again */

struct vcpu {
    /* What run() takes and gives back, always current between exits. Offsets are in offsets.inc. */
    u64 gpr[GPRS]; /* RSP included */
    u64 rip;
    u64 rflags;
    u8 intr_shadow; /* bit 0: STI, bit 1: MOV SS (SVM cannot tell them apart: bit 0) */

    struct vm_exit exit;
    struct event event; /* to be delivered at the next entry */

    struct domain *domain;
    unsigned id;
    struct vcpu_vendor *vendor;
    struct xstate *xstate; /* FPU, SSE, AVX: the guest's XSAVE area */
    u64 xcr0;

    u32 requests; /* REQ_*, atomic */
    u8 sipi_vector;
    u8 activity; /* enum activity: HLT and WAIT_SIPI keep it off the run queue */
    bool nmi_pending;
    bool in_guest; /* between the last look at requests and the exit; atomic */

    u64 cr_guest_mask; /* CR4 bits this vcpu may set: from the CPUID policy */
    u64 tsc_offset;

    struct vlapic vlapic;
    struct timer apic_timer;
    struct sched_entity sched;

    u64 exits[EXIT_REASONS]; /* counters */
    u64 last_exit_tsc;
};

#endif
