/* SPDX-License-Identifier: BSD-2-Clause */
/* The whole VMCS on the log, in the manual's names and groups. */
#include "hv/log.h"
#include "hv/percpu.h"
#include "vmx/vmcs.h"
#include "vmx/vmx.h"

struct field {
    const char *name;
    u16 encoding;
};

#define FIELD(name, encoding) {#name, encoding},
static const struct field controls[] = {VMCS_CONTROLS(FIELD)};
static const struct field info[] = {VMCS_INFO(FIELD)};
static const struct field guest[] = {VMCS_GUEST_16(FIELD) VMCS_GUEST_64(FIELD) VMCS_GUEST_32(FIELD)
                                         VMCS_GUEST_NAT(FIELD)};
static const struct field host[] = {VMCS_HOST(FIELD)};
#undef FIELD

/* Three to a line; those this CPU does not have are left out. */
static void dump_fields(const char *title, const struct field *f, unsigned count)
{
    u64 value[3];
    const char *name[3];
    unsigned n = 0;

    log_err("%s:", title);
    for (unsigned i = 0; i < count; i++) {
        if (vmread_try(f[i].encoding, &value[n]))
            name[n++] = f[i].name;
        if (n == 3) {
            log_err("  %-23s %16lx  %-23s %16lx  %-23s %16lx", name[0], value[0], name[1], value[1],
                    name[2], value[2]);
            n = 0;
        }
    }
    for (unsigned i = 0; i < n; i++)
        log_err("  %-23s %16lx", name[i], value[i]);
}

static const char *const segment_names[SEG_COUNT] = {"ES", "CS", "SS",   "DS",
                                                     "FS", "GS", "LDTR", "TR"};

static u64 field_or_0(u64 field)
{
    u64 value;

    return vmread_try(field, &value) ? value : 0;
}

static void dump_segments(void)
{
    for (unsigned i = 0; i < SEG_COUNT; i++)
        log_err("  %-4s %04lx base %016lx limit %08lx rights %05lx", segment_names[i],
                field_or_0(GUEST_SELECTOR(i)), field_or_0(GUEST_BASE(i)),
                field_or_0(GUEST_LIMIT(i)), field_or_0(GUEST_RIGHTS(i)));
}

static void dump_software(const struct vcpu *v)
{
    const struct vcpu_vendor *vv = v->vendor;

    log_err("VT-x vcpu %u: %s, last on CPU %d, proc %08x + %08x, interruptibility %x, DRs in %s",
            v->id, vv->launched ? "launched" : "clear", (int)vv->last_cpu, vv->proc, vv->window,
            vv->interruptibility, v->dr_loaded ? "CPU" : "memory");
}

/* In a panic the VMCS at hand is the one to show; another one is left alone, for it may be loaded
 * elsewhere. */
void vmx_dump(struct vcpu *v)
{
    if (!v->vendor)
        return;
    dump_software(v);
    if (!this_cpu()->vendor || !vmcs_is_loaded(v)) {
        log_err("  its VMCS is not loaded on this CPU");
        return;
    }
    dump_fields("controls", controls, ARRAY_SIZE(controls));
    dump_fields("exit information", info, ARRAY_SIZE(info));
    dump_segments();
    dump_fields("guest", guest, ARRAY_SIZE(guest));
    dump_fields("host", host, ARRAY_SIZE(host));
}
