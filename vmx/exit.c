/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From a VMX exit to struct vm_exit. One table: the basic exit reason leads to the reason both
 * vendors share, to what is read for it, and to the function that decodes the rest. Fields that a
 * reason does not need are not read.
 */
#include "hv/log.h"
#include "vmx/vmcs.h"
#include "vmx/vmx.h"

#define TASK_BY_IRET 1

/* What is read before the decoder runs. */
#define READ_LEN 1 /* exit.insn_len */
#define READ_VECTORING                                                        \
    2 /* exit.vectoring: only these exits can hit while an event is delivered \
       */

static void set_hw(struct vcpu *v, u32 reason)
{
    v->exit.hw.reason = reason;
    v->exit.hw.info1 = vmread(EXIT_QUALIFICATION);
    v->exit.hw.info2 = vmread(EXIT_INTR_INFO);
}

/* Software events carry the length of their instruction, for RIP is still at its start. */
static void read_vectoring(struct vcpu *v)
{
    u32 info = (u32)vmread(IDT_VECTORING_INFO);
    struct event *e = &v->exit.vectoring;

    if (!(info & INTR_INFO_VALID))
        return;
    *e = (struct event){
        .valid = true,
        .type = INTR_INFO_TYPE(info),
        .vector = INTR_INFO_VECTOR(info),
        .has_error = info & INTR_INFO_ERROR,
    };
    if (e->has_error)
        e->error = (u32)vmread(IDT_VECTORING_ERROR);
    if (e->type >= EVENT_SOFT_INT)
        e->insn_len = (u8)vmread(EXIT_INSN_LEN);
}

/* An IRET that faulted had already ended NMI blocking; it will be executed again (SDM 3C 28.2.3).
 */
static void block_nmi_again(struct vcpu *v, u64 info)
{
    if (info & INTR_INFO_NMI_UNBLOCKED && !v->exit.vectoring.valid)
        v->vendor->interruptibility |= INTERRUPTIBILITY_NMI;
}

/* SDM 3C table 28-1, the part that every DR6 has. */
#define DR6_CAUSES (DR6_HITS | DR6_BD | DR6_BS)

static void decode_exception(struct vcpu *v, u32 info)
{
    struct exit_exc *exc = &v->exit.exc;

    *exc = (struct exit_exc){
        .vector = INTR_INFO_VECTOR(info),
        .has_error = info & INTR_INFO_ERROR,
        .type = INTR_INFO_TYPE(info),
    };
    if (exc->vector != TRAP_DF)
        block_nmi_again(v, info);
    if (exc->has_error)
        exc->error = (u32)vmread(EXIT_INTR_ERROR);
    if (exc->vector == TRAP_PF)
        exc->info = vmread(EXIT_QUALIFICATION);
    if (exc->vector == TRAP_DB) {
        exc->info = vmread(EXIT_QUALIFICATION) & DR6_CAUSES;
        vmx_dr_forget_hits(v);
    }
    if (exc->type >= EVENT_SOFT_INT)
        exc->insn_len = (u8)vmread(EXIT_INSN_LEN);
}

/* The machine's own events: through root mode's gates, whose IRET also ends NMI blocking. */
static void exception_or_nmi(struct vcpu *v)
{
    u32 info = (u32)vmread(EXIT_INTR_INFO);

    if (INTR_INFO_TYPE(info) == EVENT_NMI) {
        __asm__ volatile("int $2" ::: "memory");
        v->exit.reason = EXIT_NMI;
    } else if (INTR_INFO_VECTOR(info) == TRAP_MC) {
        __asm__ volatile("int $18" ::: "memory");
        v->exit.reason = EXIT_NONE;
    } else {
        decode_exception(v, info);
    }
}

static void external_interrupt(struct vcpu *v)
{
    v->exit.intr = (struct exit_intr){.acked = true, .vector = (u8)vmread(EXIT_INTR_INFO)};
}

/* See LONGEST_RUN_MS: an interrupt may be waiting at the LAPIC. */
static void preemption_timer(struct vcpu *v)
{
    v->exit.intr.acked = false;
}

/* INIT reached this CPU in non-root mode, where it is an exit and nothing else. Nobody of ours
 * sends it. */
static void init_signal(struct vcpu *v)
{
    (void)v;
    log_warn("INIT signal ignored");
}

/* SDM 3C table 28-3 */
static void cr_access(struct vcpu *v)
{
    static const u8 access[] = {CR_WRITE, CR_READ, CR_CLTS, CR_LMSW};
    u64 q = vmread(EXIT_QUALIFICATION);

    v->exit.cr = (struct exit_cr){
        .decoded = true,
        .cr = q & 0xf,
        .access = access[q >> 4 & 3],
        .gpr = q >> 8 & 0xf,
        .lmsw = (u16)(q >> 16),
    };
}

/* SDM 3C table 28-4 */
static void dr_access(struct vcpu *v)
{
    u64 q;

    if (vmx_dr_first_use(v)) {
        v->exit.reason = EXIT_NONE;
        return;
    }
    q = vmread(EXIT_QUALIFICATION);
    v->exit.dr = (struct exit_dr){
        .decoded = true,
        .write = !(q & BIT(4)),
        .dr = q & 7,
        .gpr = q >> 8 & 0xf,
    };
}

/* Segment and address size of INS and OUTS: SDM 3C table 28-8. */
static void string_io(struct exit_io *io)
{
    u32 info;

    io->addr_size = 0;
    io->seg = 0xff;
    if (!vmx_config.ins_outs_info)
        return;
    info = (u32)vmread(EXIT_INSN_INFO);
    io->addr_size = (u8)(2u << (info >> 7 & 7));
    if (!io->in)
        io->seg = info >> 15 & 7;
}

/* SDM 3C table 28-5 */
static void io_access(struct vcpu *v)
{
    u64 q = vmread(EXIT_QUALIFICATION);
    struct exit_io *io = &v->exit.io;

    io->port = (u16)(q >> 16);
    io->size = (q & 7) + 1;
    io->in = q & BIT(3);
    io->string = q & BIT(4);
    io->rep = q & BIT(5);
    if (io->string)
        string_io(io);
}

static void msr_read(struct vcpu *v)
{
    v->exit.msr.write = false;
}

static void msr_write(struct vcpu *v)
{
    v->exit.msr.write = true;
}

static void rdtscp(struct vcpu *v)
{
    v->exit.rdtscp = true;
}

/* SDM 3C table 28-7. Without a valid linear address it was the load of PDPTEs: a walk, too. */
static void ept_violation(struct vcpu *v)
{
    u64 q = vmread(EXIT_QUALIFICATION);
    struct exit_npf *npf = &v->exit.npf;

    block_nmi_again(v, q);
    npf->gpa = GPA(vmread(GUEST_PHYSICAL_ADDRESS));
    npf->access = q & (ACCESS_READ | ACCESS_WRITE | ACCESS_EXEC);
    npf->present = q & (7u << 3);
    npf->gva_valid = q & BIT(7);
    npf->in_walk = !(q & BIT(8));
    npf->gva = npf->gva_valid ? vmread(GUEST_LINEAR_ADDRESS) : 0;
}

/* The p2m holds an entry that no EPT may: root mode's own mistake. */
static void ept_misconfig(struct vcpu *v)
{
    set_hw(v, REASON_EPT_MISCONFIG);
    v->exit.hw.info2 = vmread(GUEST_PHYSICAL_ADDRESS);
    log_err("EPT misconfiguration at guest-physical %#lx", v->exit.hw.info2);
}

/* An NMI that goes through a task gate blocks NMIs, and the IRET that leaves a task ends that,
 * although the switch itself is left to the core. */
static void task_switch_nmi(struct vcpu *v)
{
    if (v->exit.task.source == TASK_BY_IRET)
        v->vendor->interruptibility &= ~(u32)INTERRUPTIBILITY_NMI;
    else if (v->exit.vectoring.valid && v->exit.vectoring.type == EVENT_NMI)
        v->vendor->interruptibility |= INTERRUPTIBILITY_NMI;
}

/* SDM 3C table 28-2. The event behind a task gate is in exit.vectoring. */
static void task_switch(struct vcpu *v)
{
    u64 q = vmread(EXIT_QUALIFICATION);
    const struct event *e = &v->exit.vectoring;

    v->exit.task = (struct exit_task){
        .selector = (u16)q,
        .source = q >> 30 & 3,
        .has_error = e->valid && e->has_error,
        .error = e->valid ? e->error : 0,
    };
    task_switch_nmi(v);
    set_hw(v, REASON_TASK_SWITCH);
}

/* An empty entry is a reason that our controls should never let happen. */
static const struct decoder {
    u8 reason; /* enum exit_reason */
    u8 read;
    void (*decode)(struct vcpu *v);
} decoders[REASONS] = {
    [REASON_EXCEPTION_NMI] = {EXIT_EXCEPTION, READ_VECTORING, exception_or_nmi},
    [REASON_INTR] = {EXIT_INTR, 0, external_interrupt},
    [REASON_TRIPLE_FAULT] = {EXIT_TRIPLE_FAULT, 0, NULL},
    [REASON_INIT] = {EXIT_NONE, 0, init_signal},
    [REASON_INTR_WINDOW] = {EXIT_INTR_WINDOW, 0, NULL},
    [REASON_NMI_WINDOW] = {EXIT_NMI_WINDOW, 0, NULL},
    [REASON_TASK_SWITCH] = {EXIT_TASK_SWITCH, READ_LEN | READ_VECTORING, task_switch},
    [REASON_CPUID] = {EXIT_CPUID, READ_LEN, NULL},
    [REASON_GETSEC] = {EXIT_VIRT_INSN, READ_LEN, NULL},
    [REASON_HLT] = {EXIT_HLT, READ_LEN, NULL},
    [REASON_INVD] = {EXIT_INVD, READ_LEN, NULL},
    [REASON_RDPMC] = {EXIT_RDPMC, READ_LEN, NULL},
    [REASON_RDTSC] = {EXIT_RDTSC, READ_LEN, NULL},
    [REASON_VMCALL] = {EXIT_HYPERCALL, READ_LEN, NULL},
    [REASON_VMCLEAR... REASON_VMXON] = {EXIT_VIRT_INSN, READ_LEN, NULL},
    [REASON_CR] = {EXIT_CR, READ_LEN, cr_access},
    [REASON_DR] = {EXIT_DR, READ_LEN, dr_access},
    [REASON_IO] = {EXIT_IO, READ_LEN, io_access},
    [REASON_RDMSR] = {EXIT_MSR, READ_LEN, msr_read},
    [REASON_WRMSR] = {EXIT_MSR, READ_LEN, msr_write},
    [REASON_MWAIT] = {EXIT_MWAIT, READ_LEN, NULL},
    [REASON_MONITOR] = {EXIT_MONITOR, READ_LEN, NULL},
    [REASON_PAUSE] = {EXIT_PAUSE, READ_LEN, NULL},
    [REASON_EPT_VIOLATION] = {EXIT_PAGE_FAULT, READ_VECTORING, ept_violation},
    [REASON_EPT_MISCONFIG] = {EXIT_UNKNOWN, READ_VECTORING, ept_misconfig},
    [REASON_INVEPT] = {EXIT_VIRT_INSN, READ_LEN, NULL},
    [REASON_RDTSCP] = {EXIT_RDTSC, READ_LEN, rdtscp},
    [REASON_PREEMPTION_TIMER] = {EXIT_INTR, 0, preemption_timer},
    [REASON_INVVPID] = {EXIT_VIRT_INSN, READ_LEN, NULL},
    [REASON_WBINVD] = {EXIT_WBINVD, READ_LEN, NULL},
    [REASON_XSETBV] = {EXIT_XSETBV, READ_LEN, NULL},
    [REASON_VMFUNC] = {EXIT_VIRT_INSN, READ_LEN, NULL},
    [REASON_ENCLS] = {EXIT_VIRT_INSN, READ_LEN, NULL},
};

static const char *entry_failure(u32 reason)
{
    switch (reason & 0xffff) {
    case REASON_BAD_GUEST_STATE:
        return "invalid guest state";
    case REASON_BAD_MSR:
        return "MSR loading";
    case REASON_ENTRY_MCE:
        return "machine check";
    default:
        return "unknown reason";
    }
}

/* The event to be injected was not taken back by the failed entry: drop it, whoever goes on decides
 * anew. */
static void entry_failed(struct vcpu *v, u32 reason)
{
    v->exit.reason = EXIT_ENTRY_FAILED;
    set_hw(v, reason);
    log_err("VM entry failed: %s, qualification %lu", entry_failure(reason), v->exit.hw.info1);
    vmwrite(ENTRY_INTR_INFO, 0);
    if ((reason & 0xffff) == REASON_ENTRY_MCE)
        __asm__ volatile("int $18" ::: "memory");
}

static void unknown_exit(struct vcpu *v, u32 reason)
{
    v->exit.reason = EXIT_UNKNOWN;
    set_hw(v, reason);
}

void vmx_exit_decode(struct vcpu *v, u32 reason)
{
    u32 basic = reason & 0xffff;
    const struct decoder *d = &decoders[basic < REASONS ? basic : REASONS - 1];
    struct vm_exit *exit = &v->exit;

    exit->insn_len = d->read & READ_LEN ? (u8)vmread(EXIT_INSN_LEN) : 0;
    exit->bytes_len = 0;
    exit->rdtscp = false;
    exit->vectoring.valid = false;
    if (unlikely(reason & REASON_ENTRY_FAILED)) {
        entry_failed(v, reason);
        return;
    }
    exit->reason = d->reason;
    if (d->read & READ_VECTORING)
        read_vectoring(v);
    if (d->decode)
        d->decode(v);
    else if (d->reason == EXIT_NONE)
        unknown_exit(v, reason);
}
