/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Debug registers. DR7 is in the VMCS; DR0-3 and DR6 are in the CPU, which root mode never uses.
 *
 * They are switched lazily: most guests never touch them, so a load with no breakpoint enabled
 * leaves them in memory and makes MOV DR exit. The first one loads them and runs again without that
 * exit, which leaves all of the instruction's rules (privilege, CR4.DE, general detect) to the CPU.
 * A guest with an enabled breakpoint has them in the CPU from the start.
 *
 * That DR6 is in memory meanwhile does no harm: #DB exits, and such an exit does not change DR6
 * (SDM 3C 28.1).
 */
#include "hv/cpu.h"
#include "vmx/vmcs.h"
#include "vmx/vmx.h"

#define DR7_ENABLES 0xffu

static void settle_exit(struct vcpu *v)
{
    struct vcpu_vendor *vv = v->vendor;

    if (v->dr_loaded && !vv->dr_asked)
        vv->proc &= ~(u32)PROC_MOV_DR;
    else
        vv->proc |= PROC_MOV_DR;
}

static void to_cpu(struct vcpu *v)
{
    const struct vcpu_vendor *vv = v->vendor;

    write_dr0(vv->dr[0]);
    write_dr1(vv->dr[1]);
    write_dr2(vv->dr[2]);
    write_dr3(vv->dr[3]);
    write_dr6(vv->dr6);
    v->dr_loaded = true;
    settle_exit(v);
}

static void from_cpu(struct vcpu_vendor *vv)
{
    vv->dr[0] = read_dr0();
    vv->dr[1] = read_dr1();
    vv->dr[2] = read_dr2();
    vv->dr[3] = read_dr3();
    vv->dr6 = read_dr6();
}

void vmx_dr_load(struct vcpu *v)
{
    if (vmread(GUEST_DR7) & DR7_ENABLES)
        to_cpu(v);
}

void vmx_dr_put(struct vcpu *v)
{
    if (!v->dr_loaded)
        return;
    from_cpu(v->vendor);
    v->dr_loaded = false;
    settle_exit(v);
}

bool vmx_dr_first_use(struct vcpu *v)
{
    if (v->vendor->dr_asked)
        return false;
    to_cpu(v);
    return true;
}

void vmx_dr_forget_hits(struct vcpu *v)
{
    if (v->dr_loaded)
        write_dr6(read_dr6() & ~DR6_HITS);
    else
        v->vendor->dr6 &= ~DR6_HITS;
}

void vmx_dr_get(struct vcpu *v, struct cpu_state *s)
{
    struct vcpu_vendor *vv = v->vendor;

    if (v->dr_loaded)
        from_cpu(vv);
    for (unsigned i = 0; i < 4; i++)
        s->dr[i] = vv->dr[i];
    s->dr6 = vv->dr6;
    s->dr7 = vmread(GUEST_DR7);
}

void vmx_dr_set(struct vcpu *v, const struct cpu_state *s)
{
    struct vcpu_vendor *vv = v->vendor;

    for (unsigned i = 0; i < 4; i++)
        vv->dr[i] = s->dr[i];
    vv->dr6 = s->dr6;
    vmwrite(GUEST_DR7, s->dr7);
    if (v->dr_loaded || (vmcs_is_loaded(v) && s->dr7 & DR7_ENABLES))
        to_cpu(v);
}

void vmx_dr_intercept(struct vcpu *v, bool on)
{
    v->vendor->dr_asked = on;
    settle_exit(v);
}
