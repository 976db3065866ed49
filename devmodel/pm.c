/* SPDX-License-Identifier: BSD-2-Clause */
#include "devmodel/pm.h"
#include "devmodel/clock.h"

/* ACPI 6.4, tables 4.14 and 4.15. */
#define TMR_STS    0x0001
#define GBL_STS    0x0020
#define PWRBTN_STS 0x0100
#define SLPBTN_STS 0x0200
#define RTC_STS    0x0400
#define WAK_STS    0x8000
#define STATUS     (TMR_STS | GBL_STS | PWRBTN_STS | SLPBTN_STS | RTC_STS | WAK_STS)
#define ENABLE     (TMR_STS | GBL_STS | PWRBTN_STS | SLPBTN_STS | RTC_STS)

/* TMR_STS is set whenever the highest of 32 bits changes: hvmloader's FADT says TMR_VAL_EXT. */
#define CARRY_BIT 31

void pm_init(struct pm *p, uint64_t now)
{
    *p = (struct pm){.origin = now, .seen = now};
}

static uint64_t ticks(const struct pm *p, uint64_t now)
{
    return clock_ticks(now - p->origin, PM_HZ);
}

void pm_run(struct pm *p, uint64_t now)
{
    if (ticks(p, now) >> CARRY_BIT != ticks(p, p->seen) >> CARRY_BIT)
        p->status |= TMR_STS;
    p->seen = now;
}

bool pm_sci(const struct pm *p)
{
    return p->status & p->enable & ENABLE;
}

uint64_t pm_deadline(const struct pm *p, uint64_t now)
{
    if (!(p->enable & TMR_STS) || (p->status & TMR_STS))
        return CLOCK_NEVER;
    return p->origin + clock_ns(((ticks(p, now) >> CARRY_BIT) + 1) << CARRY_BIT, PM_HZ);
}

static uint32_t part(uint32_t value, unsigned offset, unsigned size)
{
    value >>= offset * 8;
    return size == 4 ? value : value & ((1u << size * 8) - 1);
}

uint32_t pm_read_event(struct pm *p, unsigned offset, unsigned size, uint64_t now)
{
    pm_run(p, now);
    return part((uint32_t)p->enable << 16 | p->status, offset, size);
}

/* A one written to a status bit clears it; what the access does not cover stays. */
void pm_write_event(struct pm *p, unsigned offset, unsigned size, uint32_t value, uint64_t now)
{
    uint32_t mask = part(UINT32_MAX, 0, size) << offset * 8, all = value << offset * 8 & mask;

    pm_run(p, now);
    p->status &= (uint16_t) ~(all & STATUS);
    p->enable = (uint16_t)((p->enable & ~(mask >> 16)) | (all >> 16 & ENABLE));
}

uint32_t pm_read_timer(const struct pm *p, unsigned offset, unsigned size, uint64_t now)
{
    return part((uint32_t)ticks(p, now), offset, size);
}

void pm_power_button(struct pm *p)
{
    p->status |= PWRBTN_STS;
}

void pm_sleep_button(struct pm *p)
{
    p->status |= SLPBTN_STS;
}

void pm_wake(struct pm *p)
{
    p->status |= WAK_STS;
}
