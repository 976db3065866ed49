/* SPDX-License-Identifier: BSD-2-Clause */
#include "hv/percpu.h"
#include "hv/quiesce.h"
#include "hv/vcpu.h"

/* percpu.outside counts both ways: odd while the CPU is outside. */

void quiesce_outside(void)
{
    struct percpu *c = this_cpu();

    WRITE_ONCE(c->outside, c->outside + 1);
}

/* Nothing that follows is read before others can see that we are back. */
void quiesce_inside(void)
{
    struct percpu *c = this_cpu();

    (void)__atomic_exchange_n(&c->outside, c->outside + 1, __ATOMIC_SEQ_CST);
}

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
