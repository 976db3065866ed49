/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The privileged domain: the machine's devices at native cost. Its RAM is identity-mapped, so that
 * its DMA needs no IOMMU, and so is everything that is not RAM; what is neither (other domains' and
 * root mode's memory, the LAPICs) is absent.
 *
 *   host-physical            guest-physical
 *   0 .. split               the same, RAM
 *   RAM above split          nothing: the frame pool; reserved in its memory map
 *   the image                nothing
 *   LAPIC page               nothing: the vLAPIC answers
 *   everything else          the same, device memory
 */
#ifndef HV_DOM0_H
#define HV_DOM0_H

#include "hv/acpi.h"
#include "hv/boot_info.h"
#include "hv/compiler.h"

struct domain;

#define DOM0_ID 0

/* Where RAM stops to be the privileged domain's, by "dom0_mem=" or what is left after the pool's
 * share. */
u64 dom0_split(const struct boot_info *bi);

/* Builds it from the first module (kernel) and the second (initrd, may be missing). 0, or after a
 * sentence on the log -EINVAL, -ENOMEM. All CPUs are up. */
int __must_check dom0_build(const struct boot_info *bi, const struct acpi_info *acpi,
                            struct domain **d);

#endif
