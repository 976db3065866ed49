/* SPDX-License-Identifier: BSD-2-Clause */
/* Model-specific registers under the manuals' names (SDM 4, APM 2 appendix A). */
#ifndef HV_MSR_H
#define HV_MSR_H

#include "hv/x86.h"

/* Both vendors */
#define MSR_IA32_TSC            0x00000010
#define MSR_IA32_PLATFORM_ID    0x00000017
#define MSR_IA32_APIC_BASE      0x0000001b
#define MSR_IA32_MTRRCAP        0x000000fe
#define MSR_IA32_SYSENTER_CS    0x00000174
#define MSR_IA32_SYSENTER_ESP   0x00000175
#define MSR_IA32_SYSENTER_EIP   0x00000176
#define MSR_IA32_MCG_CAP        0x00000179
#define MSR_IA32_MCG_STATUS     0x0000017a
#define MSR_IA32_MCG_CTL        0x0000017b
#define MSR_IA32_DEBUGCTL       0x000001d9
#define MSR_IA32_MTRR_PHYSBASE0 0x00000200 /* base n at +2n, mask n at +2n+1 */
#define MSR_IA32_MTRR_FIX64K    0x00000250
#define MSR_IA32_MTRR_FIX16K_80 0x00000258
#define MSR_IA32_MTRR_FIX16K_A0 0x00000259
#define MSR_IA32_MTRR_FIX4K_C0  0x00000268 /* eight, to 26fh */
#define MSR_IA32_MTRR_FIX4K_F8  0x0000026f
#define MSR_IA32_PAT            0x00000277
#define MSR_IA32_MTRR_DEF_TYPE  0x000002ff
#define MSR_IA32_MC0_CTL        0x00000400 /* bank n: CTL, STATUS, ADDR, MISC at +4n */
#define MSR_IA32_X2APIC_BASE    0x00000800 /* xAPIC offset / 16 more; to 8ffh */
#define MSR_IA32_XSS            0x00000da0
#define MSR_EFER                0xc0000080
#define MSR_STAR                0xc0000081
#define MSR_LSTAR               0xc0000082
#define MSR_CSTAR               0xc0000083
#define MSR_SFMASK              0xc0000084
#define MSR_FS_BASE             0xc0000100
#define MSR_GS_BASE             0xc0000101
#define MSR_KERNEL_GS_BASE      0xc0000102
#define MSR_TSC_AUX             0xc0000103
#define MSR_IA32_SPEC_CTRL      0x00000048
#define MSR_IA32_PRED_CMD       0x00000049

#define APIC_BASE_BSP           BIT(8)
#define APIC_BASE_EXTD          BIT(10) /* x2APIC */
#define APIC_BASE_ENABLE        BIT(11)
#define APIC_BASE_ADDR          0x000ffffffffff000ull
#define MTRRCAP_FIX             BIT(8)
#define MTRRCAP_WC              BIT(10)
#define MTRR_DEF_FE             BIT(10) /* fixed ranges on */
#define MTRR_DEF_E              BIT(11) /* MTRRs on */
#define DEBUGCTL_BTF            BIT(1)
#define SPEC_CTRL_IBRS          BIT(0)
#define PRED_CMD_IBPB           BIT(0)

/* Intel */
#define MSR_IA32_FEATURE_CONTROL   0x0000003a
#define MSR_IA32_BIOS_UPDT_TRIG    0x00000079
#define MSR_IA32_BIOS_SIGN_ID      0x0000008b /* AMD: PATCH_LEVEL */
#define MSR_IA32_ARCH_CAPABILITIES 0x0000010a
#define MSR_IA32_FLUSH_CMD         0x0000010b
#define MSR_IA32_MISC_ENABLE       0x000001a0
#define MSR_IA32_TSC_DEADLINE      0x000006e0

#define ARCH_CAP_RDCL_NO           BIT(0)
#define ARCH_CAP_IBRS_ALL          BIT(1)
#define ARCH_CAP_SKIP_L1DFL        BIT(3) /* a hypervisor below does it */
#define ARCH_CAP_MDS_NO            BIT(5)
#define ARCH_CAP_PSCHANGE_MC_NO    BIT(6)
#define FLUSH_CMD_L1D              BIT(0)
#define FEATURE_CONTROL_LOCK       BIT(0)
#define FEATURE_CONTROL_VMX        BIT(2) /* outside SMX */
#define MISC_ENABLE_FAST_STRING    BIT(0)
#define MISC_ENABLE_BTS_UNAVAIL    BIT(11)
#define MISC_ENABLE_PEBS_UNAVAIL   BIT(12)

/* VMX capabilities (SDM 3D appendix A) */
#define MSR_IA32_VMX_BASIC               0x00000480
#define MSR_IA32_VMX_PINBASED_CTLS       0x00000481
#define MSR_IA32_VMX_PROCBASED_CTLS      0x00000482
#define MSR_IA32_VMX_EXIT_CTLS           0x00000483
#define MSR_IA32_VMX_ENTRY_CTLS          0x00000484
#define MSR_IA32_VMX_MISC                0x00000485
#define MSR_IA32_VMX_CR0_FIXED0          0x00000486
#define MSR_IA32_VMX_CR4_FIXED0          0x00000488
#define MSR_IA32_VMX_CR4_FIXED1          0x00000489
#define MSR_IA32_VMX_PROCBASED_CTLS2     0x0000048b
#define MSR_IA32_VMX_EPT_VPID_CAP        0x0000048c
#define MSR_IA32_VMX_TRUE_PINBASED_CTLS  0x0000048d
#define MSR_IA32_VMX_TRUE_PROCBASED_CTLS 0x0000048e
#define MSR_IA32_VMX_TRUE_EXIT_CTLS      0x0000048f
#define MSR_IA32_VMX_TRUE_ENTRY_CTLS     0x00000490

/* AMD */
#define MSR_TSC_RATIO    0xc0000104
#define MSR_SYSCFG       0xc0010010
#define MSR_HWCR         0xc0010015
#define MSR_NB_CFG       0xc001001f
#define MSR_PATCH_LOADER 0xc0010020
#define MSR_INT_PENDING  0xc0010055
#define MSR_VM_CR        0xc0010114
#define MSR_VM_HSAVE_PA  0xc0010117
#define MSR_SVM_KEY      0xc0010118
#define MSR_OSVW_ID_LEN  0xc0010140
#define MSR_OSVW_STATUS  0xc0010141
#define MSR_DE_CFG       0xc0011029

#define VM_CR_R_INIT     BIT(1) /* INIT becomes #SX */
#define VM_CR_LOCK       BIT(3)
#define VM_CR_SVMDIS     BIT(4)

#endif
