/* SPDX-License-Identifier: BSD-2-Clause */
/* Architectural bits under the manuals' names: control registers, flags, exceptions, CPUID. */
#ifndef HV_X86_H
#define HV_X86_H

#define BIT(n) (1ull << (n))

/* CR0 (SDM 3A 2.5) */
#define CR0_PE BIT(0)
#define CR0_MP BIT(1)
#define CR0_EM BIT(2)
#define CR0_TS BIT(3)
#define CR0_ET BIT(4)
#define CR0_NE BIT(5)
#define CR0_WP BIT(16)
#define CR0_AM BIT(18)
#define CR0_NW BIT(29)
#define CR0_CD BIT(30)
#define CR0_PG BIT(31)

/* CR3 */
#define CR3_NOFLUSH BIT(63) /* with CR4.PCIDE: keep the PCID's translations */

/* CR4 */
#define CR4_VME        BIT(0)
#define CR4_PVI        BIT(1)
#define CR4_TSD        BIT(2)
#define CR4_DE         BIT(3)
#define CR4_PSE        BIT(4)
#define CR4_PAE        BIT(5)
#define CR4_MCE        BIT(6)
#define CR4_PGE        BIT(7)
#define CR4_PCE        BIT(8)
#define CR4_OSFXSR     BIT(9)
#define CR4_OSXMMEXCPT BIT(10)
#define CR4_UMIP       BIT(11)
#define CR4_LA57       BIT(12)
#define CR4_VMXE       BIT(13)
#define CR4_SMXE       BIT(14)
#define CR4_FSGSBASE   BIT(16)
#define CR4_PCIDE      BIT(17)
#define CR4_OSXSAVE    BIT(18)
#define CR4_SMEP       BIT(20)
#define CR4_SMAP       BIT(21)
#define CR4_PKE        BIT(22)
#define CR4_CET        BIT(23)
#define CR4_PKS        BIT(24)

/* XCR0, IA32_XSS (SDM 1 13.1) */
#define XCR0_X87       BIT(0)
#define XCR0_SSE       BIT(1)
#define XCR0_AVX       BIT(2)
#define XCR0_BNDREGS   BIT(3)
#define XCR0_BNDCSR    BIT(4)
#define XCR0_OPMASK    BIT(5)
#define XCR0_ZMM_HI256 BIT(6)
#define XCR0_HI16_ZMM  BIT(7)
#define XCR0_PKRU      BIT(9)
#define XCR0_AVX512    (XCR0_OPMASK | XCR0_ZMM_HI256 | XCR0_HI16_ZMM) /* all three or none */
#define XCR0_MPX       (XCR0_BNDREGS | XCR0_BNDCSR)                   /* both or none */

/* IA32_EFER */
#define EFER_SCE    BIT(0)
#define EFER_LME    BIT(8)
#define EFER_LMA    BIT(10)
#define EFER_NXE    BIT(11)
#define EFER_SVME   BIT(12)
#define EFER_LMSLE  BIT(13)
#define EFER_AIBRSE BIT(21)

/* RFLAGS */
#define RFLAGS_CF       BIT(0)
#define RFLAGS_RESERVED BIT(1) /* always 1 */
#define RFLAGS_PF       BIT(2)
#define RFLAGS_AF       BIT(4)
#define RFLAGS_ZF       BIT(6)
#define RFLAGS_SF       BIT(7)
#define RFLAGS_TF       BIT(8)
#define RFLAGS_IF       BIT(9)
#define RFLAGS_DF       BIT(10)
#define RFLAGS_OF       BIT(11)
#define RFLAGS_NT       BIT(14)
#define RFLAGS_RF       BIT(16)
#define RFLAGS_VM       BIT(17)
#define RFLAGS_AC       BIT(18)

/* Exceptions (SDM 3A 6.15). */
enum x86_trap {
    TRAP_DE = 0, /* divide error */
    TRAP_DB = 1, /* debug */
    TRAP_NMI = 2,
    TRAP_BP = 3,  /* INT3 */
    TRAP_OF = 4,  /* INTO */
    TRAP_BR = 5,  /* BOUND */
    TRAP_UD = 6,  /* undefined opcode */
    TRAP_NM = 7,  /* no FPU */
    TRAP_DF = 8,  /* double fault */
    TRAP_TS = 10, /* invalid TSS */
    TRAP_NP = 11, /* segment not present */
    TRAP_SS = 12, /* stack segment */
    TRAP_GP = 13, /* general protection */
    TRAP_PF = 14, /* page fault */
    TRAP_MF = 16, /* x87 */
    TRAP_AC = 17, /* alignment check */
    TRAP_MC = 18, /* machine check */
    TRAP_XM = 19, /* SIMD floating point */
    TRAP_VE = 20, /* virtualization */
    TRAP_CP = 21, /* control protection */
    TRAP_HV = 28, /* hypervisor injection (AMD) */
    TRAP_VC = 29, /* VMM communication (AMD) */
    TRAP_SX = 30  /* security (AMD) */
};
/* A bit for each exception that pushes an error code. */
#define TRAPS_WITH_ERROR_CODE                                                                  \
    (BIT(TRAP_DF) | BIT(TRAP_TS) | BIT(TRAP_NP) | BIT(TRAP_SS) | BIT(TRAP_GP) | BIT(TRAP_PF) | \
     BIT(TRAP_AC) | BIT(TRAP_CP) | BIT(TRAP_VC) | BIT(TRAP_SX))

/* #PF error code */
#define PFEC_P    BIT(0)
#define PFEC_W    BIT(1)
#define PFEC_U    BIT(2)
#define PFEC_RSVD BIT(3)
#define PFEC_I    BIT(4)

/* Error code of the faults that name a selector (SDM 3A 6.13). */
#define SELEC_TI BIT(2)

/* DR6 and DR7 (SDM 3B 17.2). DR6_FIXED and DR7_FIXED are the bits that read as 1. */
#define DR6_B(n)   BIT(n)
#define DR6_BD     BIT(13)
#define DR6_BS     BIT(14)
#define DR6_BT     BIT(15)
#define DR6_FIXED  0xffff0ff0ull
#define DR7_L(n)   BIT((n)*2)
#define DR7_G(n)   BIT((n)*2 + 1)
#define DR7_LE     BIT(8)
#define DR7_GD     BIT(13)
#define DR7_RW(n)  (16 + (n)*4) /* shift of R/W n: 0 fetch, 1 write, 2 I/O, 3 read or write */
#define DR7_LEN(n) (18 + (n)*4) /* shift of LEN n: 0, 1, 3, 2 for 1, 2, 4, 8 bytes */
#define DR7_FIXED  BIT(10)

/* Page table entries (SDM 3A 4.5); the formats that map something are in hv/ptab.h. */
#define PTE_P    BIT(0)
#define PTE_W    BIT(1)
#define PTE_U    BIT(2)
#define PTE_A    BIT(5)
#define PTE_D    BIT(6)
#define PTE_PS   BIT(7) /* in a PDE or PDPTE: a leaf; in a PTE the same bit is PAT */
#define PTE_G    BIT(8)
#define PTE_NX   BIT(63)
#define PTE_ADDR 0x000ffffffffff000ull

/* Memory types, as PAT, MTRRs and EPT encode them (SDM 3A 11.3, table 11-10). */
enum x86_memtype {
    MEMTYPE_UC = 0,
    MEMTYPE_WC = 1,
    MEMTYPE_WT = 4,
    MEMTYPE_WP = 5,
    MEMTYPE_WB = 6,
    MEMTYPE_UC_MINUS = 7 /* PAT only: an MTRR of WC wins */
};
#define PAT_ENTRY(n, type) ((u64)(type) << ((n)*8))
/* IA32_PAT after reset: WB WT UC- UC, twice. */
#define PAT_RESET 0x0007040600070406ull

/* CPUID leaf 1 */
#define CPUID_1_ECX_SSE3         BIT(0)
#define CPUID_1_ECX_PCLMULQDQ    BIT(1)
#define CPUID_1_ECX_MONITOR      BIT(3)
#define CPUID_1_ECX_VMX          BIT(5)
#define CPUID_1_ECX_SMX          BIT(6)
#define CPUID_1_ECX_SSSE3        BIT(9)
#define CPUID_1_ECX_FMA          BIT(12)
#define CPUID_1_ECX_CMPXCHG16B   BIT(13)
#define CPUID_1_ECX_PCID         BIT(17)
#define CPUID_1_ECX_SSE4_1       BIT(19)
#define CPUID_1_ECX_SSE4_2       BIT(20)
#define CPUID_1_ECX_X2APIC       BIT(21)
#define CPUID_1_ECX_MOVBE        BIT(22)
#define CPUID_1_ECX_POPCNT       BIT(23)
#define CPUID_1_ECX_TSC_DEADLINE BIT(24)
#define CPUID_1_ECX_AES          BIT(25)
#define CPUID_1_ECX_XSAVE        BIT(26)
#define CPUID_1_ECX_OSXSAVE      BIT(27)
#define CPUID_1_ECX_AVX          BIT(28)
#define CPUID_1_ECX_F16C         BIT(29)
#define CPUID_1_ECX_RDRAND       BIT(30)
#define CPUID_1_ECX_HYPERVISOR   BIT(31)
#define CPUID_1_EDX_FPU          BIT(0)
#define CPUID_1_EDX_VME          BIT(1)
#define CPUID_1_EDX_DE           BIT(2)
#define CPUID_1_EDX_PSE          BIT(3)
#define CPUID_1_EDX_TSC          BIT(4)
#define CPUID_1_EDX_MSR          BIT(5)
#define CPUID_1_EDX_PAE          BIT(6)
#define CPUID_1_EDX_MCE          BIT(7)
#define CPUID_1_EDX_CX8          BIT(8)
#define CPUID_1_EDX_APIC         BIT(9)
#define CPUID_1_EDX_SEP          BIT(11)
#define CPUID_1_EDX_MTRR         BIT(12)
#define CPUID_1_EDX_PGE          BIT(13)
#define CPUID_1_EDX_MCA          BIT(14)
#define CPUID_1_EDX_CMOV         BIT(15)
#define CPUID_1_EDX_PAT          BIT(16)
#define CPUID_1_EDX_PSE36        BIT(17)
#define CPUID_1_EDX_CLFSH        BIT(19)
#define CPUID_1_EDX_MMX          BIT(23)
#define CPUID_1_EDX_FXSR         BIT(24)
#define CPUID_1_EDX_SSE          BIT(25)
#define CPUID_1_EDX_SSE2         BIT(26)
#define CPUID_1_EDX_HTT          BIT(28)

/* Leaf 6, 7.0, 7.1, 0dh.1 */
#define CPUID_7_EBX_FSGSBASE          BIT(0)
#define CPUID_7_EBX_BMI1              BIT(3)
#define CPUID_7_EBX_AVX2              BIT(5)
#define CPUID_7_EBX_FDP_EXCPTN        BIT(6)
#define CPUID_7_EBX_SMEP              BIT(7)
#define CPUID_7_EBX_BMI2              BIT(8)
#define CPUID_7_EBX_ERMS              BIT(9)
#define CPUID_7_EBX_INVPCID           BIT(10)
#define CPUID_7_EBX_ZERO_FCS_FDS      BIT(13)
#define CPUID_7_EBX_AVX512F           BIT(16)
#define CPUID_7_EBX_AVX512DQ          BIT(17)
#define CPUID_7_EBX_RDSEED            BIT(18)
#define CPUID_7_EBX_ADX               BIT(19)
#define CPUID_7_EBX_SMAP              BIT(20)
#define CPUID_7_EBX_AVX512_IFMA       BIT(21)
#define CPUID_7_EBX_CLFLUSHOPT        BIT(23)
#define CPUID_7_EBX_CLWB              BIT(24)
#define CPUID_7_EBX_AVX512CD          BIT(28)
#define CPUID_7_EBX_SHA               BIT(29)
#define CPUID_7_EBX_AVX512BW          BIT(30)
#define CPUID_7_EBX_AVX512VL          BIT(31)
#define CPUID_7_ECX_PREFETCHWT1       BIT(0)
#define CPUID_7_ECX_AVX512_VBMI       BIT(1)
#define CPUID_7_ECX_UMIP              BIT(2)
#define CPUID_7_ECX_PKU               BIT(3)
#define CPUID_7_ECX_AVX512_VBMI2      BIT(6)
#define CPUID_7_ECX_CET_SS            BIT(7)
#define CPUID_7_ECX_GFNI              BIT(8)
#define CPUID_7_ECX_VAES              BIT(9)
#define CPUID_7_ECX_VPCLMULQDQ        BIT(10)
#define CPUID_7_ECX_AVX512_VNNI       BIT(11)
#define CPUID_7_ECX_AVX512_BITALG     BIT(12)
#define CPUID_7_ECX_VPOPCNTDQ         BIT(14)
#define CPUID_7_ECX_LA57              BIT(16)
#define CPUID_7_ECX_MOVDIRI           BIT(27)
#define CPUID_7_ECX_MOVDIR64B         BIT(28)
#define CPUID_7_EDX_FSRM              BIT(4)
#define CPUID_7_EDX_MD_CLEAR          BIT(10)
#define CPUID_7_EDX_SERIALIZE         BIT(14)
#define CPUID_7_EDX_IBRS_IBPB         BIT(26)
#define CPUID_7_EDX_L1D_FLUSH         BIT(28)
#define CPUID_7_EDX_ARCH_CAPABILITIES BIT(29)
#define CPUID_D1_EAX_XSAVEOPT         BIT(0)
#define CPUID_D1_EAX_XSAVEC           BIT(1)
#define CPUID_D1_EAX_XGETBV1          BIT(2)
#define CPUID_D1_EAX_XSAVES           BIT(3)

/* Leaf 80000001h */
#define CPUID_EXT1_ECX_LAHF          BIT(0)
#define CPUID_EXT1_ECX_SVM           BIT(2)
#define CPUID_EXT1_ECX_CR8_LEGACY    BIT(4)
#define CPUID_EXT1_ECX_ABM           BIT(5)
#define CPUID_EXT1_ECX_SSE4A         BIT(6)
#define CPUID_EXT1_ECX_MISALIGNSSE   BIT(7)
#define CPUID_EXT1_ECX_3DNOWPREFETCH BIT(8)
#define CPUID_EXT1_ECX_SKINIT        BIT(12)
#define CPUID_EXT1_ECX_FMA4          BIT(16)
#define CPUID_EXT1_ECX_TBM           BIT(21)
#define CPUID_EXT1_EDX_SYSCALL       BIT(11)
#define CPUID_EXT1_EDX_NX            BIT(20)
#define CPUID_EXT1_EDX_MMXEXT        BIT(22)
#define CPUID_EXT1_EDX_PAGE1GB       BIT(26)
#define CPUID_EXT1_EDX_RDTSCP        BIT(27)
#define CPUID_EXT1_EDX_LM            BIT(29)

/* Leaf 80000007h, 80000008h, and 8000000ah: SVM (APM 3 E.4.9) */
#define CPUID_EXT7_EDX_INVARIANT_TSC    BIT(8)
#define CPUID_EXT8_EBX_CLZERO           BIT(0)
#define CPUID_EXT8_EBX_RSTR_FP_ERR_PTRS BIT(2)
#define CPUID_EXT8_EBX_IBPB             BIT(12)
#define CPUID_EXT21_EAX_AUTO_IBRS       BIT(8)
#define CPUID_SVM_EDX_NP                BIT(0)
#define CPUID_SVM_EDX_LBRV              BIT(1)
#define CPUID_SVM_EDX_NRIPS             BIT(3)
#define CPUID_SVM_EDX_TSC_RATE_MSR      BIT(4)
#define CPUID_SVM_EDX_VMCB_CLEAN        BIT(5)
#define CPUID_SVM_EDX_FLUSH_BY_ASID     BIT(6)
#define CPUID_SVM_EDX_DECODE_ASSISTS    BIT(7)
#define CPUID_SVM_EDX_PAUSE_FILTER      BIT(10)
#define CPUID_SVM_EDX_PAUSE_THRESHOLD   BIT(12)
#define CPUID_SVM_EDX_SPEC_CTRL         BIT(20)
#define CPUID_SVM_EDX_VNMI              BIT(25)

#endif
