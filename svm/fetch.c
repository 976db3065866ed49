/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Instruction bytes for CPUs that do not report them: no NRIPS, no decode assists.
 *
 * Finding the bytes takes a walk of the guest's tables and a look into the p2m for each level, and
 * a guest's exits come from few places. So each vcpu remembers its last walk: where its entries are
 * and what they were. The walk is good while control registers, p2m and entries are the same:
 *
 *   CR3 --> entry 4 --> entry 3 --> entry 2 --> entry 1 --> page of the instruction
 *           value 4     value 3     value 2     value 1     all in root mode's direct map
 *
 * The CPU has just fetched the instruction, so nothing has to be checked but that the entries are
 * there. Whatever is out of the ordinary is left to the kernel's own decoder.
 */
#include "hv/domain.h"
#include "hv/percpu.h"
#include "hv/string.h"
#include "svm/svm.h"

#define ACCESSED_DIRTY (PTE_A | PTE_D)

/* Of the registers that say how a linear address is translated: bits that do not overlap. */
static u64 paging_mode(const struct vmcb *b)
{
    return (vmcb_cr0(b) & CR0_PG) | (vmcb_cr4(b) & (CR4_PAE | CR4_PSE)) | (vmcb_efer(b) & EFER_LMA);
}

static u64 linear_rip(const struct vmcb *b)
{
    const struct vmcb_seg *cs = vmcb_seg(b, VMCB_CS);

    if (vmcb_efer(b) & EFER_LMA && cs->attr & SEG_L)
        return b->rip;
    return (u32)(cs->base + b->rip);
}

static u64 read_entry(const struct svm_walk *w, const void *at)
{
    return w->mode & CR4_PAE ? READ_ONCE(*(const u64 *)at) : READ_ONCE(*(const u32 *)at);
}

static bool is_good(const struct svm_walk *w, const struct vmcb *b, u64 page, u64 flushes)
{
    if (w->page != page || w->cr3 != vmcb_cr3(b) || w->mode != paging_mode(b) ||
        w->flushes != flushes)
        return false;
    for (unsigned i = 0; i < w->levels; i++)
        if ((read_entry(w, w->entry[i]) ^ w->value[i]) & ~ACCESSED_DIRTY)
            return false;
    return w->bytes;
}

static unsigned levels(u64 mode)
{
    if (!(mode & CR0_PG))
        return 0;
    if (!(mode & CR4_PAE))
        return 2;
    return mode & EFER_LMA ? 4 : 3;
}

/* A leaf above level 1, or not. */
static bool is_large(u64 mode, unsigned level, u64 entry)
{
    if (!(entry & PTE_PS) || level == 1)
        return false;
    return mode & CR4_PAE ? level == 2 || mode & EFER_LMA : mode & CR4_PSE;
}

/* The table's or leaf's address; PSE-36 has address bits 39:32 in 20:13. */
static u64 entry_address(u64 mode, bool large, u64 entry)
{
    if (mode & CR4_PAE || !large)
        return entry & PTE_ADDR;
    return (entry & 0xffc00000) | (entry >> 13 & 0xff) << 32;
}

/* Fills entry[] and value[]. Returns the page's guest-physical address, ~0: none. */
static u64 walk(struct vcpu *v, struct svm_walk *w)
{
    unsigned bits = w->mode & CR4_PAE ? 9 : 10, size = w->mode & CR4_PAE ? 8 : 4;
    u64 next = w->cr3 & (w->mode & EFER_LMA  ? PTE_ADDR
                         : w->mode & CR4_PAE ? 0xffffffe0
                                             : 0xfffff000);

    for (unsigned level = levels(w->mode); level; level--) {
        u64 span = BIT(PAGE_SHIFT + (level - 1) * bits);
        u64 index = w->page / span & (BIT(bits) - 1);
        const void *at = p2m_ram(&v->domain->p2m, GPA(next + index * size), false);
        u64 entry = at ? read_entry(w, at) : 0;
        bool large = is_large(w->mode, level, entry);

        if (!(entry & PTE_P))
            return ~0ull;
        w->entry[w->levels] = at;
        w->value[w->levels++] = entry;
        next = entry_address(w->mode, large, entry);
        if (large)
            return (next & ~(span - 1)) | (w->page & (span - 1));
    }
    return w->levels ? next : w->page;
}

static void remember(struct vcpu *v, struct svm_walk *w, u64 page, u64 flushes)
{
    const struct vmcb *b = v->vendor->vmcb;
    u64 gpa;

    *w = (struct svm_walk){
        .page = page, .cr3 = vmcb_cr3(b), .mode = paging_mode(b), .flushes = flushes};
    gpa = walk(v, w);
    if (gpa != ~0ull)
        w->bytes = p2m_ram(&v->domain->p2m, GPA(gpa), false);
}

/* The bytes at RIP up to the end of the page: *n of them, NULL if they cannot be had. */
static const u8 *bytes_at_rip(struct vcpu *v, size_t *n)
{
    const struct vmcb *b = v->vendor->vmcb;
    struct svm_walk *w = &v->vendor->walk;
    u64 rip = linear_rip(b), offset = rip & (PAGE_SIZE - 1);
    u64 flushes = v->domain->vendor->flushes[this_cpu()->id];

    if (!is_good(w, b, rip - offset, flushes))
        remember(v, w, rip - offset, flushes);
    *n = PAGE_SIZE - offset;
    return w->bytes ? w->bytes + offset : NULL;
}

void svm_fetch(struct vcpu *v)
{
    struct vm_exit *x = &v->exit;
    size_t n;
    const u8 *bytes = bytes_at_rip(v, &n);

    if (!bytes)
        return;
    x->bytes_len = (u8)MIN(n, sizeof(x->bytes));
    if (likely(n >= sizeof(x->bytes)))
        memcpy(x->bytes, bytes, sizeof(x->bytes));
    else
        for (size_t i = 0; i < n; i++)
            x->bytes[i] = bytes[i];
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

    svm_fetch(v);
    if (!len || v->exit.bytes_len < sizeof(bytes))
        return 0;
    if (b->exit_code == VMEXIT_MSR && b->exit_info1)
        op ^= WRMSR_XOR_RDMSR;
    memcpy(&bytes, v->exit.bytes, sizeof(bytes));
    return (bytes & (BIT(8 * len) - 1)) == OPCODE_BYTES(op) ? (u8)len : 0;
}
