/* SPDX-License-Identifier: BSD-2-Clause */
#include "hv/boot_info.h"
#include "hv/dom0_report.h"
#include "hv/domain.h"
#include "hv/exit.h"
#include "hv/frames.h"
#include "hv/hypercall.h"
#include "hv/log.h"

static void report_memory(const struct domain *d)
{
    const struct boot_info *bi = d->owner;
    struct frames_stats f;
    u64 tables = d->p2m.pt.tables * (PAGE_SIZE / 1024);

    frames_stats(&f);
    log_debug("d%u: %llu KiB image", d->id, (unsigned long long)bi->image_size / 1024);
    log_debug("d%u: %llu KiB page tables of the domain", d->id, (unsigned long long)tables);
    log_debug("d%u: %llu KiB else from the pool", d->id,
              (unsigned long long)((f.total - f.free) * (PAGE_SIZE / 1024) - tables));
}

void dom0_report(const struct domain *d)
{
    exit_report(d);
    hypercall_report(d);
    report_memory(d);
}
