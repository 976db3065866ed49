/* SPDX-License-Identifier: BSD-2-Clause */
#include "hv/first_domain.h"
#include "hv/log.h"

u64 first_domain_ram_end(const struct boot_info *bi)
{
    (void)bi;
    return 0;
}

void first_domain_start(const struct boot_info *bi, const struct acpi_info *acpi)
{
    (void)acpi;
    if (bi->module_count == 0)
        log_err("no kernel for the privileged domain: name one in helium.cfg or by module2 in grub.cfg");
}
