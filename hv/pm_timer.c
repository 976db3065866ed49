/* SPDX-License-Identifier: BSD-2-Clause */
#include "hv/domain.h"
#include "hv/pm_timer.h"
#include "hv/timer.h"

#define HZ         3579545u
#define NS_PER_SEC 1000000000u

/* Port of version 1 of HVM_PARAM_ACPI_IOPORTS_LOCATION, which hvmloader chooses. */
#define FIRST_PORT 0xb008
#define LAST_PORT  0xb00b

static u64 ticks(u64 ns)
{
    return ns / NS_PER_SEC * HZ + ns % NS_PER_SEC * HZ / NS_PER_SEC;
}

u32 pm_timer_get(const struct domain *d)
{
    return d->pm_timer + (u32)ticks(time_ns());
}

void pm_timer_set(struct domain *d, u32 value)
{
    WRITE_ONCE(d->pm_timer, value - (u32)ticks(time_ns()));
}

static u32 read(struct vcpu *v, u16 port, unsigned size)
{
    (void)size;
    return pm_timer_get(v->domain) >> 8 * (port - FIRST_PORT);
}

/* It is read-only. */
static void write(struct vcpu *v, u16 port, unsigned size, u32 value)
{
    (void)v, (void)port, (void)size, (void)value;
}

int pm_timer_init(struct domain *d)
{
    static const struct pio_range ports = {FIRST_PORT, LAST_PORT, read, write};

    pm_timer_set(d, 0);
    return pio_register(d, &ports);
}
