/* SPDX-License-Identifier: BSD-2-Clause */
/* A CPU's descriptor tables: GDT, TSS with its interrupt stacks, IDT (SDM 3A 8.7, 6.14). */
#ifndef HV_DESC_H
#define HV_DESC_H

#include "hv/compiler.h"
#include "hv/types.h"

#define SEL_CODE 0x08
#define SEL_DATA 0x10
#define SEL_TSS  0x18 /* two slots */

#define IST_NMI  1
#define IST_DF   2
#define IST_MC   3
#define ISTS     3

struct tss {
    u32 reserved0;
    u64 rsp[3];
    u64 reserved1;
    u64 ist[7];
    u64 reserved2;
    u16 reserved3;
    u16 iomap;
} __packed;

_Static_assert(sizeof(struct tss) == 104, "SDM 3A figure 8-11");

struct cpu_tables {
    u64 gdt[5] __aligned(16);
    struct tss tss;
};

struct percpu;

/* Loads GDT, IDT, TR and GS for the CPU that c describes, which is the calling one. */
void desc_load(struct percpu *c);
/* Gives c its interrupt stacks; -ENOMEM. Boot CPU, after vmem_init(); takes effect at the next
 * event. */
int __must_check desc_alloc_stacks(struct percpu *c);
/* Boot CPU, once: fills the IDT. */
void desc_init_idt(void);

#endif
