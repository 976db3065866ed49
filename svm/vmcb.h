/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The virtual machine control block (APM 2 appendix B): what a guest may not do, why it stopped,
 * and the part of its state that VMRUN, VMLOAD and their counterparts switch.
 *
 * A CPU may keep what it loaded from a VMCB and skip the load next time; a clear clean bit tells it
 * that a group has changed (15.15). Fields in such a group are named cached_* and are written by
 * vmcb_set_*() or vmcb_intercept() only, which clear the bit, so it cannot be forgotten. What has
 * no group is plain.
 */
#ifndef SVM_VMCB_H
#define SVM_VMCB_H

#include "hv/compiler.h"
#include "hv/types.h"
#include "hv/x86.h"

/*
 * Exit codes (APM 2 appendix C). Below VMEXIT_INTERCEPTS a code is also the number of the intercept
 * bit that causes it, counted from the start of the VMCB: one name serves both.
 */
#define VMEXIT_CR_READ(n)   (0x00 + (n))
#define VMEXIT_CR_WRITE(n)  (0x10 + (n))
#define VMEXIT_DR_READ(n)   (0x20 + (n))
#define VMEXIT_DR_WRITE(n)  (0x30 + (n))
#define VMEXIT_EXCEPTION(n) (0x40 + (n))
enum vmexit_code {
    VMEXIT_INTR = 0x60,
    VMEXIT_NMI,
    VMEXIT_SMI,
    VMEXIT_INIT,
    VMEXIT_VINTR,
    VMEXIT_CR0_SEL_WRITE, /* a write that changes more than TS and MP; any LMSW */
    VMEXIT_RDTSC = 0x6e,
    VMEXIT_RDPMC,
    VMEXIT_PUSHF,
    VMEXIT_POPF,
    VMEXIT_CPUID,
    VMEXIT_RSM,
    VMEXIT_IRET,
    VMEXIT_SWINT,
    VMEXIT_INVD,
    VMEXIT_PAUSE,
    VMEXIT_HLT,
    VMEXIT_INVLPG,
    VMEXIT_INVLPGA,
    VMEXIT_IOIO,
    VMEXIT_MSR,
    VMEXIT_TASK_SWITCH,
    VMEXIT_FERR_FREEZE,
    VMEXIT_SHUTDOWN,
    VMEXIT_VMRUN,
    VMEXIT_VMMCALL,
    VMEXIT_VMLOAD,
    VMEXIT_VMSAVE,
    VMEXIT_STGI,
    VMEXIT_CLGI,
    VMEXIT_SKINIT,
    VMEXIT_RDTSCP,
    VMEXIT_ICEBP,
    VMEXIT_WBINVD,
    VMEXIT_MONITOR,
    VMEXIT_MWAIT,
    VMEXIT_MWAIT_ARMED,
    VMEXIT_XSETBV,
    VMEXIT_RDPRU,
    VMEXIT_INVLPGB = 0xa0,
    VMEXIT_INVLPGB_ILLEGAL,
    VMEXIT_INVPCID,
    VMEXIT_MCOMMIT,
    VMEXIT_TLBSYNC,
    VMEXIT_INTERCEPTS = 0xc0,
    VMEXIT_NPF = 0x400
};

/* Clean bits */
#define CLEAN_I    BIT(0) /* intercepts, TSC offset, pause filter */
#define CLEAN_IOPM BIT(1) /* addresses of both permission maps */
#define CLEAN_ASID BIT(2)
#define CLEAN_TPR  BIT(3) /* V_TPR, V_IRQ and their neighbours */
#define CLEAN_NP   BIT(4) /* nested paging: N_CR3, G_PAT */
#define CLEAN_CRX  BIT(5) /* CR0, CR3, CR4, EFER */
#define CLEAN_DRX  BIT(6) /* DR6, DR7 */
#define CLEAN_DT   BIT(7) /* GDTR, IDTR */
#define CLEAN_SEG  BIT(8) /* CS, DS, SS, ES, CPL */
#define CLEAN_CR2  BIT(9)
#define CLEAN_LBR  BIT(10) /* DEBUGCTL and the branch records */
#define CLEAN_ALL  0x7ffu

/* TLB_CONTROL (15.16.2) */
#define TLB_KEEP       0
#define TLB_FLUSH_ALL  1
#define TLB_FLUSH_ASID 3 /* with flush-by-ASID only */

/* int_ctl, offset 60h (15.21) */
#define V_IRQ               BIT(8)
#define V_NMI_MASK          BIT(12)
#define V_INTR_PRIO(p)      ((u64)(p) << 16)
#define V_IGN_TPR           BIT(20)
#define V_INTR_MASKING      BIT(24)
#define V_NMI_ENABLE        BIT(26)
#define V_INTR_VECTOR(v)    ((u64)(v) << 32)
#define V_INTR_VECTOR_OF(x) ((x) >> 32 & 0xff)

#define INT_STATE_SHADOW    BIT(0)

#define NP_ENABLE           BIT(0) /* np_ctl */
#define LBR_ENABLE          BIT(0) /* virt_ext */

/* EVENTINJ and EXITINTINFO (15.20, 15.7.2): vector 7:0, type 10:8, error code 63:32 */
#define EVENT_TYPE(x)   (((x) >> 8) & 7)
#define EVENT_EV        BIT(11) /* there is an error code */
#define EVENT_V         BIT(31)
#define EVENT_ERROR(x)  ((u32)((x) >> 32))
#define EVENT_TYPE_SOFT 4

/* exit_info1 */
#define CR_MOV(info)    ((info)&BIT(63)) /* decode assists: MOV, not CLTS, LMSW or SMSW (15.8.1) */
#define CR_GPR(info)    ((info)&15)
#define IOIO_IN         BIT(0) /* 15.10.2 */
#define IOIO_STRING     BIT(2)
#define IOIO_REP        BIT(3)
#define IOIO_SIZE(info) (((info) >> 4) & 7) /* bytes */
#define IOIO_ADDR(info) (((info) >> 7) & 7) /* bytes / 2 */
#define IOIO_SEG(info)  (((info) >> 10) & 7)
#define IOIO_PORT(info) ((u16)((info) >> 16))
#define NPF_PRESENT     BIT(0) /* 15.25.6 */
#define NPF_WRITE       BIT(1)
#define NPF_FETCH       BIT(4)
#define NPF_IN_WALK     BIT(33)

/* exit_info2 of a task switch (15.14.1); info1 is the selector */
#define TASK_IRET      BIT(36)
#define TASK_JMP       BIT(38)
#define TASK_HAS_ERROR BIT(44)

struct vmcb_seg {
    u16 selector, attr;
    u32 limit;
    u64 base;
};

enum {
    VMCB_ES,
    VMCB_CS,
    VMCB_SS,
    VMCB_DS,
    VMCB_FS,
    VMCB_GS,
    VMCB_GDTR,
    VMCB_LDTR,
    VMCB_IDTR,
    VMCB_TR,
    VMCB_SEGS
};

struct vmcb {
    /* Control area */
    u32 cached_intercepts[6];
    u8 reserved_018[0x3c - 0x18];
    u16 cached_pause_threshold, cached_pause_count;
    u64 cached_iopm_base, cached_msrpm_base;
    u64 cached_tsc_offset;
    u32 cached_asid;
    u8 tlb_control;
    u8 reserved_05d[3];
    u64 cached_int_ctl;
    u64 int_state; /* INT_STATE_SHADOW */
    u64 exit_code, exit_info1, exit_info2;
    u64 exit_int_info;
    u64 cached_np_ctl;
    u64 avic_apic_bar, ghcb;
    u64 event_inj;
    u64 cached_n_cr3;
    u64 cached_virt_ext;
    u32 clean;
    u32 reserved_0c4;
    u64 nrip;    /* of the next instruction: with NRIPS, on exits for an instruction */
    u8 insn_len; /* decode assists: of insn[], on nested and intercepted page faults */
    u8 insn[15];
    u64 avic_backing;
    u8 reserved_0e8[8];
    u64 avic_logical, avic_physical;
    u8 reserved_100[0x400 - 0x100];

    /* State save area */
    struct vmcb_seg cached_seg[VMCB_SEGS];
    u8 reserved_4a0[0x4cb - 0x4a0];
    u8 cached_cpl;
    u8 reserved_4cc[4];
    u64 cached_efer;
    u8 reserved_4d8[0x548 - 0x4d8];
    u64 cached_cr4, cached_cr3, cached_cr0;
    u64 cached_dr7, cached_dr6;
    u64 rflags, rip;
    u8 reserved_580[0x5d8 - 0x580];
    u64 rsp;
    u64 s_cet, ssp, isst_addr;
    u64 rax;
    u64 star, lstar, cstar, sfmask, kernel_gs_base; /* these and the next three: VMLOAD, VMSAVE */
    u64 sysenter_cs, sysenter_esp, sysenter_eip;
    u64 cached_cr2;
    u8 reserved_648[0x668 - 0x648];
    u64 cached_g_pat;
    u64 cached_dbgctl;
    u64 br_from, br_to, last_excp_from, last_excp_to;
    u8 reserved_698[PAGE_SIZE - 0x698];
};

#define VMCB_AT(field, offset) _Static_assert(offsetof(struct vmcb, field) == (offset), "APM 2 B")
VMCB_AT(cached_pause_threshold, 0x03c);
VMCB_AT(cached_iopm_base, 0x040);
VMCB_AT(cached_tsc_offset, 0x050);
VMCB_AT(cached_asid, 0x058);
VMCB_AT(tlb_control, 0x05c);
VMCB_AT(cached_int_ctl, 0x060);
VMCB_AT(int_state, 0x068);
VMCB_AT(exit_code, 0x070);
VMCB_AT(exit_int_info, 0x088);
VMCB_AT(cached_np_ctl, 0x090);
VMCB_AT(event_inj, 0x0a8);
VMCB_AT(cached_n_cr3, 0x0b0);
VMCB_AT(cached_virt_ext, 0x0b8);
VMCB_AT(clean, 0x0c0);
VMCB_AT(nrip, 0x0c8);
VMCB_AT(insn_len, 0x0d0);
VMCB_AT(avic_backing, 0x0e0);
VMCB_AT(avic_logical, 0x0f0);
VMCB_AT(cached_seg, 0x400);
VMCB_AT(cached_seg[VMCB_TR], 0x490);
VMCB_AT(cached_cpl, 0x4cb);
VMCB_AT(cached_efer, 0x4d0);
VMCB_AT(cached_cr4, 0x548);
VMCB_AT(cached_dr6, 0x568);
VMCB_AT(rip, 0x578);
VMCB_AT(rsp, 0x5d8);
VMCB_AT(rax, 0x5f8);
VMCB_AT(sysenter_eip, 0x638);
VMCB_AT(cached_cr2, 0x640);
VMCB_AT(cached_g_pat, 0x668);
VMCB_AT(last_excp_to, 0x690);
#undef VMCB_AT
_Static_assert(sizeof(struct vmcb) == PAGE_SIZE, "APM 2 B");
_Static_assert(sizeof(struct vmcb_seg) == 16, "APM 2 B");

/* vmcb_NAME() reads, vmcb_set_NAME() writes. */
#define VMCB_FIELD(type, name, group)                              \
    static inline type vmcb_##name(const struct vmcb *b)           \
    {                                                              \
        return b->cached_##name;                                   \
    }                                                              \
    static inline void vmcb_set_##name(struct vmcb *b, type value) \
    {                                                              \
        b->cached_##name = value;                                  \
        b->clean &= ~(u32)(group);                                 \
    }
VMCB_FIELD(u16, pause_threshold, CLEAN_I)
VMCB_FIELD(u16, pause_count, CLEAN_I)
VMCB_FIELD(u64, tsc_offset, CLEAN_I)
VMCB_FIELD(u64, iopm_base, CLEAN_IOPM)
VMCB_FIELD(u64, msrpm_base, CLEAN_IOPM)
VMCB_FIELD(u32, asid, CLEAN_ASID)
VMCB_FIELD(u64, int_ctl, CLEAN_TPR)
VMCB_FIELD(u64, np_ctl, CLEAN_NP)
VMCB_FIELD(u64, n_cr3, CLEAN_NP)
VMCB_FIELD(u64, g_pat, CLEAN_NP)
VMCB_FIELD(u64, virt_ext, CLEAN_LBR)
VMCB_FIELD(u64, dbgctl, CLEAN_LBR)
VMCB_FIELD(u8, cpl, CLEAN_SEG)
VMCB_FIELD(u64, efer, CLEAN_CRX)
VMCB_FIELD(u64, cr0, CLEAN_CRX)
VMCB_FIELD(u64, cr3, CLEAN_CRX)
VMCB_FIELD(u64, cr4, CLEAN_CRX)
VMCB_FIELD(u64, dr6, CLEAN_DRX)
VMCB_FIELD(u64, dr7, CLEAN_DRX)
VMCB_FIELD(u64, cr2, CLEAN_CR2)
#undef VMCB_FIELD

/* i: VMCB_ES to VMCB_TR. FS, GS, LDTR and TR have no clean bit: VMLOAD always loads them. */
static inline const struct vmcb_seg *vmcb_seg(const struct vmcb *b, unsigned i)
{
    return &b->cached_seg[i];
}
static inline void vmcb_set_seg(struct vmcb *b, unsigned i, struct vmcb_seg s)
{
    b->cached_seg[i] = s;
    b->clean &= ~(u32)(i == VMCB_GDTR || i == VMCB_IDTR ? CLEAN_DT : CLEAN_SEG);
}

/* code below VMEXIT_INTERCEPTS */
static inline bool vmcb_intercepts(const struct vmcb *b, unsigned code)
{
    return b->cached_intercepts[code / 32] & (1u << code % 32);
}
static inline void vmcb_intercept(struct vmcb *b, unsigned code, bool on)
{
    u32 bit = 1u << code % 32;

    b->cached_intercepts[code / 32] &= ~bit;
    b->cached_intercepts[code / 32] |= on ? bit : 0;
    b->clean &= ~(u32)CLEAN_I;
}
/* 32 of them at once: code is the first, a multiple of 32. */
static inline void vmcb_intercept_word(struct vmcb *b, unsigned code, u32 bits)
{
    b->cached_intercepts[code / 32] = bits;
    b->clean &= ~(u32)CLEAN_I;
}

#endif
