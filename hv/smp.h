/* SPDX-License-Identifier: BSD-2-Clause */
/* Starting the other CPUs. */
#ifndef HV_SMP_H
#define HV_SMP_H

#include "hv/acpi.h"
#include "hv/boot_info.h"
#include "hv/compiler.h"
#include "hv/types.h"

struct percpu;

/* The block at the end of hv/ap_entry.asm. */
struct ap_block {
    u16 gdt_limit;
    u32 gdt_base;
    u16 pad;
    u32 far32;
    u16 far32_sel;
    u32 far64;
    u16 far64_sel;
    u32 cr3;
    u64 stack;
    u64 percpu;
    u64 main;
    u64 gdt[4];
} __attribute__((packed));

/* The boot CPU's own entry in percpu[]; before that there is no this_cpu(). */
void smp_init_boot_cpu(void);

/* Starts every enabled CPU of the MADT, up to MAX_CPUS and "maxcpus=". One that does not answer is
 * reported and left out. Each runs ready() and then the idle loop given by main. Boot CPU. */
void smp_start(const struct acpi_info *acpi, const struct boot_info *bi, void (*main)(void));

/* An NMI to each of the others that run Helium. Any CPU, any time. */
void smp_nmi_others(void);

/* The end of the machine's work, or a panic: the other CPUs stop for good. Returns how many of them
 * have not done so after a second or some. Any CPU, any time. */
unsigned smp_stop_others(void);
/* This CPU is one of those. */
void smp_stop_this(void) __noreturn;
/* Has somebody asked for that? An NMI looks. */
bool smp_stopping(void);

#endif
