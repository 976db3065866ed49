/* SPDX-License-Identifier: BSD-2-Clause */
#include "hv/errno.h"
#include "hv/log.h"
#include "hv/vendor.h"

const struct vendor_ops *vendor;
struct vendor_caps vendor_caps;

/* The linker script collects what VENDOR_REGISTER() left. */
extern const struct vendor_ops *const __units_start[], *const __units_end[];

int vendor_probe(void)
{
    const char *why = "this CPU has neither VT-x nor AMD-V; Helium needs one of them.";

    for (const struct vendor_ops *const *ops = __units_start; ops < __units_end; ops++) {
        const char *reason = NULL;
        int rc = (*ops)->probe(&vendor_caps, &reason);

        if (rc == 0) {
            vendor = *ops;
            log_info("%s: largest page 2^%u, %u address space ids%s%s%s", vendor->name,
                     vendor_caps.max_leaf_shift, vendor_caps.max_asid,
                     vendor_caps.next_rip ? ", next RIP" : "",
                     vendor_caps.decode_assists ? ", decode assists" : "",
                     vendor_caps.tsc_scaling ? ", TSC scaling" : "");
            return 0;
        }
        if (reason && rc != -ENOENT) /* the vendor whose CPU this is knows best */
            why = reason;
    }
    log_err("%s", why);
    return -ENODEV;
}
