/* SPDX-License-Identifier: BSD-2-Clause */
/* What each CPU has of its own; GS points at it in root mode. */
#ifndef HV_PERCPU_H
#define HV_PERCPU_H

#include "hv/desc.h"
#include "hv/layout.h"
#include "hv/sched.h"
#include "hv/timer.h"
#include "hv/types.h"

struct vcpu;
struct percpu_vendor; /* VMXON region, host save area: the vendor's own */

struct percpu {
    struct percpu *self; /* first: this_cpu() reads %gs:0 */
    unsigned id;         /* 0 is the boot CPU; dense */
    u32 apic_id;
    bool online;
    bool stopped;         /* for good: smp_stop_this() */
    void *stack;          /* top */
    struct vcpu *current; /* loaded here, or NULL */
    struct percpu_vendor *vendor;
    u64 outside;              /* hv/quiesce.c */
    u32 work;                 /* WORK_*, atomic: looked at before each entry */
    struct cpu_tables tables; /* GDT, TSS and IST stacks */
    struct run_queue rq;
    struct timer_queue timers;
    struct timer slice; /* ends the current vcpu's turn */
    struct vcpu *next;  /* is given that turn: vcpu_run_next(); NULL while outside */
    u16 taught_by;      /* hv/speculation.c: the domain that this CPU's branch predictor knows */
    u64 nmis, intrs;
};

#define WORK_RESCHED (1u << 0) /* pick again */
#define WORK_TIMER   (1u << 1) /* a timer may have expired */
#define WORK_UNLOAD  (1u << 2) /* somebody needs the vcpu that is loaded here but does not run */
#define WORK_NMI     (1u << 3) /* one has come in: irq_forward_nmi() */

/* Sets WORK_* on a CPU, and makes it look. */
void percpu_work(struct percpu *c, u32 work);

extern struct percpu *percpu[MAX_CPUS];
extern unsigned cpus_online;

static inline struct percpu *this_cpu(void)
{
    struct percpu *c;

    __asm__ volatile("mov %%gs:0, %0" : "=r"(c));
    return c;
}

#endif
