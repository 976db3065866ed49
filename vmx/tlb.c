/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Cached translations (SDM 3C 29.4). The CPU tags them with the VPID (what the guest's own tables
 * made) and with the EPT pointer (what the p2m made), so nothing is flushed on entry and exit.
 *
 * Each vcpu has a VPID of its own while it lives. A CPU may still hold translations of a vcpu that
 * has moved away, or under a VPID or EPT root that belonged to somebody else before: vcpu_load()
 * therefore flushes both kinds whenever the vcpu was last loaded on another CPU, or on none. That
 * also makes freeing a VPID a matter of clearing a bit.
 */
#include "hv/domain.h"
#include "hv/panic.h"
#include "hv/vcpu.h"
#include "vmx/vmcs.h"
#include "vmx/vmx.h"

#define VPIDS 0x10000

static u64 vpid_used[VPIDS / 64]; /* bit n: VPID n + 1, for 0 is root mode's. Atomic */

/* INVEPT and INVVPID: the same form. */
enum { INV_SINGLE = 1, INV_ALL = 2 };
struct inv_descriptor {
    u64 tag; /* VPID, or EPT pointer */
    u64 address;
};

static bool invept(u64 type, u64 eptp)
{
    struct inv_descriptor d = {eptp, 0};
    bool failed;

    __asm__ volatile("invept %1, %2" : "=@ccna"(failed) : "m"(d), "r"(type) : "memory");
    return failed;
}

static bool invvpid(u64 type, u16 vpid)
{
    struct inv_descriptor d = {vpid, 0};
    bool failed;

    __asm__ volatile("invvpid %1, %2" : "=@ccna"(failed) : "m"(d), "r"(type) : "memory");
    return failed;
}

/* Returns VPID_NONE when they are used up or the CPU has none: such a vcpu runs without, and every
 * entry and exit flushes. */
u16 vmx_vpid_alloc(void)
{
    if (!(vmx_config.proc2 & PROC2_VPID))
        return VPID_NONE;
    for (unsigned i = 0; i < VPIDS / 64; i++) {
        u64 word = __atomic_load_n(&vpid_used[i], __ATOMIC_RELAXED);

        while (~word) {
            unsigned bit = (unsigned)__builtin_ctzll(~word);

            if (__atomic_compare_exchange_n(&vpid_used[i], &word, word | BIT(bit), false,
                                            __ATOMIC_RELAXED, __ATOMIC_RELAXED))
                return (u16)(i * 64 + bit + 1); /* behind the last comes VPID_NONE */
        }
    }
    return VPID_NONE;
}

void vmx_vpid_free(u16 vpid)
{
    unsigned n = vpid - 1u;

    if (vpid != VPID_NONE)
        __atomic_fetch_and(&vpid_used[n / 64], ~BIT(n % 64), __ATOMIC_RELAXED);
}

u64 vmx_eptp(const struct vcpu *v)
{
    return p2m_root(&v->domain->p2m).v | EPTP_WB | EPTP_WALK_4 |
           (vendor_caps.dirty_bits ? EPTP_AD : 0);
}

/* Of a vcpu that is in nobody's hands it is forgotten where it was: vcpu_load() flushes. */
static void flush_guest(struct vcpu *v)
{
    bool single = vmx_config.ept_vpid & VPID_CAP_SINGLE;

    if (!vmcs_is_loaded(v)) {
        v->vendor->last_cpu = CPU_NONE;
        return;
    }

    if (v->vendor->vpid != VPID_NONE && invvpid(single ? INV_SINGLE : INV_ALL, v->vendor->vpid))
        panic("INVVPID refused");
}

static void flush_nested(struct vcpu *v)
{
    bool single = vmx_config.ept_vpid & EPT_CAP_INVEPT_SINGLE;

    if (invept(single ? INV_SINGLE : INV_ALL, vmx_eptp(v)))
        panic("INVEPT refused");
}

void vmx_tlb_flush(struct vcpu *v, enum flush_scope scope)
{
    if (scope == FLUSH_NESTED)
        flush_nested(v);
    else
        flush_guest(v);
}
