/* SPDX-License-Identifier: BSD-2-Clause */
#include "devmodel/pm.h"

/* ACPI 6.4, tables 4.14 to 4.16. */
#define TMR_STS    0x0001
#define GBL_STS    0x0020
#define PWRBTN_STS 0x0100
#define SLPBTN_STS 0x0200
#define RTC_STS    0x0400
#define WAK_STS    0x8000
#define STATUS     (TMR_STS | GBL_STS | PWRBTN_STS | SLPBTN_STS | RTC_STS | WAK_STS)
#define ENABLE     (TMR_STS | GBL_STS | PWRBTN_STS | SLPBTN_STS | RTC_STS)
#define SCI_EN     0x0001
#define BM_RLD     0x0002
#define SLP_TYP(v) ((v) >> 10 & 7)
#define SLP_TYPES  0x1c00
#define SLP_EN     0x2000

/* hvmloader's _S5 and _S4 are this, its _S3 is 1. */
#define SLP_TYP_OFF 0

/* TMR_STS is set whenever the highest of 32 bits changes: hvmloader's FADT says TMR_VAL_EXT. */
#define CARRY_BIT 31

/* There is no System Management Mode: ACPI is on from the start, and hvmloader finds it so. */
void pm_init(struct pm *p, uint64_t origin, uint64_t now)
{
    *p = (struct pm){.control = SCI_EN, .origin = origin, .seen = now};
}

/* ---- status and enables ---- */

static uint8_t read_block(const struct pm_block *b, unsigned offset)
{
    return (uint8_t)((uint32_t)(b->enable << 16 | b->status) >> offset * 8);
}

/* A one written to a status bit clears it. */
static void write_block(struct pm_block *b, unsigned offset, uint8_t value, uint16_t status,
                        uint16_t enable)
{
    uint16_t here = (uint16_t)(0xff << offset % 2 * 8), bits = (uint16_t)(value << offset % 2 * 8);

    if (offset < 2)
        b->status &= (uint16_t) ~(bits & status);
    else
        b->enable = (uint16_t)((b->enable & ~here) | (bits & enable));
}

uint8_t pm_read_event(struct pm *p, unsigned offset, uint64_t now)
{
    pm_run(p, now);
    return read_block(&p->event, offset);
}

void pm_write_event(struct pm *p, unsigned offset, uint8_t value, uint64_t now)
{
    pm_run(p, now);
    write_block(&p->event, offset, value, STATUS, ENABLE);
}

uint8_t pm_read_gpe(const struct pm *p, unsigned offset)
{
    return read_block(&p->gpe, offset);
}

void pm_write_gpe(struct pm *p, unsigned offset, uint8_t value)
{
    write_block(&p->gpe, offset, value, UINT16_MAX, UINT16_MAX);
}

void pm_power_button(struct pm *p)
{
    p->event.status |= PWRBTN_STS;
}

void pm_sleep_button(struct pm *p)
{
    p->event.status |= SLPBTN_STS;
}

void pm_general(struct pm *p, unsigned event)
{
    p->gpe.status |= (uint16_t)(1u << event);
}

bool pm_sci(const struct pm *p)
{
    return (p->event.status & p->event.enable) || (p->gpe.status & p->gpe.enable);
}

/* ---- control ---- */

uint8_t pm_read_control(const struct pm *p, unsigned offset)
{
    return (uint8_t)(p->control >> offset * 8);
}

/* Memory and devices keep their state whatever sleep there is, so a guest that goes to sleep is
 * awake again at once; the status says so, which is what it waits for. */
static void sleep(struct pm *p)
{
    if (SLP_TYP(p->control) == SLP_TYP_OFF)
        p->wish = PM_POWER_OFF;
    else
        p->event.status |= WAK_STS;
}

/* SCI_EN is the firmware's, GBL_RLS and SLP_EN read as 0. */
void pm_write_control(struct pm *p, unsigned offset, uint8_t value)
{
    uint16_t here = (uint16_t)(0xff << offset * 8), bits = (uint16_t)(value << offset * 8);

    here &= BM_RLD | SLP_TYPES;
    p->control = (uint16_t)((p->control & ~here) | (bits & here));
    if (bits & SLP_EN)
        sleep(p);
}

/* ---- the timer ---- */

static uint64_t ticks(const struct pm *p, uint64_t now)
{
    return clock_ticks(now - p->origin, PM_HZ);
}

void pm_run(struct pm *p, uint64_t now)
{
    if (ticks(p, now) >> CARRY_BIT != ticks(p, p->seen) >> CARRY_BIT)
        p->event.status |= TMR_STS;
    p->seen = now;
}

uint64_t pm_deadline(const struct pm *p, uint64_t now)
{
    if (!(p->event.enable & TMR_STS) || (p->event.status & TMR_STS))
        return CLOCK_NEVER;
    return p->origin + clock_ns(((ticks(p, now) >> CARRY_BIT) + 1) << CARRY_BIT, PM_HZ);
}
