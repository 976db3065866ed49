/* SPDX-License-Identifier: BSD-2-Clause */
/* A virtual CPU: what runs, what it waits for, and why it last stopped. */
#ifndef HV_VCPU_H
#define HV_VCPU_H

#include "hv/cpu_state.h"
#include "hv/fetch.h"
#include "hv/insn.h"
#include "hv/p2m.h"
#include "hv/runstate.h"
#include "hv/sched.h"
#include "hv/spinlock.h"
#include "hv/timer.h"
#include "hv/types.h"
#include "hv/vlapic.h"
#include "hv/vm_event.h"
#include "hv/vm_exit.h"
#include <xen/xen.h>

struct domain;
struct guest_paging;
struct vcpu_vendor; /* VMCB or VMCS and what belongs to it: the vendor's own */
struct xstate;

enum gpr { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8, R9, R10, R11, R12, R13, R14, R15, GPRS };

/* Requests: set by vcpu_request() from anywhere, done by the vcpu's CPU before the next entry. */
#define REQ_EVENT        (1u << 0) /* look at interrupts again */
#define REQ_FLUSH_NESTED (1u << 1) /* p2m changed: drop cached translations */
#define REQ_NMI          (1u << 2) /* an NMI is pending */
#define REQ_INIT         (1u << 3) /* INIT received */
#define REQ_SIPI         (1u << 4) /* SIPI received, vector in sipi_vector */
#define REQ_APIC_TIMER   (1u << 5) /* the vLAPIC's timer has expired */
#define REQ_IOREQ        (1u << 6) /* a device model has answered */
#define REQ_PV_TIMER     (1u << 7) /* VIRQ_TIMER is due */
#define REQ_POLL         (1u << 8) /* SCHEDOP_poll has an end */

/* Why a vcpu is off the run queue: sched_entity.blocked. */
#define BLOCK_ASLEEP  (1u << 0) /* HLT or waiting for SIPI: any request wakes it */
#define BLOCK_PAUSED  (1u << 1) /* vcpu_pause() */
#define BLOCK_DOWN    (1u << 2) /* not brought up, or its domain has shut down */
#define BLOCK_IOREQ   (1u << 3) /* a device model works for it */

#define HYPERCALLS    48 /* numbers that are counted */

#define MTRR_VARIABLE 8u

struct mtrr {
    u64 def_type;
    u64 fixed[11];                   /* 64K, 16K twice, 4K eight times */
    u64 variable[2 * MTRR_VARIABLE]; /* base, mask */
};

struct vcpu {
    /* What run() takes and gives back, always current between exits. Offsets are in offsets.inc. */
    u64 gpr[GPRS]; /* RSP included */
    u64 rip;
    u64 rflags;
    u8 intr_shadow; /* bit 0: STI, bit 1: MOV SS (SVM cannot tell them apart: bit 0) */

    struct vm_exit exit;
    struct event event;    /* to be delivered at the next entry */
    struct event deferred; /* an interrupt that waits for that one to go first */

    struct domain *domain;
    unsigned id;
    struct vcpu_vendor *vendor;
    struct xstate *xstate; /* FPU, SSE, AVX: the guest's XSAVE area */
    u64 xcr0;

    u32 requests; /* REQ_*, atomic */
    u8 sipi_vector;
    u8 activity; /* enum activity */
    bool nmi_pending;
    bool in_guest;  /* from the last look at requests to the exit; atomic */
    bool dr_loaded; /* the vendor's: debug registers are in the CPU; if not, no breakpoint is on */
    u32 loaded_on;  /* the CPU whose current this is, or VCPU_NOT_LOADED */
    u32 pauses;     /* guarded by the domain's lock */

    u64 cr_guest_mask; /* CR4 bits this vcpu may set: from the CPUID policy */
    u64 tsc_offset;
    u64 tsc_aux;
    struct mtrr mtrr;

    struct ram_cache ram;              /* what its walks and copies have found */
    const struct guest_paging *paging; /* in a hypercall: what its copies go by; else NULL */
    struct multicall_entry *multicall; /* in one: what is done just now; else NULL */

    struct vlapic vlapic;
    struct timer apic_timer;
    struct sched_entity sched;
    struct timer pv_timer;   /* VCPUOP_set_singleshot_timer */
    struct timer poll_timer; /* SCHEDOP_poll */
    struct replay replay;
    struct fetch_walk fetch;

    struct vcpu_info
        *info; /* where the guest put it, in the direct map; NULL: in the shared page */
    struct runstate runstate;
    bool polling;     /* in SCHEDOP_poll */
    u8 upcall_vector; /* event channels by the vLAPIC; 0: by the domain's callback */
    u16 virq_port[NR_VIRQS];

    u64 exits[EXIT_REASONS]; /* counters */
    u32 hypercalls[HYPERCALLS];
};

#define VCPU_NOT_LOADED (~0u)

/* A new vcpu of d, number id, at power-up state, BLOCK_DOWN; its vLAPIC is on the domain's bus.
 * NULL and *rc on failure. The domain is not running. */
struct vcpu *__must_check vcpu_create(struct domain *d, unsigned id, int *rc);
/* v has been down or paused and is loaded nowhere, for good. */
void vcpu_destroy(struct vcpu *v);

/* Sets REQ_* bits, wakes v, and makes it leave guest mode to see them. Any CPU. */
void vcpu_request(struct vcpu *v, u32 requests);
/* Does what has been requested. v's CPU, v loaded. */
void vcpu_do_requests(struct vcpu *v);

/* v, just unblocked, is what the vcpu that runs here has worked for: it gets that one's turn at
 * once, if it belongs to this CPU and nothing waits for the other. In the path of that one's exit.
 */
void vcpu_run_next(struct vcpu *v);

/* Sets or clears BLOCK_* reasons; a running v leaves guest mode. Any CPU. */
void vcpu_block(struct vcpu *v, u32 reasons);
void vcpu_unblock(struct vcpu *v, u32 reasons);

/* Is it in the middle of an instruction for which a device model works, or has worked? Any CPU. */
bool vcpu_awaits_model(const struct vcpu *v);

/* Waits until v, blocked by the caller, no longer runs. Counts as being outside root mode
 * (hv/quiesce.h): addresses found without a lock are stale afterwards, but for v and its domain.
 * Any CPU, no lock held. */
void vcpu_wait_stopped(struct vcpu *v);
/* Waits until v has left guest mode once. Any CPU. */
void vcpu_wait_left(struct vcpu *v);

/* Returns once v is not running, as vcpu_wait_stopped() does; counted. Any CPU but in v's own exit
 * path. unpause undoes one. */
void vcpu_pause(struct vcpu *v);
void vcpu_unpause(struct vcpu *v);

/* Makes v this CPU's current one, or (NULL) leaves none loaded. */
void vcpu_switch_to(struct vcpu *v);
/* Sees to it that v, blocked, is in no other CPU's registers. */
void vcpu_unload(struct vcpu *v);

/* WORK_UNLOAD: lets go of a vcpu that is loaded here and does not run here. */
void vcpu_put_idle(void);

/* For loops that wait for another CPU: lets go of what that CPU may be waiting for. */
void vcpu_serve_unload(void);

/* Power-up or INIT state (SDM 3A 9.1.1, table 9-1). v is loaded here or nowhere. */
int __must_check vcpu_reset(struct vcpu *v, bool init);

/* Behind the instruction that exited: RIP, the interrupt shadow, the single-step trap. */
void vcpu_skip(struct vcpu *v, unsigned length);

/* HLT: sleeps until an event comes. v's CPU. */
void vcpu_halt(struct vcpu *v);
/* Off the run queue until the next request. v's CPU. */
void vcpu_sleep(struct vcpu *v);

/* For messages, when nothing may be trusted. */
unsigned vcpu_domain_id(const struct vcpu *v);

static inline struct vcpu *vcpu_of_vlapic(struct vlapic *l)
{
    return container_of(l, struct vcpu, vlapic);
}

#endif
