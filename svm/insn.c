/* SPDX-License-Identifier: BSD-2-Clause */
/* Instructions on CPUs that do not report them: no NRIPS, no decode assists. */
#include "hv/fetch.h"
#include "hv/string.h"
#include "svm/svm.h"

static u64 linear_rip(const struct vmcb *b)
{
    const struct vmcb_seg *cs = vmcb_seg(b, VMCB_CS);

    if (vmcb_efer(b) & EFER_LMA && cs->attr & SEG_L)
        return b->rip;
    return (u32)(cs->base + b->rip);
}

static void fetch(struct vcpu *v)
{
    const struct vmcb *b = v->vendor->vmcb;

    fetch_bytes(v, linear_rip(b), vmcb_cr3(b), FETCH_MODE(vmcb_cr0(b), vmcb_cr4(b), vmcb_efer(b)));
}

/* Instructions without operand bytes, by exit code: length in bits 31:24, first byte lowest. */
#define OPCODE_LEN(op)   ((op) >> 24)
#define OPCODE_BYTES(op) ((op)&0xffffff)
static const u32 opcodes[VMEXIT_INTERCEPTS] = {
    [VMEXIT_RDTSC] = 0x0200310f,  [VMEXIT_RDPMC] = 0x0200330f,   [VMEXIT_CPUID] = 0x0200a20f,
    [VMEXIT_INVD] = 0x0200080f,   [VMEXIT_PAUSE] = 0x020090f3,   [VMEXIT_HLT] = 0x010000f4,
    [VMEXIT_MSR] = 0x0200320f,    [VMEXIT_VMMCALL] = 0x03d9010f, [VMEXIT_RDTSCP] = 0x03f9010f,
    [VMEXIT_WBINVD] = 0x0200090f, [VMEXIT_XSETBV] = 0x03d1010f,
};
#define WRMSR_XOR_RDMSR 0x0200

/* Without prefixes it is as long as its opcode; with some, the decoder will have to count. */
u8 svm_insn_len(struct vcpu *v)
{
    const struct vmcb *b = v->vendor->vmcb;
    u32 op = opcodes[b->exit_code], len = OPCODE_LEN(op), bytes;

    fetch(v);
    if (!len || v->exit.bytes_len < sizeof(bytes))
        return 0;
    if (b->exit_code == VMEXIT_MSR && b->exit_info1)
        op ^= WRMSR_XOR_RDMSR;
    memcpy(&bytes, v->exit.bytes, sizeof(bytes));
    return (bytes & (BIT(8 * len) - 1)) == OPCODE_BYTES(op) ? (u8)len : 0;
}
