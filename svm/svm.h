/* SPDX-License-Identifier: BSD-2-Clause */
/* What the files of svm/ share; nobody else includes it. docs/svm.md tells how they work together.
 */
#ifndef SVM_SVM_H
#define SVM_SVM_H

#include "hv/compiler.h"
#include "hv/cpu_state.h"
#include "hv/layout.h"
#include "hv/types.h"
#include "hv/vcpu.h"
#include "hv/vendor.h"
#include "hv/vm_event.h"
#include "svm/vmcb.h"

/* What the CPU offers, from CPUID Fn8000_000A and others. Filled by probe. */
struct svm_config {
    u32 asids; /* 1 to asids - 1 can be used */
    u32 clean; /* what goes into the VMCB's clean bits after an exit; 0 without the feature */
    u64 cr4;   /* bits a guest can set unless its CR4 writes exit */
    bool nrips, decode_assists, flush_by_asid, lbrv, vnmi, tsc_ratio;
    bool pause_filter, pause_threshold;
    bool tsc_aux;                 /* the MSR exists */
    bool rdpru, invlpgb, mcommit; /* instructions to be kept from guests */
    bool spec_ctrl;               /* the VMCB switches SPEC_CTRL */
};
extern struct svm_config svm_config;

struct percpu_vendor {
    hpa_t host;     /* VMCB that keeps root mode's FS, GS, TR and system call MSRs */
    mfn_t hsave;    /* what VMRUN saves */
    u64 generation; /* of this CPU's ASIDs: from 1, never repeats */
    u32 next_asid;
    u64 tsc_ratio; /* in the MSR */
};

/* One allocation: I/O map (3 pages), MSR map (2 pages), then this. */
struct vm_vendor {
    u8 *iopm, *msrpm;
    u64 flushes[MAX_CPUS]; /* FLUSH_NESTED asked on that CPU */
};

#define CPU_NONE (~0u)

/* What the next entry, or the exit after it, has to see to: struct vcpu_vendor's todo. */
#define TODO_WINDOW     (1u << 0) /* V_IRQ is set, to be told when the guest takes interrupts */
#define TODO_STEP       (1u << 1) /* stop behind the next instruction */
#define TODO_IRET       (1u << 2) /* the guest is at the IRET that ends its NMI handler */
#define TODO_PENDING_DB (1u << 3) /* #DB as soon as nothing is in its way */
#define TODO_SOFT       (1u << 4) /* RIP is soft_len past a software event that is being injected */
#define TODO_INTR       (1u << 5) /* V_IRQ is set, to deliver an interrupt */

/* One allocation: the VMCB, then this. */
struct vcpu_vendor {
    struct vmcb *vmcb;
    hpa_t vmcb_pa;
    u64 generation; /* of the ASID in the VMCB; 0: none yet */
    u64 flushes;    /* vm_vendor.flushes of this CPU, when that ASID was last clean */
    u32 last_cpu;
    u32 todo;
    bool loaded;

    bool dr_asked; /* INTERCEPT_DR: exits on MOV DR are the caller's */
    u64 dr[4];     /* while not v->dr_loaded */

    u64 cr0_cache; /* CD and NW as the guest sees them; the CPU has neither set */
    u64 cr4_mce;   /* MCE as the guest sees it; the CPU has root mode's */
    u64 tsc_ratio;
    u64 tsc_aux;  /* while not loaded */
    u64 debugctl; /* without LBR virtualization: kept, no effect */

    bool nmi_blocked; /* without vNMI */
    u64 iret_rip;     /* TODO_IRET: where it is */
    u8 soft_len;      /* TODO_SOFT */
    u64 pending_dbg;  /* TODO_PENDING_DB: DR6 bits */

    /* TODO_STEP: as they were before */
    u64 step_rip, step_dr6;
    bool step_tf;
};

/* caps.c */
int svm_probe(struct vendor_caps *caps, const char **why);

/* cpu.c */
int svm_cpu_on(void);

/* vm.c */
int svm_vm_init(struct domain *d);
void svm_vm_fini(struct domain *d);
void svm_msr_access(struct domain *d, u32 msr, bool read, bool write);
void svm_pio_access(struct domain *d, u16 first, u16 last, bool allow);

/* vcpu.c */
int svm_vcpu_init(struct vcpu *v);
void svm_vcpu_fini(struct vcpu *v);
void svm_vcpu_load(struct vcpu *v);
void svm_vcpu_put(struct vcpu *v);
void svm_note_xcr0(struct vcpu *v); /* loaded */
void svm_intercept(struct vcpu *v, enum intercept what, bool on);
int svm_tsc_set(struct vcpu *v, u64 offset, u64 ratio);
extern const u32 svm_exceptions; /* intercepted at all times */

/* dr.c */
void svm_dr_load(struct vcpu *v);
void svm_dr_put(struct vcpu *v);
bool svm_dr_first_use(struct vcpu *v); /* MOV DR exited; true: run again */
void svm_dr_get(struct vcpu *v, struct cpu_state *s);
void svm_dr_set(struct vcpu *v, const struct cpu_state *s);
void svm_dr_intercept(struct vcpu *v, bool on);

/* state.c */
void svm_state_get(struct vcpu *v, u32 mask, struct cpu_state *s);
int svm_state_set(struct vcpu *v, u32 mask, const struct cpu_state *s);

/* tlb.c */
void svm_asid_renew(struct vcpu *v);
void svm_tlb_flush(struct vcpu *v, enum flush_scope scope);

/* event.c */
void svm_inject(struct vcpu *v, const struct event *e);
void svm_want_window(struct vcpu *v, enum window w);
void svm_event_entry(struct vcpu *v);  /* todo is not 0: before the entry */
void svm_event_exit(struct vcpu *v);   /* todo is not 0: v->exit has been filled in */
void svm_vectoring(struct vcpu *v);    /* EXITINTINFO is valid: fills v->exit.vectoring */
void svm_at_flag_insn(struct vcpu *v); /* VMEXIT_IRET, PUSHF, POPF, SWINT */
bool svm_nmi_blocked(const struct vcpu *v);
void svm_block_nmi(struct vcpu *v, bool blocked);

/* run.c */
void svm_run(struct vcpu *v);

/* insn.c: the instruction's length, without NRIPS; 0: the decoder has to count. Fills
 * v->exit.bytes. */
u8 svm_insn_len(struct vcpu *v);

/* exit.c: fills v->exit from the VMCB. */
void svm_exit_decode(struct vcpu *v);

/* dump.c */
void svm_dump(struct vcpu *v);

/* entry.asm: one entry and one exit, with general registers but RAX and RSP switched. */
void svm_enter(struct vcpu *v, hpa_t vmcb, hpa_t host);

#endif
