/* SPDX-License-Identifier: BSD-2-Clause */
#include "devmodel/machine.h"
#include "devmodel/clock.h"

#define KIB 1024ull
#define MIB (1024 * KIB)

const struct machine_ports machine_ports[] = {
    {PIT_PORT, PIT_PORT + 3},
    {PIT_PORT_61, PIT_PORT_61},
    {RTC_PORT, RTC_PORT + 1},
    {RESET_PORT, RESET_PORT},
    {PM_GPE0, PM_GPE0 + PM_GPE0_LEN - 1},
    {PM_EVENT, PM_TIMER + PM_TIMER_LEN - 1}, /* and what lies between */
};
const size_t machine_port_ranges = sizeof(machine_ports) / sizeof(machine_ports[0]);

/* Memory sizes in the places where a PC's firmware has looked for them since the AT; the order of
 * boot devices where QEMU has put it since Bochs, in half bytes, and SeaBIOS takes it from if it
 * runs on Xen. */
enum {
    CMOS_EQUIPMENT = 0x14,
    CMOS_BASE_KIB = 0x15,
    CMOS_ABOVE_1M_KIB = 0x17,
    CMOS_ABOVE_1M_KIB_AGAIN = 0x30,
    CMOS_ABOVE_16M_64KIB = 0x34,
    CMOS_BOOT_THIRD = 0x38,     /* in the upper half */
    CMOS_BOOT_FIRST = 0x3d,     /* and the second in the upper half */
    CMOS_ABOVE_4G_64KIB = 0x5b, /* three bytes */
    CMOS_VCPUS = 0x5f,
};
#define EQUIPMENT_FPU_MOUSE 0x06

static void put(struct machine *m, unsigned at, uint64_t value, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++)
        m->rtc.cmos[at + i] = (uint8_t)(value >> i * 8);
}

/* As CMOS numbers boot devices. */
static unsigned boot_number(char letter)
{
    return letter == 'c' ? 2 : letter == 'd' ? 3 : letter == 'n' ? 4 : 0;
}

static void put_boot_order(struct machine *m, const char *order)
{
    unsigned number[3] = {0};

    for (unsigned i = 0; i < 3 && order && order[i]; i++)
        number[i] = boot_number(order[i]);
    put(m, CMOS_BOOT_FIRST, number[1] << 4 | number[0], 1);
    put(m, CMOS_BOOT_THIRD, number[2] << 4, 1);
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

    *m = (struct machine){.has_hpet = c->hpet, .seen = now, .deadline = CLOCK_NEVER};
    pit_reset(&m->pit);
    rtc_init(&m->rtc, c->seconds, now - c->ns);
    pm_init(&m->pm, now - clock_ns(c->pm_timer, PM_HZ), now);
    hpet_init(&m->hpet);
    put(m, CMOS_EQUIPMENT, EQUIPMENT_FPU_MOUSE, 1);
    put(m, CMOS_BASE_KIB, 640, 2);
    put(m, CMOS_ABOVE_1M_KIB, above_1m, 2);
    put(m, CMOS_ABOVE_1M_KIB_AGAIN, above_1m, 2);
    put(m, CMOS_ABOVE_16M_64KIB, above_16m, 2);
    put(m, CMOS_ABOVE_4G_64KIB, c->high_ram / (64 * KIB), 3);
    put(m, CMOS_VCPUS, c->vcpus - 1, 1);
    put_boot_order(m, c->boot);
}

/* ---- time ---- */

/* The PIT's rises up to now; before a change of the counter they come at the pace that it had. */
static void collect_pit(struct machine *m, uint64_t now)
{
    uint64_t period = pit_period(&m->pit), next = pit_next_rise(&m->pit, m->seen);

    if (next <= now)
        ticks_add(&m->ticks, period ? (now - next) / period + 1 : 1, period);
    m->seen = now;
    if (hpet_is_legacy(&m->hpet))
        m->ticks.owed = 0;
    else if (ticks_take(&m->ticks, period, now))
        m->pulses |= 1u << MACHINE_IRQ_PIT;
}

static void advance(struct machine *m, uint64_t now)
{
    unsigned timers;

    collect_pit(m, now);
    if (rtc_run(&m->rtc, now) && !hpet_is_legacy(&m->hpet))
        m->pulses |= 1u << MACHINE_IRQ_RTC;
    pm_run(&m->pm, now);
    timers = hpet_run(&m->hpet, now);
    for (unsigned i = 0; i < HPET_TIMERS; i++)
        m->pulses |= (uint32_t)(timers >> i & 1) << hpet_line(&m->hpet, i);
}

static uint64_t find_deadline(const struct machine *m, uint64_t now)
{
    uint64_t at = hpet_deadline(&m->hpet);

    if (!hpet_is_legacy(&m->hpet))
        at = least(at, ticks_deadline(&m->ticks, pit_period(&m->pit), pit_next_rise(&m->pit, now)));
    at = least(at, rtc_deadline(&m->rtc, now));
    return least(at, pm_deadline(&m->pm, now));
}

void machine_run(struct machine *m, uint64_t now)
{
    advance(m, now);
    m->deadline = find_deadline(m, now);
}

uint64_t machine_dropped(const struct machine *m)
{
    uint64_t n = m->ticks.dropped + m->rtc.ticks.dropped;

    for (unsigned i = 0; i < HPET_TIMERS; i++)
        n += m->hpet.timer[i].ticks.dropped;
    return n;
}

/* ---- lines ---- */

uint32_t machine_lines(struct machine *m, uint32_t *pulses)
{
    uint32_t lines = (uint32_t)pm_sci(&m->pm) << MACHINE_IRQ_SCI;
    unsigned timers = hpet_levels(&m->hpet);

    if (!hpet_is_legacy(&m->hpet))
        lines |= (uint32_t)rtc_irq(&m->rtc) << MACHINE_IRQ_RTC;
    for (unsigned i = 0; i < HPET_TIMERS; i++)
        lines |= (uint32_t)(timers >> i & 1) << hpet_line(&m->hpet, i);
    *pulses = m->pulses;
    m->pulses = 0;
    return lines;
}

enum pm_wish machine_wish(struct machine *m)
{
    enum pm_wish wish = m->pm.wish;

    m->pm.wish = PM_NOTHING;
    return wish;
}

/* ---- ports ---- */

static bool within(uint16_t port, uint16_t first, unsigned length)
{
    return port >= first && port < first + length;
}

static uint8_t read_pm(struct machine *m, uint16_t port, uint64_t now)
{
    if (within(port, PM_EVENT, PM_EVENT_LEN))
        return pm_read_event(&m->pm, port - PM_EVENT, now);
    if (within(port, PM_GPE0, PM_GPE0_LEN))
        return pm_read_gpe(&m->pm, port - PM_GPE0);
    if (within(port, PM_CONTROL, PM_CONTROL_LEN))
        return pm_read_control(&m->pm, port - PM_CONTROL);
    if (within(port, PM_TIMER, PM_TIMER_LEN))
        return (uint8_t)(pm_timer(m->pm.origin, now) >> (port - PM_TIMER) * 8);
    return 0xff;
}

static uint8_t read_byte(struct machine *m, uint16_t port, uint64_t now)
{
    if (within(port, PIT_PORT, 4))
        return pit_read(&m->pit, port - PIT_PORT, now);
    if (port == PIT_PORT_61)
        return pit_read_61(&m->pit, now);
    if (within(port, RTC_PORT, 2)) {
        if (m->rtc.index == RTC_C) /* reading acknowledges */
            m->deadline = now;
        return rtc_read(&m->rtc, port - RTC_PORT, now);
    }
    if (port == RESET_PORT)
        return reset_read(&m->reset);
    return read_pm(m, port, now);
}

/* The timer cannot be written. */
static void write_pm(struct machine *m, uint16_t port, uint8_t value, uint64_t now)
{
    if (within(port, PM_EVENT, PM_EVENT_LEN))
        pm_write_event(&m->pm, port - PM_EVENT, value, now);
    else if (within(port, PM_GPE0, PM_GPE0_LEN))
        pm_write_gpe(&m->pm, port - PM_GPE0, value);
    else if (within(port, PM_CONTROL, PM_CONTROL_LEN))
        pm_write_control(&m->pm, port - PM_CONTROL, value);
}

/* Whoever has ended the periodic mode counts no ticks any more. */
static void write_pit(struct machine *m, unsigned port, uint8_t value, uint64_t now)
{
    pit_write(&m->pit, port, value, now);
    if (pit_period(&m->pit) == 0)
        m->ticks.owed = 0;
}

static void write_byte(struct machine *m, uint16_t port, uint8_t value, uint64_t now)
{
    if (within(port, PIT_PORT, 4))
        write_pit(m, port - PIT_PORT, value, now);
    else if (port == PIT_PORT_61)
        pit_write_61(&m->pit, value, now);
    else if (within(port, RTC_PORT, 2))
        rtc_write(&m->rtc, port - RTC_PORT, value, now);
    else if (port == RESET_PORT && reset_write(&m->reset, value))
        m->pm.wish = PM_RESET;
    else
        write_pm(m, port, value, now);
}

uint32_t machine_read(struct machine *m, uint16_t port, unsigned size, uint64_t now)
{
    uint32_t value = 0;

    if (port == PM_TIMER && size == PM_TIMER_LEN) /* guests poll it */
        return pm_timer(m->pm.origin, now);
    for (unsigned i = 0; i < size; i++)
        value |= (uint32_t)read_byte(m, (uint16_t)(port + i), now) << i * 8;
    return value;
}

void machine_write(struct machine *m, uint16_t port, unsigned size, uint32_t value, uint64_t now)
{
    if (port == RTC_PORT && size == 1) { /* often, and nothing comes of it */
        rtc_write(&m->rtc, 0, (uint8_t)value, now);
        return;
    }
    advance(m, now);
    m->deadline = now;
    for (unsigned i = 0; i < size; i++)
        write_byte(m, (uint16_t)(port + i), (uint8_t)(value >> i * 8), now);
}

/* ---- memory ---- */

static bool is_hpet(const struct machine *m, uint64_t addr, unsigned size)
{
    return m->has_hpet && addr >= HPET_BASE && addr + size <= HPET_BASE + HPET_LENGTH;
}

uint64_t machine_read_memory(struct machine *m, uint64_t addr, unsigned size, uint64_t now)
{
    if (!is_hpet(m, addr, size))
        return UINT64_MAX >> (64 - 8 * size);
    if (now >= m->deadline) /* a comparator may have moved on */
        advance(m, now);
    return hpet_read(&m->hpet, (unsigned)(addr - HPET_BASE), size, now);
}

void machine_write_memory(struct machine *m, uint64_t addr, unsigned size, uint64_t value,
                          uint64_t now)
{
    if (!is_hpet(m, addr, size))
        return;
    advance(m, now);
    m->deadline = now;
    hpet_write(&m->hpet, (unsigned)(addr - HPET_BASE), size, value, now);
}
