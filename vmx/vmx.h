/* SPDX-License-Identifier: BSD-2-Clause */
/* What the files of vmx/ share; nobody else includes it. docs/vmx.md has the picture. */
#ifndef VMX_VMX_H
#define VMX_VMX_H

#include "hv/compiler.h"
#include "hv/cpu_state.h"
#include "hv/layout.h"
#include "hv/types.h"
#include "hv/vcpu.h"
#include "hv/vendor.h"
#include "hv/vm_event.h"

/* The controls as they go into every VMCS, and the capabilities that matter later. Filled by probe.
 */
struct vmx_config {
    u32 revision; /* what VMXON regions and VMCSs begin with */
    u32 pin, proc, proc2, exit, entry;
    u64 cr0_fixed0, cr4_fixed0, cr4_fixed1;
    u64 ept_vpid;       /* IA32_VMX_EPT_VPID_CAP */
    u8 timer_shift;     /* the preemption timer counts TSC >> this */
    bool ins_outs_info; /* exits on INS and OUTS tell segment and address size */
    bool tsc_aux;       /* the MSR exists */
};
extern struct vmx_config vmx_config;

/* MSRs that root mode never uses, so that a guest's values stay in the CPU until another vcpu
 * comes. */
enum {
    SWITCHED_STAR,
    SWITCHED_LSTAR,
    SWITCHED_CSTAR,
    SWITCHED_SFMASK,
    SWITCHED_KERNEL_GS_BASE,
    SWITCHED_TSC_AUX,
    SWITCHED_MSRS
};

struct percpu_vendor {
    void *vmxon;            /* page */
    struct vcpu *loaded;    /* whose VMCS is current between operations */
    u64 msr[SWITCHED_MSRS]; /* what the CPU holds while nobody is loaded */
};

/* One allocation: MSR bitmap, I/O bitmaps A and B, then this. */
struct vm_vendor {
    u8 *msr_bitmap;
    u8 *io_bitmap; /* both halves */
};

#define VPID_NONE 0
#define CPU_NONE  (~0u)

/* One allocation: the VMCS, then this. */
struct vcpu_vendor {
    void *vmcs;
    bool launched; /* entry.asm: VMRESUME, not VMLAUNCH */
    bool dr_asked; /* INTERCEPT_DR: exits on MOV DR are the caller's */
    u16 vpid;
    u32 last_cpu; /* where it was loaded last: others may hold stale translations and host state */

    /* What the VMCS holds, so that an entry writes only what has changed. */
    u64 host_rsp; /* entry.asm */
    u64 rip, rsp, rflags;
    u32 proc_written, interruptibility_written;

    u32 proc;   /* processor-based controls, without windows */
    u32 window; /* PROC_*_WINDOW asked for the next entry */
    u32 interruptibility;

    u64 msr[SWITCHED_MSRS]; /* while not loaded */
    u64 cr2;                /* while not loaded */
    u64 dr[4], dr6;         /* while not v->dr_loaded */
};

/* caps.c */
int vmx_probe(struct vendor_caps *caps, const char **why);

/* cpu.c: VMX operation on and off, and which VMCS is current. */
int vmx_cpu_on(void);
/* Makes an empty VMCS of a fresh region. */
void vmcs_init(struct vcpu *v);
/* v's VMCS becomes / ceases to be this CPU's current one, until the next vcpu's. */
void vmcs_load(struct vcpu *v);
void vmcs_unload(struct vcpu *v);
bool vmcs_is_loaded(const struct vcpu *v);
/* Brackets accesses to the VMCS of a vcpu that is loaded here or nowhere. */
void vmcs_enter(struct vcpu *v);
void vmcs_leave(struct vcpu *v);

/* vm.c */
int vmx_vm_init(struct domain *d);
void vmx_vm_fini(struct domain *d);
void vmx_msr_access(struct domain *d, u32 msr, bool read, bool write);
void vmx_pio_access(struct domain *d, u16 first, u16 last, bool allow);

/* vcpu.c */
int vmx_vcpu_init(struct vcpu *v);
void vmx_vcpu_fini(struct vcpu *v);
void vmx_vcpu_load(struct vcpu *v);
void vmx_vcpu_put(struct vcpu *v);
void vmx_intercept(struct vcpu *v, enum intercept what, bool on);
int vmx_tsc_set(struct vcpu *v, u64 offset, u64 ratio);

/* dr.c */
void vmx_dr_load(struct vcpu *v); /* vcpu_load */
void vmx_dr_put(struct vcpu *v);  /* vcpu_put */
/* #DB: what an earlier one left in DR6 bits 3:0 goes, as the CPU itself would have it. */
#define DR6_HITS 0xfull
void vmx_dr_forget_hits(struct vcpu *v);
bool vmx_dr_first_use(struct vcpu *v); /* MOV DR exited; true: run again */
void vmx_dr_get(struct vcpu *v, struct cpu_state *s);
void vmx_dr_set(struct vcpu *v, const struct cpu_state *s);
void vmx_dr_intercept(struct vcpu *v, bool on);

/* state.c */
void vmx_state_get(struct vcpu *v, u32 mask, struct cpu_state *s);
int vmx_state_set(struct vcpu *v, u32 mask, const struct cpu_state *s);
extern const u32 vmx_switched_msr[SWITCHED_MSRS];

/* tlb.c */
u16 vmx_vpid_alloc(void);
void vmx_vpid_free(u16 vpid);
u64 vmx_eptp(const struct vcpu *v);
void vmx_tlb_flush(struct vcpu *v, enum flush_scope scope);

/* run.c */
void vmx_run(struct vcpu *v);
void vmx_inject(struct vcpu *v, const struct event *e);
void vmx_want_window(struct vcpu *v, enum window w);

/* exit.c: fills v->exit from the VMCS. reason as EXIT_REASON holds it. */
void vmx_exit_decode(struct vcpu *v, u32 reason);

/* dump.c */
void vmx_dump(struct vcpu *v);

/* entry.asm: one entry and one exit, general registers switched. Returns 0 after an exit, 1 when
 * the instruction failed and no guest ran. */
int vmx_enter(struct vcpu *v);
void vmx_exit(void); /* HOST_RIP */

#endif
