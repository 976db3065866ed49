/* SPDX-License-Identifier: BSD-2-Clause */
#include "hv/cpu.h"
#include "hv/dom0_power.h"
#include "hv/dom0_report.h"
#include "hv/domain.h"
#include "hv/log.h"
#include "hv/pio.h"
#include "hv/vendor.h"

#define PM1_CNT_BYTES 2
#define SLP_EN        (1u << 13) /* ACPI 6.5, 4.8.3.2.1 */

static u8 s5; /* the SLP_TYP of soft-off */

static u32 pm1_read(struct vcpu *v, u16 port, unsigned size)
{
    (void)v;
    return size == 1 ? in8(port) : size == 2 ? in16(port) : in32(port);
}

/* SLP_EN starts the transition: what the log has to say is said before. */
static void pm1_write(struct vcpu *v, u16 port, unsigned size, u32 value)
{
    if (size >= 2 && (value & SLP_EN)) {
        log_info("dom0 %s", (value >> 10 & 7) == s5 ? "switches the machine off"
                                                    : "sends the machine to sleep");
        dom0_report(v->domain);
    }
    if (size == 1)
        out8(port, (u8)value);
    else if (size == 2)
        out16(port, (u16)value);
    else
        out32(port, value);
}

static int watch(struct domain *d, u16 port)
{
    const struct pio_range r = {port, (u16)(port + PM1_CNT_BYTES - 1), pm1_read, pm1_write};

    if (!port)
        return 0;
    vendor->pio_access(d, r.first, r.last, false);
    return pio_register(d, &r);
}

int dom0_power_init(struct domain *d, const struct acpi_info *acpi)
{
    int rc;

    s5 = acpi->s5_a;
    rc = watch(d, acpi->pm1a_cnt);

    return rc ? rc : watch(d, acpi->pm1b_cnt);
}
