/* SPDX-License-Identifier: BSD-2-Clause */
#include "hv/domain.h"
#include "hv/errno.h"
#include "hv/guest_args.h"
#include "hv/guest_mem.h"
#include "hv/hypercall.h"
#include "hv/log.h"
#include "hv/shared_info.h"
#include "hv/string.h"
#include "hv/vcpu.h"
#include "hv/vendor.h"
#include "hv/x86.h"
#include <xen/xen.h>

#define STUB_SIZE 32 /* of an entry in the hypercall page */

struct hypercall_entry {
    hypercall_fn *fn;
    bool privileged; /* the privileged domain's only */
};

_Static_assert(__HYPERVISOR_dm_op < HYPERCALLS - 1, "the last one counts those beyond");

static hypercall_fn hc_multicall;

static const struct hypercall_entry table[] = {
    [__HYPERVISOR_platform_op] = {hc_platform_op, true},
    [__HYPERVISOR_memory_op] = {hc_memory_op, false},
    [__HYPERVISOR_multicall] = {hc_multicall, false},
    [__HYPERVISOR_xen_version] = {hc_xen_version, false},
    [__HYPERVISOR_console_io] = {hc_console_io, true},
    [__HYPERVISOR_grant_table_op] = {hc_grant_table_op, false},
    [__HYPERVISOR_vm_assist] = {hc_vm_assist, false},
    [__HYPERVISOR_vcpu_op] = {hc_vcpu_op, false},
    [__HYPERVISOR_sched_op] = {hc_sched_op, false},
    [__HYPERVISOR_event_channel_op] = {hc_event_channel_op, false},
    [__HYPERVISOR_physdev_op] = {hc_physdev_op, true},
    [__HYPERVISOR_hvm_op] = {hc_hvm_op, false},
    [__HYPERVISOR_sysctl] = {hc_sysctl, true},
    [__HYPERVISOR_domctl] = {hc_domctl, true},
    [__HYPERVISOR_dm_op] = {hc_dm_op, true},
    [__HYPERVISOR_hypfs_op] = {hc_hypfs_op, true},
};

/* Said once for each number: a stock kernel probes, and that is no news the second time. */
static void log_unknown(struct vcpu *v, u64 op)
{
    static u64 said;
    u64 bit = op < 64 ? 1ull << op : 1ull << 63;

    if (__atomic_fetch_or(&said, bit, __ATOMIC_RELAXED) & bit)
        return;
    log_info("d%uv%u: hypercall %llu is not implemented", v->domain->id, v->id,
             (unsigned long long)op);
}

static s64 call(struct vcpu *v, u64 op, const u64 arg[HYPERCALL_ARGS])
{
    const struct hypercall_entry *e = op < ARRAY_SIZE(table) ? &table[op] : NULL;

    v->hypercalls[MIN(op, HYPERCALLS - 1ull)]++;
    if (!e || !e->fn) {
        log_unknown(v, op);
        return -ENOSYS;
    }
    if (e->privileged && !v->domain->privileged)
        return -EPERM;
    return e->fn(v, arg);
}

/* true: to be issued again. Its arguments have been advanced in the entry, which goes back to the
 * guest's memory, as on Xen. */
static bool do_entry(struct vcpu *v, struct multicall_entry *e)
{
    s64 rc = -EINVAL;

    v->multicall = e;
    if (e->op != __HYPERVISOR_multicall)
        rc = call(v, e->op, e->args);
    v->multicall = NULL;
    if (rc == HYPERCALL_AGAIN)
        return true;
    e->result = (xen_ulong_t)rc;
    return false;
}

/* struct multicall_entry, one after the other; each gets its own result. One at a time, and then
 * the hypercall again for the rest: interrupts wait for no more than an entry that comes alone. */
static s64 hc_multicall(struct vcpu *v, const u64 arg[HYPERCALL_ARGS])
{
    struct multicall_entry e;
    u32 count = (u32)arg[1];
    bool again;

    if (!guest_is_wide(v))
        return -ENOSYS; /* entries of 32-bit code are laid out differently; nobody in HVM sends any
                         */
    if (count == 0)
        return 0;
    if (guest_read(v, &e, arg[0], sizeof(e)))
        return -EFAULT;
    again = do_entry(v, &e);
    if (guest_write(v, arg[0], &e, sizeof(e)))
        return -EFAULT;
    if (again)
        return HYPERCALL_AGAIN;
    if (count == 1)
        return 0;
    hypercall_set_arg(v, 0, arg[0] + sizeof(e));
    hypercall_set_arg(v, 1, count - 1);
    return HYPERCALL_AGAIN;
}

/* The arguments' registers (xen/arch-x86/xen-x86_64.h and xen-x86_32.h). */
static const u8 regs64[HYPERCALL_ARGS] = {RDI, RSI, RDX, R10, R8, R9};
static const u8 regs32[HYPERCALL_ARGS] = {RBX, RCX, RDX, RSI, RDI, RBP};

static void get_args(const struct vcpu *v, bool wide, u64 arg[HYPERCALL_ARGS])
{
    for (unsigned i = 0; i < HYPERCALL_ARGS; i++)
        arg[i] = wide ? v->gpr[regs64[i]] : (u32)v->gpr[regs32[i]];
}

void hypercall_set_arg(struct vcpu *v, unsigned i, u64 value)
{
    if (v->multicall)
        v->multicall->args[i] = value;
    else
        v->gpr[guest_is_wide(v) ? regs64[i] : regs32[i]] = value;
}

/* exit_hypercall() has moved RIP behind the instruction. */
static void dispatch(struct vcpu *v)
{
    struct guest_paging paging;
    u64 arg[HYPERCALL_ARGS];
    u64 start = v->rip - sizeof(vendor->hypercall);
    s64 rc;

    guest_paging_get(v, &paging);
    if (paging.cpl != 0) {
        v->gpr[RAX] = (u64)-EPERM;
        return;
    }
    get_args(v, paging.wide, arg);
    v->paging = &paging;
    rc = call(v, paging.wide ? v->gpr[RAX] : (u32)v->gpr[RAX], arg);
    v->paging = NULL;
    if (rc == HYPERCALL_AGAIN)
        v->rip = start;
    else
        v->gpr[RAX] = paging.wide ? (u64)rc : (u32)rc;
}

/* "mov eax, number; vmcall or vmmcall; ret", every STUB_SIZE bytes. */
static void fill_page(u8 *page)
{
    memset(page, 0xcc, PAGE_SIZE);
    for (u32 i = 0; i < PAGE_SIZE / STUB_SIZE; i++) {
        u8 *stub = page + (u64)i * STUB_SIZE;

        stub[0] = 0xb8;
        memcpy(stub + 1, &i, sizeof(i));
        memcpy(stub + 5, vendor->hypercall, sizeof(vendor->hypercall));
        stub[8] = 0xc3;
    }
}

/* The low twelve bits choose the page; there is one (CPUID 40000002h EAX). */
static int write_page(struct vcpu *v, u64 value)
{
    void *page = p2m_ram(&v->domain->p2m, GPA(value & PAGE_MASK), true);

    if ((value & (PAGE_SIZE - 1)) || !page)
        return -EINVAL;
    fill_page(page);
    shared_info_latch(v);
    return 0;
}

void hypercall_init(struct domain *d)
{
    d->hypercall = dispatch;
    d->hypercall_page = write_page;
}

void hypercall_report(const struct domain *d)
{
    for (unsigned op = 0; op < HYPERCALLS; op++) {
        u64 n = 0;

        for (unsigned i = 0; i < d->vcpus; i++)
            n += d->vcpu[i]->hypercalls[op];
        if (n)
            log_debug("d%u: %llu times hypercall %u", d->id, (unsigned long long)n, op);
    }
}

struct domain *hypercall_domain(struct vcpu *v, u16 domid, s64 *rc)
{
    struct domain *d;

    if (domid == DOMID_SELF || domid == v->domain->id)
        return v->domain;
    if (!v->domain->privileged) {
        *rc = -EPERM;
        return NULL;
    }
    d = domain_find(domid);
    if (!d)
        *rc = -ESRCH;
    return d;
}
