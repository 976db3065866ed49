/* SPDX-License-Identifier: BSD-2-Clause */
#include "hv/cpu.h"
#include "hv/desc.h"
#include "hv/errno.h"
#include "hv/layout.h"
#include "hv/msr.h"
#include "hv/panic.h"
#include "hv/percpu.h"
#include "hv/vmem.h"

/* SDM 3A figure 6-8 */
struct gate {
    u16 offset_low;
    u16 selector;
    u8 ist;
    u8 type;
    u16 offset_mid;
    u32 offset_high;
    u32 reserved;
};

_Static_assert(sizeof(struct gate) == 16, "SDM 3A figure 6-8");

#define GATE_INTERRUPT 0x8e /* present, DPL 0, 64-bit interrupt gate */

#define GDT_CODE64     0x00af9b000000ffffull /* present, accessed, L */
#define GDT_DATA       0x00cf93000000ffffull
#define GDT_TSS        0x0000890000000000ull /* present, available 64-bit TSS */

extern const u64 trap_stubs[256];

static struct gate idt[256] __aligned(16);

static u8 gate_stack(unsigned vector)
{
    switch (vector) {
    case 2:
        return IST_NMI;
    case 8:
        return IST_DF;
    case 18:
        return IST_MC;
    default:
        return 0;
    }
}

void desc_init_idt(void)
{
    for (unsigned v = 0; v < ARRAY_SIZE(idt); v++) {
        u64 to = trap_stubs[v];

        idt[v] = (struct gate){
            .offset_low = (u16)to,
            .selector = SEL_CODE,
            .ist = gate_stack(v),
            .type = GATE_INTERRUPT,
            .offset_mid = (u16)(to >> 16),
            .offset_high = (u32)(to >> 32),
        };
    }
}

/* SDM 3A figure 8-4: a TSS descriptor takes two slots. */
static void set_tss_descriptor(u64 *slot, const struct tss *tss)
{
    u64 base = (u64)tss;

    slot[0] = GDT_TSS | (sizeof(*tss) - 1) | (base & 0xffffff) << 16 | (base >> 24 & 0xff) << 56;
    slot[1] = base >> 32;
}

static void load_segments(void)
{
    __asm__ volatile("mov %0, %%ds\n\tmov %0, %%es\n\tmov %0, %%ss\n\t"
                     "mov %1, %%fs\n\tmov %1, %%gs\n\t"
                     "push %2\n\tlea 1f(%%rip), %%rax\n\tpush %%rax\n\tlretq\n1:"
                     :
                     : "r"(SEL_DATA), "r"(0), "i"(SEL_CODE)
                     : "rax", "memory");
}

void desc_load(struct percpu *c)
{
    struct cpu_tables *t = &c->tables;
    struct descriptor_ptr gdtr = {sizeof(t->gdt) - 1, (u64)t->gdt};
    struct descriptor_ptr idtr = {sizeof(idt) - 1, (u64)idt};

    t->gdt[0] = 0;
    t->gdt[SEL_CODE / 8] = GDT_CODE64;
    t->gdt[SEL_DATA / 8] = GDT_DATA;
    set_tss_descriptor(&t->gdt[SEL_TSS / 8], &t->tss);
    t->tss.iomap = sizeof(t->tss); /* beyond the limit: none */

    lgdt(&gdtr);
    load_segments();
    lidt(&idtr);
    ltr(SEL_TSS);
    wrmsr(MSR_FS_BASE, 0);
    wrmsr(MSR_GS_BASE, (u64)c);
}

int desc_alloc_stacks(struct percpu *c)
{
    for (unsigned i = 0; i < ISTS; i++) {
        void *top = vmem_alloc_stack();

        if (!top)
            return -ENOMEM;
        c->tables.tss.ist[i] = (u64)top;
    }
    return 0;
}
