/* SPDX-License-Identifier: BSD-2-Clause */
/* Who runs first: the privileged domain, or in helium-test.elf one test guest after the other. */
#ifndef HV_FIRST_DOMAIN_H
#define HV_FIRST_DOMAIN_H

#include "hv/acpi.h"
#include "hv/boot_info.h"

/* RAM below this address is the first domain's and stays out of the frame pool; 0: none is. Called
 * before anything is allocated. */
u64 first_domain_ram_end(const struct boot_info *bi);

/* Builds and starts it. All CPUs are up; the boot CPU goes on to run_cpu() after this. */
void first_domain_start(const struct boot_info *bi, const struct acpi_info *acpi);

#endif
