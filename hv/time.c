/* SPDX-License-Identifier: BSD-2-Clause */
#include "hv/acpi.h"
#include "hv/cpu.h"
#include "hv/lapic.h"
#include "hv/log.h"
#include "hv/panic.h"
#include "hv/timer.h"
#include "hv/vmem.h"

#define NS_PER_SEC     1000000000ull

#define PMTIMER_HZ     3579545u /* ACPI 6.4, 4.8.2.1 */
#define PMTIMER_BITS   24
#define HPET_CAP       0x000 /* HPET 1.0a 2.3.4: bits 63:32 are the period in fs */
#define HPET_CONFIG    0x010
#define HPET_COUNTER   0x0f0
#define HPET_ENABLE    1u
#define HPET_MAX_FS    100000000u
#define FS_PER_SEC     1000000000000000ull
#define PIT_HZ         1193182u
#define PIT_CH2        0x42
#define PIT_COMMAND    0x43
#define PIT_CH2_ONCE   0xb0 /* channel 2, both bytes, mode 0 */
#define PORT_B         0x61
#define PORT_B_GATE2   1u
#define PORT_B_SPEAKER 2u
#define PORT_B_OUT2    0x20u

#define MEASURE_MS     20

/* A free-running counter to measure by. */
struct reference {
    const char *name;
    u64 hz;
    u64 mask;
    u64 (*read)(void);
};

static u64 tsc_hz, tsc_start;
static struct time_scale scale;
static u64 apic_hz;
static u64 ns_to_apic_mul; /* ticks = ns * mul >> 32 */
static volatile u64 *hpet;
static u16 pmtimer_port;

static u64 mul_shift32(u64 a, u64 b)
{
    return (u64)(((unsigned __int128)a * b) >> 32);
}

/* a * b / c with all 128 bits in between; saturates. */
static u64 mul_div(u64 a, u64 b, u64 c)
{
    unsigned __int128 product = (unsigned __int128)a * b;
    u64 quotient, remainder;

    if ((u64)(product >> 64) >= c)
        return ~0ull;
    __asm__("divq %4"
            : "=a"(quotient), "=d"(remainder)
            : "a"((u64)product), "d"((u64)(product >> 64)), "r"(c));
    return quotient;
}

static u64 pmtimer_read(void)
{
    return in32(pmtimer_port);
}

static u64 hpet_read(void)
{
    return hpet[HPET_COUNTER / 8];
}

static bool use_pmtimer(const struct acpi_info *acpi, struct reference *ref)
{
    if (!acpi->pm_timer_port)
        return false;
    pmtimer_port = acpi->pm_timer_port;
    *ref = (struct reference){"PM timer", PMTIMER_HZ, (1ull << PMTIMER_BITS) - 1, pmtimer_read};
    return true;
}

static bool use_hpet(const struct acpi_info *acpi, struct reference *ref)
{
    u64 period;

    if (!acpi->hpet_base)
        return false;
    hpet = vmem_map_device(HPA(acpi->hpet_base), PAGE_SIZE);
    if (!hpet)
        return false;
    period = hpet[HPET_CAP / 8] >> 32;
    if (period == 0 || period > HPET_MAX_FS)
        return false;
    hpet[HPET_CONFIG / 8] |= HPET_ENABLE;
    *ref = (struct reference){"HPET", FS_PER_SEC / period, ~0u, hpet_read};
    return true;
}

struct sample {
    u64 tsc;
    u32 apic;
};

static struct sample take_sample(void)
{
    return (struct sample){rdtsc_ordered(), lapic_timer_read()};
}

static void set_rates(struct sample from, struct sample to, u64 ticks, u64 hz)
{
    tsc_hz = mul_div(to.tsc - from.tsc, hz, ticks);
    apic_hz = mul_div(from.apic - to.apic, hz, ticks);
}

/* false: the counter stands still. */
static bool measure(const struct reference *ref)
{
    u64 want = ref->hz * MEASURE_MS / 1000, passed = 0;
    u64 limit = rdtsc() + 20000000000ull; /* far more TSC ticks than any CPU has in 20 ms */
    u64 start = ref->read();
    struct sample from;

    while (((ref->read() - start) & ref->mask) == 0)
        if (rdtsc() > limit)
            return false;
    start = ref->read();
    from = take_sample();
    while (passed < want)
        passed = (ref->read() - start) & ref->mask;
    set_rates(from, take_sample(), passed, ref->hz);
    return true;
}

/* The PIT counts down once and says so on port 61h; no interrupt is needed. */
static bool measure_pit(void)
{
    u32 ticks = PIT_HZ * MEASURE_MS / 1000;
    u8 port_b = in8(PORT_B);
    u64 limit;
    struct sample from;

    out8(PORT_B, (u8)((port_b & ~PORT_B_SPEAKER) | PORT_B_GATE2));
    out8(PIT_COMMAND, PIT_CH2_ONCE);
    out8(PIT_CH2, (u8)ticks);
    out8(PIT_CH2, (u8)(ticks >> 8));
    from = take_sample();
    limit = from.tsc + 20000000000ull;
    while (!(in8(PORT_B) & PORT_B_OUT2))
        if (rdtsc() > limit)
            return false;
    set_rates(from, take_sample(), ticks, PIT_HZ);
    out8(PORT_B, port_b);
    return true;
}

static const char *measure_any(const struct acpi_info *acpi)
{
    struct reference ref;

    if (use_hpet(acpi, &ref) && measure(&ref))
        return ref.name;
    if (use_pmtimer(acpi, &ref) && measure(&ref))
        return ref.name;
    return measure_pit() ? "PIT" : NULL;
}

/* A multiplier of all 32 bits. */
static struct time_scale scale_for(u64 hz)
{
    struct time_scale s = {0};

    for (; hz > 2 * NS_PER_SEC; hz >>= 1)
        s.shift--;
    for (; hz <= NS_PER_SEC; hz <<= 1)
        s.shift++;
    s.mul = (u32)((NS_PER_SEC << 32) / hz);
    return s;
}

void time_init(const struct acpi_info *acpi)
{
    const char *by;

    lapic_timer_calibrate(true);
    by = measure_any(acpi);
    lapic_timer_calibrate(false);
    if (!by || tsc_hz == 0)
        panic("no reference clock: neither HPET, PM timer nor PIT counts");
    scale = scale_for(tsc_hz);
    ns_to_apic_mul = mul_div(apic_hz, 1ull << 32, NS_PER_SEC);
    tsc_start = rdtsc();
    log_info("TSC %llu kHz, APIC timer %llu kHz, by %s", (unsigned long long)tsc_hz / 1000,
             (unsigned long long)apic_hz / 1000, by);
}

u64 time_tsc_hz(void)
{
    return tsc_hz;
}

struct time_scale time_tsc_scale(void)
{
    return scale;
}

static unsigned __int128 ticks_to_ns(u64 ticks)
{
    unsigned __int128 scaled = scale.shift < 0 ? ticks >> -scale.shift : ticks;

    if (scale.shift > 0)
        scaled <<= scale.shift;
    return scaled * scale.mul >> 32;
}

/* The inverse of that very arithmetic, rounded up: what is set for a time is never found early when
 * it fires, however long the machine has run. */
static u64 ns_to_ticks(u64 ns)
{
    u64 scaled = mul_div(ns, 1ull << 32, scale.mul) + 1;

    return scale.shift < 0 ? scaled << -scale.shift : (scaled >> scale.shift) + 1;
}

u64 time_ns(void)
{
    return (u64)ticks_to_ns(rdtsc() - tsc_start) + 1;
}

u64 time_from_tsc(u64 tsc)
{
    s64 ticks = (s64)(tsc - tsc_start);
    unsigned __int128 ns;

    if (ticks <= 0)
        return 1;
    ns = ticks_to_ns((u64)ticks);
    return ns >> 64 ? ~0ull - 1 : (u64)ns;
}

u64 time_to_tsc(u64 ns)
{
    return tsc_start + ns_to_ticks(ns - 1);
}

u64 time_ns_to_apic(u64 ns)
{
    return mul_shift32(ns, ns_to_apic_mul);
}
