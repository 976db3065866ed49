/* SPDX-License-Identifier: BSD-2-Clause */
#include "hv/domain.h"
#include "hv/fetch.h"
#include "hv/string.h"
#include "hv/vcpu.h"

#define ACCESSED_DIRTY (PTE_A | PTE_D)

static u64 read_entry(const struct fetch_walk *w, const void *at)
{
    return w->mode & CR4_PAE ? READ_ONCE(*(const u64 *)at) : READ_ONCE(*(const u32 *)at);
}

static bool is_good(const struct fetch_walk *w, u64 page, u64 cr3, u64 mode, u64 changes)
{
    if (w->page != page || w->cr3 != cr3 || w->mode != mode || w->changes != changes)
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
static u64 walk(struct vcpu *v, struct fetch_walk *w)
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

static void remember(struct vcpu *v, struct fetch_walk *w)
{
    u64 gpa = walk(v, w);

    if (gpa != ~0ull)
        w->bytes = p2m_ram(&v->domain->p2m, GPA(gpa), false);
}

void fetch_bytes(struct vcpu *v, u64 linear, u64 cr3, u64 mode)
{
    struct vm_exit *x = &v->exit;
    struct fetch_walk *w = &v->fetch;
    u64 offset = linear & (PAGE_SIZE - 1), changes = READ_ONCE(v->domain->p2m.changes);
    size_t n = PAGE_SIZE - offset;

    if (!is_good(w, linear - offset, cr3, mode, changes)) {
        *w = (struct fetch_walk){
            .page = linear - offset, .cr3 = cr3, .mode = mode, .changes = changes};
        remember(v, w);
    }
    if (!w->bytes)
        return;
    x->bytes_len = (u8)MIN(n, sizeof(x->bytes));
    if (likely(n >= sizeof(x->bytes)))
        memcpy(x->bytes, w->bytes + offset, sizeof(x->bytes));
    else
        for (size_t i = 0; i < n; i++)
            x->bytes[i] = w->bytes[offset + i];
}

/* Of PAE's PDPTEs the CPU may know others than memory has. */
void fetch_insn(struct vcpu *v, const struct cpu_state *s)
{
    u64 mode = FETCH_MODE(s->cr0, s->cr4, s->efer);
    bool mode64 = s->efer & EFER_LMA && s->seg[SEG_CS].attr & SEG_L;

    if (v->exit.bytes_len || (mode & (CR0_PG | CR4_PAE | EFER_LMA)) == (CR0_PG | CR4_PAE))
        return;
    fetch_bytes(v, mode64 ? v->rip : (u32)(v->rip + s->seg[SEG_CS].base), s->cr3, mode);
}
