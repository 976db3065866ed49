/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A vcpu's architectural state outside the general registers, as vendor_ops' state_get and
 * state_set carry it: by groups, so that a caller pays for what it asks.
 */
#ifndef HV_CPU_STATE_H
#define HV_CPU_STATE_H

#include "hv/types.h"

/* The order of the sreg field in instructions (SDM 2A table 3-1). */
enum seg_reg { SEG_ES, SEG_CS, SEG_SS, SEG_DS, SEG_FS, SEG_GS, SEG_LDTR, SEG_TR, SEG_COUNT };

/* attr: APM 2 15.5.1: bits 3:0 type, 4 S, 6:5 DPL, 7 P, 8 AVL, 9 L, 10 D/B, 11 G. P clear:
 * unusable. */
struct segment {
    u16 selector;
    u16 attr;
    u32 limit; /* in bytes, already scaled by G */
    u64 base;
};

#define SEG_TYPE(attr) ((attr)&0xf)
#define SEG_S          (1u << 4)
#define SEG_DPL(attr)  (((attr) >> 5) & 3)
#define SEG_P          (1u << 7)
#define SEG_L          (1u << 9)
#define SEG_DB         (1u << 10)
#define SEG_G          (1u << 11)

struct dtable {
    u64 base;
    u16 limit;
};

/* Groups for state_get and state_set. */
#define STATE_SEGS (1u << 0) /* seg[] */
#define STATE_DT   (1u << 1) /* gdtr, idtr */
#define STATE_CR   (1u << 2) /* cr0, cr2, cr3, cr4, efer: checked and applied together */
#define STATE_MSRS (1u << 3) /* pat, star ... sysenter */
#define STATE_DR   (1u << 4) /* dr[], dr6, dr7 */
#define STATE_INTR (1u << 5) /* nmi_blocked, activity, pending_dbg, debugctl */
#define STATE_PDPTE \
    (1u << 6) /* pdpte[]: PAE paging, where the CPU keeps them apart (SDM 3C 25.4.2) */
#define STATE_CS_SS (1u << 7) /* seg[SEG_CS], seg[SEG_SS] only: mode and privilege */
#define STATE_ALL \
    (STATE_SEGS | STATE_DT | STATE_CR | STATE_MSRS | STATE_DR | STATE_INTR | STATE_PDPTE)

enum activity { ACTIVITY_RUN, ACTIVITY_HLT, ACTIVITY_SHUTDOWN, ACTIVITY_WAIT_SIPI };

struct cpu_state {
    struct segment seg[SEG_COUNT];
    struct dtable gdtr, idtr;
    u64 cr0, cr2, cr3, cr4; /* as the guest sees them */
    u64 efer;               /* the guest's, without what the vendor adds */
    u64 pat;
    u64 star, lstar, cstar, sfmask, kernel_gs_base;
    u64 sysenter_cs, sysenter_esp, sysenter_eip;
    u64 tsc_aux;
    u64 dr[4], dr6, dr7;
    u64 debugctl;
    bool nmi_blocked;
    u8 activity; /* enum activity; what the vendor knows: RUN or SHUTDOWN; HLT is vcpu's to keep */
    u64 pending_dbg;
    u64 pdpte[4];
};

/* What INIT and power-up have in common (SDM 3A table 9-1, APM 2 table 14-1); CR0.CD and NW are as
 * given, MSRs and PDPTEs stay. */
void cpu_state_reset(struct cpu_state *s, u64 cr0_cache);
/* All of it, as at power-up. */
struct cpu_state cpu_state_power_up(void);

#endif
