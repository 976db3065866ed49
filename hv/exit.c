/* SPDX-License-Identifier: BSD-2-Clause */
#include "hv/cpu.h"
#include "hv/domain.h"
#include "hv/exit.h"
#include "hv/exit_cr.h"
#include "hv/exit_io.h"
#include "hv/exit_msr.h"
#include "hv/inject.h"
#include "hv/insn.h"
#include "hv/ioreq.h"
#include "hv/irq.h"
#include "hv/log.h"
#include "hv/percpu.h"
#include "hv/task_switch.h"
#include "hv/vcpu.h"
#include "hv/vendor.h"
#include "hv/x86.h"
#include "hv/xstate.h"

/* A CPU without VM exits would have done all of it: what is left is to go on. */
static void exit_none(struct vcpu *v)
{
    (void)v;
}

static void exit_intr(struct vcpu *v)
{
    if (v->exit.intr.acked)
        irq_dispatch(v->exit.intr.vector);
    else
        irq_window();
}

/* Intercepted for root mode's sake (an endless #AC or #DB loop must stay interruptible); the guest
 * gets them as they were. */
static void exit_exception(struct vcpu *v)
{
    const struct exit_exc *x = &v->exit.exc;
    struct cpu_state s;

    if (x->vector == TRAP_DB) {
        vendor->state_get(v, STATE_DR, &s);
        s.dr6 |= x->info;
        s.dr7 &= ~DR7_GD;
        if (vendor->state_set(v, STATE_DR, &s))
            return;
    }
    inject_event(v, &(struct event){.valid = true,
                                    .type = x->type,
                                    .vector = x->vector,
                                    .has_error = x->has_error,
                                    .error = x->error,
                                    .insn_len = x->insn_len,
                                    .set_cr2 = x->vector == TRAP_PF,
                                    .cr2 = x->info});
}

static void exit_triple_fault(struct vcpu *v)
{
    domain_triple_fault(v);
}

static void exit_cpuid(struct vcpu *v)
{
    struct cpuid_regs r = policy_cpuid(v, (u32)v->gpr[RAX], (u32)v->gpr[RCX]);

    v->gpr[RAX] = r.eax;
    v->gpr[RBX] = r.ebx;
    v->gpr[RCX] = r.ecx;
    v->gpr[RDX] = r.edx;
    insn_skip(v);
}

static void exit_hlt(struct vcpu *v)
{
    insn_skip(v);
    vcpu_halt(v);
}

/* A guest that spins: let others have the CPU. */
static void exit_pause(struct vcpu *v)
{
    insn_skip(v);
    percpu_work(this_cpu(), WORK_RESCHED);
}

/* Caches only matter to a guest that drives a device by DMA; INVD would throw others' data away. */
static void exit_wbinvd(struct vcpu *v)
{
    if (v->domain->privileged)
        wbinvd();
    insn_skip(v);
}

static void exit_rdtsc(struct vcpu *v)
{
    u64 tsc = rdtsc() + v->tsc_offset;

    v->gpr[RAX] = (u32)tsc;
    v->gpr[RDX] = tsc >> 32;
    if (v->exit.rdtscp)
        v->gpr[RCX] = (u32)v->tsc_aux;
    insn_skip(v);
}

/* CPUID offers no performance counters. */
static void exit_rdpmc(struct vcpu *v)
{
    inject_exception_error(v, TRAP_GP, 0);
}

/* Behind the instruction first: a hypercall may change RIP, or ask for itself again. */
static void exit_hypercall(struct vcpu *v)
{
    unsigned length;

    if (!v->domain->hypercall) {
        inject_exception(v, TRAP_UD);
        return;
    }
    length = insn_length(v);
    if (length == 0)
        return;
    vcpu_skip(v, length);
    v->domain->hypercall(v);
}

/* AMD-V exits before the privilege is checked. */
static void exit_xsetbv(struct vcpu *v)
{
    u64 value = v->gpr[RDX] << 32 | (u32)v->gpr[RAX];
    struct cpu_state s;

    vendor->state_get(v, STATE_CS_SS, &s);
    if (SEG_DPL(s.seg[SEG_SS].attr) != 0 || (u32)v->gpr[RCX] != 0 ||
        (value & ~v->domain->policy->xcr0_mask) || xstate_set_xcr0(v, value))
        inject_exception_error(v, TRAP_GP, 0);
    else
        insn_skip(v);
}

/* Not offered by CPUID: no such instruction. */
static void exit_undefined(struct vcpu *v)
{
    inject_exception(v, TRAP_UD);
}

static void exit_failed(struct vcpu *v)
{
    log_err("d%uv%u: %s: reason %llx info %llx %llx", v->domain->id, v->id,
            exit_name(v->exit.reason), (unsigned long long)v->exit.hw.reason,
            (unsigned long long)v->exit.hw.info1, (unsigned long long)v->exit.hw.info2);
    vendor->dump(v);
    domain_crash(v, "the CPU refused its state");
}

struct exit_entry {
    const char *name;
    void (*handle)(struct vcpu *v);
};

static const struct exit_entry exits[EXIT_REASONS] = {
    [EXIT_NONE] = {"none", exit_none},
    [EXIT_INTR] = {"interrupt", exit_intr},
    [EXIT_NMI] = {"nmi", exit_none},
    [EXIT_INTR_WINDOW] = {"interrupt-window", exit_none},
    [EXIT_NMI_WINDOW] = {"nmi-window", exit_none},
    [EXIT_EXCEPTION] = {"exception", exit_exception},
    [EXIT_TRIPLE_FAULT] = {"triple-fault", exit_triple_fault},
    [EXIT_CPUID] = {"cpuid", exit_cpuid},
    [EXIT_HLT] = {"hlt", exit_hlt},
    [EXIT_PAUSE] = {"pause", exit_pause},
    [EXIT_INVD] = {"invd", exit_wbinvd},
    [EXIT_WBINVD] = {"wbinvd", exit_wbinvd},
    [EXIT_RDTSC] = {"rdtsc", exit_rdtsc},
    [EXIT_RDPMC] = {"rdpmc", exit_rdpmc},
    [EXIT_HYPERCALL] = {"hypercall", exit_hypercall},
    [EXIT_CR] = {"cr", exit_cr},
    [EXIT_DR] = {"dr", exit_dr},
    [EXIT_MSR] = {"msr", exit_msr},
    [EXIT_IO] = {"io", exit_io},
    [EXIT_XSETBV] = {"xsetbv", exit_xsetbv},
    [EXIT_MONITOR] = {"monitor", exit_undefined},
    [EXIT_MWAIT] = {"mwait", exit_undefined},
    [EXIT_PAGE_FAULT] = {"page-fault", exit_page_fault},
    [EXIT_TASK_SWITCH] = {"task-switch", exit_task_switch},
    [EXIT_VIRT_INSN] = {"virt-insn", exit_undefined},
    [EXIT_ENTRY_FAILED] = {"entry-failed", exit_failed},
    [EXIT_UNKNOWN] = {"unknown", exit_failed},
};

const char *exit_name(unsigned reason)
{
    return reason < EXIT_REASONS ? exits[reason].name : "?";
}

void exit_report(const struct domain *d)
{
    for (unsigned r = 0; r < EXIT_REASONS; r++) {
        u64 n = 0;

        for (unsigned i = 0; i < d->vcpus; i++)
            n += d->vcpu[i]->exits[r];
        if (n)
            log_debug("d%u: %llu exits %s", d->id, (unsigned long long)n, exit_name(r));
    }
}

void exit_resume(struct vcpu *v)
{
    __atomic_fetch_and(&v->requests, ~REQ_IOREQ, __ATOMIC_SEQ_CST);
    if (!v->domain->ioreq || !ioreq_answered(v))
        return;
    exits[v->exit.reason].handle(v);
    ioreq_forget(v);
}

void exit_handle(struct vcpu *v)
{
    unsigned reason = v->exit.reason;

    v->exits[reason]++;
    if (unlikely(v->exit.vectoring.valid))
        v->event = v->exit.vectoring;
    exits[reason].handle(v);
}
