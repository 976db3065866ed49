/* SPDX-License-Identifier: BSD-2-Clause */
/* helium.elf: the privileged domain runs first, and when it ends the machine does. */
#include "hv/dom0.h"
#include "hv/domain.h"
#include "hv/dom0_report.h"
#include "hv/first_domain.h"
#include "hv/log.h"
#include "hv/power.h"
#include "hv/vcpu.h"
#include <xen/sched.h>

u64 first_domain_ram_end(const struct boot_info *bi)
{
    return dom0_split(bi);
}

static void ended(struct domain *d)
{
    static const char *const how[] = {"powered off", "rebooted", "suspended", "crashed",
                                      "was reset by its watchdog"};

    log_info("dom0 %s", d->shutdown < 5 ? how[d->shutdown] : "stopped");
    dom0_report(d);
    if (d->shutdown == SHUTDOWN_poweroff)
        power_off();
    power_reset();
}

void first_domain_start(const struct boot_info *bi, const struct acpi_info *acpi)
{
    struct domain *d;

    power_init(acpi);
    if (dom0_build(bi, acpi, &d)) {
        log_err("the privileged domain could not be started; the machine stops here");
        return;
    }
    d->on_shutdown = ended;
    domain_start(d);
}
