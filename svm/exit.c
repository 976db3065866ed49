/* SPDX-License-Identifier: BSD-2-Clause */
/* From the VMCB's exit code to the kernel's words (APM 2 appendix C). */
#include "hv/string.h"
#include "svm/svm.h"

typedef void fill_fn(struct vcpu *v, const struct vmcb *b);

static void fill_hw(struct vcpu *v, const struct vmcb *b)
{
    v->exit.hw = (struct exit_hw){b->exit_code, b->exit_info1, b->exit_info2};
}

/* External interrupts are not acknowledged by the exit (15.13.1). */
static void fill_intr(struct vcpu *v, const struct vmcb *b)
{
    (void)b;
    v->exit.intr = (struct exit_intr){.acked = false};
}

static void fill_cr(struct vcpu *v, const struct vmcb *b)
{
    unsigned code = (unsigned)b->exit_code;
    bool write = code >= VMEXIT_CR_WRITE(0);
    bool mov = svm_config.decode_assists && CR_MOV(b->exit_info1);

    v->exit.cr = (struct exit_cr){
        .decoded = mov,
        .cr = code == VMEXIT_CR0_SEL_WRITE ? 0 : code & 15,
        .access = write ? CR_WRITE : CR_READ,
        .gpr = CR_GPR(b->exit_info1),
    };
}

static void fill_dr(struct vcpu *v, const struct vmcb *b)
{
    if (svm_dr_first_use(v)) {
        v->exit.reason = EXIT_NONE;
        return;
    }
    v->exit.dr = (struct exit_dr){
        .decoded = svm_config.decode_assists,
        .write = b->exit_code >= VMEXIT_DR_WRITE(0),
        .dr = b->exit_code & 15,
        .gpr = CR_GPR(b->exit_info1),
    };
}

static bool is_software_exception(u8 vector)
{
    return vector == TRAP_BP || vector == TRAP_OF;
}

/* #DB: DR6 has been updated already (15.12.2); its bits are told all the same. */
static u64 exception_info(const struct vmcb *b, u8 vector)
{
    if (vector == TRAP_DB)
        return vmcb_dr6(b) & (DR6_B(0) | DR6_B(1) | DR6_B(2) | DR6_B(3) | DR6_BD | DR6_BS | DR6_BT);
    return vector == TRAP_PF ? b->exit_info2 : 0;
}

static void fill_exception(struct vcpu *v, const struct vmcb *b)
{
    u8 vector = b->exit_code & 31;
    bool soft = is_software_exception(vector);
    bool has_error = BIT(vector) & TRAPS_WITH_ERROR_CODE && vmcb_cr0(b) & CR0_PE;

    v->exit.exc = (struct exit_exc){
        .vector = vector,
        .has_error = has_error,
        .error = has_error ? (u32)b->exit_info1 : 0,
        .info = exception_info(b, vector),
        .insn_len = soft ? (svm_config.nrips ? (u8)(b->nrip - b->rip) : 1) : 0,
        .type = soft ? EVENT_SOFT_EXC : EVENT_EXC,
    };
}

/* The machine is in trouble, not the guest: root mode's own gate decides. */
static void fill_machine_check(struct vcpu *v, const struct vmcb *b)
{
    (void)v;
    (void)b;
    __asm__ volatile("int $18" ::: "memory");
}

static void fill_flag_insn(struct vcpu *v, const struct vmcb *b)
{
    (void)b;
    svm_at_flag_insn(v);
}

static void fill_rdtscp(struct vcpu *v, const struct vmcb *b)
{
    (void)b;
    v->exit.rdtscp = true;
}

static void fill_msr(struct vcpu *v, const struct vmcb *b)
{
    v->exit.msr.write = b->exit_info1;
}

static void fill_io(struct vcpu *v, const struct vmcb *b)
{
    u64 info = b->exit_info1;

    v->exit.insn_len = (u8)(b->exit_info2 - b->rip);
    v->exit.io = (struct exit_io){
        .port = IOIO_PORT(info),
        .size = IOIO_SIZE(info),
        .in = info & IOIO_IN,
        .string = info & IOIO_STRING,
        .rep = info & IOIO_REP,
        .addr_size = (u8)(IOIO_ADDR(info) * 2),
        .seg = svm_config.decode_assists ? IOIO_SEG(info) : 0xff,
    };
}

/* 15.14.1: what neither IRET nor JMP began, and no event that was being delivered, was a CALL. */
static void fill_task(struct vcpu *v, const struct vmcb *b)
{
    u64 info = b->exit_info2;

    v->exit.task = (struct exit_task){
        .selector = (u16)b->exit_info1,
        .source = info & TASK_IRET             ? 1
                  : info & TASK_JMP            ? 2
                  : b->exit_int_info & EVENT_V ? 3
                                               : 0,
        .has_error = info & TASK_HAS_ERROR,
        .error = info & TASK_HAS_ERROR ? (u32)info : 0,
    };
    fill_hw(v, b);
}

static void fill_npf(struct vcpu *v, const struct vmcb *b)
{
    u64 info = b->exit_info1;

    v->exit.npf = (struct exit_npf){
        .gpa = GPA(b->exit_info2),
        .access = info & NPF_FETCH   ? ACCESS_EXEC
                  : info & NPF_WRITE ? ACCESS_WRITE
                                     : ACCESS_READ,
        .present = info & NPF_PRESENT,
        .in_walk = info & NPF_IN_WALK,
    };
    svm_note_xcr0(v); /* the instruction may be emulated, vector registers and all */
    if (svm_config.decode_assists) {
        v->exit.bytes_len = b->insn_len & 15;
        memcpy(v->exit.bytes, b->insn, sizeof(b->insn));
    }
}

struct decoder {
    u8 reason;
    bool insn; /* nRIP is behind the instruction */
    fill_fn *fill;
};

/* A reason of 0, EXIT_NONE, is only for codes whose fill function deals with them. */
static const struct decoder decoders[VMEXIT_INTERCEPTS] = {
    [VMEXIT_CR_READ(0)... VMEXIT_CR_READ(15)] = {EXIT_CR, true, fill_cr},
    [VMEXIT_CR_WRITE(0)... VMEXIT_CR_WRITE(15)] = {EXIT_CR, true, fill_cr},
    [VMEXIT_CR0_SEL_WRITE] = {EXIT_CR, true, fill_cr},
    [VMEXIT_DR_READ(0)... VMEXIT_DR_READ(15)] = {EXIT_DR, true, fill_dr},
    [VMEXIT_DR_WRITE(0)... VMEXIT_DR_WRITE(15)] = {EXIT_DR, true, fill_dr},
    [VMEXIT_EXCEPTION(0)... VMEXIT_EXCEPTION(17)] = {EXIT_EXCEPTION, false, fill_exception},
    [VMEXIT_EXCEPTION(18)] = {EXIT_NONE, false, fill_machine_check},
    [VMEXIT_EXCEPTION(19)... VMEXIT_EXCEPTION(31)] = {EXIT_EXCEPTION, false, fill_exception},
    [VMEXIT_INTR] = {EXIT_INTR, false, fill_intr},
    [VMEXIT_NMI] = {EXIT_NMI, false, NULL},
    [VMEXIT_INIT] = {EXIT_NMI, false, NULL}, /* #SX behind STGI: panic */
    [VMEXIT_VINTR] = {EXIT_INTR_WINDOW, false, NULL},
    [VMEXIT_RDTSC] = {EXIT_RDTSC, true, NULL},
    [VMEXIT_RDPMC] = {EXIT_RDPMC, true, NULL},
    [VMEXIT_PUSHF] = {EXIT_NONE, false, fill_flag_insn},
    [VMEXIT_POPF] = {EXIT_NONE, false, fill_flag_insn},
    [VMEXIT_CPUID] = {EXIT_CPUID, true, NULL},
    [VMEXIT_IRET] = {EXIT_NONE, false, fill_flag_insn},
    [VMEXIT_SWINT] = {EXIT_NONE, false, fill_flag_insn},
    [VMEXIT_INVD] = {EXIT_INVD, true, NULL},
    [VMEXIT_PAUSE] = {EXIT_PAUSE, true, NULL},
    [VMEXIT_HLT] = {EXIT_HLT, true, NULL},
    [VMEXIT_INVLPGA] = {EXIT_VIRT_INSN, true, NULL},
    [VMEXIT_IOIO] = {EXIT_IO, false, fill_io},
    [VMEXIT_MSR] = {EXIT_MSR, true, fill_msr},
    [VMEXIT_TASK_SWITCH] = {EXIT_TASK_SWITCH, false, fill_task},
    [VMEXIT_SHUTDOWN] = {EXIT_TRIPLE_FAULT, false, NULL},
    [VMEXIT_VMRUN] = {EXIT_VIRT_INSN, true, NULL},
    [VMEXIT_VMMCALL] = {EXIT_HYPERCALL, true, NULL},
    [VMEXIT_VMLOAD... VMEXIT_SKINIT] = {EXIT_VIRT_INSN, true, NULL},
    [VMEXIT_RDTSCP] = {EXIT_RDTSC, true, fill_rdtscp},
    [VMEXIT_WBINVD] = {EXIT_WBINVD, true, NULL},
    [VMEXIT_MONITOR] = {EXIT_MONITOR, true, NULL},
    [VMEXIT_MWAIT... VMEXIT_MWAIT_ARMED] = {EXIT_MWAIT, true, NULL},
    [VMEXIT_XSETBV] = {EXIT_XSETBV, true, NULL},
    [VMEXIT_RDPRU] = {EXIT_VIRT_INSN, true, NULL},
    [VMEXIT_INVLPGB... VMEXIT_INVLPGB_ILLEGAL] = {EXIT_VIRT_INSN, true, NULL},
    [VMEXIT_MCOMMIT... VMEXIT_TLBSYNC] = {EXIT_VIRT_INSN, true, NULL},
};
static const struct decoder npf = {EXIT_PAGE_FAULT, false, fill_npf};
static const struct decoder entry_failed = {EXIT_ENTRY_FAILED, false, fill_hw};
static const struct decoder unknown = {EXIT_UNKNOWN, false, fill_hw};

/* VMEXIT_INVALID and its like are negative; QEMU 7.2 extends it to 64 bits with zeros. */
static const struct decoder *find(u64 code)
{
    const struct decoder *d;

    if (code == VMEXIT_NPF)
        return &npf;
    if ((s32)code < 0)
        return &entry_failed;
    if (code >= VMEXIT_INTERCEPTS)
        return &unknown;
    d = &decoders[code];
    return d->reason != EXIT_NONE || d->fill ? d : &unknown;
}

void svm_exit_decode(struct vcpu *v)
{
    const struct vmcb *b = v->vendor->vmcb;
    const struct decoder *d = find(b->exit_code);
    struct vm_exit *x = &v->exit;

    x->reason = d->reason;
    x->insn_len = x->bytes_len = 0;
    x->rdtscp = false;
    x->vectoring.valid = false;
    if (d->insn)
        x->insn_len = svm_config.nrips ? (u8)(b->nrip - b->rip) : svm_insn_len(v);
    if (d->fill)
        d->fill(v, b);
}
