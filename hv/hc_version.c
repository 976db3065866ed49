/* SPDX-License-Identifier: BSD-2-Clause */
#include "hv/domain.h"
#include "hv/errno.h"
#include "hv/guest_mem.h"
#include "hv/hypercall.h"
#include "hv/string.h"
#include <xen/xen.h>
#include <xen/version.h>
#include <xen/features.h>

/* The ABI Helium speaks is Xen's of this version; what it is itself is in extraversion. */
#define VERSION    4
#define SUBVERSION 17

static const xen_extraversion_t extraversion = ".0-helium";
static const xen_capabilities_info_t capabilities =
    "xen-3.0-x86_64 hvm-3.0-x86_32 hvm-3.0-x86_32p hvm-3.0-x86_64 ";
static const xen_changeset_info_t changeset = "helium";
static const xen_commandline_t no_commandline = "";

static s64 put(struct vcpu *v, u64 to, const void *from, size_t size)
{
    return guest_write(v, to, from, size) ? -EFAULT : 0;
}

static u32 features(const struct domain *d)
{
    u32 f = 1u << XENFEAT_writable_page_tables | 1u << XENFEAT_auto_translated_physmap |
            1u << XENFEAT_hvm_callback_vector | 1u << XENFEAT_hvm_safe_pvclock |
            1u << XENFEAT_memory_op_vnode_supported;

    if (d->privileged)
        return f | 1u << XENFEAT_dom0 | 1u << XENFEAT_direct_mapped;
    return f | 1u << XENFEAT_not_direct_mapped;
}

static s64 get_features(struct vcpu *v, u64 at)
{
    struct xen_feature_info fi;

    if (guest_read(v, &fi, at, sizeof(fi)))
        return -EFAULT;
    fi.submap = fi.submap_idx == 0 ? features(v->domain) : 0;
    return put(v, at, &fi, sizeof(fi));
}

static s64 compile_info(struct vcpu *v, u64 at)
{
    static const struct xen_compile_info info = {.compiler = "gcc " __VERSION__,
                                                 .compile_by = "helium",
                                                 .compile_domain = "",
                                                 .compile_date = ""};

    return put(v, at, &info, sizeof(info));
}

static s64 platform_parameters(struct vcpu *v, u64 at)
{
    struct xen_platform_parameters p = {.virt_start = HYPERVISOR_VIRT_START};

    return put(v, at, &p, sizeof(p));
}

s64 hc_xen_version(struct vcpu *v, const u64 arg[HYPERCALL_ARGS])
{
    u64 at = arg[1];

    switch ((u32)arg[0]) {
    case XENVER_version:
        return VERSION << 16 | SUBVERSION;
    case XENVER_extraversion:
        return put(v, at, extraversion, sizeof(extraversion));
    case XENVER_compile_info:
        return compile_info(v, at);
    case XENVER_capabilities:
        return put(v, at, capabilities, sizeof(capabilities));
    case XENVER_changeset:
        return put(v, at, changeset, sizeof(changeset));
    case XENVER_platform_parameters:
        return platform_parameters(v, at);
    case XENVER_get_features:
        return get_features(v, at);
    case XENVER_pagesize:
        return PAGE_SIZE;
    case XENVER_guest_handle:
        return put(v, at, v->domain->handle, sizeof(v->domain->handle));
    case XENVER_commandline:
        return put(v, at, no_commandline, sizeof(no_commandline));
    case XENVER_build_id:
        return -ENODATA; /* linked without one */
    default:
        return -ENOSYS;
    }
}
