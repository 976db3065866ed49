/* SPDX-License-Identifier: BSD-2-Clause */
#include "hv/compiler.h"
#include "hv/cpu.h"
#include "hv/irq.h"
#include "hv/log.h"
#include "hv/panic.h"
#include "hv/percpu.h"
#include "hv/smp.h"
#include "hv/trap.h"
#include "hv/x86.h"

extern const char rdmsr_safe_at[], wrmsr_safe_at[], msr_failed[];

#define VECTOR_NMI 2

/* Instructions that may fault, and where to go on when they do. */
static bool fixup(struct trap_frame *f)
{
    if (f->rip != (u64)rdmsr_safe_at && f->rip != (u64)wrmsr_safe_at)
        return false;
    f->rip = (u64)msr_failed;
    return true;
}

void trap_nmi(void)
{
    if (smp_stopping())
        smp_stop_this();
    this_cpu()->nmis++;
    irq_nmi();
}

void trap_dispatch(struct trap_frame *f)
{
    if (f->vector >= 32)
        irq_dispatch((u8)f->vector);
    else if (f->vector == VECTOR_NMI)
        trap_nmi();
    else if (!fixup(f))
        panic_trap(f);
}
