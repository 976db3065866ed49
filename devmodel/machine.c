/* SPDX-License-Identifier: BSD-2-Clause */
#include "devmodel/machine.h"
#include "devmodel/clock.h"

#define KIB 1024ull
#define MIB (1024 * KIB)

const struct machine_ports machine_ports[] = {
    {PIT_PORT, PIT_PORT + 3},
    {PIT_PORT_61, PIT_PORT_61},
    {RTC_PORT, RTC_PORT + 1},
    {PM_EVENT, PM_EVENT + PM_EVENT_LEN - 1},
    {PM_TIMER, PM_TIMER + PM_TIMER_LEN - 1},
};
const size_t machine_port_ranges = sizeof(machine_ports) / sizeof(machine_ports[0]);

/* Memory sizes in the places where a PC's firmware has looked for them since the AT. */
enum {
    CMOS_EQUIPMENT = 0x14,
    CMOS_BASE_KIB = 0x15,
    CMOS_ABOVE_1M_KIB = 0x17,
    CMOS_ABOVE_1M_KIB_AGAIN = 0x30,
    CMOS_ABOVE_16M_64KIB = 0x34,
    CMOS_ABOVE_4G_64KIB = 0x5b, /* three bytes */
    CMOS_VCPUS = 0x5f,
};
#define EQUIPMENT_FPU_MOUSE 0x06

static void put(struct machine *m, unsigned at, uint64_t value, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++)
        m->rtc.cmos[at + i] = (uint8_t)(value >> i * 8);
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

void machine_init(struct machine *m, const struct machine_config *c, uint64_t now)
{
    uint64_t above_1m = c->ram > MIB ? least((c->ram - MIB) / KIB, UINT16_MAX) : 0;
    uint64_t above_16m =
        c->ram > 16 * MIB ? least((c->ram - 16 * MIB) / (64 * KIB), UINT16_MAX) : 0;

    *m = (struct machine){.seen = now};
    pit_reset(&m->pit);
    rtc_init(&m->rtc, c->seconds, now);
    pm_init(&m->pm, now);
    put(m, CMOS_EQUIPMENT, EQUIPMENT_FPU_MOUSE, 1);
    put(m, CMOS_BASE_KIB, 640, 2);
    put(m, CMOS_ABOVE_1M_KIB, above_1m, 2);
    put(m, CMOS_ABOVE_1M_KIB_AGAIN, above_1m, 2);
    put(m, CMOS_ABOVE_16M_64KIB, above_16m, 2);
    put(m, CMOS_ABOVE_4G_64KIB, c->high_ram / (64 * KIB), 3);
    put(m, CMOS_VCPUS, c->vcpus - 1, 1);
}

/* ---- ports ---- */

static uint8_t read_byte(struct machine *m, uint16_t port, uint64_t now)
{
    if (port >= PIT_PORT && port < PIT_PORT + 4)
        return pit_read(&m->pit, port - PIT_PORT, now);
    if (port == PIT_PORT_61)
        return pit_read_61(&m->pit, now);
    if (port == RTC_PORT || port == RTC_PORT + 1)
        return rtc_read(&m->rtc, port - RTC_PORT, now);
    return 0xff;
}

static void write_byte(struct machine *m, uint16_t port, uint8_t value, uint64_t now)
{
    if (port >= PIT_PORT && port < PIT_PORT + 4)
        pit_write(&m->pit, port - PIT_PORT, value, now);
    else if (port == PIT_PORT_61)
        pit_write_61(&m->pit, value, now);
    else if (port == RTC_PORT || port == RTC_PORT + 1)
        rtc_write(&m->rtc, port - RTC_PORT, value, now);
}

static bool within(uint16_t port, unsigned size, uint16_t first, unsigned length)
{
    return port >= first && port + size <= (unsigned)first + length;
}

uint32_t machine_read(struct machine *m, uint16_t port, unsigned size, uint64_t now)
{
    uint32_t value = 0;

    if (within(port, size, PM_TIMER, PM_TIMER_LEN))
        return pm_read_timer(&m->pm, port - PM_TIMER, size, now);
    if (within(port, size, PM_EVENT, PM_EVENT_LEN))
        return pm_read_event(&m->pm, port - PM_EVENT, size, now);
    for (unsigned i = 0; i < size; i++)
        value |= (uint32_t)read_byte(m, (uint16_t)(port + i), now) << i * 8;
    return value;
}

/* Rises before a change of the counter are still due, at the pace it had. */
static void collect(struct machine *m, uint64_t now)
{
    uint64_t period = pit_period(&m->pit), next = pit_next_rise(&m->pit, m->seen);

    if (next <= now)
        ticks_add(&m->ticks, period ? (now - next) / period + 1 : 1, period);
    m->seen = now;
}

void machine_write(struct machine *m, uint16_t port, unsigned size, uint32_t value, uint64_t now)
{
    collect(m, now);
    if (within(port, size, PM_TIMER, PM_TIMER_LEN))
        return; /* read-only */
    if (within(port, size, PM_EVENT, PM_EVENT_LEN)) {
        pm_write_event(&m->pm, port - PM_EVENT, size, value, now);
        return;
    }
    for (unsigned i = 0; i < size; i++)
        write_byte(m, (uint16_t)(port + i), (uint8_t)(value >> i * 8), now);
}

/* ---- time ---- */

bool machine_run(struct machine *m, uint64_t now)
{
    collect(m, now);
    rtc_run(&m->rtc, now);
    pm_run(&m->pm, now);
    return ticks_take(&m->ticks, pit_period(&m->pit), now);
}

uint64_t machine_deadline(const struct machine *m, uint64_t now)
{
    uint64_t at = pit_next_rise(&m->pit, now);

    at = least(at, ticks_deadline(&m->ticks, pit_period(&m->pit)));
    at = least(at, rtc_deadline(&m->rtc, now));
    return least(at, pm_deadline(&m->pm, now));
}
