/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Debug registers. DR6 and DR7 are in the VMCB; DR0-3 are in the CPU, which root mode never uses.
 *
 * They are switched lazily: most guests never touch them, so a load with no breakpoint enabled
 * leaves them in memory and makes MOV DR exit. The first one loads them and runs again without that
 * exit, which leaves all of the instruction's rules (privilege, CR4.DE, general detect) to the CPU.
 * A guest with an enabled breakpoint has them in the CPU from the start.
 */
#include "hv/cpu.h"
#include "svm/svm.h"

#define DR7_ENABLES 0xffu

static void settle_exits(struct vcpu *v)
{
    bool exits = !v->dr_loaded || v->vendor->dr_asked;

    vmcb_intercept_word(v->vendor->vmcb, VMEXIT_DR_READ(0), exits ? ~0u : 0);
}

static void to_cpu(struct vcpu *v)
{
    const struct vcpu_vendor *vv = v->vendor;

    write_dr0(vv->dr[0]);
    write_dr1(vv->dr[1]);
    write_dr2(vv->dr[2]);
    write_dr3(vv->dr[3]);
    v->dr_loaded = true;
    settle_exits(v);
}

static void from_cpu(struct vcpu_vendor *vv)
{
    vv->dr[0] = read_dr0();
    vv->dr[1] = read_dr1();
    vv->dr[2] = read_dr2();
    vv->dr[3] = read_dr3();
}

void svm_dr_load(struct vcpu *v)
{
    if (vmcb_dr7(v->vendor->vmcb) & DR7_ENABLES)
        to_cpu(v);
}

void svm_dr_put(struct vcpu *v)
{
    if (!v->dr_loaded)
        return;
    from_cpu(v->vendor);
    v->dr_loaded = false;
    settle_exits(v);
}

bool svm_dr_first_use(struct vcpu *v)
{
    if (v->vendor->dr_asked)
        return false;
    to_cpu(v);
    return true;
}

void svm_dr_get(struct vcpu *v, struct cpu_state *s)
{
    struct vcpu_vendor *vv = v->vendor;

    if (v->dr_loaded)
        from_cpu(vv);
    for (unsigned i = 0; i < 4; i++)
        s->dr[i] = vv->dr[i];
    s->dr6 = vmcb_dr6(vv->vmcb);
    s->dr7 = vmcb_dr7(vv->vmcb);
}

void svm_dr_set(struct vcpu *v, const struct cpu_state *s)
{
    struct vcpu_vendor *vv = v->vendor;

    for (unsigned i = 0; i < 4; i++)
        vv->dr[i] = s->dr[i];
    vmcb_set_dr6(vv->vmcb, s->dr6);
    vmcb_set_dr7(vv->vmcb, s->dr7);
    if (v->dr_loaded || (vv->loaded && s->dr7 & DR7_ENABLES))
        to_cpu(v);
}

void svm_dr_intercept(struct vcpu *v, bool on)
{
    v->vendor->dr_asked = on;
    settle_exits(v);
}
