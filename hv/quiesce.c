/* SPDX-License-Identifier: BSD-2-Clause */
#include "hv/percpu.h"
#include "hv/quiesce.h"
#include "hv/vcpu.h"

static void wait_for(struct percpu *c)
{
    u64 seen = __atomic_load_n(&c->outside, __ATOMIC_SEQ_CST);

    while (!(seen & 1) && __atomic_load_n(&c->outside, __ATOMIC_SEQ_CST) == seen)
        vcpu_serve_unload();
}

/* Whoever waits is outside meanwhile, or two CPUs would wait for each other for ever. */
void quiesce_wait(void)
{
    quiesce_outside();
    for (unsigned i = 0; i < cpus_online; i++)
        if (percpu[i] != this_cpu())
            wait_for(percpu[i]);
    quiesce_inside();
}
