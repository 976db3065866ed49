/* SPDX-License-Identifier: BSD-2-Clause */
#include "hv/domain.h"
#include "hv/log.h"
#include "hv/mmio.h"
#include "hv/pio.h"
#include "hv/platform.h"
#include "hv/string.h"
#include "hv/vcpu.h"
#include "test/hv/runner.h"
#include "test/hv/testdev.h"
#include <xen/xen.h>
#include <xen/sched.h>

#define PORT_DEBUG   0xe9
#define PORT_EXIT    0xf4
#define PORT_SCRATCH 0x600
#define PORT_MAGIC   0x610
#define PORT_LINE    0x614
#define PORT_MSI     0x618
#define PORT_STREAM  0x61c
#define MAGIC        0x54535448u /* "HTST" */
#define MMIO_BASE    0xfed40000u
#define MMIO_COUNT   0xff0

static struct guest_run *run_of(struct vcpu *v)
{
    return v->domain->owner;
}

static void debug_write(struct vcpu *v, u16 port, unsigned size, u32 value)
{
    struct guest_run *g = run_of(v);

    (void)port;
    (void)size;
    spin_lock(&g->lock);
    g->line[g->line_len++] = (char)value;
    if (value == '\n' || g->line_len == sizeof(g->line)) {
        log_raw(g->line, g->line_len);
        g->line_len = 0;
    }
    spin_unlock(&g->lock);
}

/* What QEMU and Bochs answer there. */
static u32 debug_read(struct vcpu *v, u16 port, unsigned size)
{
    (void)v;
    (void)port;
    (void)size;
    return 0xe9;
}

static void exit_write(struct vcpu *v, u16 port, unsigned size, u32 value)
{
    (void)port;
    (void)size;
    run_of(v)->exit_code = (int)value;
    domain_shutdown(v->domain, SHUTDOWN_poweroff);
}

static u32 read_ones(struct vcpu *v, u16 port, unsigned size)
{
    (void)v;
    (void)port;
    (void)size;
    return ~0u;
}

static u32 regs_read(struct vcpu *v, u16 port, unsigned size)
{
    struct guest_run *g = run_of(v);
    u32 value = 0;

    if (port == PORT_MAGIC)
        return MAGIC;
    if (port == PORT_STREAM) {
        for (unsigned i = 0; i < size; i++)
            value |= (u32)g->stream++ << 8 * i;
        return value;
    }
    if (port + size <= PORT_SCRATCH + sizeof(g->scratch)) {
        memcpy(&value, g->scratch + (port - PORT_SCRATCH), size);
        return value;
    }
    return ~0u;
}

static void send_msi(struct domain *d, u32 value)
{
    struct apic_msg msg = apic_msg_from_msi(0xfee00000 | value >> 24 << 12, value & 0xffff);

    apic_bus_send(&d->apic_bus, NULL, &msg);
}

static void regs_write(struct vcpu *v, u16 port, unsigned size, u32 value)
{
    struct guest_run *g = run_of(v);

    if (port == PORT_LINE)
        platform_set_gsi(v->domain, value & 0xff, value >> 8 & 1);
    else if (port == PORT_MSI)
        send_msi(v->domain, value);
    else if (port == PORT_STREAM)
        g->stream = (u8)value;
    else if (port + size <= PORT_SCRATCH + sizeof(g->scratch))
        memcpy(g->scratch + (port - PORT_SCRATCH), &value, size);
}

static u64 mmio_read(struct vcpu *v, u64 offset, unsigned size)
{
    struct guest_run *g = run_of(v);
    u64 value = 0;

    g->mmio_count++;
    if (offset >= MMIO_COUNT)
        return g->mmio_count;
    memcpy(&value, g->mmio + offset, size);
    return value;
}

static void mmio_write(struct vcpu *v, u64 offset, unsigned size, u64 value)
{
    struct guest_run *g = run_of(v);

    g->mmio_count++;
    if (offset < MMIO_COUNT)
        memcpy(g->mmio + offset, &value, size);
}

static const struct pio_range ports[] = {
    {PORT_DEBUG, PORT_DEBUG, debug_read, debug_write},
    {PORT_EXIT, PORT_EXIT, read_ones, exit_write},
    {PORT_SCRATCH, PORT_SCRATCH + 0x1f, regs_read, regs_write},
};

static const struct mmio_range memory[] = {
    {MMIO_BASE, PAGE_SIZE, mmio_read, mmio_write},
};

int testdev_attach(struct domain *d)
{
    int rc = 0;

    for (unsigned i = 0; i < ARRAY_SIZE(ports) && rc == 0; i++)
        rc = pio_register(d, &ports[i]);
    for (unsigned i = 0; i < ARRAY_SIZE(memory) && rc == 0; i++)
        rc = mmio_register(d, &memory[i]);
    return rc;
}
