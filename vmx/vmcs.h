/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The VMCS: field encodings (SDM 3D appendix B), the bits of its control and information fields
 * (SDM 3C 25), and VMREAD and VMWRITE. A field's number says its width and kind, so the lists
 * below, one for each table of the appendix, are all that entry, exit and dump need.
 */
#ifndef VMX_VMCS_H
#define VMX_VMCS_H

#include "hv/compiler.h"
#include "hv/types.h"
#include "hv/x86.h"

/* The segment registers' fields come in the order of enum seg_reg (hv/cpu_state.h), 2 apart. */
#define VMCS_SEGMENTS(X, name, first)  \
    X(GUEST_ES_##name, (first))        \
    X(GUEST_CS_##name, (first) + 2)    \
    X(GUEST_SS_##name, (first) + 4)    \
    X(GUEST_DS_##name, (first) + 6)    \
    X(GUEST_FS_##name, (first) + 8)    \
    X(GUEST_GS_##name, (first) + 10)   \
    X(GUEST_LDTR_##name, (first) + 12) \
    X(GUEST_TR_##name, (first) + 14)

/* B.1: 16-bit */
#define VMCS_CONTROL_16(X) X(VPID, 0x0000)
#define VMCS_GUEST_16(X)   VMCS_SEGMENTS(X, SELECTOR, 0x0800)
#define VMCS_HOST_16(X)         \
    X(HOST_ES_SELECTOR, 0x0c00) \
    X(HOST_CS_SELECTOR, 0x0c02) \
    X(HOST_SS_SELECTOR, 0x0c04) \
    X(HOST_DS_SELECTOR, 0x0c06) \
    X(HOST_FS_SELECTOR, 0x0c08) \
    X(HOST_GS_SELECTOR, 0x0c0a) \
    X(HOST_TR_SELECTOR, 0x0c0c)

/* B.2: 64-bit */
#define VMCS_CONTROL_64(X)          \
    X(IO_BITMAP_A, 0x2000)          \
    X(IO_BITMAP_B, 0x2002)          \
    X(MSR_BITMAP, 0x2004)           \
    X(EXIT_MSR_STORE_ADDR, 0x2006)  \
    X(EXIT_MSR_LOAD_ADDR, 0x2008)   \
    X(ENTRY_MSR_LOAD_ADDR, 0x200a)  \
    X(TSC_OFFSET, 0x2010)           \
    X(EPT_POINTER, 0x201a)          \
    X(XSS_EXITING_BITMAP, 0x202c)   \
    X(ENCLS_EXITING_BITMAP, 0x202e) \
    X(TSC_MULTIPLIER, 0x2032)
#define VMCS_INFO_64(X) X(GUEST_PHYSICAL_ADDRESS, 0x2400)
#define VMCS_GUEST_64(X)         \
    X(VMCS_LINK_POINTER, 0x2800) \
    X(GUEST_DEBUGCTL, 0x2802)    \
    X(GUEST_PAT, 0x2804)         \
    X(GUEST_EFER, 0x2806)        \
    X(GUEST_PDPTE0, 0x280a)      \
    X(GUEST_PDPTE1, 0x280c)      \
    X(GUEST_PDPTE2, 0x280e)      \
    X(GUEST_PDPTE3, 0x2810)
#define VMCS_HOST_64(X) \
    X(HOST_PAT, 0x2c00) \
    X(HOST_EFER, 0x2c02)

/* B.3: 32-bit */
#define VMCS_CONTROL_32(X)          \
    X(PIN_CONTROLS, 0x4000)         \
    X(PROC_CONTROLS, 0x4002)        \
    X(EXCEPTION_BITMAP, 0x4004)     \
    X(PF_ERROR_MASK, 0x4006)        \
    X(PF_ERROR_MATCH, 0x4008)       \
    X(CR3_TARGET_COUNT, 0x400a)     \
    X(EXIT_CONTROLS, 0x400c)        \
    X(EXIT_MSR_STORE_COUNT, 0x400e) \
    X(EXIT_MSR_LOAD_COUNT, 0x4010)  \
    X(ENTRY_CONTROLS, 0x4012)       \
    X(ENTRY_MSR_LOAD_COUNT, 0x4014) \
    X(ENTRY_INTR_INFO, 0x4016)      \
    X(ENTRY_INTR_ERROR, 0x4018)     \
    X(ENTRY_INSN_LEN, 0x401a)       \
    X(PROC_CONTROLS2, 0x401e)       \
    X(PLE_GAP, 0x4020)              \
    X(PLE_WINDOW, 0x4022)
#define VMCS_INFO_32(X)            \
    X(VM_INSN_ERROR, 0x4400)       \
    X(EXIT_REASON, 0x4402)         \
    X(EXIT_INTR_INFO, 0x4404)      \
    X(EXIT_INTR_ERROR, 0x4406)     \
    X(IDT_VECTORING_INFO, 0x4408)  \
    X(IDT_VECTORING_ERROR, 0x440a) \
    X(EXIT_INSN_LEN, 0x440c)       \
    X(EXIT_INSN_INFO, 0x440e)
#define VMCS_GUEST_32(X)              \
    VMCS_SEGMENTS(X, LIMIT, 0x4800)   \
    X(GUEST_GDTR_LIMIT, 0x4810)       \
    X(GUEST_IDTR_LIMIT, 0x4812)       \
    VMCS_SEGMENTS(X, RIGHTS, 0x4814)  \
    X(GUEST_INTERRUPTIBILITY, 0x4824) \
    X(GUEST_ACTIVITY, 0x4826)         \
    X(GUEST_SYSENTER_CS, 0x482a)      \
    X(PREEMPTION_TIMER, 0x482e)
#define VMCS_HOST_32(X) X(HOST_SYSENTER_CS, 0x4c00)

/* B.4: natural width */
#define VMCS_CONTROL_NAT(X) \
    X(CR0_MASK, 0x6000)     \
    X(CR4_MASK, 0x6002)     \
    X(CR0_SHADOW, 0x6004)   \
    X(CR4_SHADOW, 0x6006)
#define VMCS_INFO_NAT(X)          \
    X(EXIT_QUALIFICATION, 0x6400) \
    X(GUEST_LINEAR_ADDRESS, 0x640a)
#define VMCS_GUEST_NAT(X)          \
    X(GUEST_CR0, 0x6800)           \
    X(GUEST_CR3, 0x6802)           \
    X(GUEST_CR4, 0x6804)           \
    VMCS_SEGMENTS(X, BASE, 0x6806) \
    X(GUEST_GDTR_BASE, 0x6816)     \
    X(GUEST_IDTR_BASE, 0x6818)     \
    X(GUEST_DR7, 0x681a)           \
    X(GUEST_RSP, 0x681c)           \
    X(GUEST_RIP, 0x681e)           \
    X(GUEST_RFLAGS, 0x6820)        \
    X(GUEST_PENDING_DBG, 0x6822)   \
    X(GUEST_SYSENTER_ESP, 0x6824)  \
    X(GUEST_SYSENTER_EIP, 0x6826)
#define VMCS_HOST_NAT(X)         \
    X(HOST_CR0, 0x6c00)          \
    X(HOST_CR3, 0x6c02)          \
    X(HOST_CR4, 0x6c04)          \
    X(HOST_FS_BASE, 0x6c06)      \
    X(HOST_GS_BASE, 0x6c08)      \
    X(HOST_TR_BASE, 0x6c0a)      \
    X(HOST_GDTR_BASE, 0x6c0c)    \
    X(HOST_IDTR_BASE, 0x6c0e)    \
    X(HOST_SYSENTER_ESP, 0x6c10) \
    X(HOST_SYSENTER_EIP, 0x6c12) \
    X(HOST_RSP, 0x6c14)          \
    X(HOST_RIP, 0x6c16)

#define VMCS_CONTROLS(X) \
    VMCS_CONTROL_16(X) VMCS_CONTROL_64(X) VMCS_CONTROL_32(X) VMCS_CONTROL_NAT(X)
#define VMCS_INFO(X)              VMCS_INFO_64(X) VMCS_INFO_32(X) VMCS_INFO_NAT(X)
#define VMCS_GUEST(X)             VMCS_GUEST_16(X) VMCS_GUEST_64(X) VMCS_GUEST_32(X) VMCS_GUEST_NAT(X)
#define VMCS_HOST(X)              VMCS_HOST_16(X) VMCS_HOST_64(X) VMCS_HOST_32(X) VMCS_HOST_NAT(X)

#define VMCS_ENUM(name, encoding) name = (encoding),
enum vmcs_field {
    VMCS_CONTROLS(VMCS_ENUM) VMCS_INFO(VMCS_ENUM) VMCS_GUEST(VMCS_ENUM) VMCS_HOST(VMCS_ENUM)
};
#undef VMCS_ENUM

/* A segment register's fields; seg is enum seg_reg. */
#define GUEST_SELECTOR(seg) (GUEST_ES_SELECTOR + 2 * (seg))
#define GUEST_LIMIT(seg)    (GUEST_ES_LIMIT + 2 * (seg))
#define GUEST_RIGHTS(seg)   (GUEST_ES_RIGHTS + 2 * (seg))
#define GUEST_BASE(seg)     (GUEST_ES_BASE + 2 * (seg))

/* Pin-based controls (SDM 3C 25.6.1) */
#define PIN_INTR         BIT(0)
#define PIN_NMI          BIT(3)
#define PIN_VIRTUAL_NMIS BIT(5)
#define PIN_TIMER        BIT(6)

/* Processor-based controls (25.6.2) */
#define PROC_INTR_WINDOW   BIT(2)
#define PROC_TSC_OFFSET    BIT(3)
#define PROC_HLT           BIT(7)
#define PROC_INVLPG        BIT(9)
#define PROC_MWAIT         BIT(10)
#define PROC_RDPMC         BIT(11)
#define PROC_RDTSC         BIT(12)
#define PROC_CR3_LOAD      BIT(15)
#define PROC_CR3_STORE     BIT(16)
#define PROC_CR8_LOAD      BIT(19)
#define PROC_CR8_STORE     BIT(20)
#define PROC_NMI_WINDOW    BIT(22)
#define PROC_MOV_DR        BIT(23)
#define PROC_IO_BITMAPS    BIT(25)
#define PROC_MSR_BITMAPS   BIT(28)
#define PROC_MONITOR       BIT(29)
#define PROC_PAUSE         BIT(30)
#define PROC_SECONDARY     BIT(31)

#define PROC2_EPT          BIT(1)
#define PROC2_RDTSCP       BIT(3)
#define PROC2_VPID         BIT(5)
#define PROC2_WBINVD       BIT(6)
#define PROC2_UNRESTRICTED BIT(7)
#define PROC2_PAUSE_LOOP   BIT(10)
#define PROC2_INVPCID      BIT(12)
#define PROC2_ENCLS        BIT(15)
#define PROC2_XSAVES       BIT(20)
#define PROC2_TSC_SCALING  BIT(25)

/* VM-exit controls (25.7.1) */
#define EXITC_SAVE_DEBUG BIT(2)
#define EXITC_HOST_64    BIT(9)
#define EXITC_ACK_INTR   BIT(15)
#define EXITC_SAVE_PAT   BIT(18)
#define EXITC_LOAD_PAT   BIT(19)
#define EXITC_SAVE_EFER  BIT(20)
#define EXITC_LOAD_EFER  BIT(21)

/* VM-entry controls (25.8.1) */
#define ENTRYC_LOAD_DEBUG BIT(2)
#define ENTRYC_IA32E      BIT(9)
#define ENTRYC_LOAD_PAT   BIT(14)
#define ENTRYC_LOAD_EFER  BIT(15)

/* Interruption information, at entry, at exit, and of the event whose delivery an exit interrupted
 * (25.8.3, 25.9.2, 25.9.3). Types are those of enum event_type. */
#define INTR_INFO_VECTOR(i)  ((u8)(i))
#define INTR_INFO_TYPE(i)    ((u8)((i) >> 8 & 7))
#define INTR_INFO_TYPE_SHIFT 8
#define INTR_INFO_ERROR      BIT(11)
#define INTR_INFO_NMI_UNBLOCKED \
    BIT(12) /* at exit: an IRET had ended NMI blocking before it faulted */
#define INTR_INFO_VALID BIT(31)

/* Interruptibility state (25.4.2). The low two are vcpu.intr_shadow. */
#define INTERRUPTIBILITY_SHADOW 3u
#define INTERRUPTIBILITY_NMI    BIT(3)

/* Access rights: descriptor bits 15:8 and 23:20 at 7:0 and 15:12 (25.4.1). */
#define RIGHTS_UNUSABLE BIT(16)

/* Activity state (25.4.2) */
#define VMCS_ACTIVE    0u
#define VMCS_SHUTDOWN  2u

#define PENDING_DBG_BS BIT(14)

/* IA32_VMX_BASIC (A.1) */
#define VMX_BASIC_REVISION(b) ((u32)(b)&0x7fffffff)
#define VMX_BASIC_MEMTYPE(b)  ((b) >> 50 & 0xf)
#define VMX_BASIC_INS_OUTS    BIT(54)
#define VMX_BASIC_TRUE        BIT(55)

/* IA32_VMX_MISC (A.6): the timer counts down when this bit of the TSC changes. */
#define VMX_MISC_TIMER_SHIFT(m) ((unsigned)(m)&0x1f)

/* IA32_VMX_EPT_VPID_CAP (A.10) */
#define EPT_CAP_WALK_4        BIT(6)
#define EPT_CAP_WB            BIT(14)
#define EPT_CAP_2M            BIT(16)
#define EPT_CAP_1G            BIT(17)
#define EPT_CAP_INVEPT        BIT(20)
#define EPT_CAP_AD            BIT(21)
#define EPT_CAP_INVEPT_SINGLE BIT(25)
#define EPT_CAP_INVEPT_ALL    BIT(26)
#define VPID_CAP_INVVPID      BIT(32)
#define VPID_CAP_SINGLE       BIT(41)
#define VPID_CAP_ALL          BIT(42)

/* EPT pointer (25.6.11) */
#define EPTP_WB     6u
#define EPTP_AD     BIT(6)
#define EPTP_WALK_4 (3u << 3)

/* Basic exit reasons (SDM 3D appendix C) */
#define REASON_ENTRY_FAILED BIT(31)
enum vmx_reason {
    REASON_EXCEPTION_NMI = 0,
    REASON_INTR = 1,
    REASON_TRIPLE_FAULT = 2,
    REASON_INIT = 3,
    REASON_INTR_WINDOW = 7,
    REASON_NMI_WINDOW = 8,
    REASON_TASK_SWITCH = 9,
    REASON_CPUID = 10,
    REASON_GETSEC = 11,
    REASON_HLT = 12,
    REASON_INVD = 13,
    REASON_INVLPG = 14,
    REASON_RDPMC = 15,
    REASON_RDTSC = 16,
    REASON_VMCALL = 18,
    REASON_VMCLEAR = 19,
    REASON_VMLAUNCH = 20,
    REASON_VMPTRLD = 21,
    REASON_VMPTRST = 22,
    REASON_VMREAD = 23,
    REASON_VMRESUME = 24,
    REASON_VMWRITE = 25,
    REASON_VMXOFF = 26,
    REASON_VMXON = 27,
    REASON_CR = 28,
    REASON_DR = 29,
    REASON_IO = 30,
    REASON_RDMSR = 31,
    REASON_WRMSR = 32,
    REASON_BAD_GUEST_STATE = 33,
    REASON_BAD_MSR = 34,
    REASON_MWAIT = 36,
    REASON_MONITOR = 39,
    REASON_PAUSE = 40,
    REASON_ENTRY_MCE = 41,
    REASON_EPT_VIOLATION = 48,
    REASON_EPT_MISCONFIG = 49,
    REASON_INVEPT = 50,
    REASON_RDTSCP = 51,
    REASON_PREEMPTION_TIMER = 52,
    REASON_INVVPID = 53,
    REASON_WBINVD = 54,
    REASON_XSETBV = 55,
    REASON_VMFUNC = 59,
    REASON_ENCLS = 60,
    REASONS = 80
};

/* A field this CPU's VMCS does not have, or no current VMCS: root mode's own mistake. Does not
 * return. */
void vmcs_access_failed(u64 field) __noreturn;

static inline u64 vmread(u64 field)
{
    u64 value;

    __asm__ goto volatile("vmread %[field], %[value]\n\t"
                          "jna %l[failed]"
                          : [value] "=rm"(value)
                          : [field] "r"(field)
                          : "cc"
                          : failed);
    return value;
failed:
    vmcs_access_failed(field);
}

static inline void vmwrite(u64 field, u64 value)
{
    __asm__ goto volatile("vmwrite %[value], %[field]\n\t"
                          "jna %l[failed]"
                          :
                          : [field] "r"(field), [value] "rm"(value)
                          : "cc", "memory"
                          : failed);
    return;
failed:
    vmcs_access_failed(field);
}

/* For the dump: false if this CPU's VMCS has no such field. */
static inline bool vmread_try(u64 field, u64 *value)
{
    bool failed;

    __asm__ volatile("vmread %[field], %[value]"
                     : [value] "=r"(*value), "=@ccna"(failed)
                     : [field] "r"(field));
    return !failed;
}

#endif
